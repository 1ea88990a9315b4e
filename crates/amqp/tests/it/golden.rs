//! Frames that upstream's routers sent, read and written again.

use bytes::BytesMut;
use skupper_amqp::{
    Attach, DeliveryState, Message, Role, Symbol, Terminus, Value,
    codec::{Form, Reader, Writer},
    frame::{self, Frame},
    message::{Body, Layout},
    performative::Performative,
    sasl::SaslFrame,
    sniff::{AMQP_HEADER, SASL_HEADER},
};

const STREAMS: [(&str, &[u8]); 13] = [
    (
        "control-connector",
        include_bytes!("../data/control-connector.bin"),
    ),
    (
        "control-listener",
        include_bytes!("../data/control-listener.bin"),
    ),
    (
        "control2-connector",
        include_bytes!("../data/control2-connector.bin"),
    ),
    (
        "control2-listener",
        include_bytes!("../data/control2-listener.bin"),
    ),
    (
        "data-connector",
        include_bytes!("../data/data-connector.bin"),
    ),
    ("data-listener", include_bytes!("../data/data-listener.bin")),
    (
        "data2-connector",
        include_bytes!("../data/data2-connector.bin"),
    ),
    (
        "edge-connector",
        include_bytes!("../data/edge-connector.bin"),
    ),
    ("edge-listener", include_bytes!("../data/edge-listener.bin")),
    (
        "mesh-connector",
        include_bytes!("../data/mesh-connector.bin"),
    ),
    ("mesh-listener", include_bytes!("../data/mesh-listener.bin")),
    (
        "management-client",
        include_bytes!("../data/management-client.bin"),
    ),
    (
        "management-router",
        include_bytes!("../data/management-router.bin"),
    ),
];

/// The whole frames of a stream, its headers left out. (A recording may end inside a frame.)
fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        let size = if stream.starts_with(b"AMQP") {
            assert!(stream.starts_with(&AMQP_HEADER) || stream.starts_with(&SASL_HEADER));
            8
        } else {
            match Frame::peek(stream, 1 << 20).unwrap() {
                Some(frame) if frame.size <= stream.len() => frame.size,
                _ => break,
            }
        };
        if size > 8 {
            frames.push(&stream[..size]);
        }
        stream = &stream[size..];
    }
    frames
}

/// The performative and the payload of an AMQP frame; `None` for frames of SASL.
fn read(octets: &[u8]) -> Option<(u16, Performative, &[u8])> {
    let frame = Frame::peek(octets, octets.len()).unwrap().unwrap();
    let mut reader = Reader::new(&octets[frame.body..]);
    (frame.kind == frame::TYPE_AMQP).then(|| {
        let performative = Performative::read(&mut reader).unwrap();
        (frame.channel, performative, reader.rest())
    })
}

fn performatives(name: &str) -> Vec<(u16, Performative, &'static [u8])> {
    let (_, stream) = STREAMS.iter().find(|(stream, _)| *stream == name).unwrap();
    frames(stream).into_iter().filter_map(read).collect()
}

#[test]
fn every_frame_reads_and_survives_being_written() {
    for (name, stream) in STREAMS {
        let mut all = 0;
        for octets in frames(stream) {
            let mut again = BytesMut::new();
            match read(octets) {
                Some((channel, performative, payload)) => {
                    frame::write_performative(&mut again, channel, &performative);
                    let (_, reread, _) = read(&again).unwrap();
                    assert_eq!(reread, performative, "{name}");
                    again.extend_from_slice(payload);
                    let size = (again.len() as u32).to_be_bytes();
                    again[..4].copy_from_slice(&size);
                }
                None => {
                    let body = SaslFrame::read(&mut Reader::new(&octets[8..])).unwrap();
                    frame::write_sasl(&mut again, &body);
                }
            }
            let open = matches!(read(octets), Some((_, Performative::Open(_), _)));
            // Upstream writes arrays with 32-bit sizes; ours are as short as can be.
            assert!(
                open || again == octets,
                "{name}: {octets:02x?} was written as {again:02x?}"
            );
            all += 1;
        }
        assert!(all > 0);
    }
}

