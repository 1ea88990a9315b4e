//! What is remembered of sessions and links.

use std::collections::{BTreeMap, VecDeque};

use crate::performative::{DeliveryState, DeliveryTag, ReceiverSettle, Role, SenderSettle};

/// Mark of an empty place in a table of indices.
const NONE: u32 = u32::MAX;

/// A session. Its index is the channel that we send on.
#[derive(Debug)]
pub(super) struct Session {
    /// Channel that the peer sends on, once its begin came.
    pub(super) remote_channel: Option<u16>,
    pub(super) end_sent: bool,
    /// Id of our next transfer.
    pub(super) next_outgoing_id: u32,
    /// Transfers that the peer takes now.
    pub(super) remote_window: u32,
    /// Number of our next delivery.
    pub(super) next_delivery_id: u32,
    /// Sending stopped for `remote_window`.
    pub(super) blocked: bool,
    /// Links whose abort waits for `remote_window`.
    pub(super) aborts: VecDeque<u32>,
    /// Id of the peer's next transfer, once its begin came.
    pub(super) next_incoming_id: u32,
    /// Window at its full width.
    pub(super) window: u32,
    /// Transfers that the peer was told it may send.
    pub(super) incoming: u32,
    /// Transfers that came and are not consumed.
    pub(super) unreleased: u32,
    /// A flow is to be sent.
    pub(super) dirty: bool,
    /// Deliveries that we sent and nobody settled.
    pub(super) sent: BTreeMap<u32, Unsettled>,
    /// Deliveries that came and nobody settled.
    pub(super) received: BTreeMap<u32, Unsettled>,
    /// Links by the peer's handle.
    pub(super) remote_handles: Handles,
    /// Highest handle that the peer takes.
    pub(super) handle_max: u32,
    pub(super) next_handle: u32,
    pub(super) free_handles: Vec<u32>,
    /// Links that wait for the peer's attach.
    pub(super) pending: VecDeque<u32>,
    pub(super) links: u32,
}

impl Session {
    pub(super) fn new(window: u32) -> Self {
        let window = window.max(2);
        Self {
            remote_channel: None,
            end_sent: false,
            next_outgoing_id: 0,
            remote_window: 0,
            next_delivery_id: 0,
            blocked: false,
            aborts: VecDeque::new(),
            next_incoming_id: 0,
            window,
            incoming: window,
            unreleased: 0,
            dirty: false,
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            remote_handles: Handles::default(),
            handle_max: u32::MAX,
            next_handle: 0,
            free_handles: Vec::new(),
            pending: VecDeque::new(),
            links: 0,
        }
    }

    /// Deliveries of a role of ours.
    pub(super) fn unsettled(&mut self, role: Role) -> &mut BTreeMap<u32, Unsettled> {
        match role {
            Role::Sender => &mut self.sent,
            Role::Receiver => &mut self.received,
        }
    }

    pub(super) fn take_handle(&mut self) -> Option<u32> {
        if let Some(handle) = self.free_handles.pop() {
            return Some(handle);
        }
        let handle = self.next_handle;
        if handle > self.handle_max || handle == NONE {
            return None;
        }
        self.next_handle += 1;
        Some(handle)
    }

    pub(super) fn has_handle(&self) -> bool {
        !self.free_handles.is_empty()
            || (self.next_handle <= self.handle_max && self.next_handle != NONE)
    }

    /// Whether the window that the peer was told of is used up so far that it should be told anew.
    pub(super) fn is_low(&self) -> bool {
        let room = self.window - self.unreleased.min(self.window);
        room.saturating_sub(self.incoming) >= self.window / 2
    }

    /// The window to tell now.
    pub(super) fn open_window(&mut self) -> u32 {
        self.incoming = self.window - self.unreleased.min(self.window);
        self.incoming
    }

    pub(super) fn sent_transfer(&mut self) {
        self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
        self.remote_window -= 1;
    }
}

/// A delivery that is not settled.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub(super) link: u32,
    pub(super) token: u64,
}

/// Index of links by the peer's handles: dense, as everybody numbers them, with a map for those who do not, so that one high
/// handle costs no table.
#[derive(Debug, Default)]
pub(super) struct Handles {
    dense: Vec<u32>,
    sparse: BTreeMap<u32, u32>,
}

impl Handles {
    pub(super) fn get(&self, handle: u32) -> Option<u32> {
        match self.dense.get(handle as usize) {
            Some(&NONE) | None => self.sparse.get(&handle).copied(),
            Some(&link) => Some(link),
        }
    }

    pub(super) fn set(&mut self, handle: u32, link: u32) {
        let at = handle as usize;
        if at > self.dense.len() + 64 {
            self.sparse.insert(handle, link);
            return;
        }
        if at >= self.dense.len() {
            self.dense.resize(at + 1, NONE);
        }
        if let Some(place) = self.dense.get_mut(at) {
            *place = link;
        }
    }

    pub(super) fn clear(&mut self, handle: u32) {
        self.sparse.remove(&handle);
        if let Some(place) = self.dense.get_mut(handle as usize) {
            *place = NONE;
        }
    }
}

/// Sessions by the peer's channel.
#[derive(Debug, Default)]
pub(super) struct Channels(Vec<u32>);

impl Channels {
    pub(super) fn get(&self, channel: u16) -> Option<u32> {
        self.0
            .get(usize::from(channel))
            .copied()
            .filter(|&session| session != NONE)
    }

    pub(super) fn set(&mut self, channel: u16, session: Option<u32>) {
        let at = usize::from(channel);
        if at >= self.0.len() {
            self.0.resize(at + 1, NONE);
        }
        if let Some(place) = self.0.get_mut(at) {
            *place = session.unwrap_or(NONE);
        }
    }
}

/// A link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) session: u32,
    /// Our role.
    pub(super) role: Role,
    /// Our handle.
    pub(super) handle: u32,
    /// The peer's handle, once its attach came.
    pub(super) remote_handle: Option<u32>,
    pub(super) attach_sent: bool,
    pub(super) detach_sent: bool,
    /// Until both attaches have passed.
    pub(super) name: String,
    pub(super) modes: (SenderSettle, ReceiverSettle),
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    pub(super) drain: bool,
    pub(super) sending: Option<Sending>,
    pub(super) receiving: Option<Receiving>,
    /// Deliveries of the link in the session's tables.
    pub(super) unsettled: usize,
    /// A flow is to be sent.
    pub(super) dirty: bool,
}

/// The delivery that a link is sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) id: u32,
    /// Its abort waits for a window.
    pub(super) aborting: bool,
}

/// The delivery that a link is receiving.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) id: u32,
    pub(super) tag: DeliveryTag,
    pub(super) token: u64,
    pub(super) message_format: u32,
    pub(super) settled: bool,
}

impl Link {
    pub(super) fn new(session: u32, role: Role, handle: u32, name: String) -> Self {
        Self {
            session,
            role,
            handle,
            remote_handle: None,
            attach_sent: false,
            detach_sent: false,
            name,
            modes: Default::default(),
            delivery_count: 0,
            credit: 0,
            drain: false,
            sending: None,
            receiving: None,
            unsettled: 0,
            dirty: false,
        }
    }
}

/// Dispositions of consecutive deliveries that wait to become one frame.
#[derive(Debug)]
pub(super) struct PendingDisposition {
    pub(super) session: u32,
    pub(super) role: Role,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) state: Option<DeliveryState>,
    pub(super) settled: bool,
}
