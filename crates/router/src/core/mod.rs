//! The core: one task that owns the routing engine and everything there is one of, and publishes what the data plane
//! forwards by. Nothing of a flow passes through it.

pub mod addresses;
pub mod dispatch;
mod doubts;
mod edge;
pub mod forwarding;
mod neighbours;
mod process;
pub(crate) mod replies;
mod task;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
pub(crate) mod testing;
mod treatments;
pub(crate) mod waiting;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use bytes::Bytes;
use skupper_routing::edge::mesh::Bid;
use skupper_routing::{AddressKey, Treatment};
use tokio::sync::{mpsc, oneshot};

use crate::connection::handle::ConnectionHandle;
use crate::tcp::{Watch, WatchSet};
use forwarding::Destination;

pub use process::{Received, Subscription};
pub(crate) use task::{Core, run};
pub use treatments::Treatments;

/// What the core is told.
pub(crate) enum CoreCommand {
    /// Somebody wants to know whether an address can be reached.
    Watch(Arc<Watch>),
    /// An address has a new destination here.
    AddDestination {
        key: AddressKey,
        destination: Destination,
        in_process: bool,
    },
    /// A destination is gone.
    RemoveDestination { key: AddressKey, id: u64 },
    /// Both ends have opened a connection to another router.
    Opened(Arc<ConnectionHandle>),
    /// Both control links of a connection are attached.
    ControlUp(u64),
    /// A control link was detached.
    ControlDown(u64),
    /// A connection is gone.
    Closed(u64),
    /// A control message came in: the whole message.
    Control { connection: u64, payload: Bytes },
    /// The interior has (or has not any more) a destination for an address that is produced at this edge router.
    Tracked {
        connection: u64,
        key: AddressKey,
        reachable: bool,
    },
    /// Another edge router bids for the name of the mesh.
    Bid { connection: u64, bid: Bid },
    /// An edge router has told which mesh it is in.
    MeshTold(u64),
    /// The peer has detached a link that this edge router had attached.
    EdgeLinkLost { connection: u64, link: u64 },
    /// The router is about to end: others are not to send here what they could send elsewhere.
    Withdraw,
    /// Somebody waits until what was said before is in force.
    InForce(SyncSender<()>),
    /// Somebody wants to look.
    Look(Box<dyn FnOnce(&Core) + Send>),
}

/// How addresses of a shape are treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) pattern: String,
    pub(crate) is_prefix: bool,
    pub(crate) treatment: Treatment,
    pub(crate) priority: Option<u8>,
}

/// Talks to the core.
#[derive(Clone)]
pub struct CoreHandle {
    commands: mpsc::UnboundedSender<CoreCommand>,
    watches: Arc<WatchSet>,
}

impl CoreHandle {
    /// A handle and what the core receives by.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<CoreCommand>) {
        let (commands, receiver) = mpsc::unbounded_channel();
        let watches = Arc::default();
        (CoreHandle { commands, watches }, receiver)
    }

    pub(crate) fn tell(&self, command: CoreCommand) {
        // Without a core the router is ending, and nothing matters to it any more.
        let _ = self.commands.send(command);
    }

    /// The addresses that are watched.
    pub(crate) fn watched(&self) -> HashSet<AddressKey> {
        self.watches.keys()
    }

    pub(crate) fn watch(&self, watch: Arc<Watch>) {
        self.tell(CoreCommand::Watch(watch));
    }

    /// Adds a destination of this router; `in_process` ones go before others.
    pub(crate) fn add_destination(
        &self,
        key: AddressKey,
        destination: Destination,
        in_process: bool,
    ) {
        self.tell(CoreCommand::AddDestination {
            key,
            destination,
            in_process,
        });
    }

    /// Waits, on a thread outside the router's runtime, until everybody who sends finds what was said to the core so far.
    pub(crate) fn until_in_force(&self) {
        let (told, answer) = sync_channel(1);
        self.tell(CoreCommand::InForce(told));
        // A router that is ending gives none.
        let _ = answer.recv();
    }

    /// Removes a destination.
    pub(crate) fn remove_destination(&self, key: AddressKey, id: u64) {
        self.tell(CoreCommand::RemoveDestination { key, id });
    }

    /// Runs `look` on the core's state and gives its answer; `None` when the router is ending.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, question) = oneshot::channel();
        self.tell(CoreCommand::Look(Box::new(move |core| {
            // Who asked may have gone.
            let _ = answer.send(look(core));
        })));
        question.await.ok()
    }
}
