//! Performatives as a line that people read, in the form that the tools of this field print: `@flow(19) [handle=0x0, …]`. Fields
//! that are null are left out.

use std::fmt::{self, Display, Formatter};

use bytes::BytesMut;

use super::{Performative, descriptor};
use crate::codec::{Form, Reader, Writer};
use crate::value::{Map, Symbol, Value};

impl Display for Performative {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // What goes over the wire is what is shown: names are all that it lacks.
        let mut octets = BytesMut::new();
        self.write(&mut Writer::new(&mut octets, Form::Wide));
        let value = Reader::new(&octets).value().map_err(|_| fmt::Error)?;
        write!(f, "{}", Shown(&value))
    }
}

/// Name and fields of a composite type, by its descriptor.
fn composite(code: u64) -> Option<(&'static str, &'static [&'static str])> {
    Some(match code {
        descriptor::OPEN => (
            "open",
            &[
                "container-id",
                "hostname",
                "max-frame-size",
                "channel-max",
                "idle-time-out",
                "outgoing-locales",
                "incoming-locales",
                "offered-capabilities",
                "desired-capabilities",
                "properties",
            ],
        ),
        descriptor::BEGIN => (
            "begin",
            &[
                "remote-channel",
                "next-outgoing-id",
                "incoming-window",
                "outgoing-window",
                "handle-max",
                "offered-capabilities",
                "desired-capabilities",
                "properties",
            ],
        ),
        descriptor::ATTACH => (
            "attach",
            &[
                "name",
                "handle",
                "role",
                "snd-settle-mode",
                "rcv-settle-mode",
                "source",
                "target",
                "unsettled",
                "incomplete-unsettled",
                "initial-delivery-count",
                "max-message-size",
                "offered-capabilities",
                "desired-capabilities",
                "properties",
            ],
        ),
        descriptor::FLOW => (
            "flow",
            &[
                "next-incoming-id",
                "incoming-window",
                "next-outgoing-id",
                "outgoing-window",
                "handle",
                "delivery-count",
                "link-credit",
                "available",
                "drain",
                "echo",
                "properties",
            ],
        ),
        descriptor::TRANSFER => (
            "transfer",
            &[
                "handle",
                "delivery-id",
                "delivery-tag",
                "message-format",
                "settled",
                "more",
                "rcv-settle-mode",
                "state",
                "resume",
                "aborted",
                "batchable",
            ],
        ),
        descriptor::DISPOSITION => (
            "disposition",
            &["role", "first", "last", "settled", "state", "batchable"],
        ),
        descriptor::DETACH => ("detach", &["handle", "closed", "error"]),
        descriptor::END => ("end", &["error"]),
        descriptor::CLOSE => ("close", &["error"]),
        descriptor::ERROR => ("error", &["condition", "description", "info"]),
        descriptor::RECEIVED => ("received", &["section-number", "section-offset"]),
        descriptor::ACCEPTED => ("accepted", &[]),
        descriptor::REJECTED => ("rejected", &["error"]),
        descriptor::RELEASED => ("released", &[]),
        descriptor::MODIFIED => (
            "modified",
            &[
                "delivery-failed",
                "undeliverable-here",
                "message-annotations",
            ],
        ),
        descriptor::SOURCE => (
            "source",
            &[
                "address",
                "durable",
                "expiry-policy",
                "timeout",
                "dynamic",
                "dynamic-node-properties",
                "distribution-mode",
                "filter",
                "default-outcome",
                "outcomes",
                "capabilities",
            ],
        ),
        descriptor::TARGET => (
            "target",
            &[
                "address",
                "durable",
                "expiry-policy",
                "timeout",
                "dynamic",
                "dynamic-node-properties",
                "capabilities",
            ],
        ),
        descriptor::COORDINATOR => ("coordinator", &["capabilities"]),
        _ => return None,
    })
}

struct Shown<'a>(&'a Value);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Ubyte(value) => write!(f, "{value:#x}"),
            Value::Ushort(value) => write!(f, "{value:#x}"),
            Value::Uint(value) => write!(f, "{value:#x}"),
            Value::Ulong(value) => write!(f, "{value:#x}"),
            Value::Byte(value) => write!(f, "{value}"),
            Value::Short(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Long(value) | Value::Timestamp(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value}"),
            Value::Decimal32(octets) => octets_of(f, octets),
            Value::Decimal64(octets) => octets_of(f, octets),
            Value::Decimal128(octets) | Value::Uuid(octets) => octets_of(f, octets),
            Value::Char(value) => write!(f, "{value:?}"),
            Value::Binary(octets) => octets_of(f, octets),
            Value::String(text) => write!(f, "{text:?}"),
            Value::Symbol(symbol) => symbolic(f, symbol),
            Value::List(items) => all(f, '[', items, ']'),
            Value::Map(map) => pairs(f, map),
            Value::Array(array) => {
                let first = array.items().first();
                write!(f, "@<{}>", first.map_or("", Value::type_name))?;
                all(f, '[', array.items(), ']')
            }
            Value::Described(described) => {
                let fields = match (&described.descriptor, &described.value) {
                    (Value::Ulong(code), Value::List(values)) => {
                        composite(*code).map(|found| (*code, found, values))
                    }
                    _ => None,
                };
                match fields {
                    Some((code, (name, names), values)) => {
                        write!(f, "@{name}({code}) [")?;
                        named(f, names, values)?;
                        f.write_str("]")
                    }
                    None => {
                        let (descriptor, value) = (&described.descriptor, &described.value);
                        write!(f, "@{} {}", Shown(descriptor), Shown(value))
                    }
                }
            }
        }
    }
}

