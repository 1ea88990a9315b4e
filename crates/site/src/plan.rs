//! What is to be done: the outcome of a reconcile.

use jiff::Timestamp;
use serde_json::Value;

use crate::object::ObjectKind;

/// What is to be done about one namespace.
///
/// # How to carry it out
///
/// 1. Make the [`writes`](Plan::writes) in their order, as field manager [`FIELD_MANAGER`]. They hold only what differs
///    from what was observed, so an unchanged namespace has none.
/// 2. Put what the API server answered into [`Observed`](crate::Observed) **before the next reconcile**: owner references
///    need the uid of what was just made, and a Secret that the cache has not seen would be issued twice. Reconcile again
///    at once until a plan [is empty](Plan::is_empty): a new Site takes four or five rounds.
/// 3. A write that fails goes to [`Observed::failures`](crate::Observed) until a write of the same object succeeds; the rest
///    of the plan's writes up to the first [`Write::Status`] may go on, statuses wait for the next round, in which they
///    tell of the failure. `409 Conflict` and `404` for a deletion are no failures: the watch will tell.
/// 4. Make the [`events`](Plan::events); a failure to do so is only logged.
/// 5. Reconcile again at [`wake_at`](Plan::wake_at), or when an object of the namespace changes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Changes to objects, in order.
    pub writes: Vec<Write>,
    /// What people should be told with an Event.
    pub events: Vec<Event>,
    /// When each credential of the namespace ends, for a gauge.
    pub expirations: Vec<Expiration>,
    /// The next time at which something falls due by itself; `None` means never.
    pub wake_at: Option<Timestamp>,
    /// What goes on without anybody being told through the API: for the log, at level info.
    pub notes: Vec<String>,
}

/// The field manager of all writes, as upstream's.
pub const FIELD_MANAGER: &str = "skupper-controller";

/// One change to one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// `POST`: the object was not seen. If it exists all the same, it stays as it is (409 `AlreadyExists`): an apply would
    /// write over a Secret that its user created at this moment.
    Create {
        /// Kind of the object.
        kind: ObjectKind,
        /// Name of the object.
        name: String,
        /// The object, `apiVersion`, `kind`, name and namespace included.
        body: Value,
    },
    /// JSON merge patch (`application/merge-patch+json`) of the object. `metadata.resourceVersion` in it is what was seen,
    /// so that a concurrent change wins (409) and is looked at first.
    Patch {
        /// Kind of the object.
        kind: ObjectKind,
        /// Name of the object.
        name: String,
        /// The patch.
        patch: Value,
    },
    /// Server-side apply with `force`: creates the object or brings the fields in `body` to their values. For the router's
    /// Deployment and local Service, which upstream's controller applies too: under the same field manager either takes over
    /// from the other without a conflict.
    Apply {
        /// Kind of the object.
        kind: ObjectKind,
        /// Name of the object.
        name: String,
        /// `apiVersion`, `kind`, `metadata` (name and namespace included) and what is wanted.
        body: Value,
    },
    /// JSON merge patch of the status subresource.
    Status {
        /// Kind of the object.
        kind: ObjectKind,
        /// Name of the object.
        name: String,
        /// `{"status": {…}}`; a field that vanishes is `null`.
        patch: Value,
    },
    /// Deletes the object if it still is the one that was observed. Propagation is background.
    Delete {
        /// Kind of the object.
        kind: ObjectKind,
        /// Name of the object.
        name: String,
        /// Precondition, empty for none.
        uid: String,
        /// Precondition: with it, a change that we have not seen saves the object. Empty for none.
        resource_version: String,
    },
}

impl Write {
    /// Kind and name of the object that is written.
    pub fn target(&self) -> (ObjectKind, &str) {
        match self {
            Write::Create { kind, name, .. }
            | Write::Patch { kind, name, .. }
            | Write::Apply { kind, name, .. }
            | Write::Status { kind, name, .. }
            | Write::Delete { kind, name, .. } => (*kind, name),
        }
    }
}

/// Whether an Event tells of something good or of something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// For information.
    Normal,
    /// Somebody should act.
    Warning,
}

impl EventType {
    /// The word in `Event.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// An Event (`v1`) to be made in the namespace. Each is returned once in the life of a [`Memo`](crate::Memo).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Name of the Event object: the same for the same occurrence, so that `AlreadyExists` means that it was told before.
    pub name: String,
    /// Kind of the object it is about.
    pub kind: ObjectKind,
    /// Name of that object.
    pub object: String,
    /// Its uid.
    pub uid: String,
    /// Normal or Warning.
    pub type_: EventType,
    /// One word, as in `Expiring`.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

/// The end of one credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiration {
    /// Name of the Secret.
    pub secret: String,
    /// What it is used for, e.g. `Certificate`, `Link`.
    pub used_by: ObjectKind,
    /// Whether it is issued (and renewed) here.
    pub managed: bool,
    /// When the first of its certificates ends.
    pub not_after: Timestamp,
}

impl Plan {
    /// Whether there is nothing to write and nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.events.is_empty()
    }

    /// Brings [`Plan::wake_at`] forward to `at`.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        if at == Timestamp::MAX {
            return;
        }
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}
