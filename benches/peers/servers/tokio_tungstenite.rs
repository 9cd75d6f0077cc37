//! tokio-tungstenite, based on the chat server in its examples: a task and an unbounded channel per member.
#![forbid(unsafe_code)]

use futures_util::{StreamExt, TryStreamExt, future};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::{Error, Message};

type Members = Arc<Mutex<HashMap<SocketAddr, UnboundedSender<Message>>>>;

async fn chat(members: Members, socket: TcpStream, address: SocketAddr) -> Result<(), Error> {
    let (outgoing, incoming) = tokio_tungstenite::accept_async(socket).await?.split();
    let (sender, mut receiver) = unbounded_channel();
    members.lock().unwrap().insert(address, sender);
    let receive = incoming.try_for_each(|message| {
        if !message.is_close() {
            for member in members.lock().unwrap().values() {
                let _ = member.send(message.clone());
            }
        }
        future::ok(())
    });
    let send = futures_util::stream::poll_fn(|context| receiver.poll_recv(context)).map(Ok).forward(outgoing);
    let (receive, send) = (std::pin::pin!(receive), std::pin::pin!(send));
    future::select(receive, send).await;
    members.lock().unwrap().remove(&address);
    Ok(())
}

async fn echo(socket: TcpStream) -> Result<(), Error> {
    let (outgoing, incoming) = tokio_tungstenite::accept_async(socket).await?.split();
    incoming.try_filter(|message| future::ready(!message.is_close())).forward(outgoing).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let listener = TcpListener::bind(format!("127.0.0.1:{}", arguments[1])).await?;
    let members = Members::default();
    loop {
        let (socket, address) = listener.accept().await?;
        socket.set_nodelay(true)?;
        match &*arguments[2] {
            "echo" => drop(tokio::spawn(echo(socket))),
            _ => drop(tokio::spawn(chat(members.clone(), socket, address))),
        }
    }
}
