//! `ws-client ADDRESS PATH`, a blocking client: sends the lines of standard input, closes, and prints what it received.
use std::io::{Read, Write, stdin};
use std::net::TcpStream;
use throng::ws::handshake::{ClientRequest, Connecting};
use throng::ws::{CloseCode, Codec, Config, Event};

type Failure = Box<dyn std::error::Error>;
fn main() -> Result<(), Failure> {
    let [address, target] = [1, 2].map(|n| std::env::args().nth(n).unwrap_or_default());
    let lines = stdin().lines().collect::<Result<Vec<String>, _>>()?;
    converse(TcpStream::connect(address)?, &target, lines)?.iter().for_each(|text| println!("{text}"));
    Ok(())
}

pub fn converse(mut stream: TcpStream, target: &str, lines: Vec<String>) -> Result<Vec<String>, Failure> {
    let (mut codec, mut buffer, mut received) = (Codec::new(), vec![0; 64 << 10], Vec::new());
    let host = stream.peer_addr()?.to_string();
    let mut connecting = Connecting::new(&ClientRequest::new(&host, target), &Config::default(), &mut codec)?;
    stream.write_all(connecting.output())?;
    let mut opened = None;
    // The server closes the TCP connection, after it has answered the close frame.
    while let len @ 1.. = stream.read(&mut buffer)? {
        let mut input = &mut buffer[..len];
        if opened.is_none() {
            let Some((mut connection, _)) = connecting.receive(&mut input)? else { continue };
            lines.iter().try_for_each(|line| connection.send(&line.as_str().into(), &mut codec))?;
            connection.close(CloseCode::NORMAL, "", &mut codec)?;
            stream.write_all(connection.output())?;
            opened = Some(connection);
        }
        let Some(connection) = &mut opened else { continue };
        while let Some(event) = connection.receive(&mut input, &mut codec)? {
            if let Event::Message(message) = event {
                received.push(String::from_utf8_lossy(message.payload()).into_owned());
            }
        }
    }
    Ok(received)
}
