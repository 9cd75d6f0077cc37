//! Whatever the sockets accept and when, each member receives all messages of a group or a report of the gap.

use super::*;
use crate::net::{Missed, Slow};
use proptest::{collection::vec, prelude::*};
use std::collections::HashMap;

const GROUPS: [GroupId; 2] = [GroupId(0), GroupId(5)];
const MEMBERS: usize = 4;
const LIMIT: usize = 60;

#[derive(Clone, Debug)]
enum Step {
    Say { group: usize, len: usize },
    Answer { member: usize },
    Send { member: usize },
    Move { member: usize, group: usize },
    Take { member: usize, room: usize },
    Flush,
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (member, group) = (|| 0..MEMBERS, || 0..GROUPS.len());
    prop_oneof![
        8 => (group(), 0..40_usize).prop_map(|(group, len)| Step::Say { group, len }),
        2 => member().prop_map(|member| Step::Answer { member }),
        1 => member().prop_map(|member| Step::Send { member }),
        1 => (member(), group()).prop_map(|(member, group)| Step::Move { member, group }),
        4 => (member(), 0..80_usize).prop_map(|(member, room)| Step::Take { member, room }),
        6 => Just(Step::Flush),
        1 => (1..12_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

struct Play {
    bench: Bench,
    members: Vec<ConnId>,
    said: [u64; 2],
    is_in: [[bool; 2]; MEMBERS],
    /// Bytes published since the last flush, and the largest number so far.
    batched: usize,
    largest: usize,
}

impl Play {
    fn new() -> Play {
        let limits = Limits {
            slow: Slow::Drop,
            max_queue: LIMIT,
            high_water: LIMIT / 2,
            stall_timeout: Duration::ZERO,
            ..limits()
        };
        let mut bench = Bench::new(limits);
        let members = (0..MEMBERS)
            .map(|index| {
                let conn = bench.connect(Pipe::with_room(20 * index));
                bench.out.set_form(conn, Form::ALL[index % Form::ALL.len()]);
                conn
            })
            .collect();
        let mut play =
            Play { bench, members, said: [0; 2], is_in: [[false; 2]; MEMBERS], batched: 0, largest: 0 };
        (0..MEMBERS).for_each(|member| (0..2).for_each(|group| play.move_in_or_out(member, group)));
        play
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say { group, len } => {
                let text = format!("{group} {} {}", self.said[group] + 1, "x".repeat(len));
                self.bench.out.publish(GROUPS[group], self.said[group], Opcode::Text, text.as_bytes());
                self.said[group] += 1;
                self.batched += text_len(&text);
                self.largest = self.largest.max(self.batched);
            }
            Step::Answer { member } => {
                self.bench.out.begin_answers(self.members[member]);
                self.bench.send(self.members[member], "answer");
                self.step(Step::Say { group: 0, len: 1 });
                self.bench.send(self.members[member], "answer");
                self.bench.out.end_answers();
            }
            Step::Send { member } => self.bench.send(self.members[member], "frame"),
            Step::Move { member, group } => self.move_in_or_out(member, group),
            Step::Take { member, room } => {
                self.bench.pipe(self.members[member]).room = room;
                self.bench.out.writable(self.members[member]);
            }
            Step::Flush => {
                self.send_gaps();
                self.bench.flush();
                self.batched = 0;
                // A queue without frames from others accepts a message of any size. A close frame may follow.
                let limit = LIMIT.max(self.largest) + 60;
                for member in &self.members {
                    let queue = self.bench.out.queue(*member);
                    assert!(queue.map_or(0, OutboundQueue::from_others) <= limit);
                }
            }
            Step::Wait { seconds } => {
                self.bench.wait(Duration::from_secs(seconds));
                self.bench.out.expire(self.bench.now);
            }
        }
    }

    fn move_in_or_out(&mut self, member: usize, group: usize) {
        let conn = self.members[member];
        self.is_in[member][group] ^= true;
        if self.is_in[member][group] {
            self.bench.send(conn, &format!("joined {group} {}", self.said[group]));
            self.bench.out.subscribe(conn, GROUPS[group]);
        } else {
            self.bench.out.unsubscribe(conn, GROUPS[group]);
        }
    }

    fn send_gaps(&mut self) {
        while let Some((conn, missed)) = self.bench.out.pop_caught_up() {
            for Missed { group, position } in missed {
                let group = GROUPS.iter().position(|known| *known == group).unwrap();
                self.bench.send(conn, &format!("gap {group} {position} {}", self.said[group]));
            }
        }
    }
}

/// Checks that the messages a member received have no gap other than the reported ones.
fn check(heard: &[String], said: [u64; 2], is_in: [bool; 2]) {
    let mut last: HashMap<usize, u64> = HashMap::new();
    for text in heard {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        match words[0] {
            "joined" => {
                last.insert(number(1) as usize, number(2));
            }
            "gap" => {
                let last = last.get_mut(&(number(1) as usize)).unwrap();
                assert_eq!(*last, number(2), "{text} in {heard:?}");
                assert!(number(3) > *last, "{text} in {heard:?}");
                *last = number(3);
            }
            "answer" | "frame" => {}
            "close" => return,
            _ => {
                let last = last.get_mut(&(number(0) as usize)).unwrap();
                *last += 1;
                assert_eq!(*last, number(1), "{text} in {heard:?}");
            }
        }
    }
    for group in 0..2 {
        assert!(!is_in[group] || last[&group] == said[group], "the end is missing of {heard:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn reported_gaps_match_exactly_the_messages_missed(steps in vec(step(), 1..120)) {
        let mut play = Play::new();
        for step in steps {
            play.step(step);
        }
        for _ in 0..3 {
            for member in 0..MEMBERS {
                play.step(Step::Take { member, room: usize::MAX });
            }
            play.step(Step::Flush);
        }
        for (index, member) in play.members.clone().into_iter().enumerate() {
            prop_assert_eq!(play.bench.out.owed(member), 0);
            let heard = play.bench.heard(member);
            check(&heard, play.said, play.is_in[index]);
        }
    }
}
