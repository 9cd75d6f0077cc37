//! What a workload does with what happens to its clients.

use super::super::time::Time;
use super::FrameWriter;
use crate::ws::Message;

/// What clients do: called for what happens to each. What is written to `writer` goes to that client.
pub(crate) trait Handler {
    /// The opening handshake was answered.
    fn on_open(&mut self, client: usize, now: Time, writer: &mut FrameWriter<'_>);
    /// A message arrived then; whether it was one that the clients of this run had sent.
    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        arrived: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool;
    /// A client can send: called when its socket has taken all that was written, and by [`super::ClientPool::write_to`].
    fn on_writable(&mut self, _client: usize, _writer: &mut FrameWriter<'_>) {}
    /// The socket has taken this number of messages.
    fn on_sent(&mut self, _client: usize, _messages: u32, _now: Time) {}
    /// An open connection ended, and not because the client wanted it.
    fn on_lost(&mut self, _client: usize, _now: Time) {}
    /// The client has left by a closing handshake.
    fn on_left(&mut self, _client: usize, _now: Time) {}
}

/// Does nothing with what happens.
pub(crate) struct Ignore;

impl Handler for Ignore {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}
    fn on_message(&mut self, _: usize, _: &Message<'_>, _: Time, _: &mut FrameWriter<'_>) -> bool {
        false
    }
}
