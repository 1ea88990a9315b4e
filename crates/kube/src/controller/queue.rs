//! Which namespace's turn it is: each at most once in the queue, each worked on by one at a time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::sync::lock;
use crate::metrics::QueueMetrics;

/// Namespaces and when each is due.
#[derive(Debug)]
pub(super) struct Queue {
    entries: Mutex<Entries>,
    changed: Notify,
    metrics: QueueMetrics,
}

#[derive(Debug, Default)]
struct Entries {
    /// Those that wait, the earliest first.
    order: BTreeSet<(Instant, Arc<str>)>,
    /// When each is due: those that wait, and those that came up again while they were worked on.
    due: HashMap<Arc<str>, Instant>,
    running: HashSet<Arc<str>>,
}

impl Queue {
    pub(super) fn new(metrics: QueueMetrics) -> Self {
        Queue {
            entries: Mutex::default(),
            changed: Notify::new(),
            metrics,
        }
    }

    /// Makes a namespace due at a time. If it is due earlier already, that stands.
    pub(super) fn schedule(&self, namespace: &Arc<str>, at: Instant) {
        let mut guard = lock(&self.entries);
        let entries = &mut *guard;
        match entries.due.get_mut(namespace) {
            Some(due) if *due <= at => return,
            Some(due) => {
                entries.order.remove(&(*due, Arc::clone(namespace)));
                *due = at;
            }
            None => {
                entries.due.insert(Arc::clone(namespace), at);
                self.metrics.added();
            }
        }
        if !entries.running.contains(namespace) {
            entries.order.insert((at, Arc::clone(namespace)));
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// Waits for the next namespace that is due, and takes it. Give it back with [`done`](Self::done).
    ///
    /// One caller at a time.
    pub(super) async fn next(&self) -> Arc<str> {
        loop {
            let first = {
                let mut guard = lock(&self.entries);
                let entries = &mut *guard;
                let now = Instant::now();
                match entries.order.first() {
                    Some((at, _)) if *at <= now => {
                        if let Some((at, namespace)) = entries.order.pop_first() {
                            entries.due.remove(&namespace);
                            entries.running.insert(Arc::clone(&namespace));
                            self.metrics.taken(now - at);
                            let due = entries
                                .order
                                .iter()
                                .take_while(|(at, _)| *at <= now)
                                .count();
                            self.metrics.waiting(due);
                            return namespace;
                        }
                        continue;
                    }
                    Some((at, _)) => Some(*at),
                    None => None,
                }
            };
            match first {
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    /// A namespace has been worked on. If it came up meanwhile, it waits again.
    pub(super) fn done(&self, namespace: &Arc<str>) {
        let mut guard = lock(&self.entries);
        let entries = &mut *guard;
        entries.running.remove(namespace);
        if let Some(at) = entries.due.get(namespace) {
            entries.order.insert((*at, Arc::clone(namespace)));
            drop(guard);
            self.changed.notify_one();
        }
    }

    /// What is measured of this queue.
    pub(super) fn metrics(&self) -> &QueueMetrics {
        &self.metrics
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::registry::Registry;
    use tokio::time::timeout;

    use super::*;

    fn queue() -> Queue {
        Queue::new(QueueMetrics::new(&mut Registry::default(), "test"))
    }

    async fn nothing_within(queue: &Queue, seconds: u64) {
        let waited = timeout(Duration::from_secs(seconds), queue.next()).await;
        assert!(waited.is_err(), "{waited:?} was due");
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_time_stands() {
        let queue = queue();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let start = Instant::now();
        queue.schedule(&a, start + Duration::from_secs(9));
        queue.schedule(&b, start + Duration::from_secs(5));
        queue.schedule(&a, start + Duration::from_secs(3));
        queue.schedule(&a, start + Duration::from_secs(7));
        assert_eq!(queue.next().await, a);
        assert_eq!(start.elapsed().as_secs(), 3);
        assert_eq!(queue.next().await, b);
        assert_eq!(start.elapsed().as_secs(), 5);
        nothing_within(&queue, 100).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_else_gets_what_is_worked_on() {
        let queue = queue();
        let a: Arc<str> = "a".into();
        queue.schedule(&a, Instant::now());
        assert_eq!(queue.next().await, a);
        queue.schedule(&a, Instant::now());
        nothing_within(&queue, 100).await;
        queue.done(&a);
        assert_eq!(queue.next().await, a);
        queue.done(&a);
        nothing_within(&queue, 100).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_hears_of_an_earlier_one() {
        let queue = Arc::new(queue());
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        queue.schedule(&a, Instant::now() + Duration::from_secs(1000));
        let waiter = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.next().await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        queue.schedule(&b, Instant::now());
        assert_eq!(
            timeout(Duration::from_secs(1), waiter)
                .await
                .unwrap()
                .unwrap(),
            b
        );
    }
}
