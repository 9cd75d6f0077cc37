use super::*;
use crate::net::test_pipe::Pipe;
use std::cell::Cell;
use std::time::Duration;

mod slow;
mod slow_fuzz;

const ROOM: GroupId = GroupId(3);
const OTHER: GroupId = GroupId(0);

fn limits() -> Limits {
    Limits { max_queue: 100, high_water: 50, coalesce: Duration::ZERO, deflate: false, ..Limits::default() }
}

struct Bench {
    out: Outbound<Pipe>,
    now: Instant,
    /// Messages published to the room so far.
    said: u64,
}

impl Bench {
    fn new(limits: Limits) -> Bench {
        let now = Instant::now();
        Bench { out: Outbound::new(&limits, now), now, said: 0 }
    }

    fn connect(&mut self, pipe: Pipe) -> ConnId {
        self.out.insert(pipe)
    }

    fn member(&mut self) -> ConnId {
        let conn = self.connect(Pipe::taking(usize::MAX));
        self.out.subscribe(conn, ROOM);
        conn
    }

    fn say(&mut self, text: &str) {
        self.out.publish(ROOM, self.said, Opcode::Text, text.as_bytes());
        self.said += 1;
    }

    fn send(&mut self, conn: ConnId, text: &str) {
        self.out.send(conn, Opcode::Text, text.as_bytes());
    }

    fn pipe(&mut self, conn: ConnId) -> &mut Pipe {
        self.out.transport(conn).unwrap()
    }

    /// Returns the text of each frame written to the connection.
    fn heard(&mut self, conn: ConnId) -> Vec<String> {
        texts(&self.pipe(conn).written)
    }

    fn flush(&mut self) {
        let now = self.now;
        self.out.flush(|| now);
        self.out.set_now(now);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.out.set_now(self.now);
    }
}

/// Returns the payloads of a run of frames; for a close frame, its code and reason.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some((header, len)) = frame::Header::decode(bytes, true).unwrap() {
        let (payload, rest) = bytes[len..].split_at(header.payload_len as usize);
        texts.push(match header.opcode {
            Opcode::Close => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                format!("close {code} {}", String::from_utf8_lossy(&payload[2..]))
            }
            Opcode::Pong => format!("pong {}", String::from_utf8_lossy(payload)),
            _ => String::from_utf8_lossy(payload).into_owned(),
        });
        bytes = rest;
    }
    texts
}

fn text_len(text: &str) -> usize {
    2 + text.len()
}

#[test]
fn messages_of_one_tick_reach_each_member_in_one_write() {
    let mut bench = Bench::new(limits());
    let members: Vec<ConnId> = (0..5).map(|_| bench.member()).collect();
    for text in ["one", "two", "three"] {
        bench.say(text);
    }
    bench.flush();
    for member in members {
        assert_eq!(bench.heard(member), ["one", "two", "three"]);
        assert_eq!(bench.pipe(member).writes, 1);
    }
}

#[test]
fn a_published_message_is_compressed_once_and_shared_by_all_members() {
    let mut bench = Bench::new(limits());
    let [plain, also_plain, deflated, also_deflated] =
        [Form::Plain, Form::Plain, Form::Deflated, Form::Deflated].map(|form| {
            let conn = bench.connect(Pipe::taking(usize::MAX));
            bench.out.set_form(conn, form);
            bench.out.subscribe(conn, ROOM);
            conn
        });
    let text = "to be or not to be ".repeat(20);
    bench.say(&text);
    bench.flush();
    assert_eq!(bench.heard(plain), [&*text]);
    let written = bench.pipe(deflated).written.clone();
    assert!(written.len() < 50 && written[0] == 0xc1, "{written:x?}");
    assert_eq!(bench.pipe(also_deflated).written, written);
    for (one, other) in [(plain, also_plain), (deflated, also_deflated)] {
        let from = bench.pipe(one).last_written;
        assert_eq!(bench.pipe(other).last_written, from);
    }
}

#[test]
fn members_that_join_or_leave_within_a_tick_receive_only_their_part() {
    let mut bench = Bench::new(limits());
    let stays = bench.member();
    let leaves = bench.member();
    bench.say("one");
    let comes = bench.member();
    bench.out.unsubscribe(leaves, ROOM);
    bench.say("two");
    bench.out.subscribe(leaves, ROOM);
    bench.say("three");
    bench.flush();
    assert_eq!(bench.heard(stays), ["one", "two", "three"]);
    assert_eq!(bench.heard(leaves), ["one", "three"]);
    assert_eq!(bench.heard(comes), ["two", "three"]);
}

