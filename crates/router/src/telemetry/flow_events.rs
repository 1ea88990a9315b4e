//! Events of flows, as the telemetry task takes them.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::event::FlowEvent;

/// How often flow events are taken: each wake-up of this task takes time from flows.
const PAUSE: Duration = Duration::from_millis(100);
/// Flow events that are taken at once; when there are more, the next are taken without a pause.
const BATCH: usize = 256;

/// Flow events, taken in batches with a pause between.
pub(super) struct FlowEvents {
    events: Option<mpsc::Receiver<FlowEvent>>,
    /// When the next are taken.
    due: tokio::time::Instant,
    batch: Vec<FlowEvent>,
}

impl FlowEvents {
    pub(super) fn new(events: Option<mpsc::Receiver<FlowEvent>>) -> Self {
        FlowEvents {
            events,
            due: tokio::time::Instant::now(),
            batch: Vec::with_capacity(BATCH),
        }
    }

    /// Waits for the next batch. Nothing is lost if this is given up.
    pub(super) async fn arrive(&mut self) {
        // Whoever tells an event while nobody waits for it wakes nobody.
        tokio::time::sleep_until(self.due).await;
        match &mut self.events {
            Some(events) => events.recv_many(&mut self.batch, BATCH).await,
            None => std::future::pending().await,
        };
        if self.batch.len() < BATCH {
            self.due = tokio::time::Instant::now() + PAUSE;
        }
    }

    /// Takes a batch of what is there; false if that is nothing.
    pub(super) fn take(&mut self) -> bool {
        while self.batch.len() < BATCH
            && let Some(events) = &mut self.events
            && let Ok(event) = events.try_recv()
        {
            self.batch.push(event);
        }
        !self.batch.is_empty()
    }

    /// Whether there may be more than the batch holds.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= BATCH
    }

    /// Empties the batch.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = FlowEvent> {
        self.batch.drain(..)
    }
}
