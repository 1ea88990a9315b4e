//! Performatives: the bodies of AMQP frames (part 2 of the specification), typed.

mod condition;
mod connection;
mod delivery;
mod link;
mod session;
mod text;

pub use condition::{Condition, names};
pub use connection::{Close, Open};
pub use delivery::{DeliveryState, DeliveryTag, Disposition, Transfer};
pub use link::{Attach, Detach, ReceiverSettle, Role, SenderSettle, Terminus};
pub use session::{Begin, End, Flow, LinkFlow};

use crate::codec::{DecodeError, Reader, Writer};

/// The performative of an AMQP frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Performative {
    /// Negotiates the connection.
    Open(Box<Open>),
    /// Begins a session on a channel.
    Begin(Begin),
    /// Attaches a link to a session.
    Attach(Box<Attach>),
    /// Updates windows and credit.
    Flow(Flow),
    /// Carries (a part of) a delivery; the payload follows it in the frame.
    Transfer(Transfer),
    /// Tells of states and settlement of deliveries.
    Disposition(Disposition),
    /// Detaches a link.
    Detach(Detach),
    /// Ends a session.
    End(End),
    /// Closes the connection.
    Close(Close),
}

pub(crate) mod descriptor {
    pub(crate) const OPEN: u64 = 0x10;
    pub(crate) const BEGIN: u64 = 0x11;
    pub(crate) const ATTACH: u64 = 0x12;
    pub(crate) const FLOW: u64 = 0x13;
    pub(crate) const TRANSFER: u64 = 0x14;
    pub(crate) const DISPOSITION: u64 = 0x15;
    pub(crate) const DETACH: u64 = 0x16;
    pub(crate) const END: u64 = 0x17;
    pub(crate) const CLOSE: u64 = 0x18;
    pub(crate) const ERROR: u64 = 0x1d;
    pub(crate) const RECEIVED: u64 = 0x23;
    pub(crate) const ACCEPTED: u64 = 0x24;
    pub(crate) const REJECTED: u64 = 0x25;
    pub(crate) const RELEASED: u64 = 0x26;
    pub(crate) const MODIFIED: u64 = 0x27;
    pub(crate) const SOURCE: u64 = 0x28;
    pub(crate) const TARGET: u64 = 0x29;
    pub(crate) const COORDINATOR: u64 = 0x30;
}

impl Performative {
    /// Reads a performative from the front of a frame's body; what `reader` has left is the payload.
    ///
    /// # Errors
    /// [`DecodeError`] that names the field.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let code = reader.descriptor()?;
        let fields = &mut reader.list("performative")?;
        Ok(match code {
            descriptor::OPEN => Self::Open(Box::new(Open::read(fields)?)),
            descriptor::BEGIN => Self::Begin(Begin::read(fields)?),
            descriptor::ATTACH => Self::Attach(Box::new(Attach::read(fields)?)),
            descriptor::FLOW => Self::Flow(Flow::read(fields)?),
            descriptor::TRANSFER => Self::Transfer(Transfer::read(fields)?),
            descriptor::DISPOSITION => Self::Disposition(Disposition::read(fields)?),
            descriptor::DETACH => Self::Detach(Detach::read(fields)?),
            descriptor::END => Self::End(End::read(fields)?),
            descriptor::CLOSE => Self::Close(Close::read(fields)?),
            found => {
                return Err(DecodeError::Descriptor {
                    expected: "a performative",
                    found,
                });
            }
        })
    }

    /// Appends the performative.
    pub fn write(&self, w: &mut Writer<'_>) {
        match self {
            Self::Open(p) => p.write(w),
            Self::Begin(p) => p.write(w),
            Self::Attach(p) => p.write(w),
            Self::Flow(p) => p.write(w),
            Self::Transfer(p) => p.write(w),
            Self::Disposition(p) => p.write(w),
            Self::Detach(p) => p.write(w),
            Self::End(p) => p.write(w),
            Self::Close(p) => p.write(w),
        }
    }
}