#[test]
fn a_frame_for_one_member_keeps_its_order_among_published_ones() {
    let mut bench = Bench::new(limits());
    let (one, other) = (bench.member(), bench.member());
    for answering in [Some(one), None] {
        if let Some(conn) = answering {
            bench.out.begin_answers(conn);
        }
        bench.say("before");
        bench.send(one, "to you");
        bench.say("after");
        bench.out.end_answers();
        bench.flush();
        assert_eq!(bench.heard(one), ["before", "to you", "after"]);
        assert_eq!(bench.heard(other), ["before", "after"]);
        bench.pipe(one).written.clear();
        bench.pipe(other).written.clear();
    }
}

#[test]
fn answers_to_one_read_are_sent_in_one_write() {
    let mut bench = Bench::new(limits());
    let conn = bench.connect(Pipe::taking(usize::MAX));
    bench.out.begin_answers(conn);
    for text in ["a", "b", "c"] {
        bench.send(conn, text);
    }
    bench.out.pong(conn, b"p");
    assert_eq!(bench.pipe(conn).writes, 0, "handlers only enqueue");
    bench.out.end_answers();
    assert_eq!(bench.heard(conn), ["a", "b", "c", "pong p"]);
    assert_eq!(bench.pipe(conn).writes, 1);
}

#[test]
fn bytes_that_a_socket_does_not_accept_follow_later_in_order_and_delay_nobody() {
    for room in 0..20 {
        let mut bench = Bench::new(limits());
        let slow = bench.connect(Pipe::with_room(room));
        bench.out.subscribe(slow, ROOM);
        let quick = bench.member();
        bench.say("first");
        bench.flush();
        bench.send(slow, "second");
        bench.say("third");
        bench.flush();
        assert_eq!(bench.heard(quick), ["first", "third"]);
        bench.pipe(slow).room = usize::MAX;
        bench.out.writable(slow);
        assert_eq!(bench.heard(slow), ["first", "second", "third"], "room {room}");
        assert_eq!(bench.out.owed(slow), 0);
    }
}

#[test]
fn published_messages_do_not_count_as_answers() {
    for room in 0..40 {
        let mut bench = Bench::new(limits());
        let conn = bench.connect(Pipe::with_room(room));
        bench.out.subscribe(conn, ROOM);
        let answers = [text_len("mine"), text_len("also mine")].iter().sum::<usize>();
        bench.out.begin_answers(conn);
        bench.send(conn, "mine");
        bench.say("the room's");
        bench.send(conn, "also mine");
        assert_eq!(bench.out.owed_answers(conn), answers);
        assert_eq!(bench.out.owed(conn), answers + text_len("the room's"));
        bench.out.end_answers();
        bench.say("and more");
        bench.flush();
        let first = room.min(text_len("mine"));
        let last = room.saturating_sub(text_len("mine") + text_len("the room's")).min(text_len("also mine"));
        assert_eq!(bench.out.owed_answers(conn), answers - first - last, "after {room} bytes");
        bench.pipe(conn).room = usize::MAX;
        bench.out.writable(conn);
        assert_eq!(bench.heard(conn), ["mine", "the room's", "also mine", "and more"]);
    }
}

#[test]
fn answers_do_not_use_up_the_queue_limit() {
    let mut bench = Bench::new(limits());
    let conn = bench.connect(Pipe::with_room(0));
    bench.out.begin_answers(conn);
    bench.send(conn, &"mine ".repeat(30));
    bench.out.end_answers();
    for (text, fits) in [("a".repeat(48), true), ("b".repeat(48), true), ("c".into(), false)] {
        bench.send(conn, &text);
        assert_eq!(bench.out.takes_more(conn), fits, "{text}");
    }
}

#[test]
fn a_member_of_two_groups_receives_both_and_empty_groups_are_removed() {
    let mut bench = Bench::new(limits());
    let conn = bench.member();
    bench.out.subscribe(conn, OTHER);
    bench.out.subscribe(conn, OTHER);
    bench.say("here");
    bench.out.publish(OTHER, 0, Opcode::Text, b"there");
    bench.flush();
    let mut heard = bench.heard(conn);
    heard.sort();
    assert_eq!(heard, ["here", "there"]);
    bench.out.remove(conn);
    assert!(bench.out.fanout.is_empty());
}

