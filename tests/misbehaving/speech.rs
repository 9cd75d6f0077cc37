//! Servers that say nothing, too little, too late, or something else.

use super::wire::{Frame, PING};
use super::{Act, Kind, Said, Script, Server};
use std::thread;
use std::time::Duration;

/// Passes on so many messages in all, and no more; it still reads.
pub fn hangs_after(kind: Kind, count: u64) -> Server {
    let act = move |said: Said| if said.of_all < count { said.deliver() } else { vec![] };
    Script::new(kind).on_message(act).start()
}

pub fn never_answers(kind: Kind) -> Server {
    hangs_after(kind, 0)
}

/// Opens connections, and reads nothing from them.
pub fn does_not_read() -> Server {
    Script::new(Kind::Echo).without_reading().start()
}

/// After so many messages it does nothing for that long, and is as before then.
pub fn stalls_after(kind: Kind, count: u64, time: Duration) -> Server {
    let act = move |said: Said| {
        if said.of_all == count {
            thread::sleep(time);
        }
        said.deliver()
    };
    Script::new(kind).on_message(act).start()
}

/// After so many messages it neither reads nor writes any more.
pub fn stalls_for_ever(kind: Kind, count: u64) -> Server {
    stalls_after(kind, count, Duration::MAX)
}

/// What it says to messages that come before their sender has joined, which nobody ever does.
pub const NOT_JOINED: &str = r#"{"error":"join first"}"#;

pub fn answers_errors() -> Server {
    Script::new(Kind::Room).on_message(|_| vec![Act::Reply(Frame::text(NOT_JOINED))]).start()
}

/// What it says to every second message, which it does not pass on.
pub const TOO_FAST: &str = r#"{"type":"error","code":"rate_limited","text":"slow down"}"#;

pub fn limits_rate(kind: Kind) -> Server {
    let act = |said: Said| match said.of_all % 2 {
        0 => said.deliver(),
        _ => vec![Act::Reply(Frame::text(TOO_FAST))],
    };
    Script::new(kind).on_message(act).start()
}

pub const CHATTER: &str = "still here";

/// Always says something to everybody, and drops one message of 100.
pub fn chatters(kind: Kind) -> Server {
    let greet = |_| vec![Act::Join, Act::Every(Duration::from_millis(100), Frame::text(CHATTER))];
    let act = |said: Said| if said.of_all % 100 == 50 { vec![] } else { said.deliver() };
    Script::new(kind).on_open(greet).on_message(act).start()
}

/// Pings every client all the time.
pub fn pings(kind: Kind) -> Server {
    let ping = Frame { opcode: PING, payload: b"are you there?".to_vec() };
    let greet = move |_| vec![Act::Join, Act::Every(Duration::from_millis(50), ping.clone())];
    Script::new(kind).on_open(greet).start()
}

/// A room that a client has joined only so long after it has opened its connection.
pub fn joins_late(time: Duration) -> Server {
    Script::new(Kind::Room).on_open(move |_| vec![Act::Later(time, Box::new(Act::Join))]).start()
}

/// A room that a client has joined only so long after it has said `join`, and is told `joined` then.
pub fn joins_late_when_asked(time: Duration) -> Server {
    let act = move |said: Said| match &*said.frame.as_text() {
        "join" => {
            let tell = Act::Later(time, Box::new(Act::Reply(Frame::text("you have joined"))));
            vec![Act::Later(time, Box::new(Act::Join)), tell]
        }
        _ => said.deliver(),
    };
    Script::new(Kind::Room).on_open(|_| vec![]).on_message(act).start()
}

/// Passes each message on so long after it came.
pub fn answers_late(kind: Kind, time: Duration) -> Server {
    answers_late_from(kind, 0, time)
}

/// Passes each message on so long after it came, but for the first ones of each connection.
pub fn answers_late_from(kind: Kind, first: u64, time: Duration) -> Server {
    let act = move |said: Said| match said.of_sender >= first {
        true => vec![Act::Later(time, Box::new(Act::Deliver(said.frame)))],
        false => said.deliver(),
    };
    Script::new(kind).on_message(act).start()
}
