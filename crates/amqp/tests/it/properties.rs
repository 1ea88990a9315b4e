//! What holds for any values, any octets and any course of a conversation.

use std::collections::VecDeque;

use crate::support::{End, Pair, connector_config, listener_config};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};
use skupper_amqp::{
    Array, Attach, DeliveryState, Map, Message, Properties, Role, RouterAnnotations, Terminus,
    Value,
    codec::{DecodeError, Form, MAX_DEPTH, Reader, Writer},
    connection::{Connection, Event, LinkId, Outgoing, Payload, Release, Sent},
    message::{Body, Header, Layout},
};

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0..300u64).prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-200..200i32).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::Float(n as f32)),
        any::<i32>().prop_map(|n| Value::Double(n.into())),
        any::<[u8; 4]>().prop_map(Value::Decimal32),
        any::<[u8; 8]>().prop_map(Value::Decimal64),
        any::<[u8; 16]>().prop_map(Value::Decimal128),
        any::<char>().prop_map(Value::from),
        any::<i64>().prop_map(Value::Timestamp),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        vec(any::<u8>(), 0..300).prop_map(|octets| Value::Binary(octets.into())),
        "\\PC{0,20}".prop_map(Value::from),
        "[a-z]{250,260}".prop_map(Value::from),
        "[ -~]{0,20}".prop_map(|text| Value::Symbol(text.into())),
    ]
}

fn array() -> impl Strategy<Value = Value> {
    prop_oneof![
        vec(
            "[a-z]{0,300}".prop_map(|text| Value::Symbol(text.into())),
            0..6
        ),
        vec(any::<u32>().prop_map(Value::from), 0..6),
        vec(any::<bool>().prop_map(Value::from), 0..6),
        vec(vec(scalar(), 0..3).prop_map(Value::List), 0..4),
        vec(scalar(), 1..2),
        vec(
            any::<u64>().prop_map(|n| skupper_amqp::Described {
                descriptor: Value::Ulong(7),
                value: n.into()
            }
            .into()),
            1..4
        ),
    ]
    .prop_map(|items| Value::Array(Array::new(items).unwrap()))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![4 => scalar(), 1 => array()].prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            vec((inner.clone(), inner.clone()), 0..5).prop_map(|pairs| Value::Map(Map(pairs))),
            (inner.clone(), inner).prop_map(|(descriptor, value)| skupper_amqp::Described {
                descriptor,
                value
            }
            .into()),
        ]
    })
}

fn map() -> impl Strategy<Value = Map> {
    vec(("[a-z]{1,8}", value()), 0..4)
        .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

fn text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("\\PC{0,30}")
}

fn annotations() -> impl Strategy<Value = RouterAnnotations> {
    (
        0..300u32,
        text(),
        text(),
        vec("0/[A-Z]{1,4}", 0..4),
        proptest::option::of("[a-z]{15}"),
    )
        .prop_map(
            |(flags, to_override, ingress, trace, ingress_mesh)| RouterAnnotations {
                flags,
                to_override,
                ingress,
                trace,
                ingress_mesh,
            },
        )
}

prop_compose! {
    fn message()(
        router_annotations in proptest::option::of(annotations()),
        header in proptest::option::of((any::<bool>(), proptest::option::of(0..10u8), proptest::option::of(any::<u32>()))),
        message_annotations in proptest::option::of(map()),
        properties in proptest::option::of((text(), text(), text(), proptest::option::of(any::<i64>()), proptest::option::of(any::<u32>()))),
        application_properties in proptest::option::of(map()),
        body in prop_oneof![
            Just(Body::Empty),
            value().prop_map(Body::Value),
            vec(vec(any::<u8>(), 0..300).prop_map(Bytes::from), 1..3).prop_map(Body::Data),
            vec(vec(value(), 0..3), 1..3).prop_map(Body::Sequence),
        ],
        footer in proptest::option::of(map()),
    ) -> Message {
        Message {
            router_annotations,
            header: header.map(|(durable, priority, ttl)| Header { durable, priority, ttl, ..Header::default() }),
            delivery_annotations: None,
            message_annotations,
            properties: properties.map(|(to, reply_to, content_type, creation_time, group_sequence)| Properties {
                to, reply_to, content_type, creation_time, group_sequence, min_fields: 13, ..Properties::default()
            }),
            application_properties,
            body,
            footer,
        }
    }
}

