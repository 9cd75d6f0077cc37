//! What one thread of clients does, from the first connection to the last word.

use super::super::crowd::{Behaviour, Crowd, Pen};
use super::super::descriptors::take_own_table;
use super::super::dialect::{Dialect, Kind};
use super::super::marker::Marker;
use super::super::options::{self, Scenario};
use super::super::pacer::Pacer;
use super::super::recorder::Recorder;
use super::super::template::Speaker;
use super::super::work::{Broadcast, Churn, Echo, Idle, Slow, Storm, Wording, Work};
use super::rest::Rest;
use super::shared::{Beginning, Shared};
use super::{GLANCE, Plan};
use crate::ws::{Message, Opcode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

/// For the closing handshakes of all, in nanoseconds.
const FAREWELL: u64 = 2_000_000_000;
/// After so many in which nothing came, nothing more will.
const SILENT_GLANCES: u32 = 30;
/// How often a thread tells latencies, in nanoseconds.
const TOLD_EVERY: u64 = 200_000_000;
/// How the format `json` of throng's chat begins.
const THRONG_GREETS: &[u8] = br#"{"type":"welcome","uid":"#;

/// Plays the part of the thread with this number; what was measured.
pub fn work(plan: &Plan<'_>, shared: &Shared, thread: usize) -> io::Result<Recorder> {
    take_own_table();
    let threads = shared.gauges.len();
    let all = plan.scenario.clients();
    let own = thread * all / threads..(thread + 1) * all / threads;
    let rng = StdRng::seed_from_u64(plan.seed.wrapping_add(thread as u64));
    let mut crowd = Crowd::new(plan.access, shared.clock, own.start, own.len(), rng)?;
    let mut player = Player { plan, shared, own, last_heard: 0, work: None };
    play(&mut crowd, &mut player, thread, threads)?;
    finish(&mut crowd, &mut player)?;
    crowd.recorder.open_at_end = crowd.open() as u64;
    let mut recorder = std::mem::take(&mut crowd.recorder);
    if let Some(work) = &mut player.work {
        recorder.add(work.recorder());
    }
    say_farewell(&mut crowd)?;
    Ok(recorder)
}

/// Connects, and does what is to be done until the run is over.
fn play(crowd: &mut Crowd<'_>, player: &mut Player<'_>, thread: usize, threads: usize) -> io::Result<()> {
    let Player { plan, shared, .. } = *player;
    let (common, len, gauge) = (plan.scenario.common(), player.own.len(), &shared.gauges[thread]);
    let at_once = common.at_once.div_ceil(threads);
    let ramp = common.ramp.map(|rate| Pacer::new(0, rate / threads as f64));
    let mut rest = Rest::new(plan.rest);
    let (mut begun, mut told, mut has_counted) = (0, 0, false);
    while !shared.is_over.load(Relaxed) {
        let now = shared.clock.now();
        let mut due = None;
        if begun < len {
            let allowed = ramp.map_or(len, |ramp| ramp.count_before(now + 1) as usize).min(len);
            while begun < allowed && crowd.unopened() < at_once {
                crowd.connect(begun);
                begun += 1;
            }
            due = ramp.map(|ramp| ramp.due(begun as u64)).filter(|due| *due > now);
        }
        if !has_counted && shared.roll_call.load(Relaxed) {
            has_counted = true;
            player.count_hearers(crowd);
        }
        if player.work.is_none()
            && let Some(beginning) = shared.beginning.get()
        {
            crowd.acknowledge_late();
            player.work = Some(player.begin(beginning));
        }
        if let Some(work) = &mut player.work {
            due = work.send_due(crowd, now);
        }
        let from = shared.clock.now();
        let left = |now| due.map_or(GLANCE, |due| Duration::from_nanos(due.saturating_sub(now)).min(GLANCE));
        // The system counts in milliseconds here.
        let events = crowd.poll(
            Duration::from_millis(left(from).as_millis() as u64),
            due.unwrap_or(u64::MAX),
            player,
        )?;
        crowd.expire();
        gauge.tell_connections(crowd, begun);
        gauge.tell_last_heard(player.last_heard);
        if let Some(work) = &mut player.work {
            gauge.tell_messages(work.recorder());
            if player.last_heard > told + TOLD_EVERY {
                told = player.last_heard;
                gauge.tell_latencies(work.recorder());
            }
        }
        let to = shared.clock.now();
        let left = left(to);
        let pause = match events {
            _ if crowd.has_left_some() => Duration::ZERO,
            // Less than the system can count.
            0 if left < Duration::from_millis(1) => left,
            _ => rest.after(to, events).min(left),
        };
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
    Ok(())
}

/// Hears what was left until the end, if anything was.
fn finish(crowd: &mut Crowd<'_>, player: &mut Player<'_>) -> io::Result<()> {
    if !player.work.as_mut().is_some_and(|work| work.finish(crowd)) {
        return Ok(());
    }
    let clock = player.shared.clock;
    let (until, mut silent) = (clock.now() + FAREWELL, 0);
    while silent < SILENT_GLANCES && clock.now() < until {
        let events = crowd.poll(GLANCE, u64::MAX, player)?;
        silent = if events == 0 { silent + 1 } else { 0 };
    }
    Ok(())
}

fn say_farewell(crowd: &mut Crowd<'_>) -> io::Result<()> {
    crowd.say_farewell();
    let until = crowd.clock().now() + FAREWELL;
    while crowd.open() > 0 && crowd.clock().now() < until {
        crowd.poll(GLANCE, u64::MAX, &mut Idle::default())?;
    }
    Ok(())
}

/// The clients of a thread: until the run begins they listen what kind of server it is.
struct Player<'a> {
    plan: &'a Plan<'a>,
    shared: &'a Shared,
    own: Range<usize>,
    last_heard: u64,
    work: Option<Box<dyn Work + 'a>>,
}

impl<'a> Player<'a> {
    /// Tells how many are there that are to hear something.
    fn count_hearers(&self, crowd: &Crowd<'_>) {
        let hearers = self.plan.scenario.common().connections.clamp(self.own.start, self.own.end);
        for client in (self.own.start..hearers).filter(|client| crowd.is_open(client - self.own.start)) {
            self.shared.hearers[client % self.shared.hearers.len()].fetch_add(1, Relaxed);
        }
        self.shared.counted.fetch_add(1, Release);
    }

    fn begin(&self, Beginning { span, rooms }: &'a Beginning) -> Box<dyn Work + 'a> {
        let Player { plan, shared, own, .. } = self;
        let steady = plan.scenario.common().connections;
        let room = |talk: &options::Talk| {
            let pacer = Pacer::new(span.start, talk.rate);
            Broadcast::new(span.clone(), pacer, self.wording(&talk.wording), own.clone(), rooms)
        };
        // Of this thread, those beside the steady ones.
        let further = steady.clamp(own.start, own.end) - own.start..own.len();
        match plan.scenario {
            Scenario::Connect(_) => Box::new(Idle::default()),
            Scenario::Echo(echo) => Box::new(Echo::new(
                span.clone(),
                self.wording(&echo.wording),
                shared.clock,
                (echo.depth, echo.rate),
                own.clone(),
                (plan.scenario.clients(), rooms.count()),
            )),
            Scenario::Broadcast(broadcast) => Box::new(room(&broadcast.talk)),
            Scenario::Slow(slow) => Box::new(Slow::new(room(&slow.talk), further, slow.read_rate as u64)),
            Scenario::Storm(storm) => {
                let seed = plan.seed.wrapping_add(own.start as u64).wrapping_mul(31);
                let jitter = storm.jitter.as_nanos() as u64;
                Box::new(Storm::new(room(&storm.talk), span, own.len(), jitter, seed))
            }
            Scenario::Churn(churn) => {
                let first = (own.start + further.start).saturating_sub(steady);
                Box::new(Churn::new(room(&churn.talk), further, span, churn.churn, first, churn.restless))
            }
        }
    }

    fn wording(&self, options: &options::Wording) -> Wording {
        let seen = if self.shared.speaks_throng.load(Relaxed) { Kind::Throng } else { Kind::Raw };
        let dialect =
            self.plan.dialect.clone().unwrap_or_else(|| Dialect::of(seen, self.plan.scenario.is_echo()));
        Wording {
            is_rewritten: dialect.is_rewritten && options.message.is_none(),
            template: options.message.clone().unwrap_or(dialect.message),
            tag: self.plan.tag,
            size: options.size,
            opcode: if options.binary { Opcode::Binary } else { Opcode::Text },
        }
    }
}

impl Behaviour for Player<'_> {
    fn open(&mut self, client: usize, now: u64, pen: &mut Pen<'_>) {
        if let Some(hello) = &self.plan.hello {
            let client = self.own.start + client;
            let speaker = Speaker { client, room: client % self.shared.hearers.len() };
            let mut text = Vec::new();
            let marker = Marker { sender: client as u32, number: 0, due: now, lag: 0 };
            hello.write(speaker, &marker, self.plan.tag, 0, &mut text);
            pen.send(Opcode::Text, &text);
        }
        if let Some(work) = &mut self.work {
            work.open(client, now, pen);
        }
    }

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, pen: &mut Pen<'_>) {
        self.last_heard = now;
        if let Some(dialect) = &self.plan.dialect {
            if let Some(answer) = dialect.answer(message.payload()) {
                return pen.send(Opcode::Text, answer);
            }
            if dialect.is_aside(message.payload()) {
                return;
            }
        }
        match &mut self.work {
            Some(work) => work.hear(client, message, now, pen),
            None if message.payload().starts_with(THRONG_GREETS) => {
                self.shared.speaks_throng.store(true, Relaxed);
            }
            None => {}
        }
    }

    fn lose(&mut self, client: usize) {
        if let Some(work) = &mut self.work {
            work.lose(client);
        }
    }
}
