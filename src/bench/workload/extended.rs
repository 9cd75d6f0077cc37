//! A broadcast in a room with further members, which read slowly or reconnect. The audit does not cover them.

use super::super::clients::{ClientPool, FrameWriter, Handler};
use super::super::network::Network;
use super::super::recorder::MessageRecorder;
use super::super::time::Time;
use super::{Broadcast, Ending, Finish, Workload};
use crate::ws::Message;
use std::ops::Range;

/// A broadcast, and the behaviour of the further members.
pub(crate) struct Extended<'a, B> {
    members: Members<'a>,
    behaviour: B,
    has_started: bool,
}

/// All members of one thread: those of the broadcast, and the further ones.
pub(crate) struct Members<'a> {
    room: Broadcast<'a>,
    /// The clients of this thread that are further members.
    pub further: Range<usize>,
}

/// The behaviour of further members.
pub(crate) trait Behaviour {
    /// Called once, when the run starts.
    fn start<N: Network>(&mut self, _: &mut Members<'_>, _: &mut ClientPool<'_, N>, _now: Time) {}

    /// Does what is due. Returns the time at which something is due next.
    fn run_due<N: Network>(
        &mut self,
        members: &mut Members<'_>,
        pool: &mut ClientPool<'_, N>,
        now: Time,
    ) -> Option<Time>;

    /// Like [`Workload::finish`].
    fn finish<N: Network>(&mut self, _: &mut Members<'_>, _: &mut ClientPool<'_, N>) -> Finish {
        Finish::Done
    }

    /// Called when a client has left with a closing handshake.
    fn on_left(&mut self, _client: usize) {}
}

impl<'a, B: Behaviour> Extended<'a, B> {
    /// Adds the clients `further` of this thread to a broadcast.
    pub fn new(room: Broadcast<'a>, further: Range<usize>, behaviour: B) -> Extended<'a, B> {
        Extended { members: Members { room, further }, behaviour, has_started: false }
    }
}

impl Members<'_> {
    /// Returns the time from which on no message is due.
    pub fn until(&self) -> Time {
        self.room.board().until()
    }

    pub fn recorder(&mut self) -> &mut MessageRecorder {
        self.room.results()
    }
}

impl<N: Network, B: Behaviour> Workload<N> for Extended<'_, B> {
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        let Extended { members, behaviour, has_started } = self;
        if !*has_started {
            *has_started = true;
            behaviour.start(members, pool, now);
        }
        let due = [members.room.run_due(pool, now), behaviour.run_due(members, pool, now)];
        due.into_iter().flatten().min()
    }

    fn finish(&mut self, pool: &mut ClientPool<'_, N>) -> Finish {
        self.behaviour.finish(&mut self.members, pool)
    }

    fn account(&mut self, pool: &ClientPool<'_, N>, ending: Ending) {
        self.members.room.account(pool, ending);
    }

    fn recorder(&mut self) -> &mut MessageRecorder {
        Workload::<N>::recorder(&mut self.members.room)
    }

    fn is_sent(&self) -> bool {
        Workload::<N>::is_sent(&self.members.room)
    }
}

impl<B: Behaviour> Handler for Extended<'_, B> {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        self.members.on_message(client, message, now, writer)
    }

    fn on_writable(&mut self, client: usize, writer: &mut FrameWriter<'_>) {
        self.members.room.on_writable(client, writer);
    }

    fn on_sent(&mut self, client: usize, messages: u32, now: Time) {
        self.members.room.on_sent(client, messages, now);
    }

    fn on_left(&mut self, client: usize, _: Time) {
        self.behaviour.on_left(client);
    }
}

/// Handles what members receive. Further members send nothing.
impl Handler for Members<'_> {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        match self.further.contains(&client) {
            true => !self.room.read(message).is_empty(),
            false => self.room.on_message(client, message, now, writer),
        }
    }
}
