//! Frames and messages: what one end sends, and what the other hears.

use flate2::{Compress, Compression, FlushCompress};
use stats_alloc::Region;
use throng::ws::deflate::{INFLATER_SIZE, Inflater, Params};
use throng::ws::{CloseCode, Encoder, Error, Event, Form, Opcode, Protocol, Role, frame};

use crate::{ALLOCATOR, Cuts, agreement, records};

/// What is in a frame or a message.
pub type Content = (Opcode, Vec<u8>);

/// The receiving half of a connection.
pub struct Receiver {
    protocol: Protocol,
    inflater: Inflater,
    /// From the first event on.
    drops_messages: bool,
}

impl Receiver {
    /// `max_message` as in [`Protocol::new`], and what was agreed on as in [`Protocol::with_deflate`].
    pub fn new(role: Role, max_message: usize, agreed: Option<Params>) -> Receiver {
        let protocol = Protocol::new(role, max_message).with_deflate(agreed.as_ref());
        Receiver { protocol, inflater: Inflater::default(), drops_messages: false }
    }

    /// One by a byte of an input: with that [`agreement`], and in the upper half it drops messages after an event.
    pub fn chosen(choice: u8, role: Role, max_message: usize) -> Receiver {
        Receiver { drops_messages: choice >= 0x80, ..Receiver::new(role, max_message, agreement(choice)) }
    }

    fn receive(&mut self, mut read: &mut [u8], mut hear: impl FnMut(Event<'_>)) -> Result<(), Error> {
        while let Some(event) = self.protocol.receive(&mut read, &mut self.inflater)? {
            hear(event);
            if self.drops_messages {
                self.protocol.drop_messages();
            }
        }
        assert!(read.is_empty(), "a read is taken whole");
        Ok(())
    }

    /// What comes of some reads, up to the first error.
    pub fn receive_all(mut self, reads: &[&[u8]]) -> (Vec<Content>, Result<(), Error>) {
        let mut heard = Vec::new();
        let end = reads
            .iter()
            .try_for_each(|read| self.receive(&mut read.to_vec(), |event| heard.extend(content(event))));
        (heard, end)
    }
}

fn content(event: Event<'_>) -> Option<Content> {
    Some(match event {
        Event::Fragment => return None,
        Event::Message(message) => (message.opcode(), message.payload().to_vec()),
        Event::Ping(payload) => (Opcode::Ping, payload.into_owned()),
        Event::Pong(payload) => (Opcode::Pong, payload.into_owned()),
        Event::Close(None) => (Opcode::Close, Vec::new()),
        Event::Close(Some(close)) => (Opcode::Close, frame::close_payload(close.code, &close.reason)),
        other => panic!("{other:?}"),
    })
}

/// Receives arbitrary bytes, and weighs what is kept of them from one read to the next: nothing at rest, else no more
/// than has come of the unfinished message, in memory that grows by doubling. A context is kept besides.
pub fn receive_frugally(role: Role, input: &[u8]) {
    const BOOKKEEPING: usize = 256;
    let Some((&choice, input)) = input.split_first() else { return };
    let (cuts, bytes) = Cuts::split_from(input);
    let mut reads: Vec<Vec<u8>> = cuts.pieces(bytes).into_iter().map(<[u8]>::to_vec).collect();
    let mut receiver = Receiver::chosen(choice, role, 0);
    let keeps_context = agreement(choice).is_some_and(|agreed| !agreed.client_no_context_takeover);
    let mut context = if keeps_context { INFLATER_SIZE } else { 0 };
    // The one that serves all connections does not count.
    receiver.inflater.inflate(b"\0", 0, false).expect("it is an empty message");
    let before = Region::new(ALLOCATOR);
    let (mut come, mut is_dropping) = (0, false);
    for read in &mut reads {
        come += read.len();
        let _error = receiver.receive(read, |_| is_dropping = choice >= 0x80);
        let change = before.change();
        let kept = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
        if is_dropping {
            // Only of a control frame.
            (context, come) = (0, come.min(frame::MAX_HEADER + frame::MAX_CONTROL));
        }
        if !receiver.protocol.is_unfinished() {
            assert!(kept <= context, "{kept} bytes are kept at rest");
            come = 0;
        }
        assert!(kept <= context + BOOKKEEPING + 2 * come, "{kept} bytes are kept of {come}");
    }
}

/// What a script tells to send: in each record a letter for the kind, and the payload. If the first letter is in upper
/// case, its payload is repeated until it is long.
pub fn contents(script: &[u8]) -> Vec<Content> {
    const MOST: usize = 20;
    const LONG: usize = 70_000;
    let content = |(index, record): (usize, &[u8])| {
        let (&kind, payload) = record.split_first()?;
        let is_long = index == 0 && kind.is_ascii_uppercase() && !payload.is_empty();
        let payload = if is_long { payload.repeat(LONG / payload.len()) } else { payload.to_vec() };
        let text = || String::from_utf8_lossy(&payload);
        let control = || payload[..payload.len().min(frame::MAX_CONTROL)].to_vec();
        Some(match kind.to_ascii_lowercase() {
            b't' => (Opcode::Text, text().into_owned().into_bytes()),
            b'p' => (Opcode::Ping, control()),
            b'o' => (Opcode::Pong, control()),
            b'c' => (Opcode::Close, frame::close_payload(CloseCode::NORMAL, &text())),
            _ => (Opcode::Binary, payload),
        })
    };
    let mut contents: Vec<_> = records(script).take(MOST).enumerate().filter_map(content).collect();
    let end = contents.iter().position(|(opcode, _)| *opcode == Opcode::Close);
    contents.truncate(end.map_or(contents.len(), |close| close + 1));
    contents
}

/// The bytes of an end that sends this.
pub fn send(from: Role, contents: &[Content], agreed: Option<Params>) -> Vec<u8> {
    match from {
        Role::Server => send_from_server(contents, Form::agreed(agreed.as_ref())),
        Role::Client => send_from_client(contents, agreed),
    }
}

fn send_from_server(contents: &[Content], form: Form) -> Vec<u8> {
    let (mut encoder, mut sent) = (Encoder::default(), Vec::new());
    for (opcode, payload) in contents {
        let form = if opcode.is_control() { Form::Plain } else { form };
        encoder.encode(form, *opcode, payload, &mut sent);
    }
    sent
}

/// Compresses all that it may, and keeps its context if it may.
fn send_from_client(contents: &[Content], agreed: Option<Params>) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut sent = Vec::new();
    let mut compress = Compress::new(Compression::fast(), false);
    for (opcode, payload) in contents {
        match agreed {
            Some(agreed) if !opcode.is_control() => {
                if agreed.client_no_context_takeover {
                    compress.reset();
                }
                let mut compressed = Vec::with_capacity(2 * payload.len() + 64);
                compress.compress_vec(payload, &mut compressed, FlushCompress::Sync).expect("it has room");
                // Where there is nothing to flush it writes nothing; an empty message is an empty block.
                let compressed = compressed.strip_suffix(b"\0\0\xff\xff").unwrap_or(b"\0");
                frame::encode_masked_compressed(*opcode, compressed, KEY, &mut sent);
            }
            _ => frame::encode_masked(*opcode, payload, KEY, &mut sent),
        }
    }
    sent
}
