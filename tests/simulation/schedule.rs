//! The plan of one run, drawn from its seed: the server's limits, who connects and does what, and which faults occur.

use super::chance::Chance;
use super::client::{Act, Client, Kind, Manner, Misconduct, Page};
use super::system::{Ear, Event, FIRST_FAULT, Faults, World};
use std::time::Duration;
use throng::chat;
use throng::net::{Limits, Slow};

/// The time in which clients come and act.
pub const BUSY: Duration = Duration::from_secs(60);
/// After it, the time in which everything arrives that is on its way.
pub const QUIET: Duration = Duration::from_secs(25);

/// Rooms of chat; one more is for `raw`.
const ROOMS: u8 = 2;
const RAW: u8 = ROOMS;

/// What a run is made of.
pub struct Plan {
    pub limits: Limits,
    pub chat: chat::Settings,
    pub world: World,
    /// Whether it ends with a signal while clients are connected.
    pub ends_by_signal: bool,
}

impl Plan {
    pub fn new(seed: u64) -> Plan {
        let mut chance = Chance::new(seed);
        let limits = limits(&mut chance);
        let chat = chat::Settings {
            rate: 0,
            byte_rate: 0,
            fan_out_rate: 0,
            room_rate: 0,
            history_messages: chance.pick(&[0, 5, 50, 1000]),
            history_age: Duration::ZERO,
            presence_limit: chance.pick(&[0, 3, 100]),
            ..chat::Settings::default()
        };
        let faults = Faults {
            interrupted: chance.pick(&[0, 200]),
            short_read: chance.pick(&[0, 3, 20]),
            cut_write: chance.pick(&[0, 2, 5, 50]),
            spurious: chance.pick(&[0, 5, 50]),
            aborted_accept: chance.pick(&[0, 4]),
            reports_changes_only: chance.one_in(2),
            call: chance.pick(&[2, 2, 20, 300]),
            events: chance.pick(&[1, 2, 4, 16, 1024]),
        };
        let may_refuse = faults.aborted_accept > 0;
        let mut world = World::new(seed, faults);
        world.checker.may_refuse = may_refuse;
        world.checker.drops = limits.slow == Slow::Drop;
        let deflates = limits.deflate;
        for room in 0..=RAW {
            let kind = if room == RAW { Kind::Raw } else { Kind::Json };
            let manner = Manner { is_observer: true, ..honest(&mut chance, kind, room, deflates) };
            let manner = Manner { capacity: 256 << 10, has_faults: chance.one_in(2), piece: 4096, ..manner };
            let id = add(&mut world, manner, Duration::from_millis(2));
            world.schedule(Duration::ZERO, Event::Do(id, Act::Connect));
        }
        for _ in 0..chance.between(2, 12) {
            plan_client(&mut chance, &mut world, deflates);
        }
        if chance.one_in(10) {
            plan_audience(&mut chance, &mut world);
        }
        plan_faults(&mut chance, &mut world);
        let ends_by_signal = chance.one_in(3);
        Plan { limits, chat, world, ends_by_signal }
    }

