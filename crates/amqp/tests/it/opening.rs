//! A listener that opens second: what the peer sends behind its open waits for the answer.

use crate::support::{End, listener_config};
use skupper_amqp::connection::{CloseReason, Config, Event, Initiator, Sasl, Terms};
use skupper_amqp::{Attach, Condition, Open, Role, Terminus};
use std::time::Duration;

/// A connector that says all at once what it wants, and a listener that has heard it.
fn impatient() -> (End, End) {
    let mut config = Config::connector(Open::new("connector"), Vec::new());
    config.sasl = Sasl::Skip;
    let mut connector = End::new(config);
    let session = connector.connection.begin().unwrap();
    let attach = Attach::new(
        "link",
        Role::Sender,
        Terminus::default(),
        Terminus::at("here"),
    );
    connector.connection.attach(session, attach).unwrap();
    let mut config = listener_config();
    config.open_second = true;
    if let Sasl::Accept { required, .. } = &mut config.sasl {
        *required = false;
    }
    let mut listener = End::new(config);
    let said = connector.take(usize::MAX);
    listener.give(&said, Duration::ZERO);
    (connector, listener)
}

#[test]
fn what_is_behind_the_peers_open_waits_for_the_answer() {
    let (mut connector, mut listener) = impatient();
    assert!(matches!(listener.events().as_slice(), [Event::Opened(_)]));
    assert!(!listener.inbox.is_empty());
    let header = listener.take(usize::MAX);
    assert_eq!(header.len(), 8, "nothing but the header is said before");
    listener.connection.answer_open(Terms {
        max_frame_size: Some(4096),
        channel_max: Some(3),
        session_window: Some(5),
    });
    listener.give(&[], Duration::ZERO);
    assert!(matches!(
        listener.events().as_slice(),
        [
            Event::SessionBegun {
                by: Initiator::Remote,
                ..
            },
            Event::Attached {
                by: Initiator::Remote,
                ..
            },
        ]
    ));
    assert!(listener.inbox.is_empty());
    let said = [header, listener.take(usize::MAX)].concat();
    connector.give(&said, Duration::ZERO);
    let events = connector.events();
    let [Event::Opened(open), Event::SessionBegun { session, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((open.max_frame_size, open.channel_max), (4096, 3));
    // Five frames, each as long as the listener takes them, less their heads.
    let capacity = connector.connection.session_send_capacity(*session);
    assert_eq!(capacity, 5 * (4096 - 64));
    // It is said once.
    listener.connection.answer_open(Terms::default());
    assert!(listener.take(usize::MAX).is_empty());
}

#[test]
fn a_peer_that_may_not_open_is_told_so_and_nothing_else_is_looked_at() {
    let (mut connector, mut listener) = impatient();
    listener.events();
    let denied = Condition::new("amqp:resource-limit-exceeded".into(), "not you");
    listener
        .connection
        .close(Some(denied.clone()), Duration::ZERO);
    listener.give(&[], Duration::ZERO);
    assert!(listener.events().is_empty());
    let said = listener.take(usize::MAX);
    connector.give(&said, Duration::ZERO);
    let events = connector.events();
    let [
        Event::Opened(_),
        Event::Closed(CloseReason::Remote(Some(error))),
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(*error, denied);
}

#[test]
fn frames_can_be_read_along() {
    let (_, mut listener) = impatient();
    assert_eq!(listener.connection.poll_trace(), None, "nobody has asked");
    let traced = |end: &mut End| -> Vec<String> {
        std::iter::from_fn(|| end.connection.poll_trace()).collect()
    };
    listener.connection.set_trace(true);
    listener.connection.answer_open(Terms::default());
    listener.give(&[], Duration::ZERO);
    let error = Condition::new("amqp:connection:forced".into(), "x".repeat(5000));
    listener.connection.close(Some(error), Duration::ZERO);
    let lines = traced(&mut listener);
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| line.split(['(', '{']).next().unwrap_or_default().trim())
        .collect();
    assert_eq!(
        kinds,
        [
            "0 -> @open",
            "0 <- @begin",
            "0 -> @begin",
            "0 <- @attach",
            "0 -> @close"
        ]
    );
    let close = lines.last().unwrap();
    assert!(
        close.contains("amqp:connection:forced") && close.ends_with("xx…") && close.len() < 2100
    );
    listener.connection.set_trace(false);
    assert!(traced(&mut listener).is_empty());
}
