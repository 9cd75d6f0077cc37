//! The resolved command line, as used by the rest of the load tester.

use super::{Common, MessageOptions};
use std::time::Duration;

/// The first rate of a search without --rate.
const FIRST_RATE: f64 = 1_000.0;

/// A run to execute.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// What the clients do.
    pub action: Action,
    /// Settings common to all scenarios.
    pub common: Common,
    /// The messages that the clients send; `None` with `connect`.
    pub message: Option<MessageOptions>,
}

/// The activity of the clients.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Open connections and hold them.
    Connect,
    /// Send messages that the server returns to their sender.
    Echo {
        /// Largest number of unanswered messages per client; `None` for no limit.
        depth: Option<u32>,
        /// Messages per second, all clients together; `None` in a closed loop.
        rate: Option<f64>,
        /// Time after which a message without a reply counts as timed out.
        response_timeout: Duration,
    },
    /// Send messages that the server delivers to every member of a room.
    Broadcast(Room),
    /// Broadcast while further members read slowly.
    SlowReaders {
        room: Room,
        /// Clients that read slowly, in addition to --connections.
        readers: usize,
        /// Bytes per second that each slow reader reads.
        read_rate: usize,
        /// Size of the kernel's receive buffer of each slow reader, in bytes.
        receive_buffer: usize,
    },
    /// Broadcast while further members disconnect and reconnect.
    Churn {
        room: Room,
        /// Clients that disconnect and reconnect, in addition to --connections.
        churners: usize,
        /// Disconnects per second, all of them together.
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
    /// Messages per second, all senders of all rooms together.
    pub rate: f64,
}

impl Scenario {
    /// Returns the name used in reports and on the command line.
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

    /// Returns true if messages return only to their sender.
    pub fn is_echo(&self) -> bool {
        matches!(self.action, Action::Echo { .. })
    }

    /// Returns true if messages are echoed and the next one is sent without waiting for a reply.
    pub fn is_open_echo(&self) -> bool {
        matches!(self.action, Action::Echo { rate: Some(_), depth: None, .. })
    }

    /// Returns the load on rooms, or `None` for a scenario without rooms.
    pub fn room(&self) -> Option<&Room> {
        match &self.action {
            Action::Connect | Action::Echo { .. } => None,
            Action::Broadcast(room)
            | Action::SlowReaders { room, .. }
            | Action::Churn { room, .. }
            | Action::Storm { room, .. } => Some(room),
        }
    }

    /// Returns the planned messages per second; `None` in a closed loop.
    pub fn rate(&self) -> Option<f64> {
        match self.action {
            Action::Echo { rate, .. } => rate,
            _ => self.room().map(|room| room.rate),
        }
    }

    /// Returns the load that a search varies, and its name.
    pub fn load(&self) -> (f64, &'static str) {
        match self.action {
            Action::Connect => (self.common.connections as f64, "connections"),
            _ => (self.rate().unwrap_or(FIRST_RATE), "rate"),
        }
    }

    /// Returns this scenario with another load.
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

    /// Returns the number of clients. Those of --connections have the lowest numbers.
    pub fn clients(&self) -> usize {
        let further = match self.action {
            Action::Connect | Action::Echo { .. } | Action::Broadcast(_) | Action::Storm { .. } => 0,
            Action::SlowReaders { readers, .. } => readers,
            Action::Churn { churners, .. } => churners,
        };
        self.common.connections + further
    }

    /// Returns the URLs of the servers, without their queries.
    pub fn urls(&self) -> String {
        let urls: Vec<String> = self.common.urls.iter().map(|target| target.shown()).collect();
        urls.join(", ")
    }
}
