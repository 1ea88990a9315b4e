//! Messages as lines of text, for connections whose `messageLoggingComponents` ask for that.

use std::fmt::{self, Write};

use skupper_amqp::message::Layout;
use skupper_amqp::{Message, Value};
use skupper_management::entity::MessageComponents;

use super::links::{End, Link};

/// Octets of a line.
const LONGEST: usize = 2048;
/// The parts that are told lie in so many octets, or are not told.
pub(super) const MOST_HEAD: usize = 64 * 1024;

/// Whether anybody reads what is told.
pub(super) fn is_on(components: MessageComponents) -> bool {
    !components.is_empty() && tracing::event_enabled!(target: "MESSAGE", tracing::Level::DEBUG)
}

/// Tells of a message that came by a link or leaves by it, of which these are the first octets.
pub(super) fn tell(
    connection: u64,
    link: Option<&Link>,
    octets: &[u8],
    components: MessageComponents,
) {
    let Some((link, message)) = link.zip(describe(octets, components)) else {
        return;
    };
    let address = link.address.as_ref().map_or("", |address| &*address.text);
    let (way, source, target) = match link.end {
        End::Sender(_) => ("Sent", address, ""),
        End::Receiver(_) => ("Received", "", address),
    };
    tracing::debug!(
        target: "MESSAGE",
        "[C{connection}]: {way} {message} on link '{}' ({source} -> {target})", link.name
    );
}

/// The parts of a message of which these are the first octets; nothing where they are not those of a message.
pub(super) fn describe(octets: &[u8], components: MessageComponents) -> Option<String> {
    let layout = Layout::scan(octets).ok()?;
    let message = Message::decode(octets.get(..layout.end)?).ok()?;
    let properties = message.properties.unwrap_or_default();
    let text = |text: Option<String>| text.map(Value::String);
    let symbol = |text: Option<String>| text.map(|text| Value::Symbol(text.into()));
    let parts = [
        ("message-id", properties.message_id),
        ("user-id", properties.user_id.map(Value::Binary)),
        ("to", text(properties.to)),
        ("subject", text(properties.subject)),
        ("reply-to", text(properties.reply_to)),
        ("correlation-id", properties.correlation_id),
        ("content-type", symbol(properties.content_type)),
        ("content-encoding", symbol(properties.content_encoding)),
        (
            "absolute-expiry-time",
            properties.absolute_expiry_time.map(Value::Timestamp),
        ),
        (
            "creation-time",
            properties.creation_time.map(Value::Timestamp),
        ),
        ("group-id", text(properties.group_id)),
        ("group-sequence", properties.group_sequence.map(Value::Uint)),
        ("reply-to-group-id", text(properties.reply_to_group_id)),
        (
            "app-properties",
            message.application_properties.map(Value::Map),
        ),
    ];
    let mut line = Bounded("Message{".to_owned());
    let mut between = "";
    for (name, value) in parts {
        let Some(value) = value.filter(|_| components.has(name)) else {
            continue;
        };
        // An error means that the line is full.
        if write!(line, "{between}{name}={}", Told(&value)).is_err() {
            break;
        }
        between = ", ";
    }
    line.0.push('}');
    Some(line.0)
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// A value as upstream's router tells it.
struct Told<'a>(&'a Value);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => write!(f, "\"{text}\""),
            Value::Symbol(text) => write!(f, ":\"{text}\""),
            Value::Binary(octets) => write!(f, "b\"{}\"", octets.escape_ascii()),
            Value::Timestamp(millis) => match jiff::Timestamp::from_millisecond(*millis) {
                Ok(time) => write!(f, "\"{}\"", time.strftime("%Y-%m-%d %H:%M:%S.%3f +0000")),
                Err(_) => write!(f, "{millis}"),
            },
            Value::Bool(flag) => flag.fmt(f),
            Value::List(items) => list(f, items),
            Value::Array(array) => list(f, array.items()),
            Value::Map(map) => {
                f.write_str("{")?;
                for (at, (key, value)) in map.iter().enumerate() {
                    let between = if at == 0 { "" } else { ", " };
                    write!(f, "{between}{}={}", Told(key), Told(value))?;
                }
                f.write_str("}")
            }
            Value::Described(described) => Told(&described.value).fmt(f),
            Value::Float(number) => number.fmt(f),
            Value::Double(number) => number.fmt(f),
            Value::Char(letter) => letter.fmt(f),
            Value::Uuid(octets) => octets.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
            other => match (other.as_i64(), other.as_u64()) {
                (Some(number), _) => number.fmt(f),
                (None, Some(number)) => number.fmt(f),
                (None, None) => f.write_str("null"),
            },
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[Value]) -> fmt::Result {
    f.write_str("[")?;
    for (at, item) in items.iter().enumerate() {
        let between = if at == 0 { "" } else { ", " };
        write!(f, "{between}{}", Told(item))?;
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
    use skupper_amqp::{Map, Properties};

    use super::*;

    fn message() -> Message {
        let mut own = Map::new();
        own.push(
            "app-property",
            Value::List(vec![10.into(), Value::Bool(true)]),
        );
        own.push("some-other", Value::Symbol("O_one".into()));
        let properties = Properties {
            user_id: Some(b"test\x01".to_vec().into()),
            correlation_id: Some(Value::Ulong(89)),
            creation_time: Some(1_487_776_223_883),
            ..Properties::to("here")
        };
        Message {
            application_properties: Some(own),
            ..Message::with_value(properties, "body")
        }
    }

    #[test]
    fn the_parts_that_are_asked_for_are_told_in_their_order() {
        let octets = message().to_bytes();
        let told = |names: &str| describe(&octets, MessageComponents::parse(names)).unwrap();
        assert_eq!(
            told("all"),
            "Message{user-id=b\"test\\x01\", to=\"here\", correlation-id=89, creation-time=\"2017-02-22 15:10:23.883 +0000\", app-properties={\"app-property\"=[10, true], \"some-other\"=:\"O_one\"}}"
        );
        assert_eq!(
            told("to,user-id"),
            "Message{user-id=b\"test\\x01\", to=\"here\"}"
        );
        assert_eq!(told("subject"), "Message{}");
    }

    #[test]
    fn a_line_has_its_length_and_what_is_no_message_no_line() {
        let mut long = message();
        long.properties = Some(Properties::to("x".repeat(2 * LONGEST)));
        let told = describe(&long.to_bytes(), MessageComponents::parse("all")).unwrap();
        assert!(told.len() <= LONGEST + 1);
        assert_eq!(
            describe(b"nothing of the kind", MessageComponents::parse("all")),
            None
        );
    }
}
