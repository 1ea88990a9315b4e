//! How much of a delivery has come, where its length has a limit. One direction of a TCP flow is no message and has none: it is known
//! by its head, behind which octets follow that no message has, and not by what its sender says of it.

use bytes::BytesMut;
use skupper_amqp::message::{AnnotationsError, RouterAnnotations};

use crate::tcp::{MAX_HEAD, begins_stream};

/// What has come of one delivery.
#[derive(Debug, Default)]
pub(super) struct Received {
    octets: u64,
    nature: Nature,
}

#[derive(Debug, Default)]
enum Nature {
    #[default]
    Message,
    Flow,
    /// What its front does not tell yet.
    Unknown(BytesMut),
}

impl Received {
    /// Nothing yet; of an edge router's deliveries some are flows.
    pub(super) fn new(from_edge: bool) -> Self {
        Received {
            octets: 0,
            nature: match from_edge {
                true => Nature::Unknown(BytesMut::new()),
                false => Nature::Message,
            },
        }
    }

    /// Takes what comes; whether it is a message that is longer than `most` octets. What it is has to be clear within the length of
    /// a head, and when nothing more comes.
    pub(super) fn is_too_long(&mut self, octets: &[u8], more: bool, most: u64) -> bool {
        self.octets = self.octets.saturating_add(octets.len() as u64);
        if let Nature::Unknown(front) = &mut self.nature {
            front.extend_from_slice(octets);
            match is_flow(front) {
                Some(true) => self.nature = Nature::Flow,
                None if more && front.len() < MAX_HEAD => return false,
                _ => self.nature = Nature::Message,
            }
        }
        matches!(self.nature, Nature::Message) && self.octets > most
    }
}

/// Whether the octets begin one direction of a flow, if that is known.
fn is_flow(front: &[u8]) -> Option<bool> {
    match RouterAnnotations::parse(front) {
        Ok(Some((_, used))) => begins_stream(&front[used..]),
        Ok(None) => begins_stream(front),
        Err(AnnotationsError::Incomplete) => None,
        Err(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use skupper_amqp::message::flags;
    use skupper_amqp::{Message, Properties};

    use super::*;
    use crate::tcp::StreamHead;

    /// Octets behind a routers' section that says that they are a stream.
    fn flagged(octets: &[u8]) -> Vec<u8> {
        let annotations = RouterAnnotations {
            flags: flags::STREAMING | flags::Q2_DISABLED,
            ..RouterAnnotations::default()
        };
        let mut all = BytesMut::new();
        annotations.write_forwarded("0/A", &mut all);
        all.extend_from_slice(octets);
        all.to_vec()
    }

    fn stream() -> Vec<u8> {
        let head = StreamHead {
            to: "service".to_owned(),
            ..StreamHead::default()
        };
        flagged(&head.encode())
    }

    #[test]
    fn a_flow_has_no_length_however_its_head_comes() {
        for piece in [1, 7, 1000] {
            let mut received = Received::new(true);
            for chunk in stream().chunks(piece) {
                assert!(!received.is_too_long(chunk, true, 10), "{piece}");
            }
            assert!(!received.is_too_long(&[7; 100_000], true, 10));
            assert!(!received.is_too_long(&[], false, 10));
        }
        assert!(Received::new(false).is_too_long(&stream(), true, 10));
    }

    #[test]
    fn a_message_that_is_flagged_as_a_stream_is_a_message() {
        let text = "x".repeat(2000);
        let message = Message::with_value(Properties::to("service"), text.as_str());
        let mut octets = Properties::to("service");
        octets.content_type = Some("application/octet-stream".into());
        let disguised = Message::with_value(octets, text.as_str());
        for message in [message, disguised] {
            let octets = flagged(&message.to_bytes());
            let most = octets.len() as u64;
            assert!(!Received::new(true).is_too_long(&octets, false, most));
            assert!(Received::new(true).is_too_long(&octets, false, most - 1));
            // What it is does not come out before its end.
            let mut received = Received::new(true);
            let too_long: Vec<bool> = octets
                .chunks(500)
                .enumerate()
                .map(|(at, chunk)| {
                    received.is_too_long(chunk, at * 500 + 500 < octets.len(), most - 1)
                })
                .collect();
            assert!(too_long.last() == Some(&true));
        }
    }

    #[test]
    fn what_does_not_say_what_it_is_may_be_as_long_as_a_head() {
        let address = "x".repeat(2 * MAX_HEAD);
        let endless = Message::with_value(Properties::to(address), "body").to_bytes();
        let endless = flagged(&endless);
        let mut received = Received::new(true);
        assert!(!received.is_too_long(&endless[..MAX_HEAD - 1], true, 10));
        assert!(received.is_too_long(&endless[MAX_HEAD - 1..MAX_HEAD], true, 10));
    }
}
