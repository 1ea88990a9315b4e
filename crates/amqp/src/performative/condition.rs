use std::fmt;

use super::descriptor;
use crate::{
    codec::{DecodeError, Reader, Writer},
    value::{Map, Symbol},
};

/// An AMQP error: a condition symbol and a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What kind of error, e.g. `amqp:not-found`.
    pub condition: Symbol,
    /// A sentence for a person.
    pub description: Option<String>,
    /// Further details.
    pub info: Map,
}

/// Conditions that the specification or the routers in the field define.
#[allow(missing_docs)]
pub mod names {
    use crate::value::Symbol;

    pub const INTERNAL_ERROR: Symbol = Symbol::from_static("amqp:internal-error");
    pub const NOT_FOUND: Symbol = Symbol::from_static("amqp:not-found");
    pub const UNAUTHORIZED_ACCESS: Symbol = Symbol::from_static("amqp:unauthorized-access");
    pub const DECODE_ERROR: Symbol = Symbol::from_static("amqp:decode-error");
    pub const RESOURCE_LIMIT_EXCEEDED: Symbol = Symbol::from_static("amqp:resource-limit-exceeded");
    pub const NOT_ALLOWED: Symbol = Symbol::from_static("amqp:not-allowed");
    pub const INVALID_FIELD: Symbol = Symbol::from_static("amqp:invalid-field");
    pub const NOT_IMPLEMENTED: Symbol = Symbol::from_static("amqp:not-implemented");
    pub const PRECONDITION_FAILED: Symbol = Symbol::from_static("amqp:precondition-failed");
    pub const CONNECTION_FORCED: Symbol = Symbol::from_static("amqp:connection:forced");
    pub const FRAMING_ERROR: Symbol = Symbol::from_static("amqp:connection:framing-error");
    pub const POLICY_ERROR: Symbol = Symbol::from_static("amqp:connection:policy-error");
    pub const WINDOW_VIOLATION: Symbol = Symbol::from_static("amqp:session:window-violation");
    pub const ERRANT_LINK: Symbol = Symbol::from_static("amqp:session:errant-link");
    pub const HANDLE_IN_USE: Symbol = Symbol::from_static("amqp:session:handle-in-use");
    pub const UNATTACHED_HANDLE: Symbol = Symbol::from_static("amqp:session:unattached-handle");
    pub const DETACH_FORCED: Symbol = Symbol::from_static("amqp:link:detach-forced");
    pub const TRANSFER_LIMIT_EXCEEDED: Symbol =
        Symbol::from_static("amqp:link:transfer-limit-exceeded");
    pub const MESSAGE_SIZE_EXCEEDED: Symbol =
        Symbol::from_static("amqp:link:message-size-exceeded");
}

impl Condition {
    /// A condition with its sentence.
    #[must_use]
    pub fn new(condition: Symbol, description: impl Into<String>) -> Self {
        Self {
            condition,
            description: Some(description.into()),
            info: Map::new(),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.descriptor()? {
            descriptor::ERROR => {}
            found => {
                return Err(DecodeError::Descriptor {
                    expected: "an error",
                    found,
                });
            }
        }
        let mut fields = reader.list("error")?;
        Ok(Self {
            condition: fields
                .symbol("condition")?
                .ok_or(DecodeError::Missing("condition"))?,
            description: fields.text("description")?,
            info: fields.map("info")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::ERROR);
        let mut list = w.begin();
        w.field(&mut list, |w| w.sym(self.condition.as_str()));
        w.optional(&mut list, self.description.as_deref(), |w, text| {
            w.str(text)
        });
        w.optional(
            &mut list,
            (!self.info.is_empty()).then_some(&self.info),
            |w, info| w.map(info),
        );
        w.end(list);
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.description {
            Some(description) => write!(f, "{}: {description}", self.condition),
            None => self.condition.fmt(f),
        }
    }
}
