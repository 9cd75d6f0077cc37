//! Servers that send nothing, too little, too late, or something else.

use super::wire::{Frame, PING};
use super::{Act, Incoming, Kind, Script, Server};
use std::thread;
use std::time::Duration;

/// Delivers `count` messages in total, and no more. It continues to read.
pub fn hangs_after(kind: Kind, count: u64) -> Server {
    let act = move |said: Incoming| if said.of_all < count { said.deliver() } else { vec![] };
    Script::new(kind).on_message(act).start()
}

pub fn never_answers(kind: Kind) -> Server {
    hangs_after(kind, 0)
}

/// Accepts connections and reads nothing from them.
pub fn does_not_read() -> Server {
    Script::new(Kind::Echo).without_reading().start()
}

/// Does nothing for `time` at message `count`, then continues.
pub fn stalls_after(kind: Kind, count: u64, time: Duration) -> Server {
    let act = move |said: Incoming| {
        if said.of_all == count {
            thread::sleep(time);
        }
        said.deliver()
    };
    Script::new(kind).on_message(act).start()
}

/// Stops reading and writing at message `count`.
pub fn stalls_forever(kind: Kind, count: u64) -> Server {
    stalls_after(kind, count, Duration::MAX)
}

/// The reply to messages of clients that have not joined, which none ever does.
pub const NOT_JOINED: &str = r#"{"error":"join first"}"#;

pub fn answers_errors() -> Server {
    Script::new(Kind::Room).on_message(|_| vec![Act::Reply(Frame::text(NOT_JOINED))]).start()
}

/// The reply to every second message, which is not delivered.
pub const TOO_FAST: &str = r#"{"type":"error","code":"rate_limited","text":"slow down"}"#;

pub fn limits_rate(kind: Kind) -> Server {
    let act = |said: Incoming| match said.of_all % 2 {
        0 => said.deliver(),
        _ => vec![Act::Reply(Frame::text(TOO_FAST))],
    };
    Script::new(kind).on_message(act).start()
}

pub const CHATTER: &str = "still here";

/// Keeps sending a text to everybody, and drops one message of 100.
pub fn chatters(kind: Kind) -> Server {
    let greet = |_| vec![Act::Join, Act::Every(Duration::from_millis(100), Frame::text(CHATTER))];
    let act = |said: Incoming| if said.of_all % 100 == 50 { vec![] } else { said.deliver() };
    Script::new(kind).on_open(greet).on_message(act).start()
}

/// Pings every client repeatedly.
pub fn pings(kind: Kind) -> Server {
    let ping = Frame { opcode: PING, payload: b"are you there?".to_vec() };
    let greet = move |_| vec![Act::Join, Act::Every(Duration::from_millis(50), ping.clone())];
    Script::new(kind).on_open(greet).start()
}

/// A room that clients join only `time` after they have connected.
pub fn joins_late(time: Duration) -> Server {
    Script::new(Kind::Room).on_open(move |_| vec![Act::Later(time, vec![Act::Join])]).start()
}

/// A room that clients join only `time` after they have sent `join`; they then receive `you have joined`.
pub fn joins_late_when_asked(time: Duration) -> Server {
    let act = move |said: Incoming| match &*said.frame.as_text() {
        "join" => {
            vec![Act::Later(time, vec![Act::Join, Act::Reply(Frame::text("you have joined"))])]
        }
        _ => said.deliver(),
    };
    Script::new(Kind::Room).on_open(|_| vec![]).on_message(act).start()
}

/// Delivers each message `time` after it arrived.
pub fn delays(kind: Kind, time: Duration) -> Server {
    delays_from(kind, 0, time)
}

/// Delivers each message `time` after it arrived, except the first messages of each connection.
pub fn delays_from(kind: Kind, first: u64, time: Duration) -> Server {
    let act = move |said: Incoming| match said.of_sender >= first {
        true => vec![Act::Later(time, vec![Act::Deliver(said.frame)])],
        false => said.deliver(),
    };
    Script::new(kind).on_message(act).start()
}
