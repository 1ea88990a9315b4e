//! The messages between sources and collectors (reference §1).

use skupper_amqp::message::Body;
use skupper_amqp::{Map, Message, Properties, Value};

use crate::record::{Record, RecordError};
use crate::source::{Source, SourceKind};

/// A message of a source, or a command to one.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// A source makes itself known.
    Beacon(Source),
    /// A source lives.
    Heartbeat {
        /// The source's id.
        source: String,
        /// Its clock, microseconds since the epoch.
        now: u64,
    },
    /// A source is asked to tell everything again.
    Flush,
    /// What changed.
    Records {
        /// Those that could be read.
        records: Vec<Record>,
        /// Those that could not; they are skipped.
        skipped: Vec<RecordError>,
    },
}

/// A message that is none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The message has no subject, by which they are told apart.
    #[error("a message to {0} has no subject; expected BEACON, HEARTBEAT, FLUSH or RECORD")]
    NoSubject(String),
    /// The subject is another.
    #[error("a message has subject {0:?}; expected BEACON, HEARTBEAT, FLUSH or RECORD")]
    Subject(String),
    /// An application property is missing.
    #[error("a {subject} lacks the application property {property:?}")]
    Property {
        /// Subject of the message.
        subject: &'static str,
        /// What is missing.
        property: &'static str,
    },
    /// The body is no list of records.
    #[error("the body of a RECORD must be a list of maps, found {0}")]
    Body(&'static str),
}

/// Version of beacons and heartbeats.
const VERSION: u32 = 1;

impl Update {
    /// Records, all readable.
    pub fn records(records: Vec<Record>) -> Self {
        Self::Records {
            records,
            skipped: Vec::new(),
        }
    }

    /// The message to `address`.
    pub fn encode(&self, address: &str) -> Message {
        let (subject, properties, body) = match self {
            Self::Beacon(source) => (
                "BEACON",
                Some(
                    Map::new()
                        .with("v", VERSION)
                        .with("sourceType", source.kind.as_str())
                        .with("address", source.address.as_str())
                        .with("direct", source.direct.as_str())
                        .with("id", source.id.as_str()),
                ),
                Body::Value(Value::Null),
            ),
            Self::Heartbeat { source, now } => (
                "HEARTBEAT",
                Some(
                    Map::new()
                        .with("v", VERSION)
                        .with("now", *now)
                        .with("id", source.as_str()),
                ),
                Body::Value(Value::Null),
            ),
            Self::Flush => ("FLUSH", None, Body::Value(Value::Null)),
            Self::Records { records, .. } => (
                "RECORD",
                None,
                Body::Value(Value::List(records.iter().map(Record::to_value).collect())),
            ),
        };
        Message {
            properties: Some(Properties {
                subject: Some(subject.to_owned()),
                ..Properties::to(address)
            }),
            application_properties: properties,
            body,
            ..Message::default()
        }
    }

    /// Reads a message.
    pub fn decode(message: &Message) -> Result<Self, UpdateError> {
        let properties = message.properties.as_ref();
        let subject = properties.and_then(|p| p.subject.as_deref());
        let Some(subject) = subject else {
            let to = properties.and_then(|p| p.to.clone()).unwrap_or_default();
            return Err(UpdateError::NoSubject(to));
        };
        let property = |subject: &'static str, property: &'static str| {
            let value = message
                .application_properties
                .as_ref()
                .and_then(|map| map.get(property));
            value.ok_or(UpdateError::Property { subject, property })
        };
        let text = |subject, name| {
            property(subject, name)?
                .as_str()
                .ok_or(UpdateError::Property {
                    subject,
                    property: name,
                })
        };
        match subject {
            "BEACON" => {
                let kind = match text("BEACON", "sourceType")? {
                    "CONTROLLER" => SourceKind::Controller,
                    _ => SourceKind::Router,
                };
                Ok(Self::Beacon(Source {
                    kind,
                    id: text("BEACON", "id")?.to_owned(),
                    address: text("BEACON", "address")?.to_owned(),
                    direct: text("BEACON", "direct")?.to_owned(),
                }))
            }
            "HEARTBEAT" => Ok(Self::Heartbeat {
                source: text("HEARTBEAT", "id")?.to_owned(),
                now: property("HEARTBEAT", "now")?.as_u64().unwrap_or(0),
            }),
            "FLUSH" => Ok(Self::Flush),
            "RECORD" => {
                let Body::Value(body) = &message.body else {
                    return Err(UpdateError::Body("no amqp-value section"));
                };
                let list = body.as_list().ok_or(UpdateError::Body(body.type_name()))?;
                let (mut records, mut skipped) = (Vec::with_capacity(list.len()), Vec::new());
                for element in list {
                    match Record::from_value(element) {
                        Ok(record) => records.push(record),
                        Err(error) => skipped.push(error),
                    }
                }
                Ok(Self::Records { records, skipped })
            }
            other => Err(UpdateError::Subject(other.chars().take(100).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Attribute, RecordType};

    #[test]
    fn every_update_reads_back() {
        let record =
            Record::new(RecordType::Listener, "a:7").with(Attribute::VAN_ADDRESS, "backend");
        for update in [
            Update::Beacon(Source::new(SourceKind::Controller, "site")),
            Update::Heartbeat {
                source: "a:0".into(),
                now: 17,
            },
            Update::Flush,
            Update::records(vec![record]),
        ] {
            assert_eq!(Update::decode(&update.encode("x")), Ok(update));
        }
    }

    #[test]
    fn symbols_as_keys_are_read_and_one_bad_record_spoils_no_other() {
        let mut beacon =
            Update::Beacon(Source::new(SourceKind::Router, "a:0")).encode(crate::source::BEACONS);
        beacon.application_properties = beacon.application_properties.map(|map| {
            map.into_iter()
                .map(|(key, value)| {
                    (
                        Value::symbol(key.as_str().unwrap_or_default().to_owned()),
                        value,
                    )
                })
                .collect()
        });
        assert_eq!(
            Update::decode(&beacon),
            Ok(Update::Beacon(Source::new(SourceKind::Router, "a:0")))
        );

        let good = Record::new(RecordType::Site, "s");
        let mut message = Update::records(vec![good.clone()]).encode("x");
        message.body = Body::Value(Value::List(vec![
            Value::Null,
            Value::Map(Map::new()),
            good.to_value(),
        ]));
        let Ok(Update::Records { records, skipped }) = Update::decode(&message) else {
            panic!("not records")
        };
        assert_eq!((records, skipped.len()), (vec![good], 2));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Update::decode(&Message {
            properties: Some(Properties::to("mc/sfe.all")),
            ..Message::default()
        });
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("mc/sfe.all has no subject")
        );
        let mut message = Update::Heartbeat {
            source: "a".into(),
            now: 1,
        }
        .encode("x");
        message.application_properties = None;
        assert!(
            Update::decode(&message)
                .unwrap_err()
                .to_string()
                .contains("lacks the application property \"id\"")
        );
    }
}
