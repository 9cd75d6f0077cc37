//! What one thread of clients does, from the first connection to the last closing handshake.

use super::super::cli::{Action, MessageOptions};
use super::super::clients::{CLOSE_TIMEOUT, ClientPool, FrameWriter, Handler};
use super::super::content::MessageFormat;
use super::super::marker::Marker;
use super::super::network::{Network, Wait};
use super::super::other::OtherMessages;
use super::super::pacer::Pacer;
use super::super::preset::{Preset, PresetKind};
use super::super::recorder::{ConnectionRecorder, MessageRecorder};
use super::super::time::{Nanos, Time};
use super::super::workload::{
    Broadcast, BroadcastConfig, Churn, Echo, Expects, Finish, Idle, Loop, Schedule, SlowReaders, Storm,
    Workload,
};
use super::read_batching::ReadBatching;
use super::shared::{Beginning, Shared, Stage};
use super::{Plan, TICK};
use crate::ws::{Message, Opcode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

/// How often a thread hands over latencies.
const TELL_INTERVAL: Nanos = Nanos::millis(50);
/// When nothing has come for so long after the end, nothing more will.
const SILENCE: Nanos = Nanos::millis(300);
/// How the format `json` of throng's chat begins.
const THRONG_GREETS: &[u8] = br#"{"type":"welcome","uid":"#;

/// The clients of one thread and what they do.
pub(super) struct Worker<'a, N: Network> {
    plan: &'a Plan<'a>,
    shared: &'a Shared,
    thread: usize,
    pool: ClientPool<'a, N>,
    dispatcher: Dispatcher<'a, N>,
    /// Clients that have begun to connect.
    begun: usize,
    /// When connections are due, if there is a rate.
    connect_rate: Option<Pacer>,
    batching: ReadBatching,
    /// What arrives while a message is about to be sent may wait until then.
    gathers: bool,
    part: Part,
    /// When latencies were handed over last.
    told: Time,
    /// When the last step began.
    stepped: Time,
    longest_pause: Nanos,
}

/// How far a thread has come.
#[derive(Clone, Copy, Debug)]
enum Part {
    Connecting,
    /// The members were counted.
    Counted,
    Running,
    Finishing {
        wait: Finish,
        since: Time,
        until: Time,
    },
    /// Waits for the others.
    Finished,
    Closing {
        until: Time,
    },
}

/// What a thread has measured.
pub(super) struct Results {
    pub connections: ConnectionRecorder,
    pub messages: MessageRecorder,
    pub other: OtherMessages,
    pub longest_pause: Nanos,
    pub late_greetings: u64,
}

