//! Conditions, and the summary that is made of them.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire;

/// The condition types in use.
pub mod condition {
    /// The configuration made from the resource has been written.
    pub const CONFIGURED: &str = "Configured";
    /// Addresses are known.
    pub const RESOLVED: &str = "Resolved";
    /// A router pod runs and is ready.
    pub const RUNNING: &str = "Running";
    /// The routing key has somebody at its other end.
    pub const MATCHED: &str = "Matched";
    /// A grant has been accepted.
    pub const PROCESSED: &str = "Processed";
    /// A token has been exchanged for a link.
    pub const REDEEMED: &str = "Redeemed";
    /// The connection or service works now.
    pub const OPERATIONAL: &str = "Operational";
    /// The summary of all conditions that the kind requires.
    pub const READY: &str = "Ready";
}

/// The message of every condition that is fulfilled.
const OK: &str = "OK";

/// The state of a resource in one word: `status.status`, and the reason of its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StatusType {
    /// In use.
    Ready,
    /// Waiting for something that is expected to come.
    Pending,
    /// Waiting for somebody to repair it.
    Error,
}

impl StatusType {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            StatusType::Ready => "Ready",
            StatusType::Pending => "Pending",
            StatusType::Error => "Error",
        }
    }

    /// The state whose word this is. A reason from elsewhere counts as an error, since nobody waits for it.
    fn from_reason(reason: &str) -> Self {
        match reason {
            "Ready" => StatusType::Ready,
            "Pending" => StatusType::Pending,
            _ => StatusType::Error,
        }
    }
}

impl fmt::Display for StatusType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, description = "Whether the condition holds.")]
#[allow(
    missing_docs,
    reason = "the three words of Kubernetes; documented, they would become three sub-schemas"
)]
pub enum ConditionStatus {
    True,
    False,
    #[default]
    Unknown,
}

/// One aspect of the state of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["lastTransitionTime", "message", "reason", "status", "type"]))]
pub struct Condition {
    /// The aspect, for example Configured.
    #[schemars(
        length(max = 316),
        regex(
            pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
        )
    )]
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether the aspect is as it should be.
    #[serde(deserialize_with = "wire::or_default")]
    pub status: ConditionStatus,
    /// Ready, Pending (waiting for something expected) or Error (somebody has to act).
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,
    /// A sentence for people: OK, or what is wrong, where, and what to do.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// The metadata.generation of the resource that the condition speaks about.
    #[schemars(with = "i64", range(min = 0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status of the condition last changed its value.
    #[schemars(with = "String", extend("format" = "date-time"))]
    #[serde(with = "wire::seconds")]
    pub last_transition_time: Timestamp,
}

/// What a condition is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: StatusType,
    /// Why, in a sentence.
    pub message: String,
}

impl State {
    /// It holds: `True`, `Ready`, `OK`.
    pub fn ready() -> Self {
        Self::ready_with(OK)
    }

    /// It holds, and there is something to say all the same.
    pub fn ready_with(message: impl Into<String>) -> Self {
        State {
            status: ConditionStatus::True,
            reason: StatusType::Ready,
            message: message.into(),
        }
    }

    /// It does not hold and somebody has to act.
    pub fn error(message: impl Into<String>) -> Self {
        State {
            status: ConditionStatus::False,
            reason: StatusType::Error,
            message: message.into(),
        }
    }

    /// It does not hold yet.
    pub fn pending(message: impl Into<String>) -> Self {
        State {
            status: ConditionStatus::False,
            reason: StatusType::Pending,
            message: message.into(),
        }
    }

    /// Ready, or pending with no more to say than that.
    pub fn ready_or_pending(ready: bool) -> Self {
        if ready {
            Self::ready()
        } else {
            Self::pending("Pending")
        }
    }

    /// Ready, or the error's text.
    pub fn from_result<T, E: fmt::Display>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::ready(),
            Err(error) => Self::error(error.to_string()),
        }
    }
}

