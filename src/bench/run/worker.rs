//! The work of one thread of clients, from the first connection to the last closing handshake.

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
    Broadcast, BroadcastConfig, Churn, Echo, Expects, Extended, Finish, Idle, Loop, Schedule, SlowReaders,
    Storm, Workload,
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

/// How often a thread publishes latencies.
const PUBLISH_INTERVAL: Nanos = Nanos::millis(50);
/// After this much silence at the end, no more deliveries are expected.
const SILENCE: Nanos = Nanos::millis(300);
/// The start of the first message of a throng chat in the json format.
const THRONG_GREETING: &[u8] = br#"{"type":"welcome","uid":"#;

/// The clients of one thread and their workload.
pub(super) struct Worker<'a, N: Network> {
    plan: &'a Plan<'a>,
    shared: &'a Shared,
    thread: usize,
    pool: ClientPool<'a, N>,
    dispatcher: Dispatcher<'a, N>,
    /// Number of clients that have started to connect.
    begun: usize,
    /// Due times of connections, with --connect-rate.
    connect_rate: Option<Pacer>,
    batching: ReadBatching,
    /// Whether messages received shortly before the next one is sent are read only then.
    gathers: bool,
    state: State,
    /// When latencies were last published.
    published: Time,
    /// When the last step started.
    stepped: Time,
    longest_pause: Nanos,
}

/// The progress of a thread.
#[derive(Clone, Copy, Debug)]
enum State {
    Connecting,
    /// The members have been counted.
    Counted,
    Running,
    Finishing {
        wait: Finish,
        since: Time,
        until: Time,
    },
    /// Waiting for the other threads.
    Finished,
    Closing {
        until: Time,
    },
}

/// The measurements of a thread.
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
            state: State::Connecting,
            published: Time::ZERO,
            stepped: Time::ZERO,
            longest_pause: Nanos::ZERO,
        }
    }

    /// Does what is due, then waits for events and handles them. Returns false when the work is done.
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
        self.publish(now);
        if !self.pool.has_unhandled() {
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

    /// Records how much longer than a tick a step took. The thread did not run, or the process was stopped.
    fn note_pause(&mut self, now: Time) {
        if matches!(self.state, State::Running) && self.stepped > Time::ZERO {
            let pause = now.since(self.stepped).saturating_sub(TICK);
            self.longest_pause = self.longest_pause.max(pause);
        }
        self.stepped = now;
    }

    /// Follows the coordinator's stages. Returns false when the work is done.
    fn advance(&mut self, now: Time) -> bool {
        let shared = self.shared;
        let gauge = &shared.gauges[self.thread];
        match self.state {
            State::Connecting if shared.has_entered(Stage::Count) => {
                self.dispatcher.count_members(&self.pool);
                gauge.acknowledge(Stage::Count);
                self.state = State::Counted;
            }
            State::Connecting => {}
            State::Counted if shared.has_entered(Stage::Finish) => self.finish(now),
            State::Counted => {
                if self.dispatcher.has_begun() {
                    self.pool.acknowledge_late();
                    if let Some(interval) = self.plan.scenario.common.ping {
                        self.pool.ping_every(interval.into());
                    }
                    self.state = State::Running;
                }
            }
            State::Running if shared.has_entered(Stage::Finish) => self.finish(now),
            State::Running => {}
            State::Finishing { wait, since, until } => {
                let is_done = match wait {
                    Finish::Done => true,
                    Finish::Pongs => self.pool.unanswered_pings() == 0,
                    Finish::Silence => now.since(self.dispatcher.last_received.max(since)) > SILENCE,
                };
                if is_done || now >= until {
                    self.pool.drop_unanswered();
                    gauge.acknowledge(Stage::Finish);
                    self.state = State::Finished;
                }
            }
            State::Finished => {
                if let Some(ending) = shared.ending.get() {
                    if let Some(workload) = &mut self.dispatcher.workload {
                        workload.account(&self.pool, *ending);
                    }
                    self.pool.recorder.open_at_end = self.pool.open() as u64;
                    self.pool.close_all();
                    self.state = State::Closing { until: now + CLOSE_TIMEOUT };
                }
            }
            State::Closing { until } => return self.pool.closing() > 0 && now < until,
        }
        true
    }

    fn finish(&mut self, now: Time) {
        let wait = match &mut self.dispatcher.workload {
            Some(workload) => workload.finish(&mut self.pool),
            None => Finish::Done,
        };
        let until = now + self.plan.scenario.common.drain_timeout.into();
        self.state = State::Finishing { wait, since: now, until };
    }

    /// Opens connections and sends messages that are due. Returns the time of the next ones.
    fn run_due(&mut self, now: Time) -> Option<Time> {
        let due = match self.state {
            State::Connecting => self.connect_due(now),
            State::Running => {
                let workload = self.dispatcher.workload.as_mut();
                workload.and_then(|workload| workload.run_due(&mut self.pool, now))
            }
            _ => None,
        };
        let ping = matches!(self.state, State::Running).then(|| self.pool.send_pings()).flatten();
        due.into_iter().chain(ping).min()
    }

    /// Opens connections: those that are due with --connect-rate, otherwise up to the limit of concurrent
    /// attempts.
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

    fn publish(&mut self, now: Time) {
        let gauge = &self.shared.gauges[self.thread];
        gauge.publish_connections(&self.pool, self.begun, self.dispatcher.joined);
        gauge.publish_last_received(self.dispatcher.last_received);
        if let Some(workload) = &mut self.dispatcher.workload {
            let is_sent = workload.is_sent();
            let recorder = workload.recorder();
            gauge.publish_messages(recorder, is_sent);
            if now.since(self.published) >= PUBLISH_INTERVAL {
                self.published = now;
                gauge.publish_latencies(recorder);
            }
        }
    }
}

