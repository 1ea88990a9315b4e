//! How far a sender may be ahead of what the other end has acknowledged (router protocol reference §7.5).
//!
//! The protocol's own limit lets one flow move a megabyte in each round trip, which is little on a long way. An end that says in
//! its stream's head that it takes more is sent more, as much more as the path itself holds: what is acknowledged within
//! the shortest round trip. A slow receiver shows as long round trips and gets little more than the protocol's limit.
//!
//! Ends that say nothing get the protocol's limit and no more: upstream's router may close the whole connection when four
//! mebioctets wait in it. Only where the next router is the other end, and by its version is known not to
//! ([`Peer::roomy`](crate::connection::describe::Peer::roomy)), it gets as much as one of ours.

use std::time::Duration;

use tokio::time::Instant;

/// Octets after which a receiver acknowledges: 8 slots of 16 buffers of 4072 octets.
pub(crate) const ACKNOWLEDGE_EVERY: u64 = 4072 * 16 * 8;
/// Octets that a sender may always be ahead.
pub(crate) const LEAST: u64 = 2 * ACKNOWLEDGE_EVERY;
/// Octets that a sender is ahead at most, and that this router takes: what waits where a receiver suddenly stops.
pub(crate) const MOST: u64 = 16 * 1024 * 1024;

/// The window of one direction of a flow.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u64,
    most: u64,
    acknowledged: u64,
    mark: Option<Mark>,
    shortest: Option<Duration>,
}

/// An offset on its way, by which a round trip is measured.
#[derive(Debug)]
struct Mark {
    offset: u64,
    at: Instant,
    /// What was acknowledged when it was sent.
    acknowledged: u64,
}

impl Window {
    /// A window towards an end that takes so many octets; `None` where it does not say.
    pub(crate) fn new(taken: Option<u64>) -> Self {
        let most = taken.unwrap_or(LEAST).clamp(LEAST, MOST);
        Window {
            limit: LEAST,
            most,
            acknowledged: 0,
            mark: None,
            shortest: None,
        }
    }

    /// Whether more may be sent by one who has sent so many octets.
    pub(crate) fn is_open(&self, sent: u64) -> bool {
        sent.saturating_sub(self.acknowledged) < self.limit
    }

    /// Notes that octets up to an offset were sent. Looks at the clock once in a round trip.
    pub(crate) fn sent(&mut self, offset: u64, now: impl FnOnce() -> Instant) {
        let acknowledged = self.acknowledged;
        if self.mark.is_none() && offset.saturating_sub(acknowledged) >= ACKNOWLEDGE_EVERY {
            self.mark = Some(Mark {
                offset,
                at: now(),
                acknowledged,
            });
        }
    }

    /// The other end has written octets up to an offset.
    pub(crate) fn acknowledge(&mut self, offset: u64, now: Instant) {
        if offset <= self.acknowledged {
            return;
        }
        self.acknowledged = offset;
        let Some(mark) = self.mark.take_if(|mark| offset >= mark.offset) else {
            return;
        };
        let trip = now
            .saturating_duration_since(mark.at)
            .max(Duration::from_micros(1));
        let shortest = self.shortest.map_or(trip, |shortest| shortest.min(trip));
        self.shortest = Some(shortest);
        let delivered = (offset - mark.acknowledged) as f64;
        // Twice: what goes out in bursts takes longer than the path itself, and must not look like a queue for it.
        let held_by_path = 2.0 * delivered * shortest.as_secs_f64() / trip.as_secs_f64();
        // Down slowly: one late acknowledgement is no slow receiver.
        let limit = (LEAST + held_by_path as u64).max(self.limit - self.limit / 8);
        self.limit = limit.clamp(LEAST, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way that takes time, to a receiver that takes so many octets in a millisecond.
    struct Path {
        window: Window,
        start: Instant,
        now: Duration,
        takes: u64,
        sent: u64,
        taken: u64,
        acknowledged: u64,
        /// Offsets by the millisecond in which they arrive.
        there: std::collections::VecDeque<u64>,
        back: std::collections::VecDeque<u64>,
    }

    impl Path {
        fn new(taken: Option<u64>, trip: u32, takes: u64) -> Self {
            let way = vec![0; trip as usize / 2 + 1];
            Path {
                window: Window::new(taken),
                start: Instant::now(),
                now: Duration::ZERO,
                takes,
                sent: 0,
                taken: 0,
                acknowledged: 0,
                there: way.clone().into(),
                back: way.into(),
            }
        }

        /// Runs for some milliseconds; the most that ever waited for the receiver.
        fn run(&mut self, milliseconds: u32) -> u64 {
            let mut most = 0;
            for _ in 0..milliseconds {
                self.now += Duration::from_millis(1);
                let now = self.start + self.now;
                while self.window.is_open(self.sent) {
                    self.sent += 64 * 1024;
                    self.window.sent(self.sent, || now);
                }
                self.there.push_back(self.sent);
                let arrived = self.there.pop_front().unwrap();
                most = most.max(arrived - self.taken.min(arrived));
                self.taken = arrived.min(self.taken + self.takes);
                if self.taken >= self.acknowledged + ACKNOWLEDGE_EVERY {
                    self.acknowledged = self.taken;
                }
                self.back.push_back(self.acknowledged);
                let heard = self.back.pop_front().unwrap();
                self.window.acknowledge(heard, now);
            }
            most
        }
    }

    #[test]
    fn a_long_way_is_filled() {
        // 100 ms, and a receiver that could take 1.6 Gb/s.
        let mut path = Path::new(Some(MOST), 100, 200_000);
        path.run(5_000);
        let before = path.taken;
        path.run(5_000);
        let in_a_second = (path.taken - before) / 5;
        assert!(in_a_second > 125_000_000, "{in_a_second}");
    }

    #[test]
    fn a_slow_receiver_is_not_buried() {
        for trip in [2, 20, 100] {
            let mut path = Path::new(Some(MOST), trip, 2_000);
            let waited = path.run(20_000);
            assert!(
                waited <= 3 * LEAST + 64 * 1024,
                "{trip} ms: {waited} octets waited"
            );
        }
    }

    #[test]
    fn who_says_nothing_gets_the_protocols_limit() {
        let mut path = Path::new(None, 100, 200_000);
        path.run(5_000);
        assert_eq!(path.window.limit, LEAST);
        assert_eq!(Window::new(Some(u64::MAX)).most, MOST);
        assert_eq!(Window::new(Some(0)).most, LEAST);
    }
}