impl<'a, N: Network + 'a> Worker<'a, N> {
    pub fn new(plan: &'a Plan<'a>, shared: &'a Shared, thread: usize, network: N) -> Worker<'a, N> {
        let (threads, all) = (shared.gauges.len(), plan.scenario.clients());
        let own = thread * all / threads..(thread + 1) * all / threads;
        let rng = StdRng::seed_from_u64(plan.seed.wrapping_add(thread as u64));
        let is_room = plan.scenario.room().is_some();
        Worker {
            plan,
            shared,
            thread,
            pool: ClientPool::new(plan.config, network, own.start, own.len(), rng),
            dispatcher: Dispatcher::new(plan, shared, own),
            begun: 0,
            connect_rate: plan.scenario.common.connect_rate.map(|rate| Pacer::new(Time::ZERO, rate)),
            batching: ReadBatching::new(is_room),
            gathers: plan.config.is_every_arrival_stamped() && plan.scenario.is_open_echo(),
            part: Part::Connecting,
            told: Time::ZERO,
            stepped: Time::ZERO,
            longest_pause: Nanos::ZERO,
        }
    }

    /// Does what is due, then waits for what comes and handles it; `false` when there is nothing more to do.
    pub fn step(&mut self) -> io::Result<bool> {
        let now = self.pool.network.now();
        self.note_pause(now);
        if !self.advance(now) {
            return Ok(false);
        }
        let due = self.run_due(now);
        let wait = Wait { at_most: TICK, due, gathers: self.gathers };
        let events = self.pool.poll(wait, due.unwrap_or(Time::NEVER), &mut self.dispatcher)?;
        self.pool.expire(&mut self.dispatcher);
        let now = self.pool.network.now();
        self.tell(now);
        if !self.pool.has_left_some() {
            let latest = self.dispatcher.workload.as_mut().map_or(Nanos::ZERO, |it| it.recorder().latest);
            let pause = self.batching.pause(now, events, latest);
            let pause = due.map_or(pause, |due| pause.min(due.since(now)));
            if !pause.is_zero() {
                self.pool.network.pause(pause);
            }
        }
        Ok(true)
    }

    pub fn into_results(mut self) -> Results {
        let messages = self.dispatcher.workload.as_mut().map(|it| std::mem::take(it.recorder()));
        Results {
            connections: self.pool.recorder,
            messages: messages.unwrap_or_default(),
            other: self.dispatcher.other,
            longest_pause: self.longest_pause,
            late_greetings: self.dispatcher.late_greetings,
        }
    }

    /// A step waits no longer than a tick. One that takes longer did not get to run, or the process was stopped.
    fn note_pause(&mut self, now: Time) {
        if matches!(self.part, Part::Running) && self.stepped > Time::ZERO {
            let pause = now.since(self.stepped).saturating_sub(TICK);
            self.longest_pause = self.longest_pause.max(pause);
        }
        self.stepped = now;
    }

    /// Goes along with the coordinator; `false` when all is done.
    fn advance(&mut self, now: Time) -> bool {
        let shared = self.shared;
        let gauge = &shared.gauges[self.thread];
        match self.part {
            Part::Connecting if shared.has_entered(Stage::Count) => {
                self.dispatcher.count_members(&self.pool);
                gauge.acknowledge(Stage::Count);
                self.part = Part::Counted;
            }
            Part::Connecting => {}
            Part::Counted if shared.has_entered(Stage::Finish) => self.finish(now),
            Part::Counted => {
                if let Some(beginning) = shared.beginning.get() {
                    self.pool.acknowledge_late();
                    self.dispatcher.begin(beginning);
                    if let Some(interval) = self.plan.scenario.common.ping {
                        self.pool.ping_every(interval.into());
                    }
                    self.part = Part::Running;
                }
            }
            Part::Running if shared.has_entered(Stage::Finish) => self.finish(now),
            Part::Running => {}
            Part::Finishing { wait, since, until } => {
                let is_done = match wait {
                    Finish::Done => true,
                    Finish::Pongs => self.pool.unanswered_pings() == 0,
                    Finish::Silence => now.since(self.dispatcher.last_heard.max(since)) > SILENCE,
                };
                if is_done || now >= until {
                    self.pool.drop_unanswered();
                    gauge.acknowledge(Stage::Finish);
                    self.part = Part::Finished;
                }
            }
            Part::Finished => {
                if let Some(ending) = shared.ending.get() {
                    if let Some(workload) = &mut self.dispatcher.workload {
                        workload.account(&self.pool, *ending);
                    }
                    self.pool.recorder.open_at_end = self.pool.open() as u64;
                    self.pool.close_all();
                    self.part = Part::Closing { until: now + CLOSE_TIMEOUT };
                }
            }
            Part::Closing { until } => return self.pool.closing() > 0 && now < until,
        }
        true
    }

    fn finish(&mut self, now: Time) {
        let wait = match &mut self.dispatcher.workload {
            Some(workload) => workload.finish(&mut self.pool),
            None => Finish::Done,
        };
        let until = now + self.plan.scenario.common.drain_timeout.into();
        self.part = Part::Finishing { wait, since: now, until };
    }

    /// Connects and sends what is due; when something is due next.
    fn run_due(&mut self, now: Time) -> Option<Time> {
        let due = match self.part {
            Part::Connecting => self.connect_due(now),
            Part::Running => {
                let workload = self.dispatcher.workload.as_mut();
                workload.and_then(|workload| workload.run_due(&mut self.pool, now))
            }
            _ => None,
        };
        let ping = matches!(self.part, Part::Running).then(|| self.pool.send_pings()).flatten();
        due.into_iter().chain(ping).min()
    }

    /// Begins connections: those that are due by the rate, or else as many at a time as may be under way.
    fn connect_due(&mut self, now: Time) -> Option<Time> {
        let (threads, common) = (self.shared.gauges.len(), &self.plan.scenario.common);
        let len = self.dispatcher.own.len();
        let Some(rate) = self.connect_rate else {
            let at_a_time = common.connect_concurrency.div_ceil(threads);
            while self.begun < len && self.pool.opening() < at_a_time {
                self.pool.connect(self.begun, now);
                self.begun += 1;
            }
            return None;
        };
        while self.begun < len {
            let due = rate.due((self.begun * threads + self.thread) as u64);
            if due > now {
                return Some(due);
            }
            self.pool.connect(self.begun, due);
            self.begun += 1;
        }
        None
    }

    fn tell(&mut self, now: Time) {
        let gauge = &self.shared.gauges[self.thread];
        gauge.tell_connections(&self.pool, self.begun, self.dispatcher.joined);
        gauge.tell_last_heard(self.dispatcher.last_heard);
        if let Some(workload) = &mut self.dispatcher.workload {
            let is_sent = workload.is_sent();
            let recorder = workload.recorder();
            gauge.tell_messages(recorder, is_sent);
            if now.since(self.told) >= TELL_INTERVAL {
                self.told = now;
                gauge.tell_latencies(recorder);
            }
        }
    }
}