/// Under Miri, which takes some thousand times as long and looks at what each octet's memory is and not at which cases there
/// are, a few.
fn cases(usual: u32) -> u32 {
    if cfg!(miri) { 3 } else { usual }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(256)))]

    #[test]
    fn values_survive_being_written_in_either_form(value in value()) {
        for form in [Form::Compact, Form::Wide] {
            let mut octets = BytesMut::new();
            Writer::new(&mut octets, form).value(&value);
            let mut reader = Reader::new(&octets);
            prop_assert_eq!(reader.value().unwrap(), value.clone());
            prop_assert!(reader.is_empty());
            let mut reader = Reader::new(&octets);
            reader.skip().unwrap();
            prop_assert!(reader.is_empty());
            // Whatever is cut off, it is missed, and nothing worse happens.
            for end in 0..octets.len() {
                prop_assert!(Reader::new(&octets[..end]).value().is_err());
            }
        }
    }

    #[test]
    fn messages_survive_being_written_and_are_laid_out_as_they_read(message in message()) {
        let octets = message.to_bytes();
        prop_assert_eq!(&Message::decode(&octets).unwrap(), &message);
        let whole = Layout::scan(&octets).unwrap();
        prop_assert_eq!(whole.router_annotations.is_some(), message.router_annotations.is_some());
        prop_assert_eq!(whole.header.is_some(), message.header.is_some());
        prop_assert_eq!(whole.properties.is_some(), message.properties.is_some());
        prop_assert_eq!(whole.application_properties.is_some(), message.application_properties.is_some());
        // From any part of it, what is found is what is found in the whole.
        for end in 0..octets.len() {
            let part = Layout::scan(&octets[..end]).unwrap();
            prop_assert!(part.end <= end);
            prop_assert!(part.properties.is_none() || part.properties == whole.properties);
            prop_assert!(part.router_annotations.is_none() || part.router_annotations == whole.router_annotations);
        }
    }

    #[test]
    fn a_router_adds_itself_and_keeps_the_rest(annotations in annotations(), behind in vec(any::<u8>(), 0..20)) {
        let mut octets = BytesMut::new();
        annotations.write_forwarded("0/ME", &mut octets);
        let length = octets.len();
        octets.extend_from_slice(&behind);
        let (read, used) = RouterAnnotations::parse(&octets).unwrap().unwrap();
        prop_assert_eq!(used, length);
        prop_assert_eq!(read.trace.last().map(String::as_str), Some("0/ME"));
        prop_assert_eq!(read.trace.len(), annotations.trace.len() + 1);
        prop_assert_eq!(read.ingress.as_deref(), Some(annotations.ingress.as_deref().unwrap_or("0/ME")));
        prop_assert_eq!((read.flags, read.to_override, read.ingress_mesh), (annotations.flags, annotations.to_override, annotations.ingress_mesh));
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in vec(any::<u8>(), 0..400)) {
        let _ = Reader::new(&octets).value();
        let _ = Reader::new(&octets).skip();
        let _ = Message::decode(&octets);
        let _ = Layout::scan(&octets);
        let _ = RouterAnnotations::parse(&octets);
        let _ = skupper_amqp::performative::Performative::read(&mut Reader::new(&octets));
        let _ = skupper_amqp::sasl::SaslFrame::read(&mut Reader::new(&octets));
        let _ = skupper_amqp::sniff::Sniff::of(&octets);
    }

    #[test]
    fn any_input_is_borne(start in 0..3usize, octets in vec(any::<u8>(), 0..600), cut in 1..50usize) {
        let prefix: &[u8] = [&b""[..], b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"][start];
        for config in [connector_config(), listener_config()] {
            let mut end = End::new(config);
            for piece in [prefix, &octets].concat().chunks(cut) {
                end.give(piece, std::time::Duration::ZERO);
            }
            end.connection.handle_eof();
            prop_assert!(end.connection.is_closed());
            prop_assert!(matches!(end.events().last(), Some(Event::Closed(_))));
        }
    }

    #[test]
    fn a_spoilt_recording_is_borne(at in 0..9264usize, octet: u8, cut in 1..2000usize) {
        let mut stream = include_bytes!("../data/control-connector.bin").to_vec();
        stream[at] = octet;
        let mut end = End::new(listener_config());
        for piece in stream.chunks(cut) {
            end.give(piece, std::time::Duration::ZERO);
            answer(&mut end.connection);
        }
        end.connection.handle_eof();
        prop_assert!(end.connection.is_closed());
    }
}

