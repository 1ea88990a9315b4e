//! What links that are gone have done, so that the router's counters never fall.

use std::sync::atomic::{AtomicU64, Ordering};

use skupper_management::{Attributes, Value};

use crate::connection::describe::LinkRow;

/// Counters of links that are gone, by outcome.
#[derive(Debug, Default)]
pub struct PastLinks {
    presettled: AtomicU64,
    dropped: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    released: AtomicU64,
    modified: AtomicU64,
    delayed: AtomicU64,
    long_delayed: AtomicU64,
}

impl PastLinks {
    /// Takes over the counters of a link that is going.
    pub(crate) fn add(&self, link: &LinkRow) {
        self.dropped
            .fetch_add(link.dropped_of_user(), Ordering::Relaxed);
        if !link.incoming {
            return;
        }
        for (total, count) in [
            (&self.presettled, link.presettled_of_user()),
            (&self.accepted, link.accepted),
            (&self.rejected, link.rejected),
            (&self.released, link.released),
            (&self.modified, link.modified),
            (&self.delayed, link.delayed),
            (&self.long_delayed, link.long_delayed),
        ] {
            total.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Adds the counters to those that a row of router metrics has of the links there are.
    pub(crate) fn add_to(&self, metrics: &mut Attributes) {
        for (name, past) in [
            ("presettledDeliveries", &self.presettled),
            ("droppedPresettledDeliveries", &self.dropped),
            ("acceptedDeliveries", &self.accepted),
            ("rejectedDeliveries", &self.rejected),
            ("releasedDeliveries", &self.released),
            ("modifiedDeliveries", &self.modified),
            ("deliveriesDelayed1Sec", &self.delayed),
            ("deliveriesDelayed10Sec", &self.long_delayed),
        ] {
            let now = metrics.get(name).and_then(Value::as_u64).unwrap_or(0);
            let all = now.saturating_add(past.load(Ordering::Relaxed));
            metrics.insert(name.to_owned(), all.into());
        }
    }
}