/// Hands what happens to the clients to the workload, and answers what is not part of it.
struct Dispatcher<'a, N: Network> {
    plan: &'a Plan<'a>,
    shared: &'a Shared,
    /// The numbers of this thread's clients among those of all threads.
    own: Range<usize>,
    last_heard: Time,
    /// Present from [`Stage::Run`] on.
    workload: Option<Box<dyn Workload<N> + 'a>>,
    other: OtherMessages,
    /// Clients connected when the members were counted.
    is_member: Vec<bool>,
    /// Clients that have received something.
    is_greeted: Vec<bool>,
    late_greetings: u64,
    /// Clients that have received what the user says a joined client receives, and their number.
    has_joined: Vec<bool>,
    joined: usize,
}

impl<'a, N: Network + 'a> Dispatcher<'a, N> {
    fn new(plan: &'a Plan<'a>, shared: &'a Shared, own: Range<usize>) -> Dispatcher<'a, N> {
        Dispatcher {
            plan,
            shared,
            last_heard: Time::ZERO,
            workload: None,
            other: OtherMessages::default(),
            is_member: vec![false; own.len()],
            is_greeted: vec![false; own.len()],
            late_greetings: 0,
            has_joined: vec![false; own.len()],
            joined: 0,
            own,
        }
    }

    /// Tells how many clients are connected that are to receive messages.
    fn count_members(&mut self, pool: &ClientPool<'_, N>) {
        let members = self.plan.scenario.common.connections.clamp(self.own.start, self.own.end);
        for client in (self.own.start..members).filter(|client| pool.is_open(client - self.own.start)) {
            self.is_member[client - self.own.start] = true;
            self.shared.hearers[client % self.shared.hearers.len()].fetch_add(1, Relaxed);
        }
    }

    fn begin(&mut self, Beginning { span, rooms, board }: &'a Beginning) {
        let (plan, own) = (self.plan, self.own.clone());
        let scenario = plan.scenario;
        let steady = scenario.common.connections;
        let Some(message) = &scenario.message else {
            self.workload = Some(Box::new(Idle::default()));
            return;
        };
        let format = self.format(message);
        let (config, is_member) = (plan.config, self.is_member.clone());
        let room = |rate: f64, expects| {
            let common =
                BroadcastConfig { rooms, board, config, span: span.clone(), rate, format: format.clone() };
            Broadcast::new(common, own.clone(), is_member.clone(), expects)
        };
        // Of this thread, those beside the members.
        let further = steady.clamp(own.start, own.end) - own.start..own.len();
        self.workload = Some(match &scenario.action {
            Action::Connect => Box::new(Idle::default()),
            Action::Echo { depth, rate, response_timeout } => {
                let numbers = own.clone().map(|number| number as u32).collect();
                let all = scenario.clients();
                let sends = match rate {
                    Some(rate) => Loop::Open(Schedule::new(Pacer::new(span.start, *rate), numbers, all)),
                    None => Loop::Closed { messages: message.messages.map(|it| share(it, &own, all)) },
                };
                Box::new(Echo::new(
                    (board, config),
                    (span.clone(), format),
                    sends,
                    (*depth, (*response_timeout).into()),
                    own,
                ))
            }
            Action::Broadcast(it) => Box::new(room(it.rate, Expects::All)),
            Action::SlowReaders { room: it, read_rate, .. } => {
                Box::new(SlowReaders::new(room(it.rate, Expects::All), further, *read_rate as u64))
            }
            Action::Churn { room: it, churners, rate } => {
                let first = (own.start + further.start).saturating_sub(steady);
                Box::new(Churn::new(room(it.rate, Expects::All), further, *rate, (first, *churners)))
            }
            Action::Storm { room: it, jitter } => {
                let seed = plan.seed.wrapping_add(own.start as u64).wrapping_mul(31);
                let room = room(it.rate, Expects::WhatIsCounted);
                Box::new(Storm::new(room, own.len(), (*jitter).into(), seed))
            }
        });
    }

    fn format(&self, options: &MessageOptions) -> MessageFormat {
        let seen = if self.shared.greeting.get().is_some() { PresetKind::Throng } else { PresetKind::Raw };
        let is_echo = self.plan.scenario.is_echo();
        let preset = self.plan.preset.clone().unwrap_or_else(|| Preset::of(seen, is_echo));
        MessageFormat {
            is_rewritten: preset.is_rewritten,
            template: options.message.clone().unwrap_or(preset.message),
            tag: self.plan.tag,
            size: options.size,
            opcode: if options.binary { Opcode::Binary } else { Opcode::Text },
            seed: self.plan.config.seed,
        }
    }

    fn is_ignored(&self, payload: &[u8]) -> bool {
        let ignored = self.plan.scenario.common.ignore.iter().map(String::as_bytes);
        let preset = self.plan.preset.as_ref().and_then(|preset| preset.aside);
        ignored.chain(preset).any(|text| contains(payload, text))
    }

    fn greet(&mut self, client: usize, payload: &[u8]) {
        self.is_greeted[client] |= true;
        if let Some(text) = &self.plan.scenario.common.joined_when
            && !self.has_joined[client]
            && contains(payload, text.as_bytes())
        {
            self.has_joined[client] = true;
            self.joined += 1;
        }
        if payload.starts_with(THRONG_GREETS) {
            self.shared.greeting.get_or_init(|| payload.to_vec());
        }
    }
}