/// What the status of every kind has: conditions, and their summary in a word and a sentence.
pub trait StatusFields {
    /// `status.conditions`.
    fn conditions(&self) -> &[Condition];
    /// `status.conditions`, to be changed. Prefer [`crate::Kind::set_condition`], which keeps the summary in step.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
    /// `status.status`; absent before the first reconcile, or where it holds a word that is not ours.
    fn status(&self) -> Option<StatusType>;
    /// `status.message`.
    fn message(&self) -> &str;
    /// Sets `status.status` and `status.message`; tells whether that changed anything.
    fn set_summary(&mut self, status: StatusType, message: &str) -> bool;

    /// The condition of a type.
    fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions()
            .iter()
            .find(|condition| condition.type_ == type_)
    }

    /// Whether the condition of a type is there and holds.
    fn is_true(&self, type_: &str) -> bool {
        self.condition(type_)
            .is_some_and(|condition| condition.status == ConditionStatus::True)
    }
}

/// Implements [`StatusFields`] for a status with the three fields of that name.
macro_rules! status_fields {
    ($($status:ty),+) => {$(
        impl $crate::status::StatusFields for $status {
            fn conditions(&self) -> &[$crate::status::Condition] {
                &self.conditions
            }
            fn conditions_mut(&mut self) -> &mut Vec<$crate::status::Condition> {
                &mut self.conditions
            }
            fn status(&self) -> Option<$crate::status::StatusType> {
                self.status
            }
            fn message(&self) -> &str {
                &self.message
            }
            fn set_summary(&mut self, status: $crate::status::StatusType, message: &str) -> bool {
                let changed = self.status != Some(status) || self.message != message;
                if changed {
                    self.status = Some(status);
                    self.message.clear();
                    self.message.push_str(message);
                }
                changed
            }
        }
    )+};
}
pub(crate) use status_fields;

/// The longest message of a condition, in characters: the API server admits no longer one.
const LONGEST_MESSAGE: usize = 32_768;

/// A message that the API server admits.
fn bounded(message: &str) -> Cow<'_, str> {
    // No text has more characters than octets.
    if message.len() <= LONGEST_MESSAGE || message.chars().count() <= LONGEST_MESSAGE {
        return Cow::Borrowed(message);
    }
    let kept = message.chars().take(LONGEST_MESSAGE - 1);
    Cow::Owned(kept.chain(std::iter::once('…')).collect())
}

/// Sets one condition, without a look at the summary; tells whether anything but the time changed.
///
/// `now` is written only where the condition is new or its status changes its value.
pub(crate) fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    state: &State,
    generation: i64,
    now: Timestamp,
) -> bool {
    let message = bounded(&state.message);
    let Some(existing) = conditions
        .iter_mut()
        .find(|condition| condition.type_ == type_)
    else {
        conditions.push(Condition {
            type_: type_.to_owned(),
            status: state.status,
            reason: state.reason.as_str().to_owned(),
            message: message.into_owned(),
            observed_generation: (generation != 0).then_some(generation),
            last_transition_time: now,
        });
        return true;
    };
    let mut changed = false;
    if existing.status != state.status {
        existing.status = state.status;
        existing.last_transition_time = now;
        changed = true;
    }
    if existing.reason != state.reason.as_str() {
        existing.reason = state.reason.as_str().to_owned();
        changed = true;
    }
    if existing.message != message {
        existing.message = message.into_owned();
        changed = true;
    }
    if existing.observed_generation.unwrap_or(0) != generation {
        existing.observed_generation = (generation != 0).then_some(generation);
        changed = true;
    }
    changed
}

/// The summary of the required conditions: the first that is missing or does not hold speaks for all. One that is
/// required alone speaks for itself also when it holds: what there is to say beside `OK` is not lost.
pub(crate) fn summary(conditions: &[Condition], required: &[&str]) -> State {
    let find = |type_: &str| conditions.iter().find(|condition| condition.type_ == type_);
    let state_of = |condition: &Condition| State {
        status: condition.status,
        reason: StatusType::from_reason(&condition.reason),
        message: condition.message.clone(),
    };
    for type_ in required {
        match find(type_) {
            None => return State::pending(format!("Not {type_}")),
            Some(condition) if condition.status == ConditionStatus::False => {
                return state_of(condition);
            }
            Some(condition) if required.len() == 1 => return state_of(condition),
            Some(_) => {}
        }
    }
    State::ready()
}