#[test]
fn every_message_reads_and_survives_being_written() {
    let mut messages = 0;
    for (name, _) in STREAMS {
        for (_, performative, payload) in performatives(name) {
            let Performative::Transfer(transfer) = performative else {
                continue;
            };
            // A TCP stream's octets after its first transfer are no sections.
            if transfer.more || payload.is_empty() || !payload.starts_with(&[0]) {
                continue;
            }
            let message = Message::decode(payload).unwrap();
            let again = message.to_bytes();
            assert_eq!(Message::decode(&again).unwrap(), message, "{name}");
            let layout = Layout::scan(payload).unwrap();
            assert_eq!(
                layout.router_annotations.is_some(),
                message.router_annotations.is_some()
            );
            assert_eq!(layout.properties.is_some(), message.properties.is_some());
            assert_eq!(layout.body.is_some(), message.body != Body::Empty);
            messages += 1;
        }
    }
    assert!(messages > 100, "{messages}");
}

#[test]
fn known_frames_have_the_values_that_upstream_logged() {
    let connector = performatives("control-connector");
    let Some((0, Performative::Open(open), _)) = connector.first() else {
        panic!("{connector:?}")
    };
    assert_eq!(
        (open.container_id.as_str(), open.hostname.as_deref()),
        ("A", Some("localhost"))
    );
    assert_eq!(
        (open.max_frame_size, open.channel_max, open.idle_time_out),
        (16384, 32767, Some(8000))
    );
    let offered: Vec<_> = open
        .offered_capabilities
        .iter()
        .map(Symbol::as_str)
        .collect();
    assert_eq!(
        offered,
        [
            "ANONYMOUS-RELAY",
            "qd.streaming-links",
            "qd.connection_trunking"
        ]
    );
    assert_eq!(
        open.properties.get("product"),
        Some(&Value::from("skupper-router"))
    );
    assert_eq!(
        open.properties.get("qd.annotations-version"),
        Some(&Value::Int(2))
    );
    assert_eq!(
        open.properties
            .get("qd.group-correlator")
            .and_then(Value::as_str)
            .map(str::len),
        Some(15)
    );

    let attaches = |of: &[(u16, Performative, &[u8])]| {
        of.iter()
            .filter(|(_, p, _)| matches!(p, Performative::Attach(_)))
            .count()
    };
    assert_eq!(attaches(&connector), 22);
    assert_eq!(attaches(&performatives("control-listener")), 22);

    let received = performatives("data-listener")
        .into_iter()
        .chain(performatives("data-connector"))
        .find_map(|(_, p, _)| {
            if let Performative::Disposition(disposition) = p {
                disposition.state
            } else {
                None
            }
        });
    assert_eq!(received, Some(DeliveryState::Accepted));

    let hello = connector.iter().find_map(|(_, p, payload)| {
        matches!(p, Performative::Transfer(_)).then(|| Message::decode(payload).unwrap())
    });
    let hello = hello.unwrap();
    assert_eq!(
        hello.router_annotations.unwrap().ingress.as_deref(),
        Some("0/A")
    );
    assert_eq!(
        hello.properties.unwrap().to.as_deref(),
        Some("amqp:/_local/qdhello")
    );
    assert_eq!(
        hello
            .application_properties
            .unwrap()
            .get("opcode")
            .and_then(Value::as_str),
        Some("HELLO")
    );
    let Body::Value(Value::Map(body)) = hello.body else {
        panic!("no map")
    };
    assert_eq!(body.get("id").and_then(Value::as_str), Some("A"));
    assert_eq!(body.get("pv").and_then(Value::as_i64), Some(1));
}

/// What of the whole messages of a stream `look` finds.
fn find<T>(name: &str, look: impl Fn(&Message) -> Option<T>) -> Option<T> {
    performatives(name)
        .into_iter()
        .find_map(|(_, p, payload)| match p {
            Performative::Transfer(transfer) if !transfer.more && payload.starts_with(&[0]) => {
                look(&Message::decode(payload).unwrap())
            }
            _ => None,
        })
}

