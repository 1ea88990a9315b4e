//! Fields of a message that decide what becomes of it.

use skupper_amqp::codec::Reader;
use skupper_amqp::message::Layout;

use crate::transit::message::{DEFAULT_PRIORITY, HIGHEST_PRIORITY};

/// The `to` of the properties.
pub(super) fn to_of(octets: &[u8], layout: &Layout) -> Option<String> {
    let mut reader = Reader::new(octets.get(layout.properties.clone()?)?);
    reader.descriptor().ok()?;
    let mut fields = reader.list("properties").ok()?;
    fields.skip().ok()?;
    fields.skip().ok()?;
    fields.text("to").ok()?
}

/// The `user-id` of the properties. What cannot be read is nobody's name.
pub(super) fn user_of<'a>(octets: &'a [u8], layout: &Layout) -> Option<&'a [u8]> {
    let properties = octets.get(layout.properties.clone()?)?;
    let read = || {
        let mut reader = Reader::new(properties);
        reader.descriptor().ok()?;
        let mut fields = reader.list("properties").ok()?;
        fields.skip().ok()?;
        fields.binary("user-id").ok()
    };
    read().unwrap_or(Some(b"(not a binary)"))
}

/// The priority of the header, 0–9.
pub(super) fn priority_of(octets: &[u8], layout: &Layout) -> u8 {
    let read = || {
        let mut reader = Reader::new(octets.get(layout.header.clone()?)?);
        reader.descriptor().ok()?;
        let mut fields = reader.list("header").ok()?;
        fields.skip().ok()?;
        fields.number::<u8>("priority").ok()?
    };
    read().unwrap_or(DEFAULT_PRIORITY).min(HIGHEST_PRIORITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use skupper_amqp::message::{Header, Message as AmqpMessage, Properties};

    #[test]
    fn address_and_priority_are_found() {
        let message = AmqpMessage {
            header: Some(Header {
                priority: Some(12),
                ..Header::default()
            }),
            properties: Some(Properties::to("echo:8080")),
            ..AmqpMessage::default()
        };
        let octets: Bytes = message.to_bytes();
        let layout = Layout::scan(&octets).unwrap();
        assert_eq!(to_of(&octets, &layout).as_deref(), Some("echo:8080"));
        assert_eq!(priority_of(&octets, &layout), 9);
        let bare = AmqpMessage::default().to_bytes();
        assert_eq!(to_of(&bare, &Layout::scan(&bare).unwrap()), None);
    }

    #[test]
    fn a_user_that_cannot_be_read_is_nobody() {
        let user = |properties| {
            let message = AmqpMessage {
                properties: Some(properties),
                ..AmqpMessage::default()
            };
            let octets = message.to_bytes();
            let layout = Layout::scan(&octets).unwrap();
            user_of(&octets, &layout).map(<[u8]>::to_vec)
        };
        assert_eq!(user(Properties::to("x")), None);
        let named = Properties {
            user_id: Some(b"ann".to_vec().into()),
            ..Properties::default()
        };
        assert_eq!(user(named), Some(b"ann".to_vec()));
        // A list of two texts, where the second should be octets.
        let octets = b"\x00\x53\x73\xc0\x07\x02\xa1\x01i\xa1\x01u";
        let layout = Layout::scan(octets).unwrap();
        assert_eq!(user_of(octets, &layout), Some(b"(not a binary)".as_slice()));
    }
}