fn named(f: &mut Formatter<'_>, names: &[&str], values: &[Value]) -> fmt::Result {
    let mut between = "";
    for (at, value) in values.iter().enumerate() {
        if *value == Value::Null {
            continue;
        }
        f.write_str(between)?;
        match names.get(at) {
            Some(name) => write!(f, "{name}={}", Shown(value))?,
            None => write!(f, "{}", Shown(value))?,
        }
        between = ", ";
    }
    Ok(())
}

fn all(f: &mut Formatter<'_>, open: char, items: &[Value], close: char) -> fmt::Result {
    write!(f, "{open}")?;
    for (at, item) in items.iter().enumerate() {
        let between = if at == 0 { "" } else { ", " };
        write!(f, "{between}{}", Shown(item))?;
    }
    write!(f, "{close}")
}

fn pairs(f: &mut Formatter<'_>, map: &Map) -> fmt::Result {
    f.write_str("{")?;
    for (at, (key, value)) in map.iter().enumerate() {
        let between = if at == 0 { "" } else { ", " };
        write!(f, "{between}{}={}", Shown(key), Shown(value))?;
    }
    f.write_str("}")
}

fn symbolic(f: &mut Formatter<'_>, symbol: &Symbol) -> fmt::Result {
    let text = symbol.as_str();
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    match !text.is_empty() && text.bytes().all(plain) {
        true => write!(f, ":{text}"),
        false => write!(f, ":{text:?}"),
    }
}

fn octets_of(f: &mut Formatter<'_>, octets: &[u8]) -> fmt::Result {
    write!(f, "b\"{}\"", octets.escape_ascii())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::performative::{Close, Condition, Open};

    /// As a router of upstream's make printed what one of ours reads.
    #[test]
    fn an_open_is_shown_as_tools_show_it() {
        let mut open = Open::new("A");
        open.hostname = Some("localhost".to_owned());
        open.max_frame_size = 0x4000;
        open.channel_max = 0x7fff;
        let names = ["ANONYMOUS-RELAY", "qd.streaming-links"];
        open.offered_capabilities = names.map(Symbol::from_static).to_vec();
        open.properties = Map::new()
            .with_symbol("product", "skupper-router")
            .with_symbol("qd.conn-id", 1_i32);
        assert_eq!(
            Performative::Open(Box::new(open)).to_string(),
            "@open(16) [container-id=\"A\", hostname=\"localhost\", max-frame-size=0x4000, channel-max=0x7fff, \
             offered-capabilities=@<symbol>[:ANONYMOUS-RELAY, :\"qd.streaming-links\"], \
             properties={:product=\"skupper-router\", :\"qd.conn-id\"=1}]"
        );
    }

    #[test]
    fn what_is_within_is_named_too() {
        let error = Condition::new("amqp:connection:forced".into(), "said \"no\"");
        let close = Performative::Close(Close { error: Some(error) });
        assert_eq!(
            close.to_string(),
            "@close(24) [error=@error(29) [condition=:\"amqp:connection:forced\", description=\"said \\\"no\\\"\"]]"
        );
        let close = Performative::Close(Close { error: None });
        assert_eq!(close.to_string(), "@close(24) []");
    }
}
