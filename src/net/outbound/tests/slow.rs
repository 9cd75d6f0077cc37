use super::*;
use crate::net::{Missed, Slow};

fn dropping() -> Limits {
    Limits { slow: Slow::Drop, ..limits() }
}

fn missed(group: GroupId, position: u64) -> Missed {
    Missed { group, position }
}

impl Bench {
    /// A member whose socket takes so much and then nothing.
    fn slow(&mut self, room: usize) -> ConnId {
        let conn = self.connect(Pipe::with_room(room));
        self.out.subscribe(conn, ROOM);
        conn
    }

    /// What is said reaches the sockets before more is.
    fn say_apart(&mut self, text: &str) {
        self.say(text);
        self.out.flush();
    }

    /// The socket takes so much more.
    fn take(&mut self, conn: ConnId, room: usize) {
        self.pipe(conn).room = room;
        self.out.writable(conn);
    }

    fn lags(&self, conn: ConnId) -> bool {
        self.out.sinks[conn.slot as usize].is_lagging
    }
}

#[test]
fn a_member_lags_when_its_queue_would_pass_the_limit_and_not_before() {
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
fn it_has_caught_up_at_a_quarter_of_the_smaller_limit() {
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
fn the_hole_is_where_the_application_is_told_and_all_around_it_is_heard() {
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
        // What was left out is neither sent when the socket takes all, nor when the queue is empty.
        say(&mut bench);
        bench.take(slow, usize::MAX);
        bench.flush();
        let until = say(&mut bench);
        let (conn, missed) = bench.out.pop_caught_up().unwrap();
        assert_eq!((conn, missed.len(), missed[0].group), (slow, 1, ROOM));
        let since = missed[0].position;
        bench.tell(slow, "gap");
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
fn who_comes_in_the_middle_of_a_batch_misses_its_part_of_it() {
    let mut bench = Bench::new(dropping());
    let slow = bench.connect(Pipe::with_room(0));
    bench.tell(slow, &"a".repeat(90));
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
fn answers_reach_who_lags_and_other_frames_within_the_limit() {
    let mut bench = Bench::new(dropping());
    let slow = bench.slow(0);
    bench.say_apart(&"a".repeat(88));
    bench.say_apart(&"b".repeat(20));
    assert!(bench.lags(slow));
    bench.out.begin_answers(slow);
    bench.say("left out");
    bench.tell(slow, "answer");
    bench.say("left out");
    bench.out.end_answers();
    bench.tell(slow, "from one");
    assert!(bench.out.takes_more(slow));
    bench.tell(slow, "another");
    assert!(!bench.out.takes_more(slow), "what is sent to it alone cannot be left out");
    bench.take(slow, usize::MAX);
    bench.flush();
    let close = "close 1013 slow consumer: over 100 bytes waiting";
    assert_eq!(bench.heard(slow)[1..], ["answer", "from one", close]);
    assert_eq!(bench.out.pop_caught_up(), None);
}

#[test]
fn a_member_that_stays_over_high_water_lags_in_time_and_keeps_what_waits() {
    let mut bench = Bench::new(dropping());
    let slow = bench.slow(0);
    bench.say_apart(&"a".repeat(60));
    bench.wait(Duration::from_secs(9));
    bench.out.expire();
    bench.say_apart("b");
    assert!(!bench.lags(slow));
    bench.wait(Duration::from_secs(1));
    bench.out.expire();
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
fn who_missed_nothing_while_it_lagged_is_told_so() {
    let mut bench = Bench::new(dropping());
    let slow = bench.slow(0);
    bench.say_apart(&"a".repeat(60));
    bench.wait(Duration::from_secs(10));
    bench.out.expire();
    bench.take(slow, usize::MAX);
    assert_eq!(bench.out.pop_caught_up(), Some((slow, vec![])));
}

#[test]
fn who_takes_nothing_is_closed_in_time_though_it_lags() {
    for slow in [Slow::Close, Slow::Drop] {
        let mut bench = Bench::new(Limits { slow, high_water: 0, ..limits() });
        let conn = bench.slow(0);
        bench.say_apart(&"a".repeat(90));
        if slow == Slow::Drop {
            bench.say_apart(&"b".repeat(90));
        }
        bench.wait(Duration::from_secs(20) - Duration::from_millis(1));
        bench.out.expire();
        assert!(bench.out.takes_more(conn));
        bench.wait(Duration::from_millis(1));
        bench.out.expire();
        assert!(!bench.out.takes_more(conn));
        bench.take(conn, usize::MAX);
        assert!(bench.heard(conn)[1].starts_with("close 1013 "));
        assert_eq!(bench.out.pop_caught_up(), None);
    }
}

#[test]
fn a_member_that_leaves_or_ends_while_it_lags_is_forgotten() {
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
fn what_a_flush_touches_of_a_connection_fits_a_cache_line() {
    // In debug builds a mio stream is larger than its descriptor.
    assert!(size_of::<Sink<std::os::fd::RawFd>>() <= 48);
}
