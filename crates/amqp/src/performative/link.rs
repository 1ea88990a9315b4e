use super::{Condition, connection::some, descriptor};
use crate::{
    codec::{DecodeError, Fields, Reader, Writer},
    value::{Map, Symbol, Value},
};

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It sends deliveries.
    Sender,
    /// It receives deliveries.
    Receiver,
}

impl Role {
    /// The other end's role.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    pub(super) fn from_flag(receiver: bool) -> Self {
        if receiver {
            Self::Receiver
        } else {
            Self::Sender
        }
    }

    pub(super) fn flag(self) -> bool {
        self == Self::Receiver
    }
}

/// How a sender settles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderSettle {
    /// All deliveries are sent unsettled.
    Unsettled,
    /// All deliveries are sent settled.
    Settled,
    /// Each as its transfer says.
    #[default]
    Mixed,
}

/// How a receiver settles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiverSettle {
    /// At once.
    #[default]
    First,
    /// After the sender did.
    Second,
}

/// A source or target: both are the same but for a few fields, which are left out of the other when written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terminus {
    /// The node; `None` is the anonymous node.
    pub address: Option<String>,
    /// What of the terminus outlives the link: 0 nothing, 1 its configuration, 2 its unsettled state.
    pub durable: u32,
    /// When the timeout begins: `link-detach`, `session-end`, …
    pub expiry_policy: Option<Symbol>,
    /// Seconds that the terminus outlives that.
    pub timeout: u32,
    /// The peer is asked to make a node and to say its address.
    pub dynamic: bool,
    /// Properties of that node.
    pub dynamic_node_properties: Map,
    /// Source only: `move` or `copy`.
    pub distribution_mode: Option<Symbol>,
    /// Source only: filters.
    pub filter: Map,
    /// Source only: outcome of what is never settled.
    pub default_outcome: Value,
    /// Source only: outcomes that are possible.
    pub outcomes: Vec<Symbol>,
    /// Capabilities; upstream routers send one plain symbol.
    pub capabilities: Vec<Symbol>,
    /// Target only: a transaction coordinator, which no router here serves.
    pub coordinator: bool,
}

impl Terminus {
    /// A terminus at an address, else with the defaults.
    #[must_use]
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: Some(address.into()),
            ..Self::default()
        }
    }

    /// Whether a capability is among the terminus's.
    #[must_use]
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c.as_str() == capability)
    }

    fn read_common(&mut self, fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        self.address = fields.text("address")?;
        self.durable = fields.number("durable")?.unwrap_or(0);
        self.expiry_policy = fields.symbol("expiry-policy")?;
        self.timeout = fields.number("timeout")?.unwrap_or(0);
        self.dynamic = fields.flag("dynamic")?;
        self.dynamic_node_properties = fields.map("dynamic-node-properties")?;
        Ok(())
    }

    fn read_source(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.descriptor()? {
            descriptor::SOURCE => {}
            found => {
                return Err(DecodeError::Descriptor {
                    expected: "a source",
                    found,
                });
            }
        }
        let fields = &mut reader.list("source")?;
        let mut source = Self::default();
        source.read_common(fields)?;
        source.distribution_mode = fields.symbol("distribution-mode")?;
        source.filter = fields.map("filter")?;
        source.default_outcome = fields.value()?;
        source.outcomes = fields.symbols("outcomes")?;
        source.capabilities = fields.symbols("capabilities")?;
        Ok(source)
    }

    fn read_target(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut target = Self::default();
        match reader.descriptor()? {
            descriptor::TARGET => {}
            descriptor::COORDINATOR => target.coordinator = true,
            found => {
                return Err(DecodeError::Descriptor {
                    expected: "a target",
                    found,
                });
            }
        }
        let fields = &mut reader.list("target")?;
        if target.coordinator {
            target.capabilities = fields.symbols("capabilities")?;
        } else {
            target.read_common(fields)?;
            target.capabilities = fields.symbols("capabilities")?;
        }
        Ok(target)
    }

    fn write_common(&self, w: &mut Writer<'_>) -> crate::codec::ListWriter {
        let mut list = w.begin();
        w.optional(&mut list, self.address.as_deref(), |w, v| w.str(v));
        w.field(&mut list, |w| w.u32(self.durable));
        w.optional(&mut list, self.expiry_policy.as_ref(), |w, v| {
            w.sym(v.as_str())
        });
        w.field(&mut list, |w| w.u32(self.timeout));
        w.field(&mut list, |w| w.bool(self.dynamic));
        let properties = &self.dynamic_node_properties;
        w.optional(
            &mut list,
            (!properties.is_empty()).then_some(properties),
            |w, v| w.map(v),
        );
        list
    }

    fn write_capabilities(&self, w: &mut Writer<'_>, list: &mut crate::codec::ListWriter) {
        match self.capabilities.as_slice() {
            [] => {}
            // One is written plainly, as upstream does and expects.
            [one] => w.field(list, |w| w.sym(one.as_str())),
            many => w.field(list, |w| w.symbols(many)),
        }
    }

    fn write_source(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::SOURCE);
        let mut list = self.write_common(w);
        w.optional(&mut list, self.distribution_mode.as_ref(), |w, v| {
            w.sym(v.as_str())
        });
        w.optional(
            &mut list,
            (!self.filter.is_empty()).then_some(&self.filter),
            |w, v| w.map(v),
        );
        w.optional(
            &mut list,
            (!self.default_outcome.is_null()).then_some(&self.default_outcome),
            |w, v| w.value(v),
        );
        w.optional(&mut list, some(&self.outcomes), |w, v| w.symbols(v));
        self.write_capabilities(w, &mut list);
        w.end(list);
    }

    fn write_target(&self, w: &mut Writer<'_>) {
        if self.coordinator {
            w.descriptor(descriptor::COORDINATOR);
            let mut list = w.begin();
            self.write_capabilities(w, &mut list);
            return w.end(list);
        }
        w.descriptor(descriptor::TARGET);
        let mut list = self.write_common(w);
        self.write_capabilities(w, &mut list);
        w.end(list);
    }
}

