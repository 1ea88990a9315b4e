//! Connections of which no more are kept than there is room for; for one more the oldest goes.
//!
//! Who connects and says nothing takes a descriptor and some memory until time is up. A peer that means something says so long
//! before it is the oldest, so nobody keeps others out by being many, as he would if the others had to wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stop::Stop;

/// Those of one port, the oldest first.
pub(crate) struct Crowd {
    most: usize,
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
pub(crate) struct Member {
    number: u64,
    stop: Arc<Stop>,
    all: Arc<Crowd>,
}

impl Crowd {
    /// Nobody yet; at most so many at the same time.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Crowd {
            most,
            next: AtomicU64::new(0),
            here: Mutex::default(),
        })
    }

    /// At most so many are here at the same time.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Takes one more in; `true` if it is the first for which another had to go.
    pub(crate) fn enter(self: &Arc<Self>) -> (Member, bool) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stop = Arc::new(Stop::new());
        let mut here = self.lock();
        let full = here.by_age.len() >= self.most;
        if full {
            here.send_oldest_away();
        } else if here.by_age.len() < self.most / 2 {
            here.crowded = false;
        }
        let newly = full && !here.crowded;
        here.crowded |= full;
        here.by_age.insert(number, stop.clone());
        drop(here);
        let all = self.clone();
        (Member { number, stop, all }, newly)
    }

    /// Sends the oldest away, if there is any: its descriptor is needed. Whether there was.
    pub(crate) fn make_room(&self) -> bool {
        self.lock().send_oldest_away()
    }

    fn lock(&self) -> MutexGuard<'_, Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Here {
    fn send_oldest_away(&mut self) -> bool {
        let oldest = self.by_age.pop_first();
        if let Some((_, oldest)) = &oldest {
            oldest.stop();
        }
        oldest.is_some()
    }
}

impl Member {
    /// Waits until it has to make room for another.
    pub(crate) async fn must_go(&self) {
        self.stop.stopped().await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.all.lock().by_age.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64;

    #[test]
    fn the_oldest_goes_and_that_is_told_once() {
        let crowd = Crowd::new(MOST);
        let mut first: Vec<_> = (0..MOST).map(|_| crowd.enter()).collect();
        assert!(first.iter().all(|(_, told)| !told));
        let (_one, told) = crowd.enter();
        assert!(told && first[0].0.stop.is_stopped() && !first[1].0.stop.is_stopped());
        let (_more, told) = crowd.enter();
        assert!(!told && first[1].0.stop.is_stopped());
        first.truncate(MOST / 4);
        drop(crowd.enter());
        assert!(!crowd.lock().crowded);
        crowd.make_room();
        assert!(first[2].0.stop.is_stopped());
    }
}
