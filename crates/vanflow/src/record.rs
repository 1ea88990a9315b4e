//! Records: maps of numbered attributes, each with a type and an identity.

use std::collections::BTreeMap;

use skupper_amqp::{Map, Value};

/// What a record tells of (reference §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of the reference")]
pub enum RecordType {
    Site,
    Router,
    Link,
    Controller,
    Listener,
    Connector,
    Flow,
    Process,
    Image,
    Ingress,
    Egress,
    Collector,
    ProcessGroup,
    Host,
    Log,
    RouterAccess,
    BiflowTport,
    BiflowApp,
}

/// All types, at the place of their number.
const TYPES: [RecordType; 18] = [
    RecordType::Site,
    RecordType::Router,
    RecordType::Link,
    RecordType::Controller,
    RecordType::Listener,
    RecordType::Connector,
    RecordType::Flow,
    RecordType::Process,
    RecordType::Image,
    RecordType::Ingress,
    RecordType::Egress,
    RecordType::Collector,
    RecordType::ProcessGroup,
    RecordType::Host,
    RecordType::Log,
    RecordType::RouterAccess,
    RecordType::BiflowTport,
    RecordType::BiflowApp,
];

impl RecordType {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The type of a number on the wire.
    pub fn from_number(number: u64) -> Option<Self> {
        TYPES.get(usize::try_from(number).ok()?).copied()
    }

    /// Whether its records go to the address for flows.
    pub fn is_flow(self) -> bool {
        matches!(self, Self::Flow | Self::BiflowTport | Self::BiflowApp)
    }
}

/// An attribute by its number (reference §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute(pub u32);

macro_rules! attributes {
    ($($name:ident = $number:literal,)*) => {
        #[allow(missing_docs, reason = "the names are those of the reference")]
        impl Attribute {
            $(pub const $name: Self = Self($number);)*
        }
    };
}

attributes! {
    RECORD_TYPE = 0, IDENTITY = 1, PARENT = 2, START_TIME = 3, END_TIME = 4, COUNTERFLOW = 5, PEER = 6, PROCESS = 7,
    SIB_ORDINAL = 8, LOCATION = 9, PROVIDER = 10, PLATFORM = 11, NAMESPACE = 12, MODE = 13, SOURCE_HOST = 14, DEST_HOST = 15,
    PROTOCOL = 16, SOURCE_PORT = 17, DEST_PORT = 18, VAN_ADDRESS = 19, IMAGE_NAME = 20, IMAGE_VERSION = 21, HOSTNAME = 22,
    OCTETS = 23, LATENCY = 24, TRANSIT_LATENCY = 25, BACKLOG = 26, METHOD = 27, RESULT = 28, REASON = 29, NAME = 30, TRACE = 31,
    BUILD_VERSION = 32, LINK_COST = 33, DIRECTION = 34, OCTET_RATE = 35, OCTETS_OUT = 36, OCTETS_UNACKED = 37,
    WINDOW_CLOSURES = 38, WINDOW_SIZE = 39, FLOW_COUNT_L4 = 40, FLOW_COUNT_L7 = 41, FLOW_RATE_L4 = 42, FLOW_RATE_L7 = 43,
    DURATION = 44, IMAGE = 45, GROUP = 46, STREAM_ID = 47, LOG_SEVERITY = 48, LOG_TEXT = 49, SOURCE_FILE = 50, SOURCE_LINE = 51,
    LINK_COUNT = 52, OPER_STATUS = 53, ROLE = 54, UP_TIMESTAMP = 55, DOWN_TIMESTAMP = 56, DOWN_COUNT = 57, OCTETS_REVERSE = 58,
    OCTET_RATE_REVERSE = 59, CONNECTOR = 60, PROCESS_LATENCY = 61, PROXY_HOST = 62, PROXY_PORT = 63, ERROR_LISTENER_SIDE = 64,
    ERROR_CONNECTOR_SIDE = 65, ACTIVE_TLS_ORDINAL = 66, HTTP_PROXY = 67,
}

/// Attributes above are passed over: a later version's are few, and no peer may make a record grow without bound.
const MAX_ATTRIBUTE: u32 = 255;
/// Characters of an identity; records with a longer one are not taken.
const MAX_IDENTITY: usize = 300;
/// Characters of a text beyond which upstream cuts; so do we, so that no peer makes a collector grow (reference §2.3).
const MAX_TEXT: usize = 1000;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// A number or counter; times are microseconds since the epoch.
    Number(u64),
    /// A text or reference.
    Text(String),
}

impl Datum {
    /// The number.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) => None,
        }
    }

    fn of(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some(text) => Some(Self::Text(text.chars().take(MAX_TEXT).collect())),
            None => value.as_u64().map(Self::Number),
        }
    }
}

impl From<u64> for Datum {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A record, whole or as a change: the attributes that are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it tells of.
    pub kind: RecordType,
    /// Which one: `<source prefix>:<n>` of a router, a UUID of a controller.
    pub id: String,
    /// The other attributes.
    pub attributes: BTreeMap<Attribute, Datum>,
}

impl Record {
    /// A record without attributes.
    pub fn new(kind: RecordType, id: impl Into<String>) -> Self {
        Record {
            kind,
            id: id.into(),
            attributes: BTreeMap::new(),
        }
    }

