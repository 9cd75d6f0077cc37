//! The protocol as a library: the examples, and a server on tokio, over real sockets, with each other and with
//! tungstenite.

#[path = "../examples/client.rs"]
#[allow(dead_code, reason = "it has a main function of its own")]
mod client;
#[path = "../examples/server.rs"]
#[allow(dead_code, reason = "it has a main function of its own")]
mod server;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use throng::ws::handshake::{Accepting, Answer};
use throng::ws::{ClosedBy, Codec, Config, Event, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tungstenite::Message;

fn lines() -> Vec<String> {
    vec!["Hello".to_owned(), String::new(), "好".repeat(30_000), "a".repeat(200_000)]
}

/// Serves one connection with the example, on a thread.
fn serve_one() -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || server::serve(listener.accept()?.0)))
}

#[test]
fn the_examples_understand_each_other() {
    let (address, served) = serve_one();
    let received = client::converse(TcpStream::connect(address).unwrap(), "/", lines()).unwrap();
    assert_eq!(received, lines());
    served.join().unwrap().unwrap();
}

#[test]
fn the_server_understands_tungstenite() {
    let (address, served) = serve_one();
    let (mut client, _) = tungstenite::connect(format!("ws://{address}/")).unwrap();
    for line in lines() {
        client.send(Message::text(line.clone())).unwrap();
        assert_eq!(client.read().unwrap(), Message::text(line));
    }
    client.send(Message::Ping("ping".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("ping".into()));
    client.close(None).unwrap();
    while client.read().is_ok() {}
    served.join().unwrap().unwrap();
}

#[test]
fn the_client_understands_tungstenite() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let mut server = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        while let Ok(message) = server.read() {
            if message.is_text() {
                server.send(message).unwrap();
            }
        }
    });
    let received = client::converse(TcpStream::connect(address).unwrap(), "/", lines()).unwrap();
    assert_eq!(received, lines());
    served.join().unwrap();
}

#[test]
fn what_is_not_a_handshake_is_refused() {
    use std::io::{Read, Write};
    let (address, served) = serve_one();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 426 "), "{response}");
    served.join().unwrap().unwrap();
}

/// Echoes messages of one connection until it is closed, and returns by whom.
async fn serve_on_tokio(listener: tokio::net::TcpListener) -> std::io::Result<ClosedBy> {
    let (mut stream, _) = listener.accept().await?;
    let (mut codec, mut buffer) = (Codec::new(), vec![0; 64 << 10]);
    let (mut accepting, mut opened) = (Accepting::new(&Config::default()), None);
    loop {
        let len = stream.read(&mut buffer).await?;
        let mut input = &mut buffer[..len];
        if opened.is_none() {
            opened = accepting.receive(&mut input, |_| Ok(Answer::new())).expect("a handshake");
        }
        let Some(connection) = &mut opened else {
            assert!(len > 0, "closed in the opening handshake");
            continue;
        };
        if len == 0 {
            connection.receive_end();
        }
        while let Ok(Some(event)) = connection.receive(&mut input, &mut codec) {
            if let Event::Message(message) = event {
                connection.send(&message, &mut codec).map_err(std::io::Error::other)?;
            }
        }
        stream.write_all(connection.output()).await?;
        connection.wrote(connection.output().len());
        if let State::Closed(by) = connection.state() {
            return Ok(by);
        }
    }
}

#[test]
fn a_server_on_tokio_serves_the_client() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let closed_by = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let received = client::converse(TcpStream::connect(address).unwrap(), "/", lines()).unwrap();
            assert_eq!(received, lines());
        });
        let closed_by = serve_on_tokio(listener).await.unwrap();
        (closed_by, client)
    });
    closed_by.1.join().unwrap();
    assert_eq!(closed_by.0, ClosedBy::Peer);
}
