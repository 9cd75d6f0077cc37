//! Members that read too slowly, and those that keep up, with `--slow close` and with `--slow drop`.

use crate::support::{BINARY, Client, FIN, Raw, Server, frame, text};
use serde_json::{Value, json};
use tungstenite::Message;

/// A member of the room "den" that has received its welcome.
#[track_caller]
fn join(server: &Server, name: &str) -> Client {
    welcomed(server.ws(&format!("/chat/den?name={name}")))
}

/// One for whom the system holds little.
#[track_caller]
fn join_narrow(server: &Server, name: &str) -> Client {
    welcomed(narrow(server, "json", name))
}

#[track_caller]
fn welcomed(mut client: Client) -> Client {
    assert_eq!(client.json()["type"], "welcome");
    assert_eq!(client.json()["type"], "joined");
    client
}

fn narrow(server: &Server, format: &str, name: &str) -> Client {
    let stream = Raw::narrow(server.address()).stream;
    Client::over(stream, &server.host(), &format!("/chat/den?format={format}&name={name}"), &[]).0
}

fn say(client: &mut Client, text: &str) {
    client.say(&json!({"type": "say", "text": text}).to_string());
}

/// The room "den", with a member that sends and one that receives all messages.
struct Den {
    talker: Client,
    listener: Client,
    text: String,
    said: u64,
}

impl Den {
    fn new(server: &Server) -> Den {
        let [talker, listener] = ["talker", "listener"].map(|name| join(server, name));
        Den { talker, listener, text: "x".repeat(16_000), said: 0 }
    }

    #[track_caller]
    fn say(&mut self) {
        say(&mut self.talker, &self.text);
        self.said += 1;
        for hearer in [&mut self.talker, &mut self.listener] {
            assert_eq!(hearer.json_of("message")["offset"], self.said, "no gap and no duplicate");
        }
    }

    /// Sends until messages were left out for each of `slow` members that do not read.
    #[track_caller]
    fn say_until_left_out(&mut self, server: &Server, slow: usize) {
        let left_out = |server: &Server| server.log().matches("messages left out").count();
        while left_out(server) == 0 {
            assert!(self.said < 2000, "nothing was left out");
            self.say();
        }
        // The buffers of the others are no larger.
        for _ in 0..self.said * (slow as u64 - 1) {
            self.say();
        }
    }
}

/// Hears messages that follow each other, from the first on, up to a notice; how many there were, and the notice.
#[track_caller]
fn hear_to_gap(slow: &mut Client) -> (u64, Value) {
    let mut offset = 0;
    loop {
        let heard = slow.json();
        match heard["type"].as_str() {
            Some("message") => {
                offset += 1;
                assert_eq!(heard["offset"], offset);
            }
            Some("gap") => return (offset, heard),
            _ => assert_eq!(offset, 0, "{heard} in between"),
        }
    }
}

const DROP: [&str; 8] = ["--slow", "drop", "--max-queue", "128KiB", "--rate", "0", "--stall-timeout", "0"];

#[test]
fn with_drop_a_slow_reader_gets_a_notice_of_the_gap_and_further_messages() {
    let server = Server::start(&DROP);
    let mut den = Den::new(&server);
    let mut slow = join_narrow(&server, "slow");
    den.say_until_left_out(&server, 1);
    let before = server.resident_kib();
    for _ in 0..1000 {
        den.say();
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 4 << 10, "the server grew by {grown} KiB while 16 MB were said");
    drop(den.listener);
    den.talker.json_of("leave");
    let (heard, gap) = hear_to_gap(&mut slow);
    assert_eq!(gap, json!({"type": "gap", "room": "den", "from": heard + 1, "to": den.said}));
    let who = slow.json();
    assert_eq!((&who["type"], &who["online"]), (&json!("who"), &json!(2)));
    assert_eq!(who["members"].as_array().unwrap().len(), 2);
    for _ in 0..3 {
        say(&mut den.talker, "again");
        den.said += 1;
        assert_eq!(slow.json()["offset"], den.said);
    }
}