/// Passes events of the clients to the workload, and handles messages that are not part of it.
struct Dispatcher<'a, N: Network> {
    plan: &'a Plan<'a>,
    shared: &'a Shared,
    /// The numbers of this thread's clients among those of all threads.
    own: Range<usize>,
    last_received: Time,
    /// Present from [`Stage::Run`] on.
    workload: Option<Box<dyn Workload<N> + 'a>>,
    other: OtherMessages,
    /// Whether each client was connected when the members were counted.
    is_member: Vec<bool>,
    /// Whether each client has received anything.
    is_greeted: Vec<bool>,
    late_greetings: u64,
    /// Whether each client has received the text that marks it as joined, and the number of such clients.
    has_joined: Vec<bool>,
    joined: usize,
}

impl<'a, N: Network + 'a> Dispatcher<'a, N> {
    fn new(plan: &'a Plan<'a>, shared: &'a Shared, own: Range<usize>) -> Dispatcher<'a, N> {
        Dispatcher {
            plan,
            shared,
            last_received: Time::ZERO,
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

    /// Counts the connected clients that are to receive messages.
    fn count_members(&mut self, pool: &ClientPool<'_, N>) {
        let members = self.plan.scenario.common.connections.clamp(self.own.start, self.own.end);
        for client in (self.own.start..members).filter(|client| pool.is_open(client - self.own.start)) {
            self.is_member[client - self.own.start] = true;
            self.shared.recipients[client % self.shared.recipients.len()].fetch_add(1, Relaxed);
        }
    }

    /// Creates the workload once its parameters are known. Returns true if it exists.
    fn has_begun(&mut self) -> bool {
        if self.workload.is_none()
            && let Some(beginning) = self.shared.beginning.get()
        {
            self.begin(beginning);
        }
        self.workload.is_some()
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
        // The clients of this thread that are not members.
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
                let readers = SlowReaders::new(*read_rate as u64);
                Box::new(Extended::new(room(it.rate, Expects::All), further, readers))
            }
            Action::Churn { room: it, churners, rate } => {
                let first = (own.start + further.start).saturating_sub(steady);
                let churn = Churn::new(span.start, *rate, further.len(), (first, *churners));
                Box::new(Extended::new(room(it.rate, Expects::All), further, churn))
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
        let preset = self.plan.preset.as_ref().and_then(|preset| preset.not_delivery);
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
        if payload.starts_with(THRONG_GREETING) {
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
        self.last_received = now;
        let payload = message.payload();
        if let Some(answer) = self.plan.preset.as_ref().and_then(|preset| preset.answer(payload)) {
            writer.greet(answer);
            return false;
        }
        if self.is_ignored(payload) {
            return false;
        }
        // A message of another thread's client may arrive before this thread has noticed the beginning.
        self.has_begun();
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

/// Returns the share of `all` that belongs to the clients `own` out of `clients`.
fn share(all: u64, own: &Range<usize>, clients: usize) -> u64 {
    let before = |client: usize| (u128::from(all) * client as u128 / clients as u128) as u64;
    before(own.end) - before(own.start)
}

fn contains(payload: &[u8], text: &[u8]) -> bool {
    text.is_empty() || payload.windows(text.len()).any(|window| window == text)
}
