//! fastwebsockets with hyper, based on its examples: a writer task and an unbounded channel per member.
#![forbid(unsafe_code)]

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Members = Arc<Mutex<Vec<UnboundedSender<Arc<[u8]>>>>>;

async fn chat(members: Members, upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let (incoming, mut outgoing) = upgraded.await?.split(tokio::io::split);
    let (sender, mut receiver) = unbounded_channel::<Arc<[u8]>>();
    members.lock().unwrap().push(sender);
    tokio::spawn(async move {
        while let Some(text) = receiver.recv().await {
            if outgoing.write_frame(Frame::text(Payload::Borrowed(&text))).await.is_err() {
                return; // The next message finds the channel closed and removes the member.
            }
        }
    });
    let mut incoming = FragmentCollectorRead::new(incoming);
    loop {
        let frame = incoming.read_frame(&mut |_| async { Ok::<_, WebSocketError>(()) }).await?;
        if frame.opcode == OpCode::Text {
            let text: Arc<[u8]> = frame.payload.to_vec().into();
            members.lock().unwrap().retain(|member| member.send(text.clone()).is_ok());
        }
    }
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = socket.read_frame().await?;
        if frame.opcode == OpCode::Text {
            socket.write_frame(frame).await?;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let (members, echoes) = (Members::default(), arguments[2] == "echo");
    let listener = TcpListener::bind(format!("127.0.0.1:{}", arguments[1])).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let members = members.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let upgrade = upgrade(&mut request).map(|(response, upgraded)| {
                match echoes {
                    true => tokio::spawn(echo(upgraded)),
                    false => tokio::spawn(chat(members.clone(), upgraded)),
                };
                response
            });
            std::future::ready(upgrade)
        });
        let socket = hyper_util::rt::TokioIo::new(socket);
        tokio::spawn(http1::Builder::new().serve_connection(socket, service).with_upgrades());
    }
}
