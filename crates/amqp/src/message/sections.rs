use bytes::Bytes;

use super::Section;
use crate::{
    codec::{DecodeError, Reader, Writer},
    value::Value,
};

/// Header section (3.2.1). Upstream's routers write only the first field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Must not be lost.
    pub durable: bool,
    /// 0–9 here; absent is 4.
    pub priority: Option<u8>,
    /// Milliseconds that the message is worth something.
    pub ttl: Option<u32>,
    /// Nobody tried to take it before.
    pub first_acquirer: bool,
    /// Unsuccessful attempts before.
    pub delivery_count: u32,
}

impl Header {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut fields = reader.list("header")?;
        Ok(Self {
            durable: fields.flag("durable")?,
            priority: fields.number("priority")?,
            ttl: fields.number("ttl")?,
            first_acquirer: fields.flag("first-acquirer")?,
            delivery_count: fields.number("delivery-count")?.unwrap_or(0),
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(Section::Header.descriptor());
        let mut list = w.begin();
        w.field(&mut list, |w| w.bool(self.durable));
        w.optional(&mut list, self.priority, Writer::u8);
        w.optional(&mut list, self.ttl, Writer::u32);
        w.optional(&mut list, self.first_acquirer.then_some(true), Writer::bool);
        w.optional(
            &mut list,
            (self.delivery_count > 0).then_some(self.delivery_count),
            Writer::u32,
        );
        w.end(list);
    }
}

/// Properties section (3.2.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// Id of the message: ulong, uuid, binary or string.
    pub message_id: Option<Value>,
    /// User that sent it.
    pub user_id: Option<Bytes>,
    /// Address of the node it goes to.
    pub to: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// Address for answers.
    pub reply_to: Option<String>,
    /// Id of the message that it answers.
    pub correlation_id: Option<Value>,
    /// MIME type: a symbol by the specification, written as a *string*, as upstream's routers do; both are read.
    pub content_type: Option<String>,
    /// MIME encoding.
    pub content_encoding: Option<String>,
    /// Milliseconds since the epoch at which it expires.
    pub absolute_expiry_time: Option<i64>,
    /// Milliseconds since the epoch at which it was made.
    pub creation_time: Option<i64>,
    /// Group.
    pub group_id: Option<String>,
    /// Position in the group.
    pub group_sequence: Option<u32>,
    /// Group for answers.
    pub reply_to_group_id: Option<String>,
    /// Fields written at least, null where absent: upstream's routers write a fixed number, which readers do not need.
    pub min_fields: u32,
}

impl Properties {
    /// Properties of a message to an address.
    #[must_use]
    pub fn to(address: impl Into<String>) -> Self {
        Self {
            to: Some(address.into()),
            ..Self::default()
        }
    }

    /// Reads the section's value (after its descriptor).
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut fields = reader.list("properties")?;
        let min_fields = fields.left().min(13) as u32;
        let optional = |value: Value| (!value.is_null()).then_some(value);
        let time = |value: Value| value.as_i64();
        Ok(Self {
            message_id: optional(fields.value()?),
            user_id: match fields.value()? {
                Value::Binary(octets) => Some(octets),
                _ => None,
            },
            to: fields.text("to")?,
            subject: fields.text("subject")?,
            reply_to: fields.text("reply-to")?,
            correlation_id: optional(fields.value()?),
            content_type: fields.text("content-type")?,
            content_encoding: fields.text("content-encoding")?,
            absolute_expiry_time: time(fields.value()?),
            creation_time: time(fields.value()?),
            group_id: fields.text("group-id")?,
            group_sequence: fields.number("group-sequence")?,
            reply_to_group_id: fields.text("reply-to-group-id")?,
            min_fields,
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.descriptor(Section::Properties.descriptor());
        let mut list = w.begin();
        let str = |w: &mut Writer<'_>, text: &str| w.str(text);
        w.optional(&mut list, self.message_id.as_ref(), |w, v| w.value(v));
        w.optional(&mut list, self.user_id.as_ref(), |w, v| w.binary(v));
        w.optional(&mut list, self.to.as_deref(), str);
        w.optional(&mut list, self.subject.as_deref(), str);
        w.optional(&mut list, self.reply_to.as_deref(), str);
        w.optional(&mut list, self.correlation_id.as_ref(), |w, v| w.value(v));
        w.optional(&mut list, self.content_type.as_deref(), str);
        w.optional(&mut list, self.content_encoding.as_deref(), |w, v| w.sym(v));
        w.optional(&mut list, self.absolute_expiry_time, |w, v| {
            w.value(&Value::Timestamp(v))
        });
        w.optional(&mut list, self.creation_time, |w, v| {
            w.value(&Value::Timestamp(v))
        });
        w.optional(&mut list, self.group_id.as_deref(), str);
        w.optional(&mut list, self.group_sequence, Writer::u32);
        w.optional(&mut list, self.reply_to_group_id.as_deref(), str);
        w.end_at_least(list, self.min_fields);
    }
}
