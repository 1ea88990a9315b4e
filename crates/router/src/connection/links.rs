//! The links and deliveries of one connection.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use skupper_amqp::connection::{LinkId, Payload, SessionId};
use skupper_amqp::message::flags;
use skupper_amqp::{DeliveryState, DeliveryTag};
use skupper_routing::{AddressKey, Table};
use tokio::time::Instant;

use super::describe::LinkRow;
use super::handle::{ConnectionHandle, Purpose};
use super::onward::Onward;
use super::pace::{Age, Origins, Outcome, Pace};
use super::resend::Resend;
use crate::auto_link::AutoLink;
use crate::clock::Moment;
use crate::core::replies::Reply;
use crate::tcp::Watch;
use crate::transit::load::Outstanding;
use crate::transit::message::{DEFAULT_PRIORITY, HIGHEST_PRIORITY, Message};
use crate::transit::pipe::Consumer;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Control messages between routers.
    Control,
    /// Whole messages between routers, of one priority.
    Data(u8),
    /// One stream at a time.
    Stream,
    /// A client's.
    Endpoint,
    /// What is for an edge router leaves by it.
    Downlink,
    /// An edge router is told by it which addresses have destinations.
    Tracking,
    /// An edge router tells by it which mesh it is in.
    Mesh,
    /// An edge router tells another by it who names their mesh.
    Bids,
}

/// When credit for a delivery is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replenish {
    /// When it has been passed on.
    AtOnce,
    /// When it is settled.
    AtSettlement,
}

/// One link.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    /// Unique in the router.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) end: End,
    /// The address that it is for; `None` is anonymous.
    pub(crate) address: Option<Address>,
    pub(crate) counts: Counts,
    pub(crate) pace: Pace,
    /// Where what has left by a client's link came from.
    pub(crate) origins: Option<Box<Origins>>,
    /// The configuration asks for it.
    pub(crate) auto: Option<Arc<AutoLink>>,
}

/// An address as a terminus names it, and the key that it is looked up by.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) text: Arc<str>,
    pub(crate) key: AddressKey,
}

/// Which end of a link this router is.
pub(crate) enum End {
    /// Deliveries leave.
    Sender(SenderEnd),
    /// Deliveries come.
    Receiver(ReceiverEnd),
}

/// Deliveries that leave by a link.
#[derive(Default)]
pub(crate) struct SenderEnd {
    /// Tokens of deliveries in [`Outbound`], the one being sent first.
    pub(crate) queue: VecDeque<u32>,
    /// It is in the list of links to be looked at.
    pub(crate) ready: bool,
    /// Wants its session's window.
    pub(crate) blocked: bool,
    /// The made-up address that leads here, while the link lives.
    pub(crate) reply: Option<Reply>,
    /// It is a destination in the core under this number.
    pub(crate) destination: Option<Outstanding>,
    /// A stream is on it.
    pub(crate) streaming: bool,
    /// The most credit that there was: all of it, if the peer gives it back.
    pub(crate) most_credit: u32,
    /// The peer wants what there is, and then its credit used up.
    pub(crate) draining: bool,
    /// The peer wants deliveries settled from the start.
    pub(crate) settles: bool,
}

/// Deliveries that come by a link.
pub(crate) struct ReceiverEnd {
    pub(crate) replenish: Replenish,
    /// The delivery that is coming, until its last octet.
    pub(crate) current: Current,
    /// Whether the address can be reached, where that decides on credit.
    pub(crate) watch: Option<Arc<Watch>>,
    /// Credit owed while the address cannot be reached.
    pub(crate) withheld: u32,
    /// The address had a destination when last looked at.
    pub(crate) open: bool,
    /// What the producer asks for each delivery: bits of [`flags`](skupper_amqp::message::flags).
    pub(crate) asks: u32,
}

/// The delivery that is coming by a link.
#[derive(Default)]
pub(crate) enum Current {
    /// None.
    #[default]
    Idle,
    /// Its head is not complete, or it is to be passed on as a whole.
    Collecting(Collecting),
    /// It is being passed on: token of its [`Inbound`].
    Forwarding(u32),
    /// Nobody wants the rest.
    Discarding,
}

