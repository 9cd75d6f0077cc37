//! Messages at a steady rate, whatever becomes of them, and what each member hears of them.

use crate::crowd::{Crowd, Listener};
use crate::marker::Marker;
use crate::{Clock, Fault, new_histogram};
use hdrhistogram::Histogram;
use peers::{TEXT, append_masked};
use std::time::Duration;

/// Of what goes to all, no more than this many deliveries a second are looked into; the others are counted.
const VERIFIED: f64 = 200_000.0;

#[derive(Clone)]
pub struct Plan {
    /// Messages a second.
    pub rate: f64,
    pub senders: usize,
    pub size: usize,
    /// Before and after the text.
    pub around: (String, String),
    /// Time for deliveries after the last message.
    pub patience: Duration,
}

pub struct Broadcast {
    plan: Plan,
    clock: Clock,
    /// Messages that each sender has said.
    said: Vec<u32>,
    heard: Vec<u64>,
    total: u64,
    /// Every how many-th member is looked into: the number it expects next of each sender.
    every: usize,
    expected: Vec<u32>,
    pub out_of_order: u64,
    pub latency: Histogram<u64>,
}

/// One stretch of messages.
pub struct Stretch {
    pub deliveries: u64,
    pub wanted: u64,
    /// From the first message to the last delivery.
    pub seconds: f64,
}

impl Broadcast {
    pub fn new(plan: Plan, clients: usize, clock: Clock) -> Result<Broadcast, Fault> {
        let every = ((plan.rate * clients as f64 / VERIFIED).ceil() as usize).clamp(1, clients.div_ceil(20));
        Ok(Broadcast {
            clock,
            said: vec![0; plan.senders],
            heard: vec![0; clients],
            total: 0,
            every,
            expected: vec![0; clients.div_ceil(every) * plan.senders],
            out_of_order: 0,
            latency: new_histogram()?,
            plan,
        })
    }

    /// Says `count` messages at `rate` a second, and waits for what comes of them.
    pub fn run(&mut self, crowd: &mut Crowd, rate: f64, count: u64) -> Result<Stretch, Fault> {
        let (heard_before, wanted) = (self.total, count * crowd.len() as u64);
        let start = self.clock.now();
        let due = |number: u64| start + (number as f64 / rate * 1e9) as u64;
        let (deadline, mut last) = (due(count) + self.plan.patience.as_nanos() as u64, start);
        let (mut said, mut text, mut frame) = (0, Vec::new(), Vec::new());
        while self.total - heard_before < wanted {
            let now = self.clock.now();
            while said < count && due(said) <= now {
                let sender = (said % self.plan.senders as u64) as usize;
                text.clear();
                text.extend(self.plan.around.0.as_bytes());
                Marker { sender, number: self.said[sender], due: due(said) }
                    .append(&mut text, self.plan.size);
                text.extend(self.plan.around.1.as_bytes());
                frame.clear();
                append_masked(&mut frame, TEXT, &text);
                crowd.say(sender, &frame);
                self.said[sender] += 1;
                said += 1;
            }
            for sender in 0..self.plan.senders {
                crowd.flush(sender);
            }
            if now > deadline || (said == count && now > last.max(due(count)) + 3_000_000_000) {
                break;
            }
            let wait = if said < count { due(said).saturating_sub(now) } else { 100_000_000 };
            let heard = self.total;
            crowd.poll(Duration::from_nanos(wait.min(100_000_000)), self)?;
            if self.total > heard {
                last = self.clock.now();
            }
        }
        let deliveries = self.total - heard_before;
        Ok(Stretch { deliveries, wanted, seconds: (last - start).max(1) as f64 / 1e9 })
    }

    /// Deliveries that some members miss, and those that others had too many.
    pub fn missing_and_extra(&self) -> (u64, u64) {
        let said: u64 = self.said.iter().copied().map(u64::from).sum();
        self.heard.iter().fold((0, 0), |(missing, extra), heard| {
            (missing + said.saturating_sub(*heard), extra + heard.saturating_sub(said))
        })
    }

    /// Members that are looked into.
    pub fn verified(&self) -> usize {
        self.heard.len().div_ceil(self.every)
    }
}

impl Listener for Broadcast {
    fn hear(&mut self, client: usize, message: &[u8], _: &mut Vec<u8>) -> Result<(), Fault> {
        self.heard[client] += 1;
        self.total += 1;
        if client.is_multiple_of(self.every) {
            let marker = Marker::find(message)?;
            let expected = &mut self.expected[client / self.every * self.plan.senders + marker.sender];
            self.out_of_order += u64::from(marker.number != *expected);
            *expected = marker.number + 1;
            self.latency.saturating_record(self.clock.now().saturating_sub(marker.due) / 1000);
        }
        Ok(())
    }
}
