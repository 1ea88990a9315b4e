//! Messages (part 3 of the specification) and the routers' own section before them.
//!
//! [`Message`] reads and writes a whole message. A router that forwards needs less: [`Layout::scan`] finds where the
//! sections lie without building them, also when only the front of a streaming delivery has come.

mod annotations;
mod layout;
mod sections;

pub use annotations::{AnnotationsError, RouterAnnotations, flags};
pub use layout::{Layout, Section};
pub use sections::{Header, Properties};

use bytes::{Bytes, BytesMut};

use crate::{
    codec::{DecodeError, Form, Reader, Writer},
    value::{Map, Value},
};

/// Body of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// No body section at all, as the mesh's messages have it.
    #[default]
    Empty,
    /// One or more data sections.
    Data(Vec<Bytes>),
    /// One or more amqp-sequence sections.
    Sequence(Vec<Vec<Value>>),
    /// An amqp-value section.
    Value(Value),
}

/// A whole message. Sections that are absent are `None`; order on the wire is the order of the fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The routers' section, before all others.
    pub router_annotations: Option<RouterAnnotations>,
    /// Header.
    pub header: Option<Header>,
    /// Delivery annotations.
    pub delivery_annotations: Option<Map>,
    /// Message annotations.
    pub message_annotations: Option<Map>,
    /// Properties.
    pub properties: Option<Properties>,
    /// Application properties.
    pub application_properties: Option<Map>,
    /// Body.
    pub body: Body,
    /// Footer.
    pub footer: Option<Map>,
}

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A section is malformed.
    #[error("invalid message format: {0}")]
    Decode(#[from] DecodeError),
    /// The routers' section is malformed.
    #[error(transparent)]
    Annotations(#[from] AnnotationsError),
    /// A section stands where it may not, or twice.
    #[error("invalid message format: section 0x{0:x} is out of order, unknown or doubled")]
    Order(u64),
    /// More follows than the caller is ready to hold.
    #[error("invalid message format: the sections before the body take more than {0} octets")]
    TooLarge(usize),
}

impl Message {
    /// A message with properties and an amqp-value body.
    #[must_use]
    pub fn with_value(properties: Properties, body: impl Into<Value>) -> Self {
        Self {
            properties: Some(properties),
            body: Body::Value(body.into()),
            ..Self::default()
        }
    }

    /// Reads a complete message.
    ///
    /// # Errors
    /// [`MessageError`] when a section is malformed or out of order.
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let mut message = Self::default();
        let mut last = None;
        let mut reader = Reader::new(payload);
        if let Some((annotations, used)) = RouterAnnotations::parse(payload)? {
            message.router_annotations = Some(annotations);
            reader = Reader::new(payload.get(used..).unwrap_or_default());
        }
        while !reader.is_empty() {
            let descriptor = reader.descriptor()?;
            let section =
                Section::from_descriptor(descriptor).ok_or(MessageError::Order(descriptor))?;
            if !section.may_follow(last) {
                return Err(MessageError::Order(descriptor));
            }
            last = Some(section);
            message.section(section, &mut reader)?;
        }
        Ok(message)
    }

    fn section(&mut self, section: Section, reader: &mut Reader<'_>) -> Result<(), MessageError> {
        match section {
            Section::Header => self.header = Some(Header::read(reader)?),
            Section::DeliveryAnnotations => {
                self.delivery_annotations = Some(reader.map("delivery-annotations")?)
            }
            Section::MessageAnnotations => {
                self.message_annotations = Some(reader.map("message-annotations")?)
            }
            Section::Properties => self.properties = Some(Properties::read(reader)?),
            Section::ApplicationProperties => {
                self.application_properties = Some(reader.map("application-properties")?);
            }
            Section::Data => {
                let octets = Bytes::copy_from_slice(reader.binary("data")?.unwrap_or_default());
                match &mut self.body {
                    Body::Data(parts) => parts.push(octets),
                    body => *body = Body::Data(vec![octets]),
                }
            }
            Section::Sequence => match (reader.value()?, &mut self.body) {
                (Value::List(items), Body::Sequence(parts)) => parts.push(items),
                (Value::List(items), body) => *body = Body::Sequence(vec![items]),
                _ => {
                    return Err(DecodeError::Type {
                        field: "amqp-sequence",
                        expected: "list",
                        found: 0,
                    }
                    .into());
                }
            },
            Section::Value => self.body = Body::Value(reader.value()?),
            Section::Footer => self.footer = Some(reader.map("footer")?),
        }
        Ok(())
    }

    /// Appends the message, lists and maps with 32-bit sizes.
    pub fn encode(&self, buf: &mut BytesMut) {
        if let Some(annotations) = &self.router_annotations {
            annotations.write(buf);
        }
        let w = &mut Writer::new(buf, Form::Wide);
        if let Some(header) = &self.header {
            header.write(w);
        }
        let mut map = |section: Section, map: &Option<Map>| {
            if let Some(map) = map {
                w.descriptor(section.descriptor());
                w.map(map);
            }
        };
        map(Section::DeliveryAnnotations, &self.delivery_annotations);
        map(Section::MessageAnnotations, &self.message_annotations);
        if let Some(properties) = &self.properties {
            properties.write(&mut Writer::new(buf, Form::Wide));
        }
        let w = &mut Writer::new(buf, Form::Wide);
        if let Some(map) = &self.application_properties {
            w.descriptor(Section::ApplicationProperties.descriptor());
            w.map(map);
        }
        match &self.body {
            Body::Empty => {}
            Body::Data(parts) => {
                for part in parts {
                    w.descriptor(Section::Data.descriptor());
                    w.binary(part);
                }
            }
            Body::Sequence(parts) => {
                for part in parts {
                    w.descriptor(Section::Sequence.descriptor());
                    w.list(part);
                }
            }
            Body::Value(value) => {
                w.descriptor(Section::Value.descriptor());
                w.value(value);
            }
        }
        if let Some(map) = &self.footer {
            w.descriptor(Section::Footer.descriptor());
            w.map(map);
        }
    }

    /// The message's octets.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut buf = BytesMut::with_capacity(256);
        self.encode(&mut buf);
        buf.freeze()
    }
}
