use super::*;
use crate::net::{Missed, Slow};

fn dropping() -> Limits {
    Limits { slow: Slow::Drop, ..limits() }
}

fn missed(group: GroupId, position: u64) -> Missed {
    Missed { group, position }
}

impl Bench {
    /// Connects a member whose socket accepts `room` bytes and then blocks.
    fn slow(&mut self, room: usize) -> ConnId {
        let conn = self.connect(Pipe::with_room(room));
        self.out.subscribe(conn, ROOM);
        conn
    }

    /// Publishes a message and flushes it.
    fn say_apart(&mut self, text: &str) {
        self.say(text);
        self.flush();
    }

    /// Lets the socket accept `room` more bytes.
    fn take(&mut self, conn: ConnId, room: usize) {
        self.pipe(conn).room = room;
        self.out.writable(conn);
    }

    fn lags(&self, conn: ConnId) -> bool {
        self.out.sinks[conn.slot as usize].is_lagging
    }
}

#[test]
fn a_member_lags_as_soon_as_its_queue_would_exceed_the_limit() {
    for (len, fits) in [(57, true), (58, true), (59, false)] {
        let mut bench = Bench::new(dropping());
        let slow = bench.slow(0);
        let quick = bench.member();
        bench.say_apart(&"a".repeat(38));
        bench.say_apart(&"b".repeat(len));
        assert_eq!(bench.lags(slow), !fits, "{len}");
        assert_eq!(bench.out.owed(slow), if fits { 42 + len } else { 40 });
        assert!(bench.out.takes_more(slow) && !bench.out.has_ended());
        assert_eq!(bench.heard(quick).len(), 2);
        assert_eq!(bench.out.pop_caught_up(), None);
        bench.take(slow, usize::MAX);
        assert_eq!(bench.out.pop_caught_up(), (!fits).then(|| (slow, vec![missed(ROOM, 1)])));
        bench.say_apart("c");
        assert_eq!(bench.heard(slow).len(), if fits { 3 } else { 2 });
    }
}

#[test]
fn a_member_has_caught_up_at_a_quarter_of_the_smaller_limit() {
    for (limits, low_water) in [
        (Limits { max_queue: 100, high_water: 50, ..dropping() }, 12),
        (Limits { max_queue: 100, high_water: 0, ..dropping() }, 25),
        (Limits { max_queue: 100, high_water: 200, ..dropping() }, 25),
    ] {
        for (left, caught_up) in [(low_water + 1, false), (low_water, true), (low_water - 1, true)] {
            let mut bench = Bench::new(limits.clone());
            let slow = bench.slow(0);
            bench.say_apart(&"a".repeat(98));
            bench.say_apart("b");
            bench.take(slow, 100 - left);
            assert_eq!(bench.out.has_caught_up(), caught_up, "{left} of {low_water}");
            assert_eq!(bench.out.pop_caught_up().is_some(), caught_up);
            assert_eq!(bench.lags(slow), !caught_up);
        }
    }
}

#[test]
fn the_gap_is_reported_in_its_place_and_all_messages_around_it_arrive() {
    for room in 0..60 {
        let mut bench = Bench::new(dropping());
        let slow = bench.slow(room);
        let mut numbers = 0..;
        let mut say = |bench: &mut Bench| {
            bench.say(&format!("{:3}{}", numbers.next().unwrap(), "x".repeat(25)));
            bench.said
        };
        while !bench.lags(slow) {
            say(&mut bench);
            say(&mut bench);
            bench.flush();
        }
        // Skipped messages are sent neither when the socket accepts everything nor when the queue is empty.
        say(&mut bench);
        bench.take(slow, usize::MAX);
        bench.flush();
        let until = say(&mut bench);
        let (conn, missed) = bench.out.pop_caught_up().unwrap();
        assert_eq!((conn, missed.len(), missed[0].group), (slow, 1, ROOM));
        let since = missed[0].position;
        bench.send(slow, "gap");
        say(&mut bench);
        bench.flush();
        bench.take(slow, usize::MAX);
        bench.flush();
        let heard = bench.heard(slow);
        let gap = heard.iter().position(|text| text == "gap").unwrap();
        let number = |text: &String| text[..3].trim().parse::<u64>().unwrap();
        assert!(heard[..gap].iter().map(number).eq(0..since), "room {room}: {heard:?}");
        assert!(heard[gap + 1..].iter().map(number).eq(until..bench.said), "room {room}: {heard:?}");
        assert_eq!(bench.out.pop_caught_up(), None);
    }
}

#[test]
fn a_lagging_member_that_joins_within_a_batch_misses_only_its_part() {
    let mut bench = Bench::new(dropping());
    let slow = bench.connect(Pipe::with_room(0));
    bench.send(slow, &"a".repeat(90));
    bench.flush();
    bench.out.subscribe(bench.out.conn_at(slow.slot).unwrap(), OTHER);
    let _first = bench.member();
    bench.say("before it came");
    bench.out.subscribe(slow, ROOM);
    bench.say("after it came");
    bench.out.publish(OTHER, 7, Opcode::Text, b"elsewhere");
    bench.flush();
    bench.take(slow, usize::MAX);
    let (_, mut groups) = bench.out.pop_caught_up().unwrap();
    groups.sort_by_key(|missed| missed.group.0);
    assert_eq!(groups, [missed(OTHER, 7), missed(ROOM, 1)]);
    bench.say_apart("now");
    assert_eq!(bench.heard(slow)[1..], ["now"]);
}

