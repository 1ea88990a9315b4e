use super::{Condition, connection::some, descriptor};
use crate::{
    codec::{DecodeError, Fields, Writer},
    value::{Map, Symbol},
};

/// Begins a session (2.7.2). Windows are counted in transfer frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    /// In an answer: the channel on which the other side began the session.
    pub remote_channel: Option<u16>,
    /// Id of the first transfer that the sender will send.
    pub next_outgoing_id: u32,
    /// Transfers that the sender takes.
    pub incoming_window: u32,
    /// Transfers that the sender means to send.
    pub outgoing_window: u32,
    /// Highest link handle that the sender takes.
    pub handle_max: u32,
    /// Capabilities that the sender has.
    pub offered_capabilities: Vec<Symbol>,
    /// Capabilities that the sender would like to see.
    pub desired_capabilities: Vec<Symbol>,
    /// Properties.
    pub properties: Map,
}

impl Begin {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            remote_channel: fields.number("remote-channel")?,
            next_outgoing_id: fields.need("next-outgoing-id")?,
            incoming_window: fields.need("incoming-window")?,
            outgoing_window: fields.need("outgoing-window")?,
            handle_max: fields.number("handle-max")?.unwrap_or(u32::MAX),
            offered_capabilities: fields.symbols("offered-capabilities")?,
            desired_capabilities: fields.symbols("desired-capabilities")?,
            properties: fields.map("properties")?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::BEGIN);
        let mut list = w.begin();
        w.optional(&mut list, self.remote_channel, Writer::u16);
        for number in [
            self.next_outgoing_id,
            self.incoming_window,
            self.outgoing_window,
            self.handle_max,
        ] {
            w.field(&mut list, |w| w.u32(number));
        }
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

/// Ends a session (2.7.8).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// Why, unless it is an orderly end.
    pub error: Option<Condition>,
}

impl End {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            error: fields.described(Condition::read)?,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::END);
        let mut list = w.begin();
        w.optional(&mut list, self.error.as_ref(), |w, e| e.write(w));
        w.end(list);
    }
}

/// Updates the windows of a session and, with `link`, the credit of a link (2.7.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Id of the next transfer that the sender of this frame expects; absent before it has seen the other's begin.
    pub next_incoming_id: Option<u32>,
    /// Transfers that it takes.
    pub incoming_window: u32,
    /// Id of the next transfer that it will send.
    pub next_outgoing_id: u32,
    /// Transfers that it means to send.
    pub outgoing_window: u32,
    /// The link, when it is about one.
    pub link: Option<LinkFlow>,
    /// The other side is asked to answer with its own flow.
    pub echo: bool,
}

/// The link's part of a [`Flow`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFlow {
    /// The sender's handle of the link.
    pub handle: u32,
    /// Deliveries sent so far, as far as the sender of this frame knows.
    pub delivery_count: Option<u32>,
    /// Deliveries that may follow.
    pub link_credit: Option<u32>,
    /// Deliveries that wait for credit.
    pub available: Option<u32>,
    /// Credit is to be used or given up at once.
    pub drain: bool,
}

impl Flow {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let mut flow = Self {
            next_incoming_id: fields.number("next-incoming-id")?,
            incoming_window: fields.need("incoming-window")?,
            next_outgoing_id: fields.need("next-outgoing-id")?,
            outgoing_window: fields.need("outgoing-window")?,
            ..Self::default()
        };
        if let Some(handle) = fields.number("handle")? {
            flow.link = Some(LinkFlow {
                handle,
                delivery_count: fields.number("delivery-count")?,
                link_credit: fields.number("link-credit")?,
                available: fields.number("available")?,
                drain: fields.flag("drain")?,
            });
        } else {
            for _ in 0..4 {
                fields.skip()?;
            }
        }
        flow.echo = fields.flag("echo")?;
        Ok(flow)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(descriptor::FLOW);
        let mut list = w.begin();
        w.optional(&mut list, self.next_incoming_id, Writer::u32);
        for number in [
            self.incoming_window,
            self.next_outgoing_id,
            self.outgoing_window,
        ] {
            w.field(&mut list, |w| w.u32(number));
        }
        let link = self.link.as_ref();
        w.optional(&mut list, link.map(|l| l.handle), Writer::u32);
        w.optional(&mut list, link.and_then(|l| l.delivery_count), Writer::u32);
        w.optional(&mut list, link.and_then(|l| l.link_credit), Writer::u32);
        w.optional(&mut list, link.and_then(|l| l.available), Writer::u32);
        // Upstream writes it also when false.
        w.optional(&mut list, link.map(|l| l.drain), Writer::bool);
        w.optional(&mut list, self.echo.then_some(true), Writer::bool);
        w.end(list);
    }
}