/// A property of a message, as text.
fn property<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.application_properties.as_ref()?.get(name)?.as_str()
}

#[test]
fn what_edge_routers_tell_has_the_values_that_upstream_logged() {
    let mesh = find("edge-connector", |message| {
        property(message, "meshid").map(str::to_owned)
    });
    assert_eq!(mesh.as_deref(), Some("j8CatGfr1jlYa7P"));
    let tracked = find("edge-listener", |message| match &message.body {
        Body::Value(Value::List(list)) => Some(list.clone()),
        _ => None,
    });
    let reachable = [Value::String("Minner".to_owned()), Value::Bool(true)];
    assert_eq!(tracked.as_deref(), Some(&reachable[..]));
    let bid = |name| {
        find(name, |message| {
            let properties = message.application_properties.as_ref()?;
            let ordinal = properties.get("ordinal")?.as_i64()?;
            Some((ordinal, property(message, "id")?.to_owned()))
        })
    };
    let (theirs, others) = (
        bid("mesh-listener").unwrap(),
        bid("mesh-connector").unwrap(),
    );
    assert_eq!(
        (theirs.1.as_str(), others.1.as_str()),
        ("j8CatGfr1jlYa7P", "z22khLwWUD6PCSD")
    );
    assert!(
        theirs.0 < others.0,
        "the first that was started names the mesh"
    );

    for name in ["mesh-connector", "mesh-listener"] {
        let all = performatives(name);
        let Some((0, Performative::Open(open), _)) = all.first() else {
            panic!("{all:?}")
        };
        let offered = &open.offered_capabilities;
        assert!(
            offered
                .iter()
                .any(|offered| offered.as_str() == "qd.router-inter-edge")
        );
    }
    // The targets and sources of an edge router's own links, in the order in which it attaches them.
    let attached = performatives("edge-connector")
        .into_iter()
        .filter_map(|(_, p, _)| match p {
            Performative::Attach(attach) => {
                let address = |terminus: Option<Terminus>| terminus.and_then(|t| t.address);
                let Attach { source, target, .. } = *attach;
                address(source).or_else(|| address(target))
            }
            _ => None,
        });
    let attached: Vec<String> = attached
        .filter(|address| !address.contains("sfe."))
        .collect();
    assert_eq!(
        attached,
        [
            "_$qd.mesh_discovery",
            "E",
            "_$qd.edge_addr_tracking",
            "vfcr.tfhox:0",
            "inner",
            "outer"
        ]
    );
}

#[test]
fn an_attach_of_ours_is_upstreams_octet_for_octet() {
    let recorded = frames(STREAMS[0].1)
        .into_iter()
        .find(|f| matches!(read(f), Some((0, Performative::Attach(_), _))))
        .unwrap();
    let Some((_, Performative::Attach(theirs), _)) = read(recorded) else {
        panic!("no attach")
    };
    let terminus = Terminus {
        expiry_policy: Some(Symbol::from_static("link-detach")),
        capabilities: vec![Symbol::from_static("qd.router")],
        ..Terminus::default()
    };
    let ours = Attach::new(
        theirs.name.as_str(),
        Role::Receiver,
        terminus.clone(),
        terminus,
    );
    let mut written = BytesMut::new();
    frame::write_performative(&mut written, 0, &Performative::Attach(Box::new(ours)));
    assert_eq!(written, recorded);
}

#[test]
fn array_of_upstreams_open_is_one_value_in_either_width() {
    let long = b"\xf0\x00\x00\x00\x0e\x00\x00\x00\x01\xb3\x00\x00\x00\x05hello";
    let short = b"\xe0\x08\x01\xa3\x05hello";
    let (long, short) = (
        Reader::new(long).value().unwrap(),
        Reader::new(short).value().unwrap(),
    );
    assert_eq!(long, short);
    let mut written = BytesMut::new();
    Writer::new(&mut written, Form::Compact).value(&long);
    assert_eq!(Reader::new(&written).value().unwrap(), long);
}
