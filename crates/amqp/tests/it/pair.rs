//! Two connections that talk, step by step.

use std::time::Duration;

use crate::support::{Pair, connector_config, listener_config};
use bytes::Bytes;
use skupper_amqp::{
    Attach, Condition, DeliveryState, Open, Role, Terminus,
    connection::{
        CloseReason, Config, Event, Incoming, Initiator, LinkId, Mechanism, Outgoing, Payload,
        Release, Sent, SessionId, UseError,
    },
    performative::names,
    sasl,
};

/// A pair with a link from connector to listener: the sender's id, the receiver's.
pub(crate) fn linked(connector: Config, listener: Config) -> (Pair, LinkId, LinkId) {
    let mut pair = Pair::opened(connector, listener);
    let session = pair.connector.connection.begin().unwrap();
    let attach = Attach::new(
        "link",
        Role::Sender,
        Terminus::default(),
        Terminus::at("here"),
    );
    let sender = pair.connector.connection.attach(session, attach).unwrap();
    pair.settle();
    let events = pair.listener.events();
    let [
        Event::SessionBegun {
            by: Initiator::Remote,
            ..
        },
        Event::Attached {
            link: receiver,
            by: Initiator::Remote,
            attach,
            ..
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(attach.target, Some(Terminus::at("here")));
    pair.listener
        .connection
        .accept(*receiver, attach.source.clone(), attach.target.clone(), 0)
        .unwrap();
    pair.settle();
    let events = pair.connector.events();
    assert!(
        matches!(
            events.as_slice(),
            [
                Event::SessionBegun {
                    by: Initiator::Local,
                    ..
                },
                Event::Attached {
                    by: Initiator::Local,
                    ..
                }
            ]
        ),
        "{events:?}"
    );
    (pair, sender, *receiver)
}

pub(crate) fn transfers(events: Vec<Event>) -> Vec<Incoming> {
    events
        .into_iter()
        .filter_map(|event| {
            if let Event::Transfer(t) = event {
                Some(t)
            } else {
                None
            }
        })
        .collect()
}

pub(crate) fn small() -> (Config, Config) {
    (connector_config(), listener_config())
}

#[test]
fn a_delivery_needs_credit_and_its_settlement_comes_back() {
    let (connector, listener) = small();
    let (mut pair, sender, receiver) = linked(connector, listener);
    let delivery = Outgoing {
        tag: 7.into(),
        token: 99,
        ..Outgoing::default()
    };
    let mut payload = Payload::from(Bytes::from_static(b"hello"));
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut payload),
        Ok(Sent::Credit)
    );

    pair.listener.connection.grant(receiver, 1).unwrap();
    pair.settle();
    assert_eq!(
        pair.connector.events(),
        [Event::Flow {
            link: sender,
            credit: 1,
            drain: false
        }]
    );
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut payload),
        Ok(Sent::All(0))
    );
    assert!(payload.is_empty());
    pair.settle();
    let came = transfers(pair.listener.events());
    assert_eq!(came.len(), 1);
    assert_eq!(
        (
            came[0].first,
            came[0].more,
            came[0].settled,
            &came[0].payload[..]
        ),
        (true, false, false, &b"hello"[..])
    );
    assert_eq!(came[0].tag, 7.into());

    // A state that is not terminal, then the end.
    let offset = DeliveryState::Received {
        section_number: 0,
        section_offset: 521_216,
    };
    pair.listener
        .connection
        .dispose(receiver, came[0].delivery, Some(offset.clone()), false)
        .unwrap();
    pair.settle();
    pair.listener
        .connection
        .dispose(
            receiver,
            came[0].delivery,
            Some(DeliveryState::Accepted),
            true,
        )
        .unwrap();
    pair.settle();
    let told = |state, settled| Event::Disposition {
        link: sender,
        delivery: 0,
        token: 99,
        role: Role::Sender,
        settled,
        state: Some(state),
    };
    assert_eq!(
        pair.connector.events(),
        [told(offset, false), told(DeliveryState::Accepted, true)]
    );

    // Settled: nothing more is told of it.
    pair.connector
        .connection
        .dispose(sender, 0, None, true)
        .unwrap();
    pair.settle();
    assert_eq!(pair.listener.events(), []);
}