/// Accepts every link, grants credit and drops what comes.
fn answer(connection: &mut Connection) {
    while let Some(event) = connection.poll_event() {
        if let Event::Attached { link, attach, .. } = event {
            let _ = connection.accept(link, attach.source, attach.target, 0);
            let _ = connection.grant(link, 250);
        }
    }
}

#[test]
fn nesting_and_counts_cost_no_more_than_they_are_worth() {
    // Lists, each in the one before: as deep as is allowed, and one deeper.
    let nested = |depth: usize| {
        let wrap = |inner: Vec<u8>, _| [&[0xc0, inner.len() as u8 + 1, 1], &inner[..]].concat();
        (0..depth).fold(vec![0x40], wrap)
    };
    assert!(Reader::new(&nested(MAX_DEPTH.into())).value().is_ok());
    assert_eq!(
        Reader::new(&nested(usize::from(MAX_DEPTH) + 1)).value(),
        Err(DecodeError::Depth)
    );
    let described = [0; 5000];
    assert!(Reader::new(&described).value().is_err());
    assert!(Reader::new(&described).skip().is_err());
    // Four thousand million nulls in ten octets.
    let array = [0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40];
    assert!(Reader::new(&array).value().is_err());
    let list = [0xd0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40];
    assert!(Reader::new(&list).value().is_err());
}

/// A delivery as it is to be sent, or as it came.
#[derive(Clone, Debug, Default, PartialEq)]
struct Delivery {
    body: Vec<u8>,
    settled: bool,
    aborted: bool,
}

/// What a link has to send: deliveries in order, each with its chunks that are left.
type Queue = VecDeque<(Delivery, VecDeque<Vec<u8>>)>;

/// One side's part in a conversation.
#[derive(Default)]
struct Party {
    /// Links on which it sends: what is left to send, chunk by chunk.
    sending: Vec<(LinkId, Queue, Payload, u64)>,
    /// Deliveries that came, by the receiving link's index in order of attaching.
    receiving: Vec<(LinkId, Vec<Delivery>, Delivery)>,
    accepted: usize,
    release: u32,
}

