//! The receiving half of a connection: bytes in, events out.
//!
//! A message that lies whole in the receive buffer is unmasked and handed out where it lies. Only what is
//! unfinished when the buffer ends is kept, in memory that grows with the bytes that came, never with the
//! length that a header declares. Of a compressed message it is the compressed bytes: it is inflated when it is
//! whole, so that nobody can make a connection keep more than was sent.

use super::close::{self, CloseFrame, Error};
use super::deflate::{Inflater, Params, most_compressed};
use super::frame::{Header, Opcode};
use super::{mask, utf8};
use std::borrow::Cow;

/// Which end of the connection this is. A server takes masked frames only, a client unmasked ones (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that accepted the connection.
    Server,
    /// The end that opened it.
    Client,
}

/// A whole message, in the receive buffer if it lay there whole, else gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'b> {
    /// Text, checked to be UTF-8.
    Text(Cow<'b, str>),
    /// Any bytes.
    Binary(Cow<'b, [u8]>),
}

impl Message<'_> {
    /// The content, of either kind.
    pub fn payload(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// The opcode that a frame with this message has.
    pub fn opcode(&self) -> Opcode {
        match self {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        }
    }
}

/// What a peer has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A message, all its fragments together.
    Message(Message<'b>),
    /// A frame of a message that goes on, or of one that is passed over: nothing to do but to count it.
    Fragment,
    /// To be answered with a pong of the same payload (§5.5.3).
    Ping(Cow<'b, [u8]>),
    /// A sign of life (§5.5.3).
    Pong(Cow<'b, [u8]>),
    /// The closing handshake: to be answered with a close frame, unless one was sent already (§5.5.1).
    /// No event follows; bytes that the peer sends after it are ignored.
    Close(Option<CloseFrame<'b>>),
}

/// The receiving state machine of one connection.
#[derive(Debug)]
pub struct Protocol {
    role: Role,
    /// A close frame came, or an error: what follows is not looked at.
    ended: bool,
    /// Messages are passed over.
    drops_messages: bool,
    /// Messages may come compressed.
    deflate: bool,
    /// In bytes.
    max_message: usize,
    /// Where compressed messages may refer to those before them, which only an inflater of its own remembers.
    context: Option<Box<Inflater>>,
    /// Boxed, since a connection at rest has none.
    unfinished: Option<Box<Unfinished>>,
}

/// What the end of the receive buffer cut.
#[derive(Debug, Default)]
struct Unfinished {
    /// The bytes of a header that is not complete, or of a control frame that is not.
    stash: Vec<u8>,
    frame: Option<Frame>,
    message: Option<Gathered>,
}

/// A data frame whose payload is under way.
#[derive(Debug)]
struct Frame {
    fin: bool,
    mask: Option<[u8; 4]>,
    /// Bytes of the payload already taken.
    taken: u64,
    payload_len: u64,
}

#[derive(Debug)]
enum Gathered {
    Text(utf8::Gathered),
    Binary(Vec<u8>),
    Compressed { opcode: Opcode, bytes: Vec<u8> },
    Dropped,
}

impl Protocol {
    /// A connection whose opening handshake is complete. `max_message` is in bytes; 0 means no limit.
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

    /// The same where the handshake ended with this agreement on compression.
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

    /// Looks only for control frames from now on. Messages, also the one under way, are passed over: nothing of
    /// them is kept or inflated, whatever they are and however long.
    pub fn drop_messages(&mut self) {
        self.drops_messages = true;
        self.max_message = 0;
        self.context = None;
        if let Some(message) = self.unfinished.as_mut().and_then(|unfinished| unfinished.message.as_mut()) {
            *message = Gathered::Dropped;
        }
    }

    /// Whether a message has begun whose last byte has not come.
    pub fn is_gathering(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|unfinished| unfinished.message.is_some())
    }

    /// Whether a frame or message has begun whose last byte has not come.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|unfinished| {
            unfinished.message.is_some() || unfinished.frame.is_some() || !unfinished.stash.is_empty()
        })
    }

    /// Takes bytes from the front of `input` up to and including the next event. Each frame is one, so that a caller
    /// can limit what it handles at a time however small the frames.
    ///
    /// To be called until it returns `None`; then all of `input` was taken. After an error the connection
    /// is to be failed with [`Error::close_code`]; further input is ignored. Any `inflater` will do: one serves
    /// all connections.
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

    /// Takes a header from the stash and the input together. Of a control frame the bytes stay where they
    /// are, since it is handed out whole.
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
        let most = if is_compressed { most_compressed(limit) } else { limit };
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

    /// Begins a data frame; the message, if it is whole and lies in the input.
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

/// A control frame in the input, or put together in memory of its own.
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

/// Takes `n` bytes from the front of `input`, or all that there are.
fn take<'b>(input: &mut &'b mut [u8], n: usize) -> &'b mut [u8] {
    let n = n.min(input.len());
    let (front, rest) = std::mem::take(input).split_at_mut(n);
    *input = rest;
    front
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
