//! What tests of forwarding need: a router without connections, and a destination that keeps what it gets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use skupper_routing::{AddressKey, RouterId, Treatment};

use super::dispatch::Dispatch;
use super::forwarding::{Destination, Forwarding, Local, Sink};
use crate::transit::pipe::Consumer;

/// Of an interior router that knows nobody.
pub(crate) fn dispatch() -> Dispatch {
    let id = RouterId::new("me").unwrap();
    Dispatch::new(id, "", false, Treatment::Balanced)
}

/// Makes a sink the one destination of an address.
pub(crate) fn serve(dispatch: &Dispatch, key: &AddressKey, sink: Arc<dyn Sink>) {
    let destination = Destination {
        id: 1,
        sink,
        outstanding: Default::default(),
        capacity: 10,
        beyond: None,
        apart: None,
    };
    let local = Local {
        treatment: Treatment::Balanced,
        priority: None,
        in_process: Vec::new(),
        links: vec![Arc::new(destination)],
    };
    let mut forwarding = Forwarding::clone(&dispatch.forwarding.load());
    forwarding.locals.set(key, Some(local));
    dispatch.forwarding.store(Arc::new(forwarding));
}

/// Keeps the deliveries that it gets.
#[derive(Default)]
pub(crate) struct Taker {
    deliveries: Mutex<VecDeque<Consumer>>,
    early: bool,
}

impl Taker {
    /// One that takes clients' octets early.
    pub(crate) fn early() -> Self {
        Taker {
            early: true,
            ..Taker::default()
        }
    }

    /// The next delivery, if there is one.
    pub(crate) fn take(&self) -> Option<Consumer> {
        self.deliveries.lock().unwrap().pop_front()
    }
}

impl Sink for Taker {
    fn deliver(&self, delivery: Consumer) {
        self.deliveries.lock().unwrap().push_back(delivery);
    }

    fn takes_early(&self) -> bool {
        self.early
    }
}
