use std::{fmt, sync::Arc};

use super::{Condition, Role, descriptor};
use crate::{
    codec::{DecodeError, Fields, Reader, Writer},
    value::{Map, Value},
};

/// A delivery tag: at most 32 octets, opaque, kept without allocation.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DeliveryTag {
    len: u8,
    octets: [u8; 32],
}

impl DeliveryTag {
    /// The tag of these octets; `None` when there are more than 32.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        let mut tag = Self {
            len: u8::try_from(octets.len()).ok()?,
            octets: [0; 32],
        };
        tag.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(tag)
    }

    /// The octets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len.into()).unwrap_or_default()
    }
}

/// A counter as upstream's routers write it: eight octets, little-endian.
impl From<u64> for DeliveryTag {
    fn from(counter: u64) -> Self {
        let mut tag = Self {
            len: 8,
            octets: [0; 32],
        };
        tag.octets[..8].copy_from_slice(&counter.to_le_bytes());
        tag
    }
}

impl fmt::Debug for DeliveryTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tag:")?;
        self.as_slice()
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What became of a delivery (3.4). Cheap to clone, since one state may be told of many deliveries.
#[derive(Clone, Debug, PartialEq)]
pub enum DeliveryState {
    /// Not terminal: received up to an offset. TCP flows acknowledge by it.
    Received {
        /// Section of the message.
        section_number: u32,
        /// Octets of it.
        section_offset: u64,
    },
    /// Taken.
    Accepted,
    /// Refused for good.
    Rejected(Option<Arc<Condition>>),
    /// Not taken; may be sent again elsewhere.
    Released,
    /// Not taken, and changed.
    Modified {
        /// It counts as an unsuccessful attempt.
        delivery_failed: bool,
        /// Not to be sent here again.
        undeliverable_here: bool,
        /// Message annotations to be added.
        annotations: Option<Arc<Map>>,
    },
    /// A state that is none of these (transactions), relayed as it is.
    Other(Arc<Value>),
}

impl DeliveryState {
    /// Modified with `delivery-failed`, as upstream answers what was lost on the way.
    #[must_use]
    pub fn failed() -> Self {
        Self::Modified {
            delivery_failed: true,
            undeliverable_here: false,
            annotations: None,
        }
    }

    /// Rejected with an error.
    #[must_use]
    pub fn rejected(error: Condition) -> Self {
        Self::Rejected(Some(Arc::new(error)))
    }

    /// Whether the state ends the delivery.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Received { .. } | Self::Other(_))
    }

    /// Reads a state, from its descriptor on.
    ///
    /// # Errors
    /// [`DecodeError`] that names the field.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let code = reader.descriptor()?;
        if !(descriptor::RECEIVED..=descriptor::MODIFIED).contains(&code) {
            *reader = start;
            return Ok(Self::Other(Arc::new(reader.value()?)));
        }
        let mut fields = reader.list("delivery-state")?;
        Ok(match code {
            descriptor::RECEIVED => Self::Received {
                section_number: fields.number("section-number")?.unwrap_or(0),
                section_offset: fields.number("section-offset")?.unwrap_or(0),
            },
            descriptor::ACCEPTED => Self::Accepted,
            descriptor::REJECTED => {
                Self::Rejected(fields.described(Condition::read)?.map(Arc::new))
            }
            descriptor::RELEASED => Self::Released,
            _ => {
                let delivery_failed = fields.flag("delivery-failed")?;
                let undeliverable_here = fields.flag("undeliverable-here")?;
                let annotations = fields.map("message-annotations")?;
                let annotations = (!annotations.is_empty()).then(|| Arc::new(annotations));
                Self::Modified {
                    delivery_failed,
                    undeliverable_here,
                    annotations,
                }
            }
        })
    }

    /// Appends the state.
    pub fn write(&self, w: &mut Writer<'_>) {
        match self {
            Self::Received {
                section_number,
                section_offset,
            } => {
                w.descriptor(descriptor::RECEIVED);
                let mut list = w.begin();
                w.field(&mut list, |w| w.u32(*section_number));
                w.field(&mut list, |w| w.u64(*section_offset));
                w.end(list);
            }
            Self::Accepted => plain(w, descriptor::ACCEPTED),
            Self::Released => plain(w, descriptor::RELEASED),
            Self::Rejected(error) => {
                w.descriptor(descriptor::REJECTED);
                let mut list = w.begin();
                w.optional(&mut list, error.as_deref(), |w, e| e.write(w));
                w.end(list);
            }
            Self::Modified {
                delivery_failed,
                undeliverable_here,
                annotations,
            } => {
                w.descriptor(descriptor::MODIFIED);
                let mut list = w.begin();
                w.optional(&mut list, delivery_failed.then_some(true), Writer::bool);
                w.optional(&mut list, undeliverable_here.then_some(true), Writer::bool);
                w.optional(&mut list, annotations.as_deref(), |w, map| w.map(map));
                w.end(list);
            }
            Self::Other(value) => w.value(value),
        }
    }
}