/// A delivery whose octets are kept until it can be passed on.
pub(crate) struct Collecting {
    pub(crate) delivery: u32,
    /// When its first octets came.
    pub(crate) came: Moment,
    pub(crate) format: u32,
    pub(crate) settled: bool,
    pub(crate) octets: Octets,
}

/// Octets that came, together when somebody has to look at them.
#[derive(Default)]
pub(crate) struct Octets {
    whole: BytesMut,
    first: Bytes,
}

impl Octets {
    pub(crate) fn push(&mut self, octets: Bytes) {
        if self.first.is_empty() && self.whole.is_empty() {
            self.first = octets;
            return;
        }
        if self.whole.is_empty() {
            self.whole.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.whole.extend_from_slice(&octets);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.whole.is_empty() {
            &self.first
        } else {
            &self.whole
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.whole.is_empty() {
            self.first
        } else {
            self.whole.freeze()
        }
    }
}

/// A delivery that came and is not over.
pub(crate) struct Inbound {
    pub(crate) onward: Onward,
    pub(crate) link: LinkId,
    pub(crate) session: SessionId,
    pub(crate) delivery: u32,
    pub(crate) age: Age,
    /// All octets have come.
    pub(crate) complete: bool,
    /// The sender has settled it.
    pub(crate) settled: bool,
    /// The receiver settled before the last octet had come: its settlement is owed.
    pub(crate) owed: bool,
    /// The newest state that the sender was told.
    pub(crate) state: Option<DeliveryState>,
    /// Transfers that are not released to the session's window because the consumer is slow.
    pub(crate) held: u32,
    /// When it is looked next whether a consumer of several takes anything.
    pub(crate) look: Option<Instant>,
    /// Octets that may wait for the consumer.
    pub(crate) most: usize,
    /// The credit for it is given back when it is over.
    pub(crate) owes_credit: bool,
    /// What it takes to send it to another destination, while that may be.
    pub(crate) resend: Option<Box<Resend>>,
}

impl Inbound {
    /// The link or connection is gone, and with it who waits for what becomes of the delivery. Of one that is not complete the rest
    /// never comes.
    pub(crate) fn lose(self) {
        if self.complete {
            self.onward.settle();
        }
    }
}

/// A delivery that leaves.
pub(crate) struct Outbound {
    pub(crate) consumer: Consumer,
    pub(crate) link: LinkId,
    pub(crate) tag: DeliveryTag,
    /// Octets taken from the pipe and not yet sent.
    pub(crate) payload: Payload,
    /// Octets of the routers' section in `payload`, which are not the pipe's.
    pub(crate) extra: usize,
    /// Number on its session once it has begun.
    pub(crate) delivery: Option<u32>,
    pub(crate) presettled: bool,
    /// The last octet was sent.
    pub(crate) sent: bool,
    /// The peer knows that we settled.
    pub(crate) settled: bool,
}

impl Outbound {
    /// The link or connection is gone (§6.3).
    pub(crate) fn lose(self) {
        // Where RELEASED has a delivery sent elsewhere or again, it must not be told of one that may be used in part.
        let message = self.consumer.message();
        let begun = self.delivery.is_some() && (message.is_resent() || message.is_early());
        self.consumer.settle(if self.sent || begun {
            DeliveryState::failed()
        } else {
            DeliveryState::Released
        });
    }
}

/// Counters for management.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) deliveries: u64,
    pub(crate) presettled: u64,
    /// Presettled ones that reached nobody.
    pub(crate) dropped: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) released: u64,
    pub(crate) modified: u64,
    pub(crate) unsettled: u64,
}

impl Counts {
    /// Counts a delivery that has left.
    pub(crate) fn sent(&mut self, presettled: bool) {
        self.deliveries += 1;
        match presettled {
            true => self.presettled += 1,
            false => self.unsettled += 1,
        }
    }

    /// Counts the outcome of a delivery that was counted as unsettled; `None` if its sender has not waited for one.
    pub(crate) fn settled(&mut self, state: Option<&DeliveryState>) {
        self.unsettled = self.unsettled.saturating_sub(1);
        match state {
            Some(DeliveryState::Accepted) => self.accepted += 1,
            Some(DeliveryState::Rejected(_)) => self.rejected += 1,
            Some(DeliveryState::Released) => self.released += 1,
            Some(DeliveryState::Modified { .. }) => self.modified += 1,
            _ => {}
        }
    }
}

