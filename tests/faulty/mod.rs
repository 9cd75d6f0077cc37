//! Small servers that each do one thing wrong, by tungstenite.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use throng::ws::{CloseCode, Opcode, frame};
use tungstenite::Message;

/// What a server does wrong. Messages are counted from 0: by connection where they are echoed, in all in a room.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// The 50th of each 100 is left out.
    Drops,
    /// The 50th of each 100 goes twice.
    Doubles,
    /// The 50th of each 100 goes after the next.
    Reorders,
    /// The 50th of each 100 goes with other content.
    Damages,
    /// Each waits so long.
    Late(Duration),
    /// The 50th waits so long, and all behind it.
    Stalls(Duration),
    /// The 50th of each 100 is left out, and something else is said all the time.
    Chatters,
    /// The handshake is answered with 503.
    Refuses,
    /// The handshake is not answered.
    Silent,
    /// The 50th is answered with a close frame.
    Closes,
    /// The speaker does not hear itself.
    LeavesOutSpeaker,
}

/// Who hears a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The one who sent it.
    Echo,
    /// All.
    Room,
}

#[derive(Default)]
struct Room {
    members: Vec<TcpStream>,
    said: u32,
    held: Option<Vec<u8>>,
}

/// Starts a server; its port.
pub fn start(kind: Kind, fault: Fault) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = Arc::new(Mutex::new(Room::default()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let room = if kind == Kind::Room { Arc::clone(&all) } else { Arc::default() };
            thread::spawn(move || serve(stream.unwrap(), &room, fault));
        }
    });
    port
}

fn serve(mut stream: TcpStream, room: &Mutex<Room>, fault: Fault) {
    match fault {
        Fault::Refuses => {
            let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        Fault::Silent => return thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
    stream.set_nodelay(true).unwrap();
    let own = stream.try_clone().unwrap();
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    let member = {
        let mut room = room.lock().unwrap();
        room.members.push(own);
        room.members.len() - 1
    };
    if matches!(fault, Fault::Chatters) {
        let mut chatter = socket.get_ref().try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            frame::encode(Opcode::Text, b"still here", &mut bytes);
            while chatter.write_all(&bytes).is_ok() {
                thread::sleep(Duration::from_millis(100));
            }
        });
    }
    while let Ok(message) = socket.read() {
        match message {
            Message::Text(_) | Message::Binary(_) => {
                let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
                room.lock().unwrap().say(member, opcode, message.into_data().to_vec(), fault);
            }
            Message::Close(_) => {
                let _ = socket.flush();
                return;
            }
            _ => {}
        }
    }
}

impl Room {
    fn say(&mut self, speaker: usize, opcode: Opcode, mut payload: Vec<u8>, fault: Fault) {
        let number = self.said;
        self.said += 1;
        let is_50th = number % 100 == 50;
        let mut times = 1;
        match fault {
            Fault::Drops | Fault::Chatters if is_50th => times = 0,
            Fault::Doubles if is_50th => times = 2,
            Fault::Damages if is_50th => *payload.last_mut().unwrap() ^= 1,
            Fault::Late(time) => thread::sleep(time),
            Fault::Stalls(time) if number == 50 => thread::sleep(time),
            Fault::Closes if number == 50 => {
                let mut close = Vec::new();
                frame::encode(Opcode::Close, &frame::close_payload(CloseCode::GOING_AWAY, ""), &mut close);
                return self.write(&close, None);
            }
            _ => {}
        }
        let mut bytes = Vec::new();
        for _ in 0..times {
            frame::encode(opcode, &payload, &mut bytes);
        }
        if matches!(fault, Fault::Reorders) && is_50th {
            self.held = Some(bytes);
            return;
        }
        bytes.extend(self.held.take().unwrap_or_default());
        let left_out = matches!(fault, Fault::LeavesOutSpeaker).then_some(speaker);
        self.write(&bytes, left_out);
    }

    fn write(&mut self, bytes: &[u8], left_out: Option<usize>) {
        for (number, member) in self.members.iter_mut().enumerate() {
            if Some(number) != left_out {
                let _ = member.write_all(bytes);
            }
        }
    }
}
