//! The interface through which clients pass events to a workload.

use super::super::time::Time;
use super::FrameWriter;
use crate::ws::Message;

/// Handles the events of clients. Frames written to `writer` are sent to the client of the event.
pub(crate) trait Handler {
    /// Called when the opening handshake has succeeded.
    fn on_open(&mut self, client: usize, now: Time, writer: &mut FrameWriter<'_>);
    /// Called for each message, with its time of arrival. Returns true if the message was sent by a client of
    /// this run.
    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        arrived: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool;
    /// Called when a client can send: when its socket has accepted everything written, and by
    /// [`super::ClientPool::write_to`].
    fn on_writable(&mut self, _client: usize, _writer: &mut FrameWriter<'_>) {}
    /// Called when the socket has accepted this number of messages.
    fn on_sent(&mut self, _client: usize, _messages: u32, _now: Time) {}
    /// Called when an open connection has ended, unless the client closed it.
    fn on_lost(&mut self, _client: usize, _now: Time) {}
    /// Called when the client has left with a closing handshake.
    fn on_left(&mut self, _client: usize, _now: Time) {}
}

/// Ignores all events.
pub(crate) struct Ignore;

impl Handler for Ignore {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}
    fn on_message(&mut self, _: usize, _: &Message<'_>, _: Time, _: &mut FrameWriter<'_>) -> bool {
        false
    }
}