    /// Thousands of members of one room, each of whom hears the same.
    pub fn crowd(seed: u64, members: usize) -> Plan {
        let mut chance = Chance::new(seed);
        let faults =
            Faults { cut_write: 50, short_read: 20, spurious: 20, call: 2, events: 256, ..Faults::default() };
        let mut world = World::new(seed, faults);
        let limits = Limits { deflate: false, max_unfinished: 0, ..Limits::default() };
        let chat = chat::Settings {
            rate: 0,
            byte_rate: 0,
            fan_out_rate: 0,
            room_rate: 0,
            history_age: Duration::ZERO,
            ..chat::Settings::default()
        };
        let manner =
            Manner { is_observer: true, capacity: 1 << 20, ..honest(&mut chance, Kind::Json, 0, false) };
        let observer = add(&mut world, manner, Duration::from_millis(2));
        world.schedule(Duration::ZERO, Event::Do(observer, Act::Connect));
        for index in 0..members {
            let kind = chance.pick(&[Kind::Json, Kind::Lines, Kind::Html]);
            let manner =
                Manner { piece: usize::MAX, capacity: 64 << 10, ..honest(&mut chance, kind, 0, false) };
            let id = add(&mut world, manner, Duration::from_millis(5));
            world
                .schedule(Duration::from_micros(1_000_000 + 500 * index as u64), Event::Do(id, Act::Connect));
            if index % (members / 20) == 0 {
                let at = Duration::from_millis(5_000 + chance.below(20_000) as u64);
                world.schedule(at, Event::Do(id, Act::Say(0, 50)));
            }
            if index % 5 == 0 {
                let at = Duration::from_millis(3_000 + chance.below(25_000) as u64);
                world.schedule(at, Event::Do(id, chance.pick(&[Act::Reset, Act::Close, Act::HalfClose])));
            }
        }
        Plan { limits, chat, world, ends_by_signal: false }
    }
}

fn limits(chance: &mut Chance) -> Limits {
    let seconds = Duration::from_secs;
    let max_queue = chance.pick(&[96 << 10, 256 << 10]);
    Limits {
        head_timeout: seconds(4),
        keep_alive_timeout: seconds(2),
        message_timeout: seconds(6),
        ping_after: seconds(5),
        pong_timeout: seconds(4),
        close_timeout: seconds(3),
        slow: chance.pick(&[Slow::Close, Slow::Drop]),
        max_queue,
        high_water: chance.pick(&[0, 32 << 10, max_queue]),
        high_water_timeout: seconds(3),
        stall_timeout: seconds(5),
        pause_above: chance.pick(&[0, 4 << 10, 64 << 10]),
        resume_below: 1 << 10,
        deflate: chance.one_in(6),
        coalesce: chance.pick(&[Duration::ZERO, Duration::from_millis(5), Duration::from_millis(50)]),
        shutdown_timeout: seconds(5),
        ..Limits::default()
    }
}

fn honest(chance: &mut Chance, kind: Kind, room: u8, deflates: bool) -> Manner {
    Manner {
        kind,
        room,
        deflate: deflates && chance.one_in(2),
        capacity: chance.pick(&[4 << 10, 16 << 10, 64 << 10]),
        has_faults: true,
        piece: chance.pick(&[7, 100, 1000, usize::MAX]),
        piece_pause: Duration::from_millis(chance.between(0, 2) as u64),
        reads: usize::MAX,
        is_slow: false,
        is_observer: false,
        is_silent: false,
    }
}

fn add(world: &mut World, manner: Manner, latency: Duration) -> usize {
    let id = world.clients.len();
    world.clients.push(Some(Box::new(Client::new(id, manner))));
    world.ears.push(Ear { latency, ..Ear::default() });
    id
}