    /// The record with one attribute more.
    #[must_use]
    pub fn with(mut self, attribute: Attribute, datum: impl Into<Datum>) -> Self {
        self.attributes.insert(attribute, datum.into());
        self
    }

    /// The record with a text, unless it is empty: what one does not have is left out (reference §3).
    #[must_use]
    pub fn with_text(self, attribute: Attribute, text: &str) -> Self {
        if text.is_empty() {
            self
        } else {
            self.with(attribute, text)
        }
    }

    /// A text attribute, empty if it is not told.
    pub fn text(&self, attribute: Attribute) -> &str {
        self.attributes
            .get(&attribute)
            .and_then(Datum::text)
            .unwrap_or_default()
    }

    /// A number attribute, 0 if it is not told.
    pub fn number(&self, attribute: Attribute) -> u64 {
        self.attributes
            .get(&attribute)
            .and_then(Datum::number)
            .unwrap_or(0)
    }

    /// Whether what it tells of has ended.
    pub fn has_ended(&self) -> bool {
        // Up to one second after the epoch means "not set" to upstream's collectors (reference §7.1).
        self.number(Attribute::END_TIME) > 1_000_000
    }

    /// Takes over what a later record tells: its attributes replace ours, others stay. Returns whether anything changed.
    pub fn merge(&mut self, later: &Record) -> bool {
        let mut changed = false;
        for (attribute, datum) in &later.attributes {
            if self.attributes.get(attribute) != Some(datum) {
                self.attributes.insert(*attribute, datum.clone());
                changed = true;
            }
        }
        changed
    }

    /// The record as it stands in a message's list: a map keyed by uint; the type is a uint, all other numbers are ulong.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.push(Attribute::RECORD_TYPE.0, self.kind.number());
        map.push(Attribute::IDENTITY.0, self.id.as_str());
        for (attribute, datum) in &self.attributes {
            match datum {
                Datum::Number(number) => map.push(attribute.0, *number),
                Datum::Text(text) => map.push(attribute.0, text.as_str()),
            }
        }
        Value::Map(map)
    }

    /// Reads an element of a message's list. Attributes that are null or of another type than text and number are left out,
    /// integers of any width are taken.
    pub fn from_value(value: &Value) -> Result<Self, RecordError> {
        let map = value
            .as_map()
            .ok_or_else(|| RecordError::NotMap(value.type_name()))?;
        let number = map
            .get_u64(0)
            .and_then(Value::as_u64)
            .ok_or(RecordError::NoType)?;
        let kind = RecordType::from_number(number).ok_or(RecordError::UnknownType(number))?;
        let id = map
            .get_u64(1)
            .and_then(Value::as_str)
            .filter(|id| id.len() <= MAX_IDENTITY)
            .ok_or(RecordError::NoIdentity(kind))?;
        let mut record = Record::new(kind, id);
        for (key, value) in map {
            let Some(key) = key.as_u64().and_then(|key| u32::try_from(key).ok()) else {
                continue;
            };
            if let (2..=MAX_ATTRIBUTE, Some(datum)) = (key, Datum::of(value)) {
                record.attributes.insert(Attribute(key), datum);
            }
        }
        Ok(record)
    }
}

/// A record that cannot be read. It is skipped; the rest of its message counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The element is something else.
    #[error("a record must be a map, found {0}")]
    NotMap(&'static str),
    /// Attribute 0 is missing.
    #[error("a record must name its type as attribute 0 (recordType, a number), found none")]
    NoType,
    /// Attribute 0 names no type that is known here.
    #[error("record type {0} is not known here")]
    UnknownType(u64),
    /// Attribute 1 is missing.
    #[error(
        "a record of type {0:?} must have attribute 1 (identity, a string of at most 300 octets), found none"
    )]
    NoIdentity(RecordType),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_types_are_their_places() {
        for (place, kind) in TYPES.iter().enumerate() {
            assert_eq!(kind.number() as usize, place);
            assert_eq!(RecordType::from_number(place as u64), Some(*kind));
        }
        assert_eq!(RecordType::RouterAccess.number(), 15);
        assert_eq!(RecordType::from_number(18), None);
    }

    #[test]
    fn a_record_reads_back() {
        let record = Record::new(RecordType::Link, "a:1")
            .with(Attribute::NAME, "l")
            .with(Attribute::LINK_COST, 3);
        assert_eq!(Record::from_value(&record.to_value()), Ok(record));
    }

    #[test]
    fn other_integers_and_nulls_are_tolerated() {
        let mut map = Map::new();
        map.push(0u64, 1i32);
        map.push(1u8, "r:0");
        map.push(30u32, Value::Null);
        map.push(33u32, 7i64);
        map.push("x", "y");
        let record = Record::from_value(&Value::Map(map)).unwrap();
        assert_eq!(
            record,
            Record::new(RecordType::Router, "r:0").with(Attribute::LINK_COST, 7)
        );
    }

    #[test]
    fn a_later_record_replaces_what_it_tells() {
        let mut record = Record::new(RecordType::Link, "a:1")
            .with(Attribute::NAME, "l")
            .with(Attribute::OPER_STATUS, "down");
        let later = Record::new(RecordType::Link, "a:1").with(Attribute::OPER_STATUS, "up");
        assert!(record.merge(&later));
        assert!(!record.merge(&later));
        assert_eq!(
            (
                record.text(Attribute::NAME),
                record.text(Attribute::OPER_STATUS)
            ),
            ("l", "up")
        );
    }
}