impl Party {
    fn act(&mut self, end: &mut End, credit: u32) {
        let connection = &mut end.connection;
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Attached {
                    link,
                    by: skupper_amqp::connection::Initiator::Remote,
                    attach,
                    ..
                } => {
                    connection
                        .accept(link, attach.source, attach.target, 0)
                        .unwrap();
                    connection.grant(link, credit).unwrap();
                    self.receiving.push((link, Vec::new(), Delivery::default()));
                }
                Event::Transfer(transfer) => {
                    let (_, done, current) = self
                        .receiving
                        .iter_mut()
                        .find(|(link, ..)| *link == transfer.link)
                        .unwrap();
                    assert_eq!(transfer.first, current.body.is_empty());
                    current.body.extend_from_slice(&transfer.payload);
                    current.settled = transfer.settled;
                    current.aborted = transfer.aborted;
                    if !transfer.more {
                        done.push(std::mem::take(current));
                        connection.grant(transfer.link, 1).unwrap();
                        connection
                            .dispose(
                                transfer.link,
                                transfer.delivery,
                                Some(DeliveryState::Accepted),
                                true,
                            )
                            .unwrap();
                    }
                    connection.release(transfer.session, 1);
                    self.release += 1;
                }
                Event::Disposition {
                    link,
                    token,
                    settled,
                    state,
                    ..
                } => {
                    assert!(settled);
                    assert_eq!(state, Some(DeliveryState::Accepted));
                    let (_, left, _, sent) = self
                        .sending
                        .iter()
                        .find(|(sender, ..)| *sender == link)
                        .unwrap();
                    assert!(token <= *sent, "{token} was not sent: {left:?}");
                    self.accepted += 1;
                }
                Event::Closed(reason) => panic!("{reason}"),
                _ => {}
            }
        }
        for (link, deliveries, payload, sent) in &mut self.sending {
            while let Some((delivery, chunks)) = deliveries.front_mut() {
                if payload.is_empty() {
                    match chunks.front() {
                        Some(chunk) => payload.push(chunk.clone().into()),
                        None if delivery.aborted => {
                            connection.abort(*link).unwrap();
                            deliveries.pop_front();
                            continue;
                        }
                        None => {}
                    }
                }
                let more = chunks.len() > 1 || delivery.aborted;
                let outgoing = Outgoing {
                    tag: (*sent).into(),
                    settled: delivery.settled && !delivery.aborted,
                    more,
                    token: *sent,
                };
                match connection.transfer(*link, &outgoing, payload).unwrap() {
                    Sent::All(_) => {
                        chunks.pop_front();
                        if !more {
                            deliveries.pop_front();
                            *sent += 1;
                        } else if chunks.is_empty() && delivery.aborted {
                            connection.abort(*link).unwrap();
                            deliveries.pop_front();
                            *sent += 1;
                        }
                    }
                    Sent::Window(_) | Sent::Credit => break,
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        self.sending
            .iter()
            .all(|(_, deliveries, ..)| deliveries.is_empty())
    }
}

fn deliveries() -> impl Strategy<Value = Vec<(Delivery, Vec<Vec<u8>>)>> {
    let chunk = (1..3000usize, any::<u8>()).prop_map(|(size, octet)| vec![octet; size]);
    let delivery = (vec(chunk, 1..4), any::<bool>(), prop::bool::weighted(0.2));
    vec(delivery, 0..6).prop_map(|deliveries| {
        let delivery = |(chunks, settled, aborted): (Vec<Vec<u8>>, bool, bool)| {
            (
                Delivery {
                    body: chunks.concat(),
                    settled: settled || aborted,
                    aborted,
                },
                chunks,
            )
        };
        deliveries.into_iter().map(delivery).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(96)))]

    #[test]
    fn what_is_sent_arrives_however_the_octets_are_cut(
        scripts in vec((any::<bool>(), 0..3usize, deliveries()), 1..6),
        cuts in vec(1..4000usize, 1..20),
        (frame_here, frame_there) in (512..4096u32, 512..4096u32),
        (window_here, window_there) in (2..20u32, 2..20u32),
        credit in 1..5u32,
    ) {
        let (mut here, mut there) = (connector_config(), listener_config());
        for (config, frame, window) in [(&mut here, frame_here, window_here), (&mut there, frame_there, window_there)] {
            config.open.max_frame_size = frame;
            config.session_window = window;
            config.release = Release::Manual;
        }
        let mut pair = Pair::opened(here, there);
        let mut parties = [Party::default(), Party::default()];
        let sessions: Vec<_> = (0..3).map(|_| pair.connector.connection.begin().unwrap()).collect();
        let mut theirs = Vec::new();
        pair.settle();
        for event in pair.listener.events() {
            if let Event::SessionBegun { session, .. } = event {
                theirs.push(session);
            }
        }
        for (number, (from_connector, session, script)) in scripts.iter().enumerate() {
            let attach = Attach::new(number.to_string(), Role::Sender, Terminus::default(), Terminus::default());
            let (party, end, session) = if *from_connector {
                (0, &mut pair.connector, sessions[*session])
            } else {
                (1, &mut pair.listener, theirs[*session])
            };
            let link = end.connection.attach(session, attach).unwrap();
            let queue = script.iter().map(|(delivery, chunks)| (delivery.clone(), chunks.clone().into())).collect();
            parties[party].sending.push((link, queue, Payload::new(), 0));
        }
        let mut cuts = cuts.iter().cycle();
        let mut silent = 0;
        while silent < 3 {
            parties[0].act(&mut pair.connector, credit);
            parties[1].act(&mut pair.listener, credit);
            let carried = pair.carry(*cuts.next().unwrap());
            silent = if carried == 0 { silent + 1 } else { 0 };
        }
        prop_assert!(parties.iter().all(Party::is_done), "the conversation came to a halt");
        for (from, to) in [(0, 1), (1, 0)] {
            let sent: Vec<Vec<Delivery>> = scripts.iter().filter(|(connector, ..)| *connector == (from == 0))
                .map(|(_, _, script)| script.iter().map(|(delivery, _)| delivery.clone()).collect()).collect();
            let came: Vec<Vec<Delivery>> = parties[to].receiving.iter().map(|(_, done, _)| done.clone()).collect();
            prop_assert_eq!(&came, &sent);
            let unsettled = sent.iter().flatten().filter(|delivery| !delivery.settled).count();
            prop_assert_eq!(parties[from].accepted, unsettled);
        }
    }
}