#[test]
fn with_drop_lines_and_html_have_their_own_notice_and_raw_has_none() {
    let server = Server::start(&DROP);
    let mut den = Den::new(&server);
    let [mut lines, mut html] = ["lines", "html"].map(|format| narrow(&server, format, format));
    den.say_until_left_out(&server, 2);
    for (slow, start, end) in [(&mut lines, "", ""), (&mut html, "<div class=\"notice\">", "</div>")] {
        let mut heard = 0;
        let notice = loop {
            let text = slow.text();
            if text.contains("left out") {
                break text;
            }
            heard += u64::from(text.contains(&den.text));
        };
        let missed = den.said - heard;
        assert!(heard > 0 && missed > 1);
        let sentence = format!("… {missed} messages were left out: you read too slowly.");
        assert_eq!(notice, format!("{start}{sentence}{end}"));
    }
    say(&mut den.talker, "again");
    assert!(lines.text().ends_with("talker say: again"));
    assert!(html.text().contains(">again<"));

    let mut speaker = server.open("/chat/relay?format=raw");
    let mut slow = server.open_narrow("/chat/relay?format=raw");
    let piece = |number: u32| {
        let mut payload = [0; 60_000];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        frame(FIN | BINARY, &payload)
    };
    let count = 400;
    for number in 0..count {
        speaker.send(piece(number));
        speaker.frame();
    }
    let mut heard = 0;
    let after = loop {
        let payload = slow.frame().payload;
        let number = u32::from_be_bytes(payload[..4].try_into().unwrap());
        if number != heard {
            break number;
        }
        heard += 1;
        speaker.send(piece(count));
        speaker.frame();
    };
    assert!(0 < heard && heard < count && after == count, "{after} after {heard} of {count}");
}

#[test]
fn a_member_that_reads_nothing_is_closed_after_the_stall_timeout() {
    let high_water = ["--high-water", "16KiB", "--high-water-timeout", "300ms", "--stall-timeout", "0"];
    let stall = ["--high-water", "0", "--high-water-timeout", "0", "--stall-timeout", "300ms"];
    for (slow, max_queue, times) in
        [("close", "0", high_water), ("close", "0", stall), ("drop", "0", stall), ("drop", "64KiB", stall)]
    {
        let flags = ["--slow", slow, "--max-queue", max_queue, "--rate", "0", "--close-timeout", "300ms"];
        let server = Server::start(&[&flags[..], &times[..]].concat());
        let mut talker = join(&server, "talker");
        let mut slow = join_narrow(&server, "slow");
        talker.json_of("join");
        let text = "x".repeat(16_000);
        let mut is_gone = false;
        for offset in 1..=2000 {
            say(&mut talker, &text);
            let mut heard = talker.json();
            if heard["type"] == "leave" {
                is_gone = true;
                heard = talker.json();
            }
            assert_eq!(heard["offset"], offset);
            if is_gone {
                break;
            }
        }
        if !is_gone {
            assert_eq!(talker.json()["name"], "slow");
        }
        server.wait_for_log("slow readers closed: 1");
        // Whatever of what it was owed has come by now, the end follows.
        while slow.socket.read().is_ok() {}
        server.assert_well();
    }
}

#[test]
fn a_slow_reader_is_closed_with_1013_while_others_receive_everything() {
    let server = Server::start(&["--max-queue", "128KiB", "--rate", "0", "--close-timeout", "1m"]);
    let [mut talker, mut listener] = ["talker", "listener"].map(|name| join(&server, name));
    let mut slow = join_narrow(&server, "slow");
    let text = "x".repeat(16_000);
    // More than the system's buffers and the queue can hold together.
    let mut said = 0;
    let mut is_gone = false;
    while !is_gone {
        assert!(said < 2000, "a reader that takes nothing is still there after {said} messages");
        say(&mut talker, &text);
        said += 1;
        for hearer in [&mut talker, &mut listener] {
            loop {
                let heard = hearer.json();
                match heard["type"].as_str() {
                    Some("message") => {
                        assert_eq!(heard["offset"], said, "no gap and no duplicate");
                        break;
                    }
                    Some("leave") => {
                        assert_eq!(heard["name"], "slow");
                        is_gone = true;
                    }
                    _ => {}
                }
            }
        }
    }
    // What it was owed comes without a gap, and then why it ends.
    let mut offset = 0;
    let close = loop {
        match slow.next() {
            Message::Text(text) => {
                let heard: Value = serde_json::from_str(&text).unwrap();
                if heard["type"] == "message" {
                    offset += 1;
                    assert_eq!(heard["offset"], offset);
                }
            }
            Message::Close(close) => break close.expect("a code"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(close.code), 1013);
    assert!(close.reason.contains("131072") || close.reason.contains("128"), "{}", close.reason);
}

#[test]
fn a_member_with_a_long_queue_is_still_read_from() {
    let off = ["--max-queue", "--high-water", "--stall-timeout"].map(|limit| [limit, "0"]).concat();
    let server = Server::start(
        &[
            &["--pause-above", "16KiB", "--resume-below", "0", "--max-echo-message", "1MiB", "--rate", "0"],
            &off[..],
        ]
        .concat(),
    );
    let mut talker = server.open("/chat/den?format=raw");
    let mut behind = server.open_narrow("/chat/den?format=raw");
    // More than the system holds.
    for _ in 0..24 {
        talker.send(frame(FIN | BINARY, &[7; 512 << 10]));
        talker.frame();
    }
    behind.send(text("I am here"));
    assert_eq!(talker.frame().text(), "I am here");
}
