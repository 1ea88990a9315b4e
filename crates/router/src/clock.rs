//! A coarse clock that all connections and flows of a process share, for what is told in seconds.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the process first asked. The default is before every other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self::after(EPOCH.elapsed())
    }

    /// The moment at which the clock shows so much.
    pub fn after(span: Duration) -> Self {
        Moment(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    /// What the clock shows.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// The same in whole seconds.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The moment so much later.
    pub fn plus(self, span: Duration) -> Self {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(millis))
    }

    /// The time since an earlier moment; none where that is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// When something last happened, to be read from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Last(AtomicU64);

impl Last {
    /// It happens now. It counts as having happened also where the clock has only begun.
    pub(crate) fn note(&self, now: Moment) {
        self.0.store(now.millis().max(1), Ordering::Relaxed);
    }

    /// The time since, if it has happened.
    pub(crate) fn since(&self, now: Moment) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            last => Some(now.since(Moment(last))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_happened_has_no_last_time() {
        let last = Last::default();
        assert_eq!(last.since(Moment(7)), None);
        last.note(Moment(0));
        assert_eq!(last.since(Moment(1)), Some(Duration::ZERO));
        last.note(Moment(2000));
        assert_eq!(last.since(Moment(5000)), Some(Duration::from_secs(3)));
    }
}