#[test]
fn a_lagging_connection_receives_answers_and_other_frames_within_the_limit() {
    let mut bench = Bench::new(dropping());
    let slow = bench.slow(0);
    bench.say_apart(&"a".repeat(88));
    bench.say_apart(&"b".repeat(20));
    assert!(bench.lags(slow));
    bench.out.begin_answers(slow);
    bench.say("left out");
    bench.send(slow, "answer");
    bench.say("left out");
    bench.out.end_answers();
    bench.send(slow, "from one");
    assert!(bench.out.takes_more(slow));
    bench.send(slow, "another");
    assert!(!bench.out.takes_more(slow), "frames sent to it alone cannot be skipped");
    bench.take(slow, usize::MAX);
    bench.flush();
    let close = "close 1013 slow consumer: more than 100 bytes queued";
    assert_eq!(bench.heard(slow), [close], "it does not wait for what was too much");
    assert_eq!(bench.out.pop_caught_up(), None);
}

#[test]
fn a_member_that_stays_over_high_water_lags_and_keeps_its_queue() {
    let mut bench = Bench::new(dropping());
    let slow = bench.slow(0);
    bench.say_apart(&"a".repeat(60));
    bench.wait(Duration::from_secs(9));
    bench.out.expire(bench.now);
    bench.say_apart("b");
    assert!(!bench.lags(slow));
    bench.wait(Duration::from_secs(1));
    bench.out.expire(bench.now);
    assert!(bench.lags(slow));
    bench.say_apart("c");
    bench.take(slow, 40);
    bench.say_apart("d");
    bench.take(slow, usize::MAX);
    assert_eq!(bench.out.pop_caught_up(), Some((slow, vec![missed(ROOM, 2)])));
    bench.say_apart("e");
    assert_eq!(bench.heard(slow)[1..], ["b", "e"]);
}

#[test]
fn a_member_that_missed_nothing_while_lagging_is_reported_with_no_gap() {
    let mut bench = Bench::new(dropping());
    let slow = bench.slow(0);
    bench.say_apart(&"a".repeat(60));
    bench.wait(Duration::from_secs(10));
    bench.out.expire(bench.now);
    bench.take(slow, usize::MAX);
    assert_eq!(bench.out.pop_caught_up(), Some((slow, vec![])));
}

#[test]
fn a_connection_that_reads_nothing_is_closed_even_while_it_lags() {
    for slow in [Slow::Close, Slow::Drop] {
        let mut bench = Bench::new(Limits { slow, high_water: 0, ..limits() });
        let conn = bench.slow(0);
        bench.say_apart(&"a".repeat(90));
        if slow == Slow::Drop {
            bench.say_apart(&"b".repeat(90));
        }
        bench.wait(Duration::from_secs(20) - Duration::from_millis(1));
        bench.out.expire(bench.now);
        assert!(bench.out.takes_more(conn));
        bench.wait(Duration::from_millis(1));
        bench.out.expire(bench.now);
        assert!(!bench.out.takes_more(conn));
        bench.take(conn, usize::MAX);
        assert!(bench.heard(conn)[0].starts_with("close 1013 "));
        assert_eq!(bench.out.pop_caught_up(), None);
    }
}

#[test]
fn a_connection_that_reads_steadily_is_not_stalled_however_slowly() {
    let mut bench = Bench::new(Limits { high_water: 0, ..limits() });
    let conn = bench.slow(0);
    bench.say_apart(&"a".repeat(90));
    for _ in 0..30 {
        // The system does not report the socket as writable for a single byte.
        bench.pipe(conn).room = 1;
        bench.wait(Duration::from_secs(20));
        bench.out.expire(bench.now);
        assert!(bench.out.takes_more(conn));
    }
    bench.wait(Duration::from_secs(20));
    bench.out.expire(bench.now);
    assert!(!bench.out.takes_more(conn), "it reads no more");
    bench.wait(Duration::from_secs(20));
    bench.out.expire(bench.now);
    assert_eq!(bench.out.pop_dead(), Some(conn), "nor the close frame");
}

#[test]
fn nothing_is_kept_of_a_lagging_member_that_leaves_or_ends() {
    let mut bench = Bench::new(dropping());
    let _other = bench.member();
    let [leaves, ends] = [bench.slow(0), bench.slow(0)];
    bench.say_apart(&"a".repeat(90));
    bench.say_apart(&"b".repeat(90));
    bench.out.unsubscribe(leaves, ROOM);
    bench.take(leaves, usize::MAX);
    assert_eq!(bench.out.pop_caught_up(), Some((leaves, vec![])));
    bench.take(ends, usize::MAX);
    bench.out.remove(ends);
    let new = bench.slow(3);
    assert_eq!(new.slot, ends.slot);
    assert_eq!(bench.out.pop_caught_up(), None);
    bench.say_apart("c");
    assert_eq!(bench.heard(new), ["c"]);
    bench.say_apart(&"d".repeat(90));
    bench.say_apart(&"e".repeat(90));
    bench.take(new, usize::MAX);
    assert_eq!(bench.out.pop_caught_up(), Some((new, vec![missed(ROOM, 4)])));
}

#[test]
fn the_output_half_of_a_connection_fits_a_cache_line() {
    // In debug builds a mio stream is larger than its descriptor.
    assert!(size_of::<Sink<std::os::fd::RawFd>>() <= 48);
}
