//! Connections that only stay open.

use super::super::clients::{ClientPool, FrameWriter, Handler};
use super::super::network::Network;
use super::super::recorder::MessageRecorder;
use super::super::time::Time;
use super::{Ending, Finish, Workload};
use crate::ws::Message;

/// Sends no messages, and checks at the end with a ping whether each connection is still alive.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    recorder: MessageRecorder,
}

impl Handler for Idle {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}

    fn on_message(&mut self, _: usize, _: &Message<'_>, _: Time, _: &mut FrameWriter<'_>) -> bool {
        false
    }
}

impl<N: Network> Workload<N> for Idle {
    fn run_due(&mut self, _: &mut ClientPool<'_, N>, _: Time) -> Option<Time> {
        None
    }

    /// Pings all connections: a server that disappeared silently is only detected by a missing answer.
    fn finish(&mut self, pool: &mut ClientPool<'_, N>) -> Finish {
        pool.ping_all();
        Finish::Pongs
    }

    fn account(&mut self, _: &ClientPool<'_, N>, _: Ending) {}

    fn recorder(&mut self) -> &mut MessageRecorder {
        &mut self.recorder
    }

    fn is_sent(&self) -> bool {
        true
    }
}
