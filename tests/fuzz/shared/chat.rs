//! Chat by a script.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use throng::chat::{ClientId, Entry, Format, Hub, Now, Payload, Resume, Settings};

use crate::{audience::Audience, records};

/// Plays a script, whose records are each a verb, the client's number, and what it does:
///
/// - `j0ROOM NAME`, `l`, `h` or `r`: comes, in the format that begins so (`J`: and resumes what it had heard)
/// - `>0MESSAGE`: sends, binary if it is not UTF-8
/// - `x0`: goes
/// - `w0…`: as many tenths of a second pass as characters follow
pub fn play(script: &[u8]) {
    let mut stage = Stage::new();
    for record in records(script) {
        if let [verb, client, rest @ ..] = record {
            stage.step(*verb, usize::from(client % 4), rest);
        }
    }
    stage.end();
}

struct Stage {
    hub: Hub,
    audience: Audience,
    now: Now,
    generations: [u32; 4],
}

impl Stage {
    fn new() -> Stage {
        // Small, so that scripts reach the limits.
        let settings = Settings {
            max_text: 50,
            max_rooms: 3,
            max_rooms_joined: 2,
            presence_limit: 2,
            history_messages: 3,
            // No message is too long to be kept, so that histories have no holes.
            history_bytes: 1_000,
            history_total: 2_000,
            history_age: Duration::from_secs(60),
            rate: 3,
            burst: 20,
            ..Settings::default()
        };
        Stage {
            hub: Hub::new(settings, StdRng::seed_from_u64(7)),
            audience: Audience::default(),
            now: Now { instant: Instant::now(), time: Timestamp::UNIX_EPOCH },
            generations: [0; 4],
        }
    }

    fn client(&self, number: usize) -> ClientId {
        ClientId { slot: number as u32, generation: self.generations[number] }
    }

    fn step(&mut self, verb: u8, number: usize, rest: &[u8]) {
        let text = std::str::from_utf8(rest);
        match verb {
            b'>' => {
                let payload = text.map_or(Payload::Binary(rest), Payload::Text);
                self.audience.expect_relay(payload);
                self.hub.receive(self.client(number), payload, self.now, &mut self.audience);
            }
            b'x' => self.exit(number),
            b'w' => {
                let pause = Duration::from_millis(100 * rest.len() as u64);
                self.now.instant += pause;
                self.now.time += pause;
                self.hub.tick(self.now, &mut self.audience);
                assert!(self.hub.due().is_none_or(|due| due > self.now.instant));
            }
            _ => {
                let format = Format::ALL
                    .into_iter()
                    .find(|format| format.name().as_bytes()[0] == verb.to_ascii_lowercase());
                if let (Some(format), Ok(text)) = (format, text) {
                    self.enter(number, format, text, verb.is_ascii_uppercase());
                }
            }
        }
    }

    fn enter(&mut self, number: usize, format: Format, text: &str, again: bool) {
        let (room, name) = text.split_once(' ').map_or((text, None), |(room, name)| (room, Some(name)));
        let positions = self.audience.leave(self.client(number)).filter(|_| again).unwrap_or_default();
        let position = positions.get(room).cloned();
        let resume = position.as_ref().map(|(epoch, since)| Resume { since: *since, epoch });
        self.generations[number] += 1;
        let client = self.client(number);
        self.audience.expect(client, format, positions);
        let entry = Entry { room, format, name, greet_with_uid: name.is_none(), resume };
        self.hub.enter(client, &entry, self.now, &mut self.audience);
    }

    fn exit(&mut self, number: usize) {
        self.audience.leave(self.client(number));
        self.hub.exit(self.client(number), self.now, &mut self.audience);
    }

    fn end(mut self) {
        (0..self.generations.len()).for_each(|number| self.exit(number));
        // Rooms end by the age of what they remember.
        while let Some(due) = self.hub.due() {
            self.now.instant = due.max(self.now.instant);
            self.hub.tick(self.now, &mut self.audience);
        }
        self.audience.end();
    }
}
