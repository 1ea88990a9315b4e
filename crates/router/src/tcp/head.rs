//! The head of a stream message: properties, application properties and an empty body, after which every octet of the
//! delivery is a raw octet of the TCP stream (router protocol reference §7.4).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use skupper_amqp::codec::{DecodeError, Form, Reader, Writer};
use skupper_amqp::{Map, Value};

const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const AMQP_VALUE: u64 = 0x77;
const NULL: u8 = 0x40;
const HEADER: u64 = 0x70;
const DELIVERY_ANNOTATIONS: u64 = 0x71;
const MESSAGE_ANNOTATIONS: u64 = 0x72;

/// What a stream message calls its content.
pub(crate) const CONTENT_TYPE: &str = "application/octet-stream";
/// The mapping version that is written; nobody reads it.
const MAPPING_VERSION: u32 = 1;
/// Key of the application property that tells a window.
const WINDOW: &str = "window";
/// Octets in the name of a protocol (RFC 7301 §3.1). No server can be offered another, whatever a peer says.
const ALPN: RangeInclusive<usize> = 1..=255;
/// A head that is longer than this is malformed: it could only grow until memory ends.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// The head of a stream message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StreamHead {
    /// The address that the stream is for.
    pub(crate) to: String,
    /// Where the opposite stream is to be sent; only in the client's stream.
    pub(crate) reply_to: Option<String>,
    /// The telemetry record of the flow; only in the client's stream.
    pub(crate) correlation_id: Option<String>,
    /// The protocol that the client negotiated by ALPN.
    pub(crate) alpn: Option<String>,
    /// Octets that the end which sends this head takes beyond what it has acknowledged. Ours; upstream says nothing.
    pub(crate) window: Option<u64>,
}

/// What the octets so far turn out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Not enough yet.
    Incomplete,
    /// A head of `length` octets; the rest is the stream.
    Head { head: StreamHead, length: usize },
    /// Not a stream message: its content type is another one or missing.
    WrongEncapsulation,
    /// No message at all.
    Malformed(DecodeError),
}

/// Whether octets are the front of a stream; none while that is not known.
pub(crate) fn begins_stream(octets: &[u8]) -> Option<bool> {
    match StreamHead::parse(octets) {
        Parsed::Incomplete => None,
        Parsed::Head { .. } => Some(true),
        Parsed::WrongEncapsulation | Parsed::Malformed(_) => Some(false),
    }
}

impl StreamHead {
    /// The sections, ready to go behind router annotations.
    pub(crate) fn encode(&self) -> Bytes {
        let mut buf = BytesMut::with_capacity(192);
        let mut w = Writer::new(&mut buf, Form::Wide);
        w.descriptor(PROPERTIES);
        let mut list = w.begin();
        w.field(&mut list, Writer::null);
        w.field(&mut list, Writer::null);
        w.field(&mut list, |w| w.str(&self.to));
        w.field(&mut list, Writer::null);
        w.optional(&mut list, self.reply_to.as_deref(), |w, text| w.str(text));
        w.optional(&mut list, self.correlation_id.as_deref(), |w, text| {
            w.str(text)
        });
        // A string where AMQP has a symbol: peers in the field write and expect it so.
        w.field(&mut list, |w| w.str(CONTENT_TYPE));
        w.end(list);
        w.descriptor(APPLICATION_PROPERTIES);
        let mut properties = Map::new().with("V", Value::Uint(MAPPING_VERSION));
        if let Some(alpn) = &self.alpn {
            properties = properties.with("alpn", Value::String(alpn.clone()));
        }
        if let Some(window) = self.window {
            properties = properties.with(WINDOW, Value::Ulong(window));
        }
        w.map(&properties);
        w.descriptor(AMQP_VALUE);
        w.null();
        buf.freeze()
    }

    /// Reads a head from the front of `octets`.
    pub(crate) fn parse(octets: &[u8]) -> Parsed {
        match Self::sections(octets) {
            Ok(parsed) => parsed,
            Err(DecodeError::Truncated { .. }) if octets.len() < MAX_HEAD => Parsed::Incomplete,
            Err(error) => Parsed::Malformed(error),
        }
    }