impl<'a, N: Network + 'a> Handler for Dispatcher<'a, N> {
    fn on_open(&mut self, client: usize, now: Time, writer: &mut FrameWriter<'_>) {
        if let Some(template) = &self.plan.on_open {
            let number = self.own.start + client;
            let speaker = self.plan.config.speaker(number);
            let marker = Marker { sender: number as u32, number: 0, due: now, lag: Nanos::ZERO };
            let mut text = Vec::new();
            template.write(speaker, &marker, self.plan.tag, self.plan.config.seed, 0, &mut text);
            writer.greet(&text);
        }
        if let Some(workload) = &mut self.workload {
            workload.on_open(client, now, writer);
        }
    }

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        self.last_heard = now;
        let payload = message.payload();
        if let Some(answer) = self.plan.preset.as_ref().and_then(|preset| preset.answer(payload)) {
            writer.greet(answer);
            return false;
        }
        if self.is_ignored(payload) {
            return false;
        }
        let is_delivery = match &mut self.workload {
            Some(workload) => workload.on_message(client, message, now, writer),
            None => {
                self.greet(client, payload);
                false
            }
        };
        if !is_delivery {
            if self.workload.is_some() && !self.is_greeted[client] {
                self.late_greetings += 1;
            }
            self.other.add(payload);
        }
        self.is_greeted[client] = true;
        is_delivery
    }

    fn on_writable(&mut self, client: usize, writer: &mut FrameWriter<'_>) {
        if let Some(workload) = &mut self.workload {
            workload.on_writable(client, writer);
        }
    }

    fn on_sent(&mut self, client: usize, messages: u32, now: Time) {
        if let Some(workload) = &mut self.workload {
            workload.on_sent(client, messages, now);
        }
    }

    fn on_lost(&mut self, client: usize, now: Time) {
        if let Some(workload) = &mut self.workload {
            workload.on_lost(client, now);
        }
    }

    fn on_left(&mut self, client: usize, now: Time) {
        if let Some(workload) = &mut self.workload {
            workload.on_left(client, now);
        }
    }
}

/// The part of `all` that the clients `own` of `clients` have.
fn share(all: u64, own: &Range<usize>, clients: usize) -> u64 {
    let before = |client: usize| (u128::from(all) * client as u128 / clients as u128) as u64;
    before(own.end) - before(own.start)
}

fn contains(payload: &[u8], text: &[u8]) -> bool {
    text.is_empty() || payload.windows(text.len()).any(|window| window == text)
}
