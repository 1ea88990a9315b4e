use super::{Condition, descriptor};
use crate::{
    codec::{DecodeError, Fields, Writer},
    value::{Map, Symbol},
};

/// Negotiates a connection (2.7.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// Name of the sender; a router's id.
    pub container_id: String,
    /// Host that a connector wants to speak to.
    pub hostname: Option<String>,
    /// Largest frame that the sender takes, in octets.
    pub max_frame_size: u32,
    /// Highest channel number that the sender takes.
    pub channel_max: u16,
    /// Milliseconds without input after which the sender gives up (senders announce half of their true limit).
    pub idle_time_out: Option<u32>,
    /// Capabilities that the sender has.
    pub offered_capabilities: Vec<Symbol>,
    /// Capabilities that the sender would like to see.
    pub desired_capabilities: Vec<Symbol>,
    /// Properties, keyed by symbols.
    pub properties: Map,
}

impl Open {
    /// An open with the specification's defaults for all but the container id.
    #[must_use]
    pub fn new(container_id: impl Into<String>) -> Self {
        Self {
            container_id: container_id.into(),
            hostname: None,
            max_frame_size: u32::MAX,
            channel_max: u16::MAX,
            idle_time_out: None,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: Map::new(),
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let container_id = fields
            .text("container-id")?
            .ok_or(DecodeError::Missing("container-id"))?;
        let hostname = fields.text("hostname")?;
        let max_frame_size = fields.number("max-frame-size")?.unwrap_or(u32::MAX);
        let channel_max = fields.number("channel-max")?.unwrap_or(u16::MAX);
        let idle_time_out = fields.number("idle-time-out")?;
        fields.skip()?; // outgoing-locales
        fields.skip()?; // incoming-locales
        Ok(Self {
            container_id,
            hostname,
            max_frame_size,
            channel_max,
            idle_time_out,
            offered_capabilities: fields.symbols("offered-capabilities")?,
            desired_capabilities: fields.symbols("desired-capabilities")?,
            properties: fields.map("properties")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::OPEN);
        let mut list = w.begin();
        w.field(&mut list, |w| w.str(&self.container_id));
        w.optional(&mut list, self.hostname.as_deref(), |w, v| w.str(v));
        w.field(&mut list, |w| w.u32(self.max_frame_size));
        w.field(&mut list, |w| w.u16(self.channel_max));
        w.optional(&mut list, self.idle_time_out, Writer::u32);
        w.optional(&mut list, None, Writer::u32);
        w.optional(&mut list, None, Writer::u32);
        w.optional(&mut list, some(&self.offered_capabilities), |w, v| {
            w.symbols(v)
        });
        w.optional(&mut list, some(&self.desired_capabilities), |w, v| {
            w.symbols(v)
        });
        w.optional(
            &mut list,
            (!self.properties.is_empty()).then_some(&self.properties),
            |w, v| w.map(v),
        );
        w.end(list);
    }
}

/// Closes a connection (2.7.9).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Close {
    /// Why, unless it is an orderly end.
    pub error: Option<Condition>,
}

impl Close {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            error: fields.described(Condition::read)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::CLOSE);
        let mut list = w.begin();
        w.optional(&mut list, self.error.as_ref(), |w, e| e.write(w));
        w.end(list);
    }
}

pub(super) fn some(symbols: &[Symbol]) -> Option<&[Symbol]> {
    (!symbols.is_empty()).then_some(symbols)
}
