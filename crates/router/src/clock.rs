//! A coarse clock that all connections and flows of a process share, for what is told in seconds.

use std::sync::LazyLock;
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
