//! Attribute values in the AMQP type system.

use skupper_amqp::{Map, Value as Amqp};

use crate::{Attributes, Value};

/// How deep lists and maps of a peer may be nested.
const MAX_DEPTH: usize = 32;

/// A value as this router's kind writes it: integers as `int` where they fit and else as `long` (`ulong` beyond that), texts
/// as strings, lists as lists and never as arrays, keys as strings.
pub fn to_amqp(value: &Value) -> Amqp {
    match value {
        Value::Null => Amqp::Null,
        Value::Bool(flag) => Amqp::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => i32::try_from(whole).map_or(Amqp::Long(whole), Amqp::Int),
            (None, Some(whole)) => Amqp::Ulong(whole),
            (None, None) => number.as_f64().map_or(Amqp::Null, Amqp::Double),
        },
        Value::String(text) => Amqp::String(text.clone()),
        Value::Array(items) => Amqp::List(items.iter().map(to_amqp).collect()),
        Value::Object(entries) => Amqp::Map(
            entries
                .iter()
                .map(|(key, entry)| (Amqp::String(key.clone()), to_amqp(entry)))
                .collect(),
        ),
    }
}

/// A value as a peer of any kind wrote it. What has no counterpart becomes null; octets become text, as clients that do
/// not know strings send them.
pub fn from_amqp(value: &Amqp) -> Value {
    read(value, MAX_DEPTH)
}

fn read(value: &Amqp, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    match value {
        Amqp::Bool(flag) => Value::Bool(*flag),
        Amqp::Float(number) => f64::from(*number).into(),
        Amqp::Double(number) => (*number).into(),
        Amqp::Char(letter) => letter.to_string().into(),
        Amqp::Binary(octets) => String::from_utf8_lossy(octets).into_owned().into(),
        Amqp::Uuid(octets) => uuid(octets).into(),
        Amqp::List(items) => items.iter().map(|item| read(item, depth - 1)).collect(),
        Amqp::Array(array) => array
            .items()
            .iter()
            .map(|item| read(item, depth - 1))
            .collect(),
        Amqp::Map(map) => Value::Object(read_map(map, depth - 1)),
        Amqp::Described(described) => read(&described.value, depth - 1),
        other => match (other.as_str(), other.as_i64(), other.as_u64()) {
            (Some(text), ..) => text.into(),
            (None, Some(whole), _) => whole.into(),
            (None, None, Some(whole)) => whole.into(),
            (None, None, None) => Value::Null,
        },
    }
}

fn read_map(map: &Map, depth: usize) -> Attributes {
    map.iter()
        .filter_map(|(key, entry)| Some((text(key)?, read(entry, depth))))
        .collect()
}

/// The text of a key or of a property, whichever of its types the peer chose.
pub(super) fn text(value: &Amqp) -> Option<String> {
    match value {
        Amqp::Binary(octets) => Some(String::from_utf8_lossy(octets).into_owned()),
        other => other.as_str().map(str::to_owned),
    }
}

fn uuid(octets: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, octet) in octets.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [octet >> 4, octet & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}
