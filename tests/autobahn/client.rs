//! The client side of `throng::ws` as a subject of the Autobahn|Testsuite: it asks the suite's fuzzing server how many
//! cases there are, echoes in each what comes, and has the reports written.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use throng::ws::deflate::Params;
use throng::ws::handshake::{ClientRequest, Connecting};
use throng::ws::{Codec, Config, Connection, Event, Message};

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
    let mut codec = Codec::new();
    let mut cases = 0;
    converse(&server, "/getCaseCount", &mut codec, |_, message, _| {
        cases = str::from_utf8(message.payload())?.parse()?;
        Ok(())
    })?;
    for case in 1..=cases {
        let target = format!("/runCase?case={case}&agent=throng");
        let echoed = converse(&server, &target, &mut codec, |connection, message, codec| {
            Ok(connection.send(message, codec)?)
        });
        if let Err(error) = echoed {
            eprintln!("case {case}: {error}");
        }
    }
    converse(&server, "/updateReports?agent=throng", &mut codec, |_, _, _| Ok(()))
}

/// Opens a connection, passes on each message that it receives, and returns when the server has closed it.
fn converse(
    server: &str,
    target: &str,
    codec: &mut Codec,
    mut on_message: impl FnMut(&mut Connection, &Message<'_>, &mut Codec) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = ClientRequest::new(server, target);
    request.deflate = &[OFFER];
    let config = Config { max_message: MAX_MESSAGE, ..Config::default() };
    let mut connecting = Connecting::new(&request, &config, codec)?;
    stream.write_all(connecting.output())?;
    let mut connection = None;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let len = match stream.read(&mut buffer) {
            // The suite resets a connection when its closing handshake is done.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            read => read?,
        };
        let mut input = &mut buffer[..len];
        if connection.is_none() {
            connection = connecting.receive(&mut input)?.map(|(connection, _)| connection);
        }
        let Some(connection) = &mut connection else {
            if len == 0 {
                return Err("closed in the opening handshake".into());
            }
            continue;
        };
        // An error is answered with a close frame, after which the server closes the stream.
        while let Ok(Some(event)) = connection.receive(&mut input, codec) {
            if let Event::Message(message) = event {
                on_message(connection, &message, codec)?;
            }
        }
        stream.write_all(connection.output())?;
        connection.wrote(connection.output().len());
        if len == 0 {
            return Ok(());
        }
    }
}
