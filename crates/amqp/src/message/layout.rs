use std::ops::Range;

use super::{AnnotationsError, MessageError, RouterAnnotations};
use crate::codec::{DecodeError, Reader};

/// A section of a message, in the order in which they may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Section {
    Header,
    DeliveryAnnotations,
    MessageAnnotations,
    Properties,
    ApplicationProperties,
    Data,
    Sequence,
    Value,
    Footer,
}

impl Section {
    /// The section's descriptor.
    #[must_use]
    pub fn descriptor(self) -> u64 {
        0x70 + self as u64
    }

    pub(super) fn from_descriptor(descriptor: u64) -> Option<Self> {
        Some(match descriptor {
            0x70 => Self::Header,
            0x71 => Self::DeliveryAnnotations,
            0x72 => Self::MessageAnnotations,
            0x73 => Self::Properties,
            0x74 => Self::ApplicationProperties,
            0x75 => Self::Data,
            0x76 => Self::Sequence,
            0x77 => Self::Value,
            0x78 => Self::Footer,
            _ => return None,
        })
    }

    /// Whether it is a body section.
    #[must_use]
    pub fn is_body(self) -> bool {
        matches!(self, Self::Data | Self::Sequence | Self::Value)
    }

    /// Whether the section may stand after `last`: order is fixed; data and sequence may repeat; bodies do not mix.
    pub(super) fn may_follow(self, last: Option<Self>) -> bool {
        match last {
            None => true,
            Some(last) if last == self => matches!(self, Self::Data | Self::Sequence),
            Some(last) if last.is_body() => self == Self::Footer,
            Some(last) => self > last,
        }
    }
}

/// Where the sections before the body lie in a payload, each as a range of octets that includes its descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Octets of the routers' section.
    pub router_annotations: Option<Range<usize>>,
    /// Header.
    pub header: Option<Range<usize>>,
    /// Delivery annotations.
    pub delivery_annotations: Option<Range<usize>>,
    /// Message annotations.
    pub message_annotations: Option<Range<usize>>,
    /// Properties.
    pub properties: Option<Range<usize>>,
    /// Application properties.
    pub application_properties: Option<Range<usize>>,
    /// Start of the first body section (or of the footer), if it has come.
    pub body: Option<usize>,
    /// Where the scan stopped: the start of the body, or of the first section that is not complete yet.
    pub end: usize,
}

impl Layout {
    /// Finds the sections before the body. A payload that ends inside a section, or before a body, is not an error here:
    /// a streaming delivery's scan is repeated when more of it has come, and [`Layout::passed`] says what is certain.
    ///
    /// # Errors
    /// [`MessageError`] when a section is malformed or out of order.
    pub fn scan(payload: &[u8]) -> Result<Self, MessageError> {
        let mut layout = Self::default();
        match RouterAnnotations::parse(payload) {
            Ok(Some((_, used))) => {
                layout.router_annotations = Some(0..used);
                layout.end = used;
            }
            Err(AnnotationsError::Incomplete) => return Ok(layout),
            Ok(None) => {}
            Err(error) => return Err(error.into()),
        }
        let mut last = None;
        loop {
            let start = layout.end;
            let mut reader = Reader::new(payload.get(start..).unwrap_or_default());
            let descriptor = match reader.descriptor() {
                Ok(descriptor) => descriptor,
                Err(DecodeError::Truncated { .. }) => return Ok(layout),
                Err(error) => return Err(error.into()),
            };
            let section =
                Section::from_descriptor(descriptor).ok_or(MessageError::Order(descriptor))?;
            if !section.may_follow(last) {
                return Err(MessageError::Order(descriptor));
            }
            if section >= Section::Data {
                layout.body = Some(start);
                return Ok(layout);
            }
            match reader.skip() {
                Ok(()) => {}
                Err(DecodeError::Truncated { .. }) => return Ok(layout),
                Err(error) => return Err(error.into()),
            }
            layout.end = payload.len() - reader.rest().len();
            let range = Some(start..layout.end);
            match section {
                Section::Header => layout.header = range,
                Section::DeliveryAnnotations => layout.delivery_annotations = range,
                Section::MessageAnnotations => layout.message_annotations = range,
                Section::Properties => layout.properties = range,
                _ => layout.application_properties = range,
            }
            last = Some(section);
        }
    }

    /// Whether it is known, from what has come, whether the section is there (and where): a later section or the body began.
    #[must_use]
    pub fn passed(&self, section: Section) -> bool {
        let complete = [
            (Section::Header, &self.header),
            (Section::DeliveryAnnotations, &self.delivery_annotations),
            (Section::MessageAnnotations, &self.message_annotations),
            (Section::Properties, &self.properties),
            (Section::ApplicationProperties, &self.application_properties),
        ];
        self.body.is_some()
            || complete
                .iter()
                .any(|(at, range)| *at >= section && range.is_some())
    }
}
