//! Everything that is decoded without a connection: values, performatives, SASL frames, messages, router annotations.

use skupper_amqp::{
    Message, RouterAnnotations, codec::Reader, message::Layout, performative::Performative,
    sasl::SaslFrame,
};

pub(crate) fn run(octets: &[u8]) {
    if let Ok(value) = Reader::new(octets).value() {
        let mut written = bytes::BytesMut::new();
        skupper_amqp::codec::Writer::new(&mut written, skupper_amqp::codec::Form::Compact)
            .value(&value);
        let again = Reader::new(&written).value();
        // What is longest to write is nested deeper by one: an empty list in an array.
        let sound = matches!(again, Ok(_) | Err(skupper_amqp::codec::DecodeError::Depth));
        assert!(sound, "{again:?}");
    }
    let _ = Reader::new(octets).skip();
    let _ = Performative::read(&mut Reader::new(octets));
    let _ = SaslFrame::read(&mut Reader::new(octets));
    let _ = RouterAnnotations::parse(octets);
    let layout = Layout::scan(octets);
    if Message::decode(octets).is_ok() {
        assert!(layout.is_ok());
    }
}
