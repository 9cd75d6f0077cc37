//! What other threads hand to the event loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

/// Wakes a loop that waits for sockets.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Creates a way to hand values to a loop: the end of other threads and the end of the loop. `wake` is called when the
/// loop may be waiting and there is something in the inbox, which is once for many values that arrive together.
pub fn inbox<M: Send>(wake: Wake) -> (Post<M>, Inbox<M>) {
    let (sender, receiver) = mpsc::channel();
    let is_awake = Arc::new(AtomicBool::new(false));
    let post = Post { sender, is_awake: Arc::clone(&is_awake), wake };
    (post, Inbox { receiver, is_awake })
}

/// The end of other threads. Handing over takes no lock and never waits.
pub struct Post<M> {
    sender: Sender<M>,
    /// The loop has been woken and has not emptied the inbox since.
    is_awake: Arc<AtomicBool>,
    wake: Wake,
}

impl<M> Clone for Post<M> {
    fn clone(&self) -> Post<M> {
        Post {
            sender: self.sender.clone(),
            is_awake: Arc::clone(&self.is_awake),
            wake: Arc::clone(&self.wake),
        }
    }
}

impl<M> Post<M> {
    /// Hands a value to the loop. Returns it if the loop has ended.
    pub fn send(&self, value: M) -> Result<(), M> {
        self.sender.send(value).map_err(|error| error.0)?;
        if !self.is_awake.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
        Ok(())
    }
}

/// The end of the loop.
pub struct Inbox<M> {
    receiver: Receiver<M>,
    is_awake: Arc<AtomicBool>,
}

impl<M> Inbox<M> {
    /// Returns the values that were handed over, at most `most`. If there are more, the loop is to ask again before it
    /// waits: the second value says so.
    pub fn take(&self, most: usize) -> (Vec<M>, bool) {
        // Before the values are taken: whoever sends one from now on wakes the loop. A swap and not a store, since a
        // store may become visible only after the inbox was found empty, and then nobody would wake the loop.
        self.is_awake.swap(false, Ordering::AcqRel);
        let values: Vec<M> = self.receiver.try_iter().take(most).collect();
        let is_full = values.len() == most;
        (values, is_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Answer, App, ConnId, EventLoop, Limits, Mio, Missed, Outbound, Socket};
    use crate::ws::Message;
    use crate::ws::head::{Request, Response};
    use std::net::SocketAddr;
    use std::thread;
    use std::time::Instant;

    /// Passes on what is handed to it, some at a time.
    struct Passing {
        inbox: Inbox<(u32, u32)>,
        received: Sender<(u32, u32)>,
    }

    impl<T: Socket> App<T> for Passing {
        type Session = ();

        fn on_request(&mut self, _: ConnId, _: &Request<'_>, _: &mut Outbound<T>) -> Answer<()> {
            Answer::Reply(Response::text(404, "nothing here"))
        }

        fn on_refused(&mut self, _: &Request<'_>) -> Option<Response> {
            None
        }

        fn on_open(&mut self, _: ConnId, (): &mut (), _: &mut Outbound<T>) {}
        fn on_message(&mut self, _: ConnId, (): &mut (), _: &Message<'_>, _: &mut Outbound<T>) {}
        fn on_caught_up(&mut self, _: ConnId, (): &mut (), _: &[Missed], _: &mut Outbound<T>) {}
        fn on_close(&mut self, _: ConnId, (): (), _: &mut Outbound<T>) {}

        fn on_wake(&mut self, _: &mut Outbound<T>) -> bool {
            let (values, is_full) = self.inbox.take(100);
            values.into_iter().for_each(|value| self.received.send(value).unwrap());
            is_full
        }

        fn due(&self) -> Option<Instant> {
            None
        }

        fn on_due(&mut self, _: &mut Outbound<T>) {}
    }

    /// Runs a loop in this thread until `work` has ended.
    fn run(work: impl FnOnce(Post<(u32, u32)>, &Receiver<(u32, u32)>) + Send) {
        let system = Mio::bind(&[SocketAddr::from(([127, 0, 0, 1], 0)).into()]).unwrap();
        let wake = system.wake();
        let (post, inbox) = inbox(system.wake());
        let (received, values) = mpsc::channel();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let is_over = &is_over;
            scope.spawn(move || {
                work(post, &values);
                is_over.store(true, Ordering::Release);
                wake();
            });
            let mut event_loop = EventLoop::new(Passing { inbox, received }, system, Limits::default());
            while !is_over.load(Ordering::Acquire) {
                event_loop.tick().unwrap();
            }
        });
    }

    #[test]
    fn values_of_many_threads_arrive_in_the_order_of_each() {
        const THREADS: u32 = 4;
        const VALUES: u32 = 5_000;
        run(|post, values| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let post = post.clone();
                    thread::spawn(move || (0..VALUES).for_each(|value| post.send((thread, value)).unwrap()))
                })
                .collect();
            let mut next = [0; THREADS as usize];
            for _ in 0..THREADS * VALUES {
                let (thread, value) = values.recv().unwrap();
                assert_eq!(value, next[thread as usize]);
                next[thread as usize] += 1;
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }

    #[test]
    fn a_loop_that_waits_is_woken_by_each_single_value() {
        run(|post, values| {
            for value in 0..1_000 {
                post.send((0, value)).unwrap();
                assert_eq!(values.recv().unwrap(), (0, value));
            }
        });
    }
}