/// Attaches a link (2.7.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Attach {
    /// Name of the link, the same at both ends.
    pub name: String,
    /// The sender's number for it. The connection fills it in when it sends.
    pub handle: u32,
    /// What the sender of this frame is.
    pub role: Role,
    /// How the link's sender settles.
    pub snd_settle_mode: SenderSettle,
    /// How the link's receiver settles.
    pub rcv_settle_mode: ReceiverSettle,
    /// Where deliveries come from; null in an answer that refuses.
    pub source: Option<Terminus>,
    /// Where deliveries go to; null in an answer that refuses.
    pub target: Option<Terminus>,
    /// Delivery count at the start; mandatory for a sender.
    pub initial_delivery_count: Option<u32>,
    /// Largest message in octets; 0 is no limit.
    pub max_message_size: u64,
    /// Capabilities that the sender has.
    pub offered_capabilities: Vec<Symbol>,
    /// Capabilities that the sender would like to see.
    pub desired_capabilities: Vec<Symbol>,
    /// Properties.
    pub properties: Map,
}

impl Attach {
    /// An attach as upstream's routers send it: mixed settlement, no limits, delivery count 0.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role, source: Terminus, target: Terminus) -> Self {
        Self {
            name: name.into(),
            handle: 0,
            role,
            snd_settle_mode: SenderSettle::Mixed,
            rcv_settle_mode: ReceiverSettle::First,
            source: Some(source),
            target: Some(target),
            initial_delivery_count: Some(0),
            max_message_size: 0,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: Map::new(),
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let name = fields.text("name")?.ok_or(DecodeError::Missing("name"))?;
        let handle = fields.need("handle")?;
        let role = Role::from_flag(
            fields
                .optional_flag("role")?
                .ok_or(DecodeError::Missing("role"))?,
        );
        let snd_settle_mode = match fields.number("snd-settle-mode")? {
            Some(0) => SenderSettle::Unsettled,
            Some(1) => SenderSettle::Settled,
            None | Some(2) => SenderSettle::Mixed,
            Some(found) => {
                return Err(DecodeError::Range {
                    field: "snd-settle-mode",
                    expected: "0, 1 or 2",
                    found,
                });
            }
        };
        let rcv_settle_mode = match fields.number("rcv-settle-mode")? {
            None | Some(0) => ReceiverSettle::First,
            Some(1) => ReceiverSettle::Second,
            Some(found) => {
                return Err(DecodeError::Range {
                    field: "rcv-settle-mode",
                    expected: "0 or 1",
                    found,
                });
            }
        };
        let source = fields.described(Terminus::read_source)?;
        let target = fields.described(Terminus::read_target)?;
        fields.skip()?; // unsettled: links are never resumed
        fields.skip()?; // incomplete-unsettled
        Ok(Self {
            name,
            handle,
            role,
            snd_settle_mode,
            rcv_settle_mode,
            source,
            target,
            initial_delivery_count: fields.number("initial-delivery-count")?,
            max_message_size: fields.number("max-message-size")?.unwrap_or(0),
            offered_capabilities: fields.symbols("offered-capabilities")?,
            desired_capabilities: fields.symbols("desired-capabilities")?,
            properties: fields.map("properties")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::ATTACH);
        let mut list = w.begin();
        w.field(&mut list, |w| w.str(&self.name));
        w.field(&mut list, |w| w.u32(self.handle));
        w.field(&mut list, |w| w.bool(self.role.flag()));
        w.field(&mut list, |w| w.u8(self.snd_settle_mode as u8));
        w.field(&mut list, |w| w.u8(self.rcv_settle_mode as u8));
        w.optional(&mut list, self.source.as_ref(), |w, v| v.write_source(w));
        w.optional(&mut list, self.target.as_ref(), |w, v| v.write_target(w));
        w.optional(&mut list, None, Writer::u32);
        w.optional(&mut list, None, Writer::u32);
        w.optional(&mut list, self.initial_delivery_count, Writer::u32);
        w.field(&mut list, |w| w.u64(self.max_message_size));
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

/// Detaches a link (2.7.7).
#[derive(Clone, Debug, PartialEq)]
pub struct Detach {
    /// The sender's handle of the link.
    pub handle: u32,
    /// The terminus ends as well. Routers never send anything else.
    pub closed: bool,
    /// Why, unless it is an orderly end.
    pub error: Option<Condition>,
}

impl Detach {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            handle: fields.need("handle")?,
            closed: fields.flag("closed")?,
            error: fields.described(Condition::read)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::DETACH);
        let mut list = w.begin();
        w.field(&mut list, |w| w.u32(self.handle));
        w.optional(&mut list, self.closed.then_some(true), Writer::bool);
        w.optional(&mut list, self.error.as_ref(), |w, e| e.write(w));
        w.end(list);
    }
}
