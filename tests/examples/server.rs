//! `ws-server ADDRESS`, a blocking server: echoes messages, with a thread for each connection.
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use throng::ws::handshake::{Accepting, Answer};
use throng::ws::{Codec, Config, Event, State};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:8080"))?;
    for stream in listener.incoming() {
        std::thread::spawn(|| stream.and_then(serve).unwrap_or_else(|error| eprintln!("{error}")));
    }
    Ok(())
}

pub fn serve(mut stream: TcpStream) -> io::Result<()> {
    let (mut codec, mut buffer) = (Codec::new(), vec![0; 64 << 10]);
    let (mut accepting, mut opened) = (Accepting::new(&Config::default()), None);
    while let len @ 1.. = stream.read(&mut buffer)? {
        let mut input = &mut buffer[..len];
        if opened.is_none() {
            match accepting.receive(&mut input, |_request| Ok(Answer::new())) {
                Ok(connection) => opened = connection,
                Err(rejected) => return stream.write_all(rejected.output()),
            }
        }
        let Some(connection) = &mut opened else { continue };
        while let Ok(Some(event)) = connection.receive(&mut input, &mut codec) {
            if let Event::Message(message) = event {
                connection.send(&message, &mut codec).map_err(io::Error::other)?;
            }
        }
        stream.write_all(connection.output())?;
        connection.wrote(connection.output().len());
        if matches!(connection.state(), State::Closed(_)) {
            break;
        }
    }
    Ok(())
}
