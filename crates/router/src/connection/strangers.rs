//! Connections to a listener that nobody has opened yet.
//!
//! Who connects and says nothing takes a descriptor and some memory until time is up. No more of these are kept than there is
//! room for; for one more the oldest goes. A peer that means to open its connection does so long before it is the oldest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stop::Stop;

/// Connections of one listener that have not been opened.
pub(super) const MOST: usize = 1024;

/// The strangers of one listener, the oldest first.
#[derive(Default)]
pub(super) struct Strangers {
    next: AtomicU64,
    here: Mutex<Here>,
}

#[derive(Default)]
struct Here {
    by_age: BTreeMap<u64, Arc<Stop>>,
    /// There was no room for one more, and has not been room for many since.
    crowded: bool,
}

/// One of them, until it is dropped.
pub(super) struct Stranger {
    number: u64,
    stop: Arc<Stop>,
    all: Arc<Strangers>,
}

impl Strangers {
    /// Takes one more in; `true` if it is the first for which another had to go.
    pub(super) fn enter(self: &Arc<Self>) -> (Stranger, bool) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stop = Arc::new(Stop::new());
        let mut here = self.lock();
        let full = here.by_age.len() >= MOST;
        if full {
            here.send_oldest_away();
        } else if here.by_age.len() < MOST / 2 {
            here.crowded = false;
        }
        let newly = full && !here.crowded;
        here.crowded |= full;
        here.by_age.insert(number, stop.clone());
        drop(here);
        let all = self.clone();
        (Stranger { number, stop, all }, newly)
    }

    /// Sends the oldest away, if there is any: its descriptor is needed.
    pub(super) fn make_room(&self) {
        self.lock().send_oldest_away();
    }

    fn lock(&self) -> MutexGuard<'_, Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Here {
    fn send_oldest_away(&mut self) {
        if let Some((_, oldest)) = self.by_age.pop_first() {
            oldest.stop();
        }
    }
}

impl Stranger {
    /// Waits until it has to make room for another.
    pub(super) async fn must_go(&self) {
        self.stop.stopped().await;
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.all.lock().by_age.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_that_is_told_once() {
        let strangers = Arc::new(Strangers::default());
        let mut first: Vec<_> = (0..MOST).map(|_| strangers.enter()).collect();
        assert!(first.iter().all(|(_, told)| !told));
        let (_one, told) = strangers.enter();
        assert!(told && first[0].0.stop.is_stopped() && !first[1].0.stop.is_stopped());
        let (_more, told) = strangers.enter();
        assert!(!told && first[1].0.stop.is_stopped());
        first.truncate(MOST / 4);
        drop(strangers.enter());
        assert!(!strangers.lock().crowded);
        strangers.make_room();
        assert!(first[2].0.stop.is_stopped());
    }
}
