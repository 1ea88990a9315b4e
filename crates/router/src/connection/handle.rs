//! What the rest of the router holds of a connection: its inbox and what is known of it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use skupper_management::entity::Role;
use tokio::sync::Notify;

use skupper_routing::edge::{self, Beyond, Side};

use super::describe::{LinkRow, Peer};
use crate::auto_link::AutoLink;
use crate::clock::{Last, Moment};
use crate::core::addresses::Apart;
use crate::core::forwarding::Sink;
use crate::transit::inbox::Inbox;
use crate::transit::pipe::Consumer;

/// Whether frames are told in the log: nobody has said, or management has.
const AS_THE_MODULE: u8 = 0;
const NOT_TRACED: u8 = 1;
const TRACED: u8 = 2;

/// Octets of control messages of one peer that may wait for the core.
const MOST_CONTROL: usize = 8 * 1024 * 1024;
/// What a control message takes beside its octets.
const CONTROL_MESSAGE: usize = 256;

/// By which of a connection's links a delivery leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlet {
    /// The control link.
    Control,
    /// The data link of a priority.
    Priority(u8),
    /// A streaming link, made if none is free.
    Stream,
    /// The same in place of the link of that number.
    StreamFor(u64),
    /// The link of that number.
    Link(u64),
}

/// What a connection is told from elsewhere.
pub(crate) enum Command {
    /// Send a delivery.
    Deliver(Consumer, Outlet),
    /// An address that producers of the connection send to got its first destination or lost its last.
    Reachable {
        /// The link of the producer.
        link: u64,
        /// Whether there is a destination.
        reachable: bool,
    },
    /// Detach the control links: a newer connection has taken over, and only streams under way stay.
    Retire,
    /// Attach a link between an edge router and another router.
    Attach {
        /// The number that the link gets.
        link: u64,
        /// What it is for.
        purpose: edge::Purpose,
    },
    /// Attach a link that the configuration asks for.
    AutoLink(Arc<AutoLink>),
    /// Detach a link.
    Detach {
        /// Its number.
        link: u64,
    },
    /// Close the connection; the peer is told why.
    Close {
        /// AMQP condition.
        condition: &'static str,
        /// Sentence.
        description: String,
    },
    /// Tell the links as management shows them.
    Links(SyncSender<Vec<LinkRow>>),
    /// Tell how many deliveries come and leave, and how many octets of them are kept.
    #[cfg(test)]
    Left(SyncSender<[usize; 3]>),
    /// Say in the log which links have deliveries that nobody settles, or no credit, for long.
    LookForStuck,
}

/// What a connection is for, once that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A messaging client.
    Client,
    /// Control and data to another router.
    Router,
    /// Streams to another router.
    RouterData,
    /// Everything between an edge router and the interior.
    Edge,
    /// Everything between two edge routers.
    InterEdge,
}

/// A connection as others hold it.
pub struct ConnectionHandle {
    /// The connection's number: unique in the router while it runs.
    pub number: u64,
    /// The worker that owns it.
    pub worker: usize,
    /// The role of its listener or connector.
    pub role: Role,
    /// Whether the peer connected to this router.
    pub incoming: bool,
    /// The listener or connector it belongs to.
    pub owner: Arc<str>,
    /// The revision of the credential it was made with.
    pub ordinal: Option<u64>,
    inbox: Inbox<Command>,
    streams: AtomicUsize,
    /// Octets read from the socket.
    pub octets_in: AtomicU64,
    /// Octets of deliveries that have come.
    pub delivered_in: AtomicU64,
    /// Octets of deliveries that have left.
    pub delivered_out: AtomicU64,
    /// Set when the peer has opened the connection.
    pub peer: OnceLock<Peer>,
    /// The mesh that the edge router at the other end has said it is in.
    pub mesh: ArcSwapOption<Box<str>>,
    /// Both sides have opened it and, where this router connects to another, the control link is up: who refuses a router does so
    /// before.
    established: AtomicBool,
    established_now: Notify,
    /// Management has closed it; the peer may not have heard yet.
    closing: AtomicBool,
    /// Whether management wants its frames in the log, if it has said so.
    traced: AtomicU8,
    /// Octets of control messages that wait for the core.
    control: AtomicUsize,
    /// When the last delivery came or left.
    last_delivery: Last,
}

impl ConnectionHandle {
    /// A handle for a connection that is about to be run.
    pub fn new(
        number: u64,
        worker: usize,
        role: Role,
        incoming: bool,
        owner: Arc<str>,
        ordinal: Option<u64>,
    ) -> Arc<Self> {
        Arc::new(ConnectionHandle {
            number,
            worker,
            role,
            incoming,
            owner,
            ordinal,
            inbox: Inbox::new(),
            streams: AtomicUsize::new(0),
            octets_in: AtomicU64::new(0),
            delivered_in: AtomicU64::new(0),
            delivered_out: AtomicU64::new(0),
            peer: OnceLock::new(),
            mesh: ArcSwapOption::empty(),
            control: AtomicUsize::new(0),
            last_delivery: Last::default(),
            established: AtomicBool::new(false),
            established_now: Notify::new(),
            closing: AtomicBool::new(false),
            traced: AtomicU8::new(AS_THE_MODULE),
        })
    }

    /// The inbox, for the task that runs the connection.
    pub(crate) fn inbox(&self) -> &Inbox<Command> {
        &self.inbox
    }

    /// Tells the connection something; it comes back when the connection has ended.
    pub(crate) fn send(&self, command: Command) -> Result<(), Command> {
        self.inbox.send(command)
    }