fn plan_client(chance: &mut Chance, world: &mut World, deflates: bool) {
    use Kind::*;
    let kind = chance.pick(&[Json, Json, Json, Lines, Html, Raw, Raw, Echo, Http]);
    let room = if kind == Raw { RAW } else { chance.below(ROOMS.into()) as u8 };
    let mut manner = honest(chance, kind, room, deflates);
    let mut latency = Duration::from_millis(chance.between(1, 100) as u64);
    if chance.one_in(5) && kind != Http {
        manner.is_slow = true;
        manner.capacity = chance.pick(&[64, 1000, 4000]);
        manner.reads = chance.between(10, 600);
        latency = Duration::from_millis(chance.between(100, 1500) as u64);
    }
    manner.is_silent = chance.one_in(12);
    let is_slow = manner.is_slow;
    let id = add(world, manner, latency);
    let micros = |chance: &mut Chance, first: Duration, last: Duration| {
        Duration::from_micros(chance.between(first.as_micros() as usize, last.as_micros() as usize) as u64)
    };
    let begin = micros(chance, Duration::from_millis(100), BUSY / 2);
    if kind == Http {
        let mut at = begin;
        for _ in 0..chance.between(0, 8) {
            world.schedule(
                at,
                Event::Do(id, Act::Get(chance.pick(&[Page::Health, Page::Missing, Page::Index]))),
            );
            at += Duration::from_millis(chance.pick(&[0, 0, 300, 1500, 2500]));
        }
        if chance.one_in(3) {
            world.schedule(at, Event::Do(id, chance.pick(&[Act::Deafen, Act::Reset, Act::HalfClose])));
        }
        return;
    }
    world.schedule(begin, Event::Do(id, Act::Connect));
    let end = micros(chance, begin, 2 * BUSY);
    let until = end.min(BUSY);
    for _ in 0..chance.between(0, 30) {
        let at = micros(chance, begin, until);
        let room = if kind == Raw { RAW } else { chance.below(ROOMS.into()) as u8 };
        let len = if chance.one_in(10) { chance.between(200, 3000) } else { chance.between(0, 60) };
        match chance.below(16) {
            0 => world.schedule(at, Event::Do(id, Act::Ping)),
            1 => world.schedule(at, Event::Do(id, Act::Join(room))),
            2 => world.schedule(at, Event::Do(id, Act::Leave(room))),
            3 => world.schedule(at, Event::Do(id, Act::Who(room))),
            4 => world.schedule(at, Event::Do(id, Act::SayInFragments(room, len))),
            5 => {
                // At once, and pings among them.
                for _ in 0..chance.between(2, 20) {
                    world.schedule(at, Event::Do(id, Act::Say(room, len)));
                    if chance.one_in(4) {
                        world.schedule(at, Event::Do(id, chance.pick(&[Act::Ping, Act::Who(room)])));
                    }
                }
            }
            _ => world.schedule(at, Event::Do(id, Act::Say(room, len))),
        }
    }
    match chance.below(12) {
        0 => world.schedule(until, Event::Do(id, Act::Reset)),
        1 => world.schedule(until, Event::Do(id, Act::HalfClose)),
        2 => world.schedule(until, Event::Do(id, Act::Deafen)),
        3 => world.schedule(until, Event::Do(id, Act::Err(chance.pick(&Misconduct::ALL)))),
        4 => world.schedule(until, Event::Do(id, Act::Err(chance.pick(&Misconduct::ALL)))),
        5 => world.schedule(until, Event::Do(id, Act::Cut(chance.between(0, 100), chance.one_in(2)))),
        6 | 7 => world.schedule(until, Event::Do(id, Act::Close)),
        _ => {}
    }
    if is_slow {
        world.schedule(BUSY, Event::Do(id, Act::Hasten));
    }
}

/// Members who only listen, enough for a message not to reach all of them at once.
fn plan_audience(chance: &mut Chance, world: &mut World) {
    for _ in 0..chance.between(20, 60) {
        let kind = chance.pick(&[Kind::Json, Kind::Lines]);
        let manner = honest(chance, kind, 0, false);
        let id = add(world, manner, Duration::from_millis(10));
        let at = FIRST_FAULT + Duration::from_millis(chance.below(20_000) as u64);
        world.schedule(at, Event::Do(id, Act::Connect));
        if chance.one_in(3) {
            let at = at + Duration::from_millis(chance.below(30_000) as u64);
            world.schedule(at, Event::Do(id, chance.pick(&[Act::Close, Act::Reset, Act::Say(0, 10)])));
        }
    }
}

fn plan_faults(chance: &mut Chance, world: &mut World) {
    for _ in 0..chance.below(4) {
        let at = FIRST_FAULT + Duration::from_millis(chance.below(BUSY.as_millis() as usize) as u64);
        let time = Duration::from_millis(chance.pick(&[100, 1500, 5000, 12_000]));
        match chance.below(4) {
            0 => world.schedule(at, Event::Suspend(time * 10)),
            1 => {
                world.checker.may_refuse = true;
                world.schedule(at, Event::NoDescriptors(time));
            }
            _ => world.schedule(at, Event::Pause(time, chance.below(30) as u32)),
        }
    }
}