#[test]
fn a_small_group_does_not_wait_for_a_large_one() {
    let mut bench = Bench::new(limits());
    let conn = bench.member();
    bench.member();
    bench.out.subscribe(conn, OTHER);
    bench.say("large");
    bench.out.publish(OTHER, 0, Opcode::Text, b"small");
    bench.flush();
    assert_eq!(bench.heard(conn), ["small", "large"]);
}

#[test]
fn a_message_is_held_after_a_flush_and_sent_at_once_in_a_quiet_room() {
    let coalesce = Duration::from_millis(5);
    let mut bench = Bench::new(Limits { coalesce, ..limits() });
    let member = bench.member();
    bench.say("at once");
    bench.flush();
    assert_eq!(bench.heard(member), ["at once"]);
    bench.wait(coalesce / 2);
    bench.say("held");
    bench.flush();
    assert_eq!(bench.heard(member), ["at once"]);
    assert_eq!(bench.out.due(), Some(bench.now + coalesce / 2));
    bench.wait(coalesce / 2);
    bench.say("in company");
    bench.flush();
    assert_eq!(bench.heard(member), ["at once", "held", "in company"]);
    assert_eq!(bench.pipe(member).writes, 2);
    assert_eq!(bench.out.due(), None);
}

#[test]
fn a_long_flush_is_interrupted_and_small_groups_are_sent_before_it_continues() {
    let mut bench = Bench::new(Limits { coalesce: Duration::ZERO, ..limits() });
    let members: Vec<ConnId> = (0..500).map(|_| bench.member()).collect();
    let other = bench.connect(Pipe::taking(usize::MAX));
    bench.out.subscribe(other, OTHER);
    let heard = |bench: &mut Bench| members.iter().filter(|conn| !bench.heard(**conn).is_empty()).count();

    bench.say("to many");
    let start = bench.now;
    let calls = Cell::new(0);
    // Every look at the clock finds it half a slice later.
    let clock = || {
        calls.set(calls.get() + 1);
        start + calls.get() * Duration::from_micros(500)
    };
    bench.out.flush(clock);
    let first = heard(&mut bench);
    assert!((1..500).contains(&first), "{first}");
    assert!(bench.out.is_flushing());

    bench.out.publish(OTHER, 0, Opcode::Text, b"to one");
    bench.say("more");
    bench.out.flush(clock);
    assert_eq!(bench.heard(other), ["to one"], "it does not wait for the large group");
    assert!((first + 1..500).contains(&heard(&mut bench)));
    bench.flush();
    bench.flush();
    assert!(!bench.out.is_flushing());
    for member in members {
        assert_eq!(bench.heard(member), ["to many", "more"]);
    }
}

#[test]
fn publishers_wait_until_every_large_group_is_sent() {
    let mut bench = Bench::new(Limits { max_queue: 0, high_water: 0, coalesce: Duration::ZERO, ..limits() });
    for _ in 0..200 {
        let member = bench.member();
        bench.out.subscribe(member, OTHER);
    }
    let long = "x".repeat(600 << 10);
    let start = bench.now;
    let calls = Cell::new(0);
    // Every look at the clock finds the slice over.
    let clock = || {
        calls.set(calls.get() + 1);
        start + calls.get() * Duration::from_millis(1)
    };
    for text in ["first", &long, &long] {
        bench.say(text);
        bench.out.publish(OTHER, 0, Opcode::Text, text.as_bytes());
    }
    assert!(bench.out.is_congested());
    bench.out.flush(clock);
    assert!(bench.out.is_congested(), "one group has not been begun");
    bench.flush();
    assert!(!bench.out.is_congested() && !bench.out.is_flushing());
}

#[test]
fn a_connection_is_closed_when_its_queue_would_exceed_the_limit() {
    for (len, taken) in [(57, true), (58, true), (59, false)] {
        let mut bench = Bench::new(limits());
        let slow = bench.connect(Pipe::with_room(0));
        bench.out.subscribe(slow, ROOM);
        bench.say(&"a".repeat(38));
        bench.flush();
        assert_eq!(bench.out.owed(slow), 40);
        bench.say(&"b".repeat(len));
        bench.flush();
        assert_eq!(bench.out.takes_more(slow), taken, "{len}");
        assert_eq!(bench.out.has_ended(), !taken, "the event loop is notified");
        assert_eq!(bench.out.pop_closed(), (!taken).then_some(slow));
        bench.say("more");
        bench.pipe(slow).room = usize::MAX;
        bench.out.writable(slow);
        let last = bench.heard(slow).pop().unwrap();
        let expected = if taken {
            "b".repeat(len)
        } else {
            "close 1013 slow consumer: more than 100 bytes queued".into()
        };
        assert_eq!(last, expected);
    }
}

