//! The receiving side of a connection: bytes in, events out.
//!
//! A message that is complete in the receive buffer is unmasked and returned in place. Only incomplete
//! messages are copied, into memory that grows with the bytes received, never with the length that a header
//! declares. A compressed message is kept compressed until it is complete, so a peer cannot make a connection
//! hold more bytes than it sent.

use super::close::{self, CloseFrame, Error};
use super::deflate::{Inflater, Params, max_compressed_len};
use super::frame::{Header, Opcode};
use super::{mask, utf8};
use std::borrow::Cow;
use std::fmt;

/// The end of the connection. A server accepts only masked frames, a client only unmasked ones (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that accepted the connection.
    Server,
    /// The end that opened the connection.
    Client,
}

/// A complete message. It borrows from the receive buffer if it was complete there. `Debug` shows its length, not its
/// content.
#[derive(Clone, PartialEq, Eq)]
pub enum Message<'b> {
    /// Valid UTF-8 text.
    Text(Cow<'b, str>),
    /// Arbitrary bytes.
    Binary(Cow<'b, [u8]>),
}

impl Message<'_> {
    /// Returns the bytes of the message.
    pub fn payload(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the opcode of a frame with this message.
    pub fn opcode(&self) -> Opcode {
        match self {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        }
    }

    /// Returns the message with its own memory, so that it can be kept.
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Message::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
            Message::Binary(bytes) => Message::Binary(Cow::Owned(bytes.into_owned())),
        }
    }
}