impl Link {
    /// A link that has carried nothing yet.
    pub(crate) fn new(
        id: LinkId,
        number: u64,
        name: String,
        kind: Kind,
        end: End,
        address: Option<Address>,
    ) -> Self {
        let to_client = kind == Kind::Endpoint && matches!(end, End::Sender(_));
        Link {
            id,
            number,
            name,
            kind,
            end,
            address,
            counts: Counts::default(),
            pace: Pace::default(),
            origins: to_client.then(Box::default),
            auto: None,
        }
    }

    /// A delivery that waited for an outcome has one.
    pub(crate) fn settled(&mut self, state: Option<&DeliveryState>, age: Option<Age>, now: Moment) {
        self.counts.settled(state);
        self.pace.over(age, Outcome::Settled(state), now);
    }

    /// The link as management shows it.
    pub(crate) fn describe(&self, connection: &ConnectionHandle, seen: Seen<'_>) -> LinkRow {
        let Seen {
            capacity,
            credit,
            stuck,
            now,
            table,
        } = seen;
        let (incoming, undelivered) = match &self.end {
            End::Sender(sender) => (false, sender.queue.len() as u64),
            End::Receiver(_) => (true, 0),
        };
        let (kind, priority) = match self.kind {
            Kind::Control => ("router-control", HIGHEST_PRIORITY),
            Kind::Data(priority) => ("inter-router", priority),
            Kind::Stream if connection.purpose() == Purpose::Router => {
                ("inter-router", DEFAULT_PRIORITY)
            }
            Kind::Downlink => ("edge-downlink", DEFAULT_PRIORITY),
            Kind::Stream | Kind::Endpoint | Kind::Tracking | Kind::Mesh | Kind::Bids => {
                ("endpoint", DEFAULT_PRIORITY)
            }
        };
        LinkRow {
            number: self.number,
            name: self.name.clone(),
            kind,
            incoming,
            address: self.address.as_ref().map(|address| address.key.to_string()),
            connection: connection.number,
            capacity,
            undelivered,
            unsettled: self.counts.unsettled,
            deliveries: self.counts.deliveries,
            presettled: self.counts.presettled,
            dropped: self.counts.dropped,
            accepted: self.counts.accepted,
            rejected: self.counts.rejected,
            released: self.counts.released,
            modified: self.counts.modified,
            priority,
            credit,
            delayed: self.pace.delayed,
            long_delayed: self.pace.long_delayed,
            stuck,
            settle_rate: self.pace.settle_rate(now),
            without_credit: self.pace.without_credit(now),
            origins: self.origins.as_ref().map(|origins| origins.by_index(table)),
        }
    }
}

/// What a link does not know of itself, for a row.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// Credit given at once.
    pub(crate) capacity: u32,
    /// Credit now.
    pub(crate) credit: u32,
    /// Deliveries that have not been settled for long.
    pub(crate) stuck: u64,
    pub(crate) now: Moment,
    pub(crate) table: &'a Table,
}

/// The age of a delivery with that head.
pub(crate) fn age(message: &Message) -> Age {
    Age {
        came: message.came,
        streaming: message.annotations.flags & flags::STREAMING != 0,
    }
}

/// Places that a slab keeps while it is empty.
const KEPT_EMPTY: usize = 64;

/// Things by number, with numbers used again.
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(at as usize)
        {
            *slot = Some(value);
            return at;
        }
        self.slots.push(Some(value));
        (self.slots.len() - 1) as u32
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.slots.get_mut(at as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<T> {
        let value = self.slots.get_mut(at as usize)?.take()?;
        self.free.push(at);
        if self.free.len() == self.slots.len() && self.slots.len() > KEPT_EMPTY {
            // A crowd has gone: what it needed is given back.
            *self = Self::default();
        }
        Some(value)
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.free.clear();
        std::mem::take(&mut self.slots).into_iter().flatten()
    }

    pub(crate) fn numbers(&self, mut of: impl FnMut(&T) -> bool) -> Vec<u32> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, slot)| slot.as_ref().is_some_and(&mut of))
            .map(|(at, _)| at as u32)
            .collect()
    }
}
