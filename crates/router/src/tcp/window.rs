//! How far a sender may be ahead of what the other end has acknowledged (router protocol reference §7.5).
//!
//! The protocol's own limit lets one flow move a megabyte in each round trip, which is little on a long way. What a sender
//! may have under way is its own affair, so it is sized to the path: twice what the path took in its shortest round trip.
//! A slow receiver shows as a low rate and gets the protocol's limit.

use std::time::{Duration, Instant};

/// Octets after which a receiver acknowledges: 8 slots of 16 buffers of 4072 octets.
pub(crate) const ACKNOWLEDGE_EVERY: u64 = 4072 * 16 * 8;
/// Octets that a sender may always be ahead.
const LEAST: u64 = 2 * ACKNOWLEDGE_EVERY;
/// Octets that a sender is ahead at most: what waits for a receiver that suddenly stops.
const MOST: u64 = 16 * 1024 * 1024;

/// The window of one direction of a flow.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u64,
    acknowledged: u64,
    /// When the last acknowledgement came.
    last: Option<Instant>,
    /// An offset and when it was sent, until it is acknowledged.
    mark: Option<(u64, Instant)>,
    shortest: Option<Duration>,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            limit: LEAST,
            acknowledged: 0,
            last: None,
            mark: None,
            shortest: None,
        }
    }
}

impl Window {
    /// Whether more may be sent by one who has sent so many octets.
    pub(crate) fn is_open(&self, sent: u64) -> bool {
        sent.saturating_sub(self.acknowledged) < self.limit
    }

    /// Notes that octets up to an offset were sent. Looks at the clock once in a round trip.
    pub(crate) fn sent(&mut self, offset: u64, now: impl FnOnce() -> Instant) {
        if self.mark.is_none() && offset.saturating_sub(self.acknowledged) >= ACKNOWLEDGE_EVERY {
            self.mark = Some((offset, now()));
        }
    }

    /// The other end has written octets up to an offset.
    pub(crate) fn acknowledge(&mut self, offset: u64, now: Instant) {
        if offset <= self.acknowledged {
            return;
        }
        let octets = offset - self.acknowledged;
        self.acknowledged = offset;
        if let Some((mark, at)) = self.mark
            && offset >= mark
        {
            let trip = now.saturating_duration_since(at);
            self.shortest = Some(self.shortest.map_or(trip, |shortest| shortest.min(trip)));
            self.mark = None;
        }
        let elapsed = self
            .last
            .replace(now)
            .map(|last| now.saturating_duration_since(last));
        if let (Some(elapsed), Some(shortest)) = (elapsed, self.shortest) {
            let trips = shortest.as_secs_f64() / elapsed.as_secs_f64().max(1e-6);
            let wanted = 2.0 * octets as f64 * trips;
            // Down slowly: one late acknowledgement is no slow receiver.
            let limit = (wanted as u64).max(self.limit - self.limit / 8);
            self.limit = limit.clamp(LEAST, MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as much as the window allows over a path; returns octets in a second after some seconds.
    fn rate(trip: Duration, octets_in_a_second: f64) -> f64 {
        let start = Instant::now();
        let step = Duration::from_millis(1);
        let mut window = Window::default();
        let (mut sent, mut arrived, mut acknowledged) = (0_u64, 0.0_f64, 0_u64);
        let mut on_the_way: Vec<(Duration, u64)> = Vec::new();
        let mut back: Vec<(Duration, u64)> = Vec::new();
        let mut now = Duration::ZERO;
        let mut at_half = 0;
        let whole = Duration::from_secs(20);
        while now < whole {
            while window.is_open(sent) {
                sent += 64 * 1024;
                window.sent(sent, || start + now);
                on_the_way.push((now + trip / 2, sent));
            }
            let there = on_the_way
                .iter()
                .filter(|(at, _)| *at <= now)
                .map(|(_, to)| *to)
                .max();
            on_the_way.retain(|(at, _)| *at > now);
            let there = there.map_or(arrived, |to| to as f64);
            let there = there.max(arrived);
            arrived = there.min(arrived + octets_in_a_second * step.as_secs_f64());
            if there > arrived {
                // What has arrived and is not taken yet is looked at again.
                on_the_way.push((now, there as u64));
            }
            if arrived as u64 >= acknowledged + ACKNOWLEDGE_EVERY {
                acknowledged = arrived as u64;
                back.push((now + trip / 2, acknowledged));
            }
            for (_, offset) in back.iter().filter(|(at, _)| *at <= now) {
                window.acknowledge(*offset, start + now);
            }
            back.retain(|(at, _)| *at > now);
            if now < whole / 2 {
                at_half = acknowledged;
            }
            now += step;
        }
        assert!(sent - acknowledged <= MOST + 64 * 1024 + ACKNOWLEDGE_EVERY);
        (acknowledged - at_half) as f64 / (whole / 2).as_secs_f64()
    }

    #[test]
    fn a_long_way_is_filled() {
        assert!(rate(Duration::from_millis(100), 200e6) > 100e6);
    }

    #[test]
    fn a_slow_receiver_is_not_buried() {
        let mut window = Window::default();
        let start = Instant::now();
        let mut sent = 0;
        // It takes 2 MB in a second, over a way of 100 ms.
        for second in 0..100_u32 {
            while window.is_open(sent) {
                sent += 64 * 1024;
                window.sent(sent, || start + Duration::from_millis(250) * second);
            }
            let now = start + Duration::from_millis(250) * (second + 1);
            window.acknowledge(u64::from(second + 1) * ACKNOWLEDGE_EVERY, now);
        }
        assert!(window.limit <= 4 * LEAST, "{}", window.limit);
    }
}
