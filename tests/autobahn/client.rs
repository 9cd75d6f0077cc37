//! The client side of `throng::ws` as a subject of the Autobahn|Testsuite: it asks the suite's fuzzing server how many
//! cases there are, echoes in each what comes, and has the reports written.

use rand::random;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use throng::ws::deflate::{Compressor, Inflater, Params};
use throng::ws::handshake::{ClientRequest, Opened};
use throng::ws::{CloseFrame, Event, Message, Opcode, Protocol, Role, frame};

/// The largest message of the suite, in bytes.
const MAX_MESSAGE: usize = 16 << 20;
/// No case of the suite is silent for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the server may keep the context of what it sends, and may limit the window of what is sent to it: so each
/// parameter that the suite asks for in 13.* is allowed.
const OFFER: Params = Params {
    server_no_context_takeover: false,
    client_no_context_takeover: true,
    server_max_window_bits: None,
    client_max_window_bits: Some(15),
};

fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("usage: autobahn-client HOST:PORT")?;
    let mut cases = 0;
    converse(&server, "/getCaseCount", |_, message| {
        cases = str::from_utf8(message.payload())?.parse()?;
        Ok(())
    })?;
    for case in 1..=cases {
        let echoed = converse(&server, &format!("/runCase?case={case}&agent=throng"), |sender, message| {
            sender.send(message.opcode(), message.payload())
        });
        if let Err(error) = echoed {
            eprintln!("the {case}th case: {error}");
        }
    }
    converse(&server, "/updateReports?agent=throng", |_, _| Ok(()))
}

/// Opens a connection, hands over each message that comes on it, and returns when the server has closed it.
fn converse(
    server: &str,
    target: &str,
    mut on_message: impl FnMut(&mut Sender<'_>, &Message<'_>) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = ClientRequest {
        host: server,
        target,
        nonce: random(),
        subprotocols: &[],
        deflate: Some(OFFER),
        fields: &[],
    };
    let (opened, first) = open(&mut stream, &request)?;
    let mut protocol = Protocol::new(Role::Client, MAX_MESSAGE).with_deflate(opened.deflate.as_ref());
    let mut inflater = Inflater::default();
    let mut sender = Sender::new(&stream, opened.deflate);

    let mut buffer = vec![0; 64 << 10];
    let mut len = first.len();
    buffer[..len].copy_from_slice(&first);
    loop {
        let mut input = &mut buffer[..len];
        loop {
            match protocol.receive(&mut input, &mut inflater) {
                Ok(None) => break,
                Ok(Some(Event::Message(message))) => on_message(&mut sender, &message)?,
                Ok(Some(Event::Ping(payload))) => sender.send(Opcode::Pong, &payload)?,
                Ok(Some(Event::Fragment | Event::Pong(_))) => {}
                Ok(Some(Event::Close(close))) => sender.send(Opcode::Close, &answer(close))?,
                Err(error) => {
                    let payload = frame::close_payload(error.close_code(), &error.to_string());
                    sender.send(Opcode::Close, &payload)?;
                }
            }
        }
        len = match (&stream).read(&mut buffer) {
            // The suite resets a connection when its closing handshake is done.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            read => read?,
        };
        if len == 0 {
            return Ok(());
        }
    }
}

/// Makes the opening handshake; what was agreed on, and the bytes that came after it.
fn open(stream: &mut TcpStream, request: &ClientRequest<'_>) -> Result<(Opened, Vec<u8>), Box<dyn Error>> {
    let mut head = Vec::new();
    request.encode(&mut head);
    stream.write_all(&head)?;
    head.clear();
    loop {
        let mut piece = [0; 4096];
        let len = stream.read(&mut piece)?;
        if len == 0 {
            return Err("closed in the opening handshake".into());
        }
        head.extend_from_slice(&piece[..len]);
        if let Some(opened) = request.check_response(&head)? {
            let rest = head.split_off(opened.head_len);
            return Ok((opened, rest));
        }
    }
}

/// The payload that answers a close frame: the same code.
fn answer(close: Option<CloseFrame<'_>>) -> Vec<u8> {
    close.map_or(Vec::new(), |close| frame::close_payload(close.code, ""))
}

/// The sending half of a connection.
struct Sender<'s> {
    stream: &'s TcpStream,
    compressor: Option<Compressor>,
    frame: Vec<u8>,
}

impl<'s> Sender<'s> {
    fn new(stream: &'s TcpStream, agreed: Option<Params>) -> Sender<'s> {
        let window = agreed.map(|params| params.client_max_window_bits.unwrap_or(15));
        // No compressor can do with a window of 8; then all goes as it is, as it always may.
        let compressor = window.filter(|&bits| bits >= 9).map(Compressor::new);
        Sender { stream, compressor, frame: Vec::new() }
    }

    fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Box<dyn Error>> {
        let compressor = self.compressor.as_mut().filter(|_| !opcode.is_control());
        self.frame.clear();
        match compressor.and_then(|compressor| compressor.compress(payload)) {
            Some(compressed) => {
                frame::encode_masked_compressed(opcode, compressed, random(), &mut self.frame)
            }
            None => frame::encode_masked(opcode, payload, random(), &mut self.frame),
        }
        self.stream.write_all(&self.frame)?;
        Ok(())
    }
}