    /// Who is at its ends, if it leads to or from an edge router or a router of another network.
    pub fn beyond(&self) -> Option<Beyond> {
        let side = match (self.role, self.incoming) {
            (Role::Edge, true) => Side::Edge,
            (Role::Edge, false) => Side::Interior,
            (Role::InterEdge, _) => Side::Peer,
            (Role::InterNetwork, _) => Side::Network,
            _ => return None,
        };
        let connection = self.number;
        Some(Beyond { connection, side })
    }

    /// Streams that leave by the connection now.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    pub(crate) fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_ended(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the core has room for a control message of so many octets; then they count until it is
    /// [handled](Self::control_handled).
    pub(crate) fn may_control(&self, octets: usize) -> bool {
        // Only the connection's own task counts up.
        let waiting = self.control.load(Ordering::Relaxed);
        let room = waiting == 0 || waiting + octets + CONTROL_MESSAGE <= MOST_CONTROL;
        if room {
            self.control
                .fetch_add(octets + CONTROL_MESSAGE, Ordering::Relaxed);
        }
        room
    }

    /// The core has handled a control message of so many octets.
    pub(crate) fn control_handled(&self, octets: usize) {
        self.control
            .fetch_sub(octets + CONTROL_MESSAGE, Ordering::Relaxed);
    }

    /// Notes that a delivery has come or left: a client's, a stream, or what routers say to each other.
    pub(crate) fn note_delivery(&self, now: Moment) {
        self.last_delivery.note(now);
    }

    /// The time since a delivery came or left, if one has.
    pub fn since_last_delivery(&self) -> Option<Duration> {
        self.last_delivery.since(Moment::now())
    }

    /// Notes what the peer has said of itself in opening the connection.
    pub(crate) fn introduce(&self, peer: Peer) {
        // It opens once.
        let _ = self.peer.set(peer);
    }

    /// Notes that the connection is in use.
    pub(crate) fn set_established(&self) {
        self.established.store(true, Ordering::Release);
        self.established_now.notify_waiters();
    }

    /// Waits until the connection is in use.
    pub(crate) async fn established(&self) {
        loop {
            let now = self.established_now.notified();
            tokio::pin!(now);
            // Registered before it is looked, so that what happens in between is not missed.
            now.as_mut().enable();
            if self.established.load(Ordering::Acquire) {
                return;
            }
            now.await;
        }
    }

    /// Closes the connection on behalf of management, which shows it no more.
    pub(crate) fn close_by_management(&self) {
        self.closing.store(true, Ordering::Relaxed);
        // It may be closing by itself.
        drop(self.send(Command::Close {
            condition: "amqp:connection:forced",
            description: "Connection forced-closed by management request".to_owned(),
        }));
    }

    /// Whether management has closed it.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Has frames that are read and written from now on told in the log, or not any more.
    pub(crate) fn trace(&self, on: bool) {
        let traced = if on { TRACED } else { NOT_TRACED };
        self.traced.store(traced, Ordering::Relaxed);
    }

    /// Whether the connection's frames are told in the log: as management wants it, else by the level of their module.
    pub(crate) fn is_traced(&self) -> bool {
        match self.traced.load(Ordering::Relaxed) {
            AS_THE_MODULE => tracing::event_enabled!(target: "PROTOCOL", tracing::Level::DEBUG),
            traced => traced == TRACED,
        }
    }

    /// Whether they are told whatever the level of their module is.
    pub(crate) fn is_traced_anyway(&self) -> bool {
        self.traced.load(Ordering::Relaxed) == TRACED
    }

    /// Whether a client's octets may go by it before the server's end has answered: to another router that takes them.
    pub(crate) fn takes_early(&self) -> bool {
        let offers = self.peer.get().is_some_and(|peer| peer.early_octets);
        offers && self.role.is_between_routers()
    }

    /// What the connection is for.
    pub fn purpose(&self) -> Purpose {
        match self.role {
            Role::InterRouter if self.peer.get().is_some_and(|peer| peer.data) => {
                Purpose::RouterData
            }
            Role::InterRouter => Purpose::Router,
            Role::Edge => Purpose::Edge,
            Role::InterEdge => Purpose::InterEdge,
            _ => Purpose::Client,
        }
    }
}

impl crate::transit::inbox::Bell for ConnectionHandle {
    fn ring(&self, token: u32) {
        self.inbox.ring(token);
    }
}

/// One link of a connection as a destination.
pub struct LinkSink {
    /// The connection.
    pub connection: Arc<ConnectionHandle>,
    /// Number of the link.
    pub link: u64,
    /// Streams leave by streaming links of the connection instead.
    pub streams: bool,
}

impl Sink for LinkSink {
    fn deliver(&self, delivery: Consumer) {
        let outlet = if self.streams && delivery.message().streaming {
            Outlet::StreamFor(self.link)
        } else {
            Outlet::Link(self.link)
        };
        // A connection that has ended gives the delivery back, and dropping it answers its sender.
        drop(self.connection.send(Command::Deliver(delivery, outlet)));
    }

    fn takes_early(&self) -> bool {
        // By other links it goes without the routers' section that says so.
        self.streams && self.connection.takes_early()
    }

    fn apart(&self) -> Option<Apart> {
        Apart::of(self.connection.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_fill_the_core_with_control_messages() {
        let handle = ConnectionHandle::new(1, 0, Role::InterRouter, true, "link".into(), None);
        let mut taken = 0;
        while handle.may_control(1024) {
            taken += 1;
        }
        assert_eq!(taken, MOST_CONTROL / (1024 + CONTROL_MESSAGE));
        handle.control_handled(1024);
        assert!(handle.may_control(1024) && !handle.may_control(1024));
    }

    #[test]
    fn one_long_control_message_is_always_taken() {
        let handle = ConnectionHandle::new(1, 0, Role::InterRouter, true, "link".into(), None);
        assert!(handle.may_control(2 * MOST_CONTROL));
        assert!(!handle.may_control(1));
    }
}
