//! The flows of a listener or connector: to show them, to count what they carry, and to end them with it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::ending::By;
use super::pump::{FlowCommand, FlowInbox, FlowOctets};

/// The flows of a listener or connector.
#[derive(Default)]
pub(crate) struct FlowSet {
    flows: Mutex<Flows>,
}

#[derive(Default)]
struct Flows {
    open: HashMap<u64, Flow>,
    /// What flows that have ended have carried.
    past: Carried,
    /// They are ended with what they belong to, whoever comes late as well.
    closed: bool,
}

/// Octets of a socket, or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Read from it.
    pub(crate) outward: u64,
    /// Written to it.
    pub(crate) inward: u64,
}

/// A flow, as others see it.
#[derive(Clone)]
pub(crate) struct Flow {
    inbox: Arc<FlowInbox>,
    /// The client.
    pub(crate) peer: Option<SocketAddr>,
    /// The address that it is to.
    pub(crate) address: Arc<str>,
    /// When it began.
    pub(crate) began: Instant,
    /// What it has carried.
    pub(crate) octets: Arc<FlowOctets>,
}

impl Flow {
    /// One that begins now.
    pub(crate) fn new(
        inbox: Arc<FlowInbox>,
        peer: Option<SocketAddr>,
        address: Arc<str>,
        octets: Arc<FlowOctets>,
    ) -> Self {
        Flow {
            inbox,
            peer,
            address,
            began: Instant::now(),
            octets,
        }
    }

    /// Ends it. One that has ended by itself needs no telling.
    pub(crate) fn close(&self, by: By) {
        drop(self.inbox.send(FlowCommand::Close(by)));
    }

    /// What it has carried.
    pub(crate) fn carried(&self) -> Carried {
        Carried {
            outward: self.octets.outward.load(Ordering::Relaxed),
            inward: self.octets.inward.load(Ordering::Relaxed),
        }
    }
}

impl Carried {
    fn and(self, more: Carried) -> Self {
        Carried {
            outward: self.outward + more.outward,
            inward: self.inward + more.inward,
        }
    }
}

impl FlowSet {
    /// Enters a flow until the guard is dropped; its number is one of connections.
    pub(super) fn enter(&self, number: u64, flow: Flow) -> InSet<'_> {
        let mut flows = self.lock();
        if flows.closed {
            flow.close(By::Parent);
        }
        flows.open.insert(number, flow);
        drop(flows);
        InSet { set: self, number }
    }

    /// All flows by their numbers.
    pub(crate) fn all(&self) -> Vec<(u64, Flow)> {
        let flows = self.lock();
        flows
            .open
            .iter()
            .map(|(number, flow)| (*number, flow.clone()))
            .collect()
    }

    /// Looks at each flow.
    pub(crate) fn each(&self, look: &mut impl FnMut(&Flow)) {
        self.lock().open.values().for_each(look);
    }

    /// What all flows have carried so far, those that have ended included.
    pub(crate) fn carried(&self) -> Carried {
        let flows = self.lock();
        flows
            .open
            .values()
            .fold(flows.past, |all, flow| all.and(flow.carried()))
    }

    /// Ends all flows, and those that enter from now on: what was on its way to a connector that is deleted, or just accepted by
    /// a listener.
    pub(crate) fn close(&self) {
        let mut flows = self.lock();
        flows.closed = true;
        for flow in flows.open.values() {
            flow.close(By::Parent);
        }
    }

    /// Ends one flow; false if it is not one of these.
    pub(crate) fn close_one(&self, number: u64, by: By) -> bool {
        let flow = self.lock().open.get(&number).cloned();
        flow.is_some_and(|flow| {
            flow.close(by);
            true
        })
    }

    fn lock(&self) -> MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flow that is in the set.
pub(super) struct InSet<'a> {
    set: &'a FlowSet,
    number: u64,
}

impl Drop for InSet<'_> {
    fn drop(&mut self) {
        let mut flows = self.set.lock();
        let flow = flows.open.remove(&self.number);
        if let Some(flow) = &flow {
            flows.past = flows.past.and(flow.carried());
        }
        if flows.open.len() < flows.open.capacity() / 8 {
            flows.open.shrink_to_fit();
        }
        drop(flows);
        if let Some(flow) = flow {
            // Whatever is still on its way to the flow answers its sender by being dropped.
            drop(flow.inbox.close());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::transit::inbox::{Inbox, Taken};

    #[test]
    fn who_comes_when_all_are_ended_is_ended_too() {
        let set = FlowSet::default();
        let flow = |inbox: &Arc<FlowInbox>| {
            Flow::new(inbox.clone(), None, "service".into(), Arc::default())
        };
        let [first, second] = [(); 2].map(|()| Arc::new(Inbox::new()));
        let _first = set.enter(1, flow(&first));
        set.close();
        let _second = set.enter(2, flow(&second));
        for inbox in [first, second] {
            let mut taken = Taken::default();
            let mut cx = Context::from_waker(Waker::noop());
            inbox.take(&mut taken, &mut cx);
            assert!(matches!(
                taken.commands[..],
                [FlowCommand::Close(By::Parent)]
            ));
        }
    }

    #[test]
    fn what_flows_have_carried_stays_when_they_have_ended() {
        let set = FlowSet::default();
        let enter = |number| {
            let octets = Arc::<FlowOctets>::default();
            let inbox = Arc::new(Inbox::new());
            let flow = Flow::new(inbox, None, "service".into(), octets.clone());
            (set.enter(number, flow), octets)
        };
        let (first, octets) = enter(1);
        octets.outward.store(5, Ordering::Relaxed);
        let (second, more) = enter(2);
        more.inward.store(7, Ordering::Relaxed);
        let carried = |outward, inward| Carried { outward, inward };
        assert_eq!(set.carried(), carried(5, 7));
        drop(first);
        more.inward.store(8, Ordering::Relaxed);
        assert_eq!((set.carried(), set.all().len()), (carried(5, 8), 1));
        drop(second);
        assert_eq!((set.carried(), set.all().len()), (carried(5, 8), 0));
    }
}
