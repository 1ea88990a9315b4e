//! A control message, which any router of the network may have sent: what is read is written again and read alike.

use skupper_routing::ControlMessage;

pub(crate) fn run(octets: &[u8]) {
    let Ok(message) = ControlMessage::from_payload(octets) else {
        return;
    };
    let written = message.encode("amqp:/_topo/0/A/qdrouter");
    let again = ControlMessage::from_payload(&written);
    assert_eq!(again.as_ref().ok(), Some(&message), "{again:?}");
}