#[test]
fn an_empty_queue_accepts_a_message_over_the_limit() {
    let mut bench = Bench::new(limits());
    let slow = bench.connect(Pipe::with_room(0));
    bench.send(slow, &"a".repeat(1000));
    assert!(bench.out.takes_more(slow));
}

#[test]
fn a_reader_is_closed_when_it_stays_behind_for_too_long() {
    let mut bench = Bench::new(limits());
    let (behind, catches_up) = (bench.connect(Pipe::with_room(5)), bench.connect(Pipe::with_room(5)));
    for conn in [behind, catches_up] {
        bench.send(conn, &"a".repeat(60));
    }
    bench.flush();
    bench.wait(Duration::from_secs(9));
    bench.pipe(catches_up).room = 30;
    bench.out.writable(catches_up);
    bench.pipe(behind).room = 1;
    bench.out.writable(behind);
    bench.wait(Duration::from_secs(1));
    bench.out.expire(bench.now);
    assert!(!bench.out.takes_more(behind));
    assert!(bench.out.takes_more(catches_up));
    bench.wait(Duration::from_secs(18));
    bench.out.expire(bench.now);
    assert!(bench.out.takes_more(catches_up), "19 s after its last byte");
    bench.wait(Duration::from_secs(1));
    bench.out.expire(bench.now);
    assert!(!bench.out.takes_more(catches_up), "20 s after its last byte");
}

#[test]
fn a_reader_may_stay_behind_if_its_limits_are_disabled() {
    let mut bench = Bench::new(Limits { high_water: 0, stall_timeout: Duration::ZERO, ..limits() });
    let behind = bench.connect(Pipe::with_room(0));
    bench.out.subscribe(behind, ROOM);
    for _ in 0..2 {
        bench.say("a room speaks");
        bench.flush();
        bench.wait(Duration::from_secs(1000));
        bench.out.expire(bench.now);
        assert!(bench.out.takes_more(behind));
    }
}

#[test]
fn nothing_follows_a_close_frame_and_the_write_side_is_shut_down_after_it() {
    let mut bench = Bench::new(limits());
    let conn = bench.connect(Pipe::with_room(4));
    bench.out.subscribe(conn, ROOM);
    bench.say("last words");
    bench.out.close(conn, CloseCode::NORMAL, "bye");
    bench.say("unheard");
    bench.send(conn, "unheard");
    bench.flush();
    assert_eq!(bench.out.pop_closed(), Some(conn));
    bench.out.answer_close(conn, None);
    assert!(!bench.pipe(conn).is_shut_down);
    bench.pipe(conn).room = usize::MAX;
    bench.out.writable(conn);
    assert_eq!(bench.heard(conn), ["last words", "close 1000 bye"]);
    assert!(bench.pipe(conn).is_shut_down);
    assert_eq!(
        bench.out.pop_dead(),
        None,
        "further input is read: a reset would discard output that the peer has not read"
    );
    bench.out.finish(conn, Finish::Drop);
    assert_eq!(bench.out.pop_dead(), Some(conn));
}

type Ending = fn(&mut Outbound<Pipe>, ConnId, CloseCode);

/// Every way to send a close frame.
const ENDINGS: [Ending; 3] = [
    |out, conn, code| out.close(conn, code, ""),
    |out, conn, code| out.fail(conn, code, ""),
    |out, conn, code| out.answer_close(conn, Some(code)),
];

#[test]
fn a_close_frame_overtakes_a_blocked_queue_if_it_reports_an_error() {
    let said = ["one", "", "three", "four"];
    let ends = [0, 5, 7, 14, 20];
    for (code, overtakes) in [(1000, false), (1001, false), (1002, true), (1008, true), (3000, false)] {
        for (room, end, in_read) in (0..=20)
            .flat_map(|room| ENDINGS.into_iter().flat_map(move |end| [(room, end, false), (room, end, true)]))
        {
            let mut bench = Bench::new(limits());
            let conn = bench.connect(Pipe::with_room(room));
            bench.out.subscribe(conn, ROOM);
            said.into_iter().for_each(|text| bench.say(text));
            bench.flush();
            bench.send(conn, "five");
            if in_read {
                bench.out.begin_answers(conn);
                bench.send(conn, "answer");
            }
            bench.say("six");
            end(&mut bench.out, conn, CloseCode(code));
            bench.say("unheard");
            bench.out.unsubscribe(conn, ROOM);
            bench.out.pong(conn, b"unheard");
            bench.out.end_answers();
            bench.pipe(conn).room = usize::MAX;
            bench.out.writable(conn);
            bench.flush();
            let mut expected = said.to_vec();
            if overtakes && room < 20 {
                expected.truncate(ends.into_iter().position(|end| end >= room).unwrap());
            } else {
                expected.push("five");
                expected.extend(in_read.then_some("answer"));
                expected.push("six");
            }
            let close = format!("close {code} ");
            expected.push(&close);
            assert_eq!(bench.heard(conn), expected, "{code} after {room} bytes, in a read: {in_read}");
            assert_eq!(bench.out.owed(conn), 0);
        }
    }
}