    fn sections(octets: &[u8]) -> Result<Parsed, DecodeError> {
        let mut reader = Reader::new(octets);
        let mut head = StreamHead::default();
        let mut stream = false;
        loop {
            match reader.descriptor()? {
                HEADER | DELIVERY_ANNOTATIONS | MESSAGE_ANNOTATIONS => reader.skip()?,
                PROPERTIES => stream = head.properties(&mut reader)?,
                APPLICATION_PROPERTIES => {
                    let properties = reader.map("application-properties")?;
                    head.alpn = properties
                        .get("alpn")
                        .and_then(Value::as_str)
                        .filter(|alpn| ALPN.contains(&alpn.len()))
                        .map(str::to_owned);
                    head.window = properties.get(WINDOW).and_then(Value::as_u64);
                }
                AMQP_VALUE => {
                    // What has a body is a message.
                    let empty = reader.peek().is_none_or(|code| code == NULL);
                    if !stream || !empty {
                        return Ok(Parsed::WrongEncapsulation);
                    }
                    reader.skip()?;
                    return Ok(Parsed::Head {
                        head,
                        length: octets.len() - reader.rest().len(),
                    });
                }
                // Data and sequence sections, footers: a message, but no stream.
                _ => return Ok(Parsed::WrongEncapsulation),
            }
        }
    }

    /// Reads the properties; whether they say that this is a stream.
    fn properties(&mut self, reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
        let mut fields = reader.list("properties")?;
        fields.skip()?;
        fields.skip()?;
        self.to = fields.text("to")?.unwrap_or_default();
        fields.skip()?;
        self.reply_to = fields.text("reply-to")?;
        self.correlation_id = match fields.value()? {
            Value::String(id) => Some(id),
            _ => None,
        };
        Ok(fields
            .text("content-type")?
            .is_some_and(|content| content == CONTENT_TYPE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client stream of the protocol reference, §8.8, without its router annotations.
    fn recorded() -> Vec<u8> {
        let mut octets = vec![
            0x00, 0x53, 0x73, 0xd0, 0, 0, 0, 0x5b, 0, 0, 0, 7, 0x40, 0x40,
        ];
        let mut text = |constructor: &[u8], text: &str| {
            octets.extend_from_slice(constructor);
            octets.push(text.len() as u8);
            octets.extend_from_slice(text.as_bytes());
        };
        text(&[0xa1], "echo:8080");
        text(&[0x40, 0xa1], "amqp:/_topo/0/A/temp.GQNjhvfCJ3yZoHt");
        text(&[0xa1], "TvSUr:3");
        text(&[0xa1], "application/octet-stream");
        octets.extend_from_slice(&[0x00, 0x53, 0x74, 0xd1, 0, 0, 0, 9, 0, 0, 0, 2]);
        octets.extend_from_slice(&[0xa1, 1, b'V', 0x52, 1, 0x00, 0x53, 0x77, 0x40]);
        octets
    }

    fn head() -> StreamHead {
        StreamHead {
            to: "echo:8080".to_owned(),
            reply_to: Some("amqp:/_topo/0/A/temp.GQNjhvfCJ3yZoHt".to_owned()),
            correlation_id: Some("TvSUr:3".to_owned()),
            alpn: None,
            window: None,
        }
    }

    #[test]
    fn an_end_may_say_what_it_takes() {
        let head = StreamHead {
            window: Some(1 << 24),
            alpn: Some("h2".to_owned()),
            ..head()
        };
        let octets = head.encode();
        let length = octets.len();
        assert_eq!(StreamHead::parse(&octets), Parsed::Head { head, length });
    }

    #[test]
    fn writes_what_was_recorded() {
        assert_eq!(&head().encode()[..], &recorded()[..]);
    }

    #[test]
    fn reads_at_every_cut() {
        let recorded = recorded();
        for cut in 0..recorded.len() {
            assert_eq!(
                StreamHead::parse(&recorded[..cut]),
                Parsed::Incomplete,
                "{cut}"
            );
        }
        let length = recorded.len();
        let mut with_body = recorded;
        with_body.extend_from_slice(b"hello");
        assert_eq!(
            StreamHead::parse(&with_body),
            Parsed::Head {
                head: head(),
                length
            }
        );
    }

    #[test]
    fn what_is_no_name_of_a_protocol_is_not_offered_to_the_server() {
        for (length, read) in [(0, false), (1, true), (255, true), (256, false)] {
            let alpn = Some("x".repeat(length));
            let head = StreamHead { alpn, ..head() };
            let Parsed::Head { head, .. } = StreamHead::parse(&head.encode()) else {
                panic!("{length} octets");
            };
            assert_eq!(head.alpn.is_some(), read, "{length} octets");
        }
    }

    #[test]
    fn refuses_other_messages() {
        let data = [0x00, 0x53, 0x75, 0xa0, 1, 0];
        assert_eq!(StreamHead::parse(&data), Parsed::WrongEncapsulation);
        let null = [0x00, 0x53, 0x77, 0x40];
        assert_eq!(StreamHead::parse(&null), Parsed::WrongEncapsulation);
        assert!(matches!(
            StreamHead::parse(&[0xff, 0xff]),
            Parsed::Malformed(_)
        ));
    }
}