fn plain(w: &mut Writer<'_>, descriptor: u64) {
    w.descriptor(descriptor);
    let list = w.begin();
    w.end(list);
}

/// Carries (a part of) a delivery (2.7.5).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transfer {
    /// The sender's handle of the link.
    pub handle: u32,
    /// Number of the delivery on its session; mandatory in a delivery's first transfer.
    pub delivery_id: Option<u32>,
    /// Tag of the delivery; mandatory in a delivery's first transfer.
    pub delivery_tag: Option<DeliveryTag>,
    /// Format of the payload; 0 is an AMQP message.
    pub message_format: Option<u32>,
    /// The sender settles; absent is unknown yet.
    pub settled: Option<bool>,
    /// Further transfers of the delivery follow.
    pub more: bool,
    /// How the receiver is to settle.
    pub rcv_settle_mode: Option<u8>,
    /// State at the sender.
    pub state: Option<DeliveryState>,
    /// The delivery resumes one from before.
    pub resume: bool,
    /// The delivery ends here, incomplete.
    pub aborted: bool,
    /// Disposition may wait.
    pub batchable: bool,
}

impl Transfer {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            handle: fields.need("handle")?,
            delivery_id: fields.number("delivery-id")?,
            delivery_tag: match fields.binary("delivery-tag")? {
                None => None,
                Some(octets) => Some(DeliveryTag::new(octets).ok_or(DecodeError::Range {
                    field: "delivery-tag",
                    expected: "at most 32 octets",
                    found: octets.len() as u64,
                })?),
            },
            message_format: fields.number("message-format")?,
            settled: fields.optional_flag("settled")?,
            more: fields.flag("more")?,
            rcv_settle_mode: fields.number("rcv-settle-mode")?,
            state: fields.described(DeliveryState::read)?,
            resume: fields.flag("resume")?,
            aborted: fields.flag("aborted")?,
            batchable: fields.flag("batchable")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::TRANSFER);
        let mut list = w.begin();
        w.field(&mut list, |w| w.u32(self.handle));
        w.optional(&mut list, self.delivery_id, Writer::u32);
        w.optional(&mut list, self.delivery_tag, |w, tag| {
            w.binary(tag.as_slice())
        });
        w.optional(&mut list, self.message_format, Writer::u32);
        w.optional(&mut list, self.settled, Writer::bool);
        w.optional(&mut list, self.more.then_some(true), Writer::bool);
        w.optional(&mut list, self.rcv_settle_mode, Writer::u8);
        w.optional(&mut list, self.state.as_ref(), |w, state| state.write(w));
        w.optional(&mut list, self.resume.then_some(true), Writer::bool);
        w.optional(&mut list, self.aborted.then_some(true), Writer::bool);
        w.optional(&mut list, self.batchable.then_some(true), Writer::bool);
        w.end(list);
    }
}

/// Tells of states and settlement of a range of deliveries (2.7.6).
#[derive(Clone, Debug, PartialEq)]
pub struct Disposition {
    /// What the sender of this frame is for these deliveries.
    pub role: Role,
    /// First delivery.
    pub first: u32,
    /// Last delivery; absent means `first` alone.
    pub last: Option<u32>,
    /// The sender settles them.
    pub settled: bool,
    /// Their state at the sender.
    pub state: Option<DeliveryState>,
    /// Answer may wait.
    pub batchable: bool,
}

impl Disposition {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            role: Role::from_flag(
                fields
                    .optional_flag("role")?
                    .ok_or(DecodeError::Missing("role"))?,
            ),
            first: fields.need("first")?,
            last: fields.number("last")?,
            settled: fields.flag("settled")?,
            state: fields.described(DeliveryState::read)?,
            batchable: fields.flag("batchable")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::DISPOSITION);
        let mut list = w.begin();
        w.field(&mut list, |w| w.bool(self.role.flag()));
        w.field(&mut list, |w| w.u32(self.first));
        w.optional(&mut list, self.last, Writer::u32);
        w.optional(&mut list, self.settled.then_some(true), Writer::bool);
        w.optional(&mut list, self.state.as_ref(), |w, state| state.write(w));
        w.optional(&mut list, self.batchable.then_some(true), Writer::bool);
        w.end(list);
    }
}