impl<'b> From<&'b str> for Message<'b> {
    fn from(text: &'b str) -> Message<'b> {
        Message::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Message<'_> {
    fn from(text: String) -> Self {
        Message::Text(Cow::Owned(text))
    }
}

impl<'b> From<&'b [u8]> for Message<'b> {
    fn from(bytes: &'b [u8]) -> Message<'b> {
        Message::Binary(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Message<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Message::Binary(Cow::Owned(bytes))
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.opcode(), self.payload().len())
    }
}

/// Something that a peer has sent. `Debug` shows lengths, not contents.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A message, with its fragments joined.
    Message(Message<'b>),
    /// A frame of an unfinished or dropped message. Callers only need to count it.
    Fragment,
    /// A ping. A [`Connection`](super::Connection) answers it; a caller of [`Protocol`] must send a pong with the same
    /// payload (§5.5.3).
    Ping(Cow<'b, [u8]>),
    /// A pong (§5.5.3).
    Pong(Cow<'b, [u8]>),
    /// A close frame. A [`Connection`](super::Connection) answers it; a caller of [`Protocol`] must answer it with one,
    /// unless it has sent one before (§5.5.1). No further event is returned, and later bytes of the peer are ignored.
    Close(Option<CloseFrame<'b>>),
}

impl Event<'_> {
    /// Returns the event with its own memory, so that it can be kept.
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Event::Message(message) => Event::Message(message.into_owned()),
            Event::Fragment => Event::Fragment,
            Event::Ping(payload) => Event::Ping(Cow::Owned(payload.into_owned())),
            Event::Pong(payload) => Event::Pong(Cow::Owned(payload.into_owned())),
            Event::Close(close) => Event::Close(close.map(CloseFrame::into_owned)),
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Message(message) => write!(f, "Message({message:?})"),
            Event::Fragment => f.write_str("Fragment"),
            Event::Ping(payload) => write!(f, "Ping({} bytes)", payload.len()),
            Event::Pong(payload) => write!(f, "Pong({} bytes)", payload.len()),
            Event::Close(close) => f.debug_tuple("Close").field(close).finish(),
        }
    }
}

/// The receiving half of one connection, for callers that have a sending half of their own. For all others there is
/// [`Connection`](super::Connection). `Debug` does not show what is kept of messages.
pub struct Protocol {
    role: Role,
    /// Whether a close frame was received or an error occurred. Further input is ignored.
    ended: bool,
    /// Whether messages are dropped.
    drops_messages: bool,
    /// Whether compressed messages are accepted.
    deflate: bool,
    /// Largest message accepted, in bytes. 0: no limit.
    max_message: usize,
    /// The inflater of this connection, if compressed messages may refer to earlier ones.
    context: Option<Box<Inflater>>,
    /// Boxed, since an idle connection has none.
    unfinished: Option<Box<Unfinished>>,
}

/// The part of a message or frame at which the receive buffer ended.
#[derive(Default)]
struct Unfinished {
    /// The bytes of an incomplete header or control frame.
    stash: Vec<u8>,
    frame: Option<Frame>,
    message: Option<Gathered>,
}

/// A data frame whose payload is incomplete.
struct Frame {
    fin: bool,
    mask: Option<[u8; 4]>,
    /// Number of payload bytes already handled.
    taken: u64,
    payload_len: u64,
}

enum Gathered {
    Text(utf8::Gathered),
    Binary(Vec<u8>),
    Compressed { opcode: Opcode, bytes: Vec<u8> },
    Dropped,
}

impl Protocol {
    /// Creates the state of a connection after its opening handshake. `max_message` is in bytes; 0 means no
    /// limit.
    pub fn new(role: Role, max_message: usize) -> Protocol {
        Protocol {
            role,
            ended: false,
            drops_messages: false,
            deflate: false,
            max_message,
            context: None,
            unfinished: None,
        }
    }

    /// Sets the compression negotiated in the handshake. If the peer may refer to earlier messages, the connection
    /// allocates an inflater of its own, 48 KiB, at the first compressed message.
    pub fn with_deflate(mut self, agreed: Option<&Params>) -> Protocol {
        let window_bits = agreed.and_then(|params| match self.role {
            Role::Server => (!params.client_no_context_takeover).then(|| params.client_window_bits()),
            Role::Client => {
                (!params.server_no_context_takeover).then(|| params.server_max_window_bits.unwrap_or(15))
            }
        });
        self.deflate = agreed.is_some();
        self.context = window_bits.map(|bits| Box::new(Inflater::with_window(bits)));
        self
    }

    /// Drops all messages from now on, including an unfinished one: they are neither kept nor inflated,
    /// whatever their length. Control frames are still returned.
    pub fn drop_messages(&mut self) {
        self.drops_messages = true;
        self.max_message = 0;
        self.context = None;
        if let Some(message) = self.unfinished.as_mut().and_then(|unfinished| unfinished.message.as_mut()) {
            *message = Gathered::Dropped;
        }
    }

    /// Returns the number of bytes kept of messages and frames that are incomplete.
    pub fn gathered(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |unfinished| {
            unfinished.stash.len() + unfinished.message.as_ref().map_or(0, Gathered::len)
        })
    }

    /// Returns true if a message is incomplete.
    pub fn is_gathering(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|unfinished| unfinished.message.is_some())
    }

    /// Returns true if a message or frame is incomplete.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|unfinished| {
            unfinished.message.is_some() || unfinished.frame.is_some() || !unfinished.stash.is_empty()
        })
    }

    /// Consumes bytes from the front of `input` up to the end of the next event. Every frame is an event, so
    /// a caller can limit its work per call however small the frames are.
    ///
    /// Must be called until it returns `None`; then all of `input` is consumed. After an error the caller
    /// must fail the connection with [`Error::close_code`]; further input is ignored. One `inflater` with the
    /// largest window can serve all connections. Only a connection whose peer may refer to earlier messages has one
    /// of its own and does not use it.
    pub fn receive<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Event<'b>>, Error> {
        if self.ended {
            *input = &mut [];
            return Ok(None);
        }
        let result = self.next_event(input, inflater);
        self.ended = matches!(result, Err(_) | Ok(Some(Event::Close(_))));
        if self.ended || !self.is_unfinished() {
            self.unfinished = None;
        }
        result
    }

    /// Ignores all further input.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.unfinished = None;
    }

    fn next_event<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Event<'b>>, Error> {
        if self.unfinished.as_ref().is_some_and(|u| u.frame.is_some()) {
            return self.continue_payload(input, inflater);
        }
        let Some((header, header_len)) = self.take_header(input)? else {
            return Ok(None);
        };
        if header.opcode.is_control() {
            return self.take_control(header, header_len, input);
        }
        match self.begin_data(header, input, inflater)? {
            Some(message) => Ok(Some(Event::Message(message))),
            None => self.continue_payload(input, inflater),
        }
    }

    /// Decodes a header from the stashed bytes and the input. A control frame's header is not consumed, since
    /// the frame is handled once it is complete.
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<(Header, usize)>, Error> {
        let deflate = self.deflate;
        let stash = match &mut self.unfinished {
            Some(unfinished) if !unfinished.stash.is_empty() => &mut unfinished.stash,
            _ => {
                let Some((header, len)) = Header::decode(input, deflate)? else {
                    self.stash(input);
                    return Ok(None);
                };
                self.check_header(&header)?;
                if !header.opcode.is_control() {
                    take(input, len);
                }
                return Ok(Some((header, len)));
            }
        };
        loop {
            if let Some((header, len)) = Header::decode(stash, deflate)? {
                if !header.opcode.is_control() {
                    stash.clear();
                }
                self.check_header(&header)?;
                return Ok(Some((header, len)));
            }
            let [next] = take(input, 1) else {
                return Ok(None);
            };
            stash.push(*next);
        }
    }

    fn check_header(&self, header: &Header) -> Result<(), Error> {
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(Error::Unmasked),
            (Role::Client, Some(_)) => return Err(Error::Masked),
            _ => {}
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        let message = self.unfinished.as_ref().and_then(|u| u.message.as_ref());
        match (header.opcode, message) {
            (Opcode::Continuation, None) => return Err(Error::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Error::MessageInsideMessage),
            _ => {}
        }
        let gathered = message.map_or(0, Gathered::len) as u64;
        let is_compressed = header.compressed || matches!(message, Some(Gathered::Compressed { .. }));
        let limit = self.max_message;
        let most = if is_compressed { max_compressed_len(limit) } else { limit };
        if limit > 0 && gathered + header.payload_len > most as u64 {
            return Err(Error::TooBig { limit });
        }
        Ok(())
    }

    fn take_control<'b>(
        &mut self,
        header: Header,
        header_len: usize,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Event<'b>>, Error> {
        let frame_len = header_len + header.payload_len as usize;
        let stashed = self.unfinished.as_ref().map_or(0, |u| u.stash.len());
        if stashed + input.len() < frame_len {
            self.stash(input);
            return Ok(None);
        }
        let mut frame = match &mut self.unfinished {
            Some(unfinished) if stashed > 0 => {
                unfinished.stash.extend_from_slice(take(input, frame_len - stashed));
                CowMut::Owned(std::mem::take(&mut unfinished.stash))
            }
            _ => CowMut::Borrowed(take(input, frame_len)),
        };
        if let Some(key) = header.mask {
            mask::apply(key, 0, &mut frame.as_mut()[header_len..]);
        }
        let payload = frame.without_first(header_len);
        Ok(Some(match header.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => Event::Close(close::decode(payload)?),
        }))
    }

    /// Begins a data frame. Returns the message if it is complete in the input.
    fn begin_data<'b>(
        &mut self,
        header: Header,
        input: &mut &'b mut [u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Message<'b>>, Error> {
        let first = header.opcode != Opcode::Continuation;
        if first && header.fin && header.payload_len <= input.len() as u64 && !self.drops_messages {
            let payload = take(input, header.payload_len as usize);
            if let Some(key) = header.mask {
                mask::apply(key, 0, payload);
            }
            return match header.opcode {
                opcode if header.compressed => self.inflate(opcode, payload, inflater).map(Some),
                Opcode::Text => std::str::from_utf8(payload)
                    .map(|text| Some(Message::Text(Cow::Borrowed(text))))
                    .map_err(|_| Error::InvalidUtf8),
                _ => Ok(Some(Message::Binary(Cow::Borrowed(payload)))),
            };
        }
        let unfinished = self.unfinished.get_or_insert_default();
        match header.opcode {
            Opcode::Continuation => {}
            _ if self.drops_messages => unfinished.message = Some(Gathered::Dropped),
            opcode if header.compressed => {
                unfinished.message = Some(Gathered::Compressed { opcode, bytes: Vec::new() })
            }
            Opcode::Text => unfinished.message = Some(Gathered::Text(utf8::Gathered::default())),
            _ => unfinished.message = Some(Gathered::Binary(Vec::new())),
        }
        unfinished.frame =
            Some(Frame { fin: header.fin, mask: header.mask, taken: 0, payload_len: header.payload_len });
        Ok(None)
    }

    fn continue_payload<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        inflater: &mut Inflater,
    ) -> Result<Option<Event<'b>>, Error> {
        let Some(Unfinished { frame: frame_slot, message: message_slot, .. }) =
            self.unfinished.as_deref_mut()
        else {
            return Ok(None);
        };
        let (Some(frame), Some(message)) = (frame_slot.as_mut(), message_slot.as_mut()) else {
            return Ok(None);
        };
        let missing = frame.payload_len - frame.taken;
        let piece = take(input, missing.min(input.len() as u64) as usize);
        if !matches!(message, Gathered::Dropped) {
            if let Some(key) = frame.mask {
                mask::apply(key, frame.taken as usize, piece);
            }
            message.push(piece)?;
        }
        frame.taken += piece.len() as u64;
        if frame.taken < frame.payload_len {
            return Ok(None);
        }
        let fin = frame.fin;
        *frame_slot = None;
        if !fin {
            return Ok(Some(Event::Fragment));
        }
        match message_slot.take() {
            None => Ok(Some(Event::Fragment)),
            Some(message) => self.complete(message, inflater).map(Some),
        }
    }

    fn complete<'b>(&mut self, message: Gathered, inflater: &mut Inflater) -> Result<Event<'b>, Error> {
        let message = match message {
            Gathered::Text(text) => Message::Text(Cow::Owned(text.finish().map_err(|_| Error::InvalidUtf8)?)),
            Gathered::Binary(bytes) => Message::Binary(Cow::Owned(bytes)),
            Gathered::Compressed { opcode, bytes } => self.inflate(opcode, &bytes, inflater)?,
            Gathered::Dropped => return Ok(Event::Fragment),
        };
        Ok(Event::Message(message))
    }

    fn inflate<'b>(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        shared: &mut Inflater,
    ) -> Result<Message<'b>, Error> {
        let message = match &mut self.context {
            Some(own) => own.inflate(payload, self.max_message, true)?,
            None => shared.inflate(payload, self.max_message, false)?,
        };
        match opcode {
            Opcode::Text => String::from_utf8(message)
                .map(|text| Message::Text(Cow::Owned(text)))
                .map_err(|_| Error::InvalidUtf8),
            _ => Ok(Message::Binary(Cow::Owned(message))),
        }
    }

    fn stash(&mut self, input: &mut &mut [u8]) {
        if input.is_empty() {
            return;
        }
        let piece = take(input, input.len());
        let unfinished = self.unfinished.get_or_insert_default();
        unfinished.stash.extend_from_slice(piece);
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol")
            .field("role", &self.role)
            .field("ended", &self.ended)
            .field("is_unfinished", &self.is_unfinished())
            .finish_non_exhaustive()
    }
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Gathered::Text(text) => text.len(),
            Gathered::Binary(bytes) | Gathered::Compressed { bytes, .. } => bytes.len(),
            Gathered::Dropped => 0,
        }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Error> {
        match self {
            Gathered::Text(text) => text.push(piece).map_err(|_| Error::InvalidUtf8),
            Gathered::Binary(bytes) | Gathered::Compressed { bytes, .. } => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Gathered::Dropped => Ok(()),
        }
    }
}

/// A control frame, either in the input or assembled in its own memory.
enum CowMut<'b> {
    Borrowed(&'b mut [u8]),
    Owned(Vec<u8>),
}

impl<'b> CowMut<'b> {
    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            CowMut::Borrowed(bytes) => bytes,
            CowMut::Owned(bytes) => bytes,
        }
    }

    fn without_first(self, n: usize) -> Cow<'b, [u8]> {
        match self {
            CowMut::Borrowed(bytes) => Cow::Borrowed(&bytes[n..]),
            CowMut::Owned(mut bytes) => Cow::Owned(bytes.split_off(n)),
        }
    }
}

/// Splits off the first `n` bytes of `input`, or all of them if there are fewer.
fn take<'b>(input: &mut &'b mut [u8], n: usize) -> &'b mut [u8] {
    let n = n.min(input.len());
    let (front, rest) = std::mem::take(input).split_at_mut(n);
    *input = rest;
    front
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
