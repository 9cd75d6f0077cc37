//! The resolved form of the command line that the rest of the program uses.

use super::{Common, MessageOptions};
use std::time::Duration;

/// The first rate of a search if no --rate is given.
const FIRST_RATE: f64 = 1_000.0;

/// A run to carry out.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// What the clients do.
    pub action: Action,
    /// Settings of every scenario.
    pub common: Common,
    /// What the clients send; `None` with `connect`.
    pub message: Option<MessageOptions>,
}

/// What the clients do.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Open connections and hold them.
    Connect,
    /// Send messages that come back to their sender.
    Echo {
        /// Unanswered messages that each client may have; `None` for no limit.
        depth: Option<u32>,
        /// Messages a second, all clients together; `None` in a closed loop.
        rate: Option<f64>,
        /// A message without a reply for this long counts as timed out.
        response_timeout: Duration,
    },
    /// Send messages that come to every member of a room.
    Broadcast(Room),
    /// Broadcast while further members read slowly.
    SlowReaders {
        room: Room,
        /// Clients that read slowly, in addition to --connections.
        readers: usize,
        /// Bytes a second that each slow reader reads.
        read_rate: usize,
        /// Size of the kernel's receive buffer of each slow reader.
        receive_buffer: usize,
    },
    /// Broadcast while further members disconnect and reconnect.
    Churn {
        room: Room,
        /// Clients that disconnect and reconnect, in addition to --connections.
        churners: usize,
        /// How many of them disconnect a second.
        rate: f64,
    },
    /// Broadcast, and drop all connections at once.
    Storm {
        room: Room,
        /// The time over which reconnects are spread.
        jitter: Duration,
    },
}

/// The load on rooms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Members of each room that send.
    pub senders: usize,
    /// Messages a second, all senders of all rooms together.
    pub rate: f64,
}

impl Scenario {
    /// The name in reports and on the command line.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Connect => "connect",
            Action::Echo { .. } => "echo",
            Action::Broadcast(_) => "broadcast",
            Action::SlowReaders { .. } => "slow-readers",
            Action::Churn { .. } => "churn",
            Action::Storm { .. } => "storm",
        }
    }

    /// Whether messages come back to their sender only.
    pub fn is_echo(&self) -> bool {
        matches!(self.action, Action::Echo { .. })
    }

    /// Whether messages are echoed and no reply is needed to send the next one.
    pub fn is_open_echo(&self) -> bool {
        matches!(self.action, Action::Echo { rate: Some(_), depth: None, .. })
    }

    /// `None` for a scenario without rooms.
    pub fn room(&self) -> Option<&Room> {
        match &self.action {
            Action::Connect | Action::Echo { .. } => None,
            Action::Broadcast(room)
            | Action::SlowReaders { room, .. }
            | Action::Churn { room, .. }
            | Action::Storm { room, .. } => Some(room),
        }
    }

    /// Planned messages a second; `None` in a closed loop.
    pub fn rate(&self) -> Option<f64> {
        match self.action {
            Action::Echo { rate, .. } => rate,
            _ => self.room().map(|room| room.rate),
        }
    }

    /// The load that a search varies, and its name.
    pub fn load(&self) -> (f64, &'static str) {
        match self.action {
            Action::Connect => (self.common.connections as f64, "connections"),
            _ => (self.rate().unwrap_or(FIRST_RATE), "rate"),
        }
    }

    /// This scenario with another load.
    pub fn with_load(&self, load: f64) -> Scenario {
        let mut scenario = self.clone();
        match &mut scenario.action {
            Action::Connect => scenario.common.connections = load as usize,
            Action::Echo { rate, .. } => *rate = Some(load),
            Action::Broadcast(room)
            | Action::SlowReaders { room, .. }
            | Action::Churn { room, .. }
            | Action::Storm { room, .. } => room.rate = load,
        }
        scenario
    }

    /// The number of clients. Those of --connections have the lowest numbers.
    pub fn clients(&self) -> usize {
        let further = match self.action {
            Action::Connect | Action::Echo { .. } | Action::Broadcast(_) | Action::Storm { .. } => 0,
            Action::SlowReaders { readers, .. } => readers,
            Action::Churn { churners, .. } => churners,
        };
        self.common.connections + further
    }

    /// The servers, without the queries of their URLs.
    pub fn urls(&self) -> String {
        let urls: Vec<String> = self.common.urls.iter().map(|target| target.shown()).collect();
        urls.join(", ")
    }
}