#[test]
fn dispositions_of_a_row_of_deliveries_are_one_frame() {
    let (connector, listener) = small();
    let (mut pair, sender, receiver) = linked(connector, listener);
    pair.listener.connection.grant(receiver, 100).unwrap();
    pair.settle();
    for token in 0..100 {
        let delivery = Outgoing {
            tag: token.into(),
            token,
            ..Outgoing::default()
        };
        let mut payload = Payload::from(Bytes::from_static(b"x"));
        assert!(matches!(
            pair.connector
                .connection
                .transfer(sender, &delivery, &mut payload),
            Ok(Sent::All(_))
        ));
    }
    pair.settle();
    for came in transfers(pair.listener.events()) {
        pair.listener
            .connection
            .dispose(receiver, came.delivery, Some(DeliveryState::Accepted), true)
            .unwrap();
    }
    let frame = pair.listener.take(usize::MAX);
    assert!(
        frame.len() < 32,
        "one frame for 100 deliveries: {frame:02x?}"
    );
    let now = pair.now;
    pair.connector.events();
    pair.connector.give(&frame, now);
    let tokens = pair
        .connector
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Disposition {
                token,
                settled: true,
                ..
            } => token,
            other => panic!("{other:?}"),
        });
    assert_eq!(tokens.collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_large_body_is_cut_to_the_peers_frame_size_without_a_copy() {
    let (connector, mut listener) = small();
    listener.open.max_frame_size = 4096;
    let (mut pair, sender, receiver) = linked(connector, listener);
    pair.listener.connection.grant(receiver, 1).unwrap();
    pair.settle();
    let body = Bytes::from(vec![0xab; 100_000]);
    let mut payload = Payload::from(body.clone());
    let delivery = Outgoing {
        tag: 1.into(),
        ..Outgoing::default()
    };
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut payload),
        Ok(Sent::All(0))
    );

    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let output = pair.connector.connection.output();
    let filled = bytes::Buf::chunks_vectored(output, &mut slices);
    let range = body.as_ptr_range();
    let in_place = slices[..filled]
        .iter()
        .filter(|slice| range.contains(&slice.as_ptr()))
        .count();
    assert_eq!(in_place, 25, "each frame's payload is a slice of the body");

    pair.settle();
    let came = transfers(pair.listener.events());
    assert_eq!(came.len(), 25);
    assert!(came.iter().all(|t| t.payload.len() <= 4096));
    assert_eq!(came.iter().map(|t| t.payload.len()).sum::<usize>(), 100_000);
    assert_eq!(came.iter().filter(|t| !t.more).count(), 1);
}

#[test]
fn a_window_that_is_used_up_stops_the_sender_until_transfers_are_released() {
    let (connector, mut listener) = small();
    listener.open.max_frame_size = 512;
    listener.session_window = 4;
    listener.release = Release::Manual;
    let (mut pair, sender, receiver) = linked(connector, listener);
    pair.listener.connection.grant(receiver, 1).unwrap();
    pair.settle();
    pair.connector.events();
    let mut payload = Payload::from(Bytes::from(vec![1; 4000]));
    let delivery = Outgoing {
        tag: 1.into(),
        more: true,
        ..Outgoing::default()
    };
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut payload),
        Ok(Sent::Window(Some(0)))
    );
    pair.settle();
    let came = transfers(pair.listener.events());
    assert_eq!(came.len(), 4);
    assert_eq!(pair.connector.events(), [], "nothing is released yet");

    let session: SessionId = came[0].session;
    pair.listener.connection.release(session, 4);
    pair.settle();
    let writable = pair.connector.connection.session_of(sender).unwrap();
    assert_eq!(
        pair.connector.events(),
        [Event::Writable { session: writable }]
    );
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut payload),
        Ok(Sent::Window(Some(0)))
    );
    pair.settle();
    pair.listener.connection.release(session, 4);
    pair.settle();
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut payload),
        Ok(Sent::All(0))
    );
    let end = Outgoing {
        more: false,
        settled: true,
        ..delivery
    };
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &end, &mut payload),
        Ok(Sent::All(0))
    );
    pair.settle();
    let came = transfers(pair.listener.events());
    let last = came.last().unwrap();
    assert!(last.settled && !last.more && last.payload.is_empty());
}

