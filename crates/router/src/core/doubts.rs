//! Connections that may be dead: their peer has made another in their place, and nobody has noticed yet what became of them.
//!
//! A machine that fails in silence and is back before its silence is noticed has both. Nothing new goes by the old one until something
//! comes by it: it may live, too (a control connection alone was lost; two edge routers have one id, though they should not).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::connection::handle::ConnectionHandle;

/// So long is enough of a doubt where nobody asks for heartbeats: what is dead, [keepalive](crate::keep_alive) has noticed by then,
/// unless something of ours was under way.
const DEAD: Duration = Duration::from_secs(180);

/// The connections that are doubted.
#[derive(Default)]
pub(super) struct Doubts(Vec<Doubt>);

struct Doubt {
    handle: Arc<ConnectionHandle>,
    /// Octets that had come by it then.
    octets: u64,
    /// The only connection that is in its place.
    successor: Option<u64>,
    /// When it is believed again, whatever has come by it.
    until: Option<Duration>,
}

impl Doubts {
    /// Doubts a connection: where one other is in its place, for as long as that is there.
    pub(super) fn add(
        &mut self,
        handle: Arc<ConnectionHandle>,
        successor: Option<u64>,
        now: Duration,
    ) {
        self.0.retain(|doubt| doubt.handle.number != handle.number);
        // Whose successor is doubted in turn has the latest in its place.
        for doubt in &mut self.0 {
            if doubt.successor == Some(handle.number) {
                doubt.successor = successor;
                doubt.until = successor.is_none().then_some(now + DEAD);
            }
        }
        self.0.push(Doubt {
            octets: handle.octets_in.load(Ordering::Relaxed),
            handle,
            successor,
            until: successor.is_none().then_some(now + DEAD),
        });
    }

    /// A connection has ended: what it was in the place of is all that there is.
    pub(super) fn closed(&mut self, number: u64) {
        self.0.retain(|doubt| doubt.handle.number != number);
        for doubt in &mut self.0 {
            if doubt.successor == Some(number) {
                doubt.until = Some(Duration::ZERO);
            }
        }
    }

    /// Whether a connection is doubted.
    pub(super) fn has(&self, number: u64) -> bool {
        self.0.iter().any(|doubt| doubt.handle.number == number)
    }

    /// The numbers of those that have shown that they live, or may be taken to: they are doubted no more.
    pub(super) fn take_alive(&mut self, now: Duration) -> Vec<u64> {
        let alive = |doubt: &mut Doubt| {
            let octets = doubt.handle.octets_in.load(Ordering::Relaxed);
            octets != doubt.octets || doubt.until.is_some_and(|until| now >= until)
        };
        self.0
            .extract_if(.., alive)
            .map(|doubt| doubt.handle.number)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use skupper_management::entity::Role;

    use super::*;

    #[test]
    fn a_doubt_ends_with_octets_with_a_connection_or_after_a_while() {
        let connections = [1, 2, 3]
            .map(|number| ConnectionHandle::new(number, 0, Role::Edge, true, "edges".into(), None));
        let now = Duration::from_secs(7);
        let mut doubts = Doubts::default();
        connections[0].octets_in.store(100, Ordering::Relaxed);
        for connection in &connections {
            doubts.add(connection.clone(), None, now);
        }
        assert!(doubts.take_alive(now).is_empty());
        connections[0].octets_in.store(108, Ordering::Relaxed);
        assert_eq!(doubts.take_alive(now), [1]);
        doubts.closed(2);
        assert!(!doubts.has(1) && !doubts.has(2) && doubts.has(3));
        let before = now + DEAD - Duration::from_nanos(1);
        assert!(doubts.take_alive(before).is_empty());
        assert_eq!(doubts.take_alive(now + DEAD), [3]);
        // Another is in its place, until that ends.
        doubts.add(connections[1].clone(), Some(3), now);
        assert!(doubts.take_alive(now + DEAD).is_empty());
        doubts.closed(1);
        assert!(doubts.take_alive(now).is_empty());
        doubts.closed(3);
        assert_eq!(doubts.take_alive(now), [2]);
        // The one in its place is doubted as well, and ends: a third is there.
        doubts.add(connections[0].clone(), Some(2), now);
        doubts.add(connections[1].clone(), Some(3), now);
        doubts.closed(2);
        assert!(doubts.take_alive(now + DEAD).is_empty());
        doubts.closed(3);
        assert_eq!(doubts.take_alive(now), [1]);
    }
}
