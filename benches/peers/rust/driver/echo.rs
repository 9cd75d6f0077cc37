//! Clients that each keep a number of messages on the way: for each that comes back, one is sent.

use crate::crowd::{Crowd, Listener};
use crate::marker::Marker;
use crate::{Clock, Fault, new_histogram};
use hdrhistogram::Histogram;
use peers::{TEXT, append_masked};
use std::time::Duration;

pub struct Echo {
    clock: Clock,
    size: usize,
    outstanding: u32,
    /// Nothing is sent after this.
    until: u64,
    /// Messages that each client has had back.
    back: Vec<u32>,
    open: usize,
    pub trips: u64,
    pub latency: Histogram<u64>,
    text: Vec<u8>,
}

impl Echo {
    pub fn new(clients: usize, outstanding: u32, size: usize, clock: Clock) -> Result<Echo, Fault> {
        Ok(Echo {
            clock,
            size,
            outstanding,
            until: 0,
            back: vec![0; clients],
            open: 0,
            trips: 0,
            latency: new_histogram()?,
            text: Vec::new(),
        })
    }

    /// Sends for a time, and waits for what is on the way; seconds that this took.
    pub fn run(&mut self, crowd: &mut Crowd, time: Duration, patience: Duration) -> Result<f64, Fault> {
        let start = self.clock.now();
        self.until = start + time.as_nanos() as u64;
        self.back.fill(0);
        self.trips = 0;
        self.latency.clear();
        let mut frames = Vec::new();
        for client in 0..crowd.len() {
            frames.clear();
            for number in 0..self.outstanding {
                self.say(number, &mut frames);
            }
            crowd.say(client, &frames);
            crowd.flush(client);
        }
        while self.open > 0 {
            crowd.poll(Duration::from_millis(100), self)?;
            if crowd.closed() > 0 {
                return Err("a connection was closed while it waited for its echo".into());
            }
            if self.clock.now() > self.until + patience.as_nanos() as u64 {
                return Err(format!("{} messages did not come back in {patience:?}", self.open).into());
            }
        }
        Ok((self.clock.now() - start) as f64 / 1e9)
    }

    fn say(&mut self, number: u32, frames: &mut Vec<u8>) {
        self.text.clear();
        Marker { sender: 0, number, due: self.clock.now() }.append(&mut self.text, self.size);
        append_masked(frames, TEXT, &self.text);
        self.open += 1;
    }
}

impl Listener for Echo {
    fn hear(&mut self, client: usize, message: &[u8], frames: &mut Vec<u8>) -> Result<(), Fault> {
        let marker = Marker::find(message)?;
        if marker.number != self.back[client] || message.len() != self.size {
            let (number, length) = (marker.number, message.len());
            return Err(format!("number {number} of {length} bytes came, not {}", self.back[client]).into());
        }
        let now = self.clock.now();
        self.back[client] += 1;
        self.trips += 1;
        self.open -= 1;
        self.latency.saturating_record((now - marker.due) / 1000);
        if now < self.until {
            self.say(marker.number + self.outstanding, frames);
        }
        Ok(())
    }
}