#[test]
fn a_refused_attach_ends_in_a_detach_with_the_reason() {
    let mut pair = Pair::opened(connector_config(), listener_config());
    let session = pair.connector.connection.begin().unwrap();
    let attach = Attach::new(
        "link",
        Role::Receiver,
        Terminus::at("nowhere"),
        Terminus::default(),
    );
    let link = pair.connector.connection.attach(session, attach).unwrap();
    pair.settle();
    let events = pair.listener.events();
    let Some(Event::Attached { link: theirs, .. }) = events.last() else {
        panic!("{events:?}")
    };
    let error = Condition::new(names::NOT_FOUND, "Node not found");
    pair.listener
        .connection
        .refuse(*theirs, error.clone())
        .unwrap();
    pair.settle();
    let events = pair.connector.events();
    let [
        _,
        Event::Attached { attach, .. },
        Event::Detached {
            link: gone,
            error: why,
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (attach.source.as_ref(), *gone, why.as_deref()),
        (None, link, Some(&error))
    );
    assert!(matches!(
        pair.listener.events().as_slice(),
        [Event::Detached { error: None, .. }]
    ));
    // The id is no longer good, and its place is used again under another.
    assert_eq!(
        pair.connector.connection.detach(link, None),
        Err(UseError::NoLink)
    );
    let again = Attach::new(
        "again",
        Role::Receiver,
        Terminus::at("here"),
        Terminus::default(),
    );
    let again = pair.connector.connection.attach(session, again).unwrap();
    assert_eq!(again.index(), link.index());
    assert_ne!(again, link);
}

#[test]
fn the_end_of_a_session_detaches_its_links_first() {
    let (connector, listener) = small();
    let (mut pair, sender, receiver) = linked(connector, listener);
    let session = pair.connector.connection.session_of(sender).unwrap();
    pair.connector.connection.end(session, None).unwrap();
    assert_eq!(
        pair.connector.connection.grant(sender, 1),
        Err(UseError::NoLink)
    );
    pair.settle();
    let events = pair.listener.events();
    assert!(
        matches!(events.as_slice(), [Event::Detached { link, .. }, Event::Ended { .. }] if *link == receiver),
        "{events:?}"
    );
    let events = pair.connector.events();
    assert!(
        matches!(events.as_slice(), [Event::Detached { link, .. }, Event::Ended { .. }] if *link == sender),
        "{events:?}"
    );
    // Channels are used again.
    let again = pair.connector.connection.begin().unwrap();
    assert_eq!(again.index(), session.index());
    pair.settle();
    assert!(
        matches!(pair.connector.events().as_slice(), [Event::SessionBegun { session, .. }] if *session == again)
    );
}

#[test]
fn a_close_is_answered_and_tells_why() {
    let mut pair = Pair::opened(connector_config(), listener_config());
    let why = Condition::new(
        names::CONNECTION_FORCED,
        "Existing connection takes precedence",
    );
    pair.listener.connection.close(Some(why.clone()), pair.now);
    pair.settle();
    assert_eq!(
        pair.connector.events(),
        [Event::Closed(CloseReason::Remote(Some(why.clone())))]
    );
    assert_eq!(
        pair.listener.events(),
        [Event::Closed(CloseReason::Local(Some(why)))]
    );
    assert!(pair.connector.connection.is_closed() && pair.listener.connection.is_closed());
    assert_eq!(pair.connector.connection.begin(), Err(UseError::Closed));
}

#[test]
fn a_close_without_answer_ends_all_the_same() {
    let mut pair = Pair::opened(connector_config(), listener_config());
    pair.listener.connection.close(None, pair.now);
    let at = pair.listener.connection.next_timeout().unwrap();
    pair.listener.connection.handle_timeout(at);
    assert_eq!(
        pair.listener.events(),
        [Event::Closed(CloseReason::Local(None))]
    );
    pair.connector.connection.handle_eof();
    assert_eq!(pair.connector.events(), [Event::Closed(CloseReason::Lost)]);
}

#[test]
fn idle_connections_live_by_empty_frames_and_silent_ones_are_closed() {
    let mut pair = Pair::opened(connector_config(), listener_config());
    let mut frames = 0;
    let end = Duration::from_secs(120);
    while pair.now < end {
        let next =
            [&pair.connector, &pair.listener].map(|end| end.connection.next_timeout().unwrap());
        pair.now = next[0].min(next[1]);
        pair.connector.connection.handle_timeout(pair.now);
        pair.listener.connection.handle_timeout(pair.now);
        while pair.carry(usize::MAX) > 0 {
            frames += 1;
        }
    }
    assert_eq!(pair.connector.events(), []);
    assert_eq!(pair.listener.events(), []);
    assert!(
        frames < 200,
        "an empty frame every 2 to 4 seconds is enough: {frames}"
    );

    // The wire is cut: each side gives up after its own limit.
    let from = pair.now;
    while !pair.listener.connection.is_closed() {
        pair.now = pair.listener.connection.next_timeout().unwrap();
        pair.listener.connection.handle_timeout(pair.now);
    }
    assert!(pair.now - from <= Duration::from_secs(16));
    let events = pair.listener.events();
    let [Event::Closed(CloseReason::Violation(condition))] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(
        condition.to_string(),
        "amqp:resource-limit-exceeded: local-idle-timeout expired"
    );
}

#[test]
fn authentication_is_negotiated_and_explained() {
    let listener = Config::listener(Open::new("l"), vec![sasl::EXTERNAL, sasl::ANONYMOUS], true);
    let pair = Pair::opened(connector_config(), listener);
    assert_eq!(pair.connector.connection.mechanism(), Some(&sasl::EXTERNAL));
    assert_eq!(pair.listener.connection.mechanism(), Some(&sasl::EXTERNAL));

    let connector = Config::connector(Open::new("c"), vec![Mechanism::External]);
    let mut pair = Pair::new(connector, listener_config());
    pair.settle();
    let events = pair.connector.events();
    let [Event::Closed(reason)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(
        reason.to_string(),
        "SASL: the listener offers ANONYMOUS, this side can use EXTERNAL"
    );
}

#[test]
fn who_skips_authentication_is_told_so() {
    let mut connector = connector_config();
    connector.sasl = skupper_amqp::connection::Sasl::Skip;
    let mut pair = Pair::new(connector.clone(), listener_config());
    pair.settle();
    let events = pair.connector.events();
    let Some(Event::Closed(CloseReason::Remote(Some(why)))) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(
        why.to_string(),
        "amqp:connection:policy-error: Client skipped authentication - forbidden"
    );

    let open = Config::listener(Open::new("l"), vec![sasl::ANONYMOUS], false);
    Pair::opened(connector, open);
}

#[test]
fn a_handshake_that_does_not_end_is_ended() {
    let mut config = listener_config();
    config.handshake_timeout = Some(Duration::from_secs(5));
    let mut listener = crate::support::End::new(config);
    listener.give(b"AMQP\x03\x01\x00\x00", Duration::from_secs(1));
    assert_eq!(
        listener.connection.next_timeout(),
        Some(Duration::from_secs(5))
    );
    listener.connection.handle_timeout(Duration::from_secs(5));
    let events = listener.events();
    let [Event::Closed(reason)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert!(
        reason
            .to_string()
            .ends_with("amqp:not-allowed: Timeout waiting for initial handshake"),
        "{reason}"
    );
}