#[test]
fn a_close_frame_overtakes_queued_answers_and_drops_collected_ones() {
    let ends = [0, 5, 10];
    for room in 0..10 {
        let mut bench = Bench::new(limits());
        let conn = bench.connect(Pipe::with_room(room));
        bench.out.begin_answers(conn);
        bench.send(conn, "one");
        bench.send(conn, "two");
        bench.out.end_answers();
        bench.out.begin_answers(conn);
        bench.send(conn, "three");
        bench.out.pong(conn, b"pong");
        bench.out.fail(conn, CloseCode::PROTOCOL, "no");
        let finished = ends.into_iter().position(|end| end >= room).unwrap();
        assert_eq!(bench.out.owed(conn), ends[finished] - room + "..xxno".len());
        bench.out.end_answers();
        assert!(!bench.pipe(conn).is_shut_down);
        bench.pipe(conn).room = usize::MAX;
        bench.out.writable(conn);
        assert_eq!(bench.heard(conn), [&["one", "two"][..finished], &["close 1002 no"]].concat());
        assert!(bench.pipe(conn).is_shut_down);
    }
}

#[test]
fn a_close_frame_overtakes_nothing_while_the_socket_accepts_bytes() {
    let mut bench = Bench::new(limits());
    let conn = bench.member();
    bench.send(conn, "from another");
    bench.out.begin_answers(conn);
    bench.say("in the room");
    bench.out.fail(conn, CloseCode::PROTOCOL, "no");
    bench.out.end_answers();
    assert_eq!(bench.heard(conn), ["from another", "in the room", "close 1002 no"]);
}

#[test]
fn a_close_frame_never_overtakes_the_handshake_response() {
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    for room in 0..upgrade.len() + 12 {
        let mut bench = Bench::new(limits());
        let conn = bench.connect(Pipe::with_room(room));
        bench.out.begin_answers(conn);
        bench.out.answers().extend_from_slice(upgrade);
        bench.send(conn, "welcome");
        bench.out.end_answers();
        bench.send(conn, "more");
        bench.out.fail(conn, CloseCode::PROTOCOL, "no");
        bench.pipe(conn).room = usize::MAX;
        bench.out.writable(conn);
        bench.flush();
        let frames = bench.pipe(conn).written.split_off(upgrade.len());
        assert_eq!(bench.pipe(conn).written, upgrade);
        assert_eq!(texts(&frames), ["welcome", "more", "close 1002 no"]);
    }
}

#[test]
fn a_failed_connection_is_shut_down_after_its_close_frame() {
    let mut bench = Bench::new(limits());
    let conn = bench.connect(Pipe::with_room(3));
    bench.out.begin_answers(conn);
    bench.out.fail(conn, CloseCode::PROTOCOL, "no");
    bench.out.end_answers();
    assert!(!bench.pipe(conn).is_shut_down);
    bench.pipe(conn).room = usize::MAX;
    bench.out.writable(conn);
    assert_eq!(bench.heard(conn), ["close 1002 no"]);
    assert!(bench.pipe(conn).is_shut_down);
    assert_eq!(bench.out.pop_dead(), None, "the peer ends the connection after reading everything");
}

#[test]
fn an_old_id_does_not_reach_the_next_connection_in_its_slot() {
    let mut bench = Bench::new(limits());
    let old = bench.member();
    bench.out.remove(old);
    let new = bench.connect(Pipe::taking(usize::MAX));
    assert_eq!(old.slot, new.slot);
    bench.send(old, "stale");
    bench.out.subscribe(old, ROOM);
    bench.out.close(old, CloseCode::NORMAL, "");
    bench.say("room");
    bench.flush();
    assert_eq!(bench.heard(new), Vec::<String>::new());
    assert!(bench.out.takes_more(new) && !bench.out.takes_more(old));
}
