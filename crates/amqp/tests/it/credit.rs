//! Credit that is given up, and deliveries that are.

use bytes::Bytes;
use skupper_amqp::{
    DeliveryState,
    connection::{Event, Incoming, LinkId, Outgoing, Payload, Release, Sent},
};

use crate::pair::{linked, small, transfers};
use crate::support::Pair;

/// A delivery of which more is to come.
fn begun() -> Outgoing {
    Outgoing {
        tag: 1.into(),
        token: 7,
        more: true,
        ..Outgoing::default()
    }
}

/// A sender with credit for one more delivery whose first one has used its session's window up, and the receiver.
fn at_the_window(delivery: &Outgoing) -> (Pair, LinkId, LinkId) {
    let (connector, mut listener) = small();
    listener.open.max_frame_size = 512;
    listener.session_window = 2;
    listener.release = Release::Manual;
    let (mut pair, sender, receiver) = linked(connector, listener);
    pair.listener.connection.grant(receiver, 2).unwrap();
    pair.settle();
    pair.connector.events();
    let mut payload = Payload::from(Bytes::from(vec![1; 4000]));
    let sent = pair
        .connector
        .connection
        .transfer(sender, delivery, &mut payload);
    assert_eq!(sent, Ok(Sent::Window(Some(0))));
    (pair, sender, receiver)
}

#[test]
fn an_abort_waits_for_the_window_and_frees_the_link() {
    let delivery = begun();
    let (mut pair, sender, _) = at_the_window(&delivery);
    pair.connector.connection.abort(sender).unwrap();
    let mut next = Payload::from(Bytes::from_static(b"next"));
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut next),
        Ok(Sent::Credit)
    );
    pair.settle();
    let came = transfers(pair.listener.events());
    pair.listener.connection.release(came[0].session, 2);
    pair.settle();
    let came = transfers(pair.listener.events());
    assert!(
        matches!(
            came.as_slice(),
            [Incoming {
                aborted: true,
                more: false,
                settled: true,
                ..
            }]
        ),
        "{came:?}"
    );
    assert!(pair.connector.events().contains(&Event::Flow {
        link: sender,
        credit: 1,
        drain: false
    }));
    assert_eq!(
        pair.connector
            .connection
            .transfer(sender, &delivery, &mut next),
        Ok(Sent::All(1))
    );
}

#[test]
fn draining_gives_credit_up() {
    let (connector, listener) = small();
    let (mut pair, sender, receiver) = linked(connector, listener);
    pair.listener.connection.grant(receiver, 10).unwrap();
    pair.settle();
    pair.listener.connection.drain(receiver).unwrap();
    pair.settle();
    assert!(pair.connector.events().contains(&Event::Flow {
        link: sender,
        credit: 10,
        drain: true
    }));
    pair.connector.connection.drained(sender).unwrap();
    pair.settle();
    assert!(matches!(
        pair.listener.events().as_slice(),
        [
            Event::GivenUp { credit: 10, .. },
            Event::Flow { credit: 0, .. }
        ]
    ));
    assert_eq!(pair.listener.connection.credit(receiver), 0);
    pair.listener.connection.grant(receiver, 3).unwrap();
    pair.settle();
    assert_eq!(
        pair.connector.events(),
        [Event::Flow {
            link: sender,
            credit: 3,
            drain: false
        }]
    );
}

#[test]
fn credit_that_is_granted_while_it_is_given_up_is_told_of() {
    let (connector, listener) = small();
    let (mut pair, sender, receiver) = linked(connector, listener);
    pair.listener.connection.grant(receiver, 10).unwrap();
    pair.settle();
    pair.listener.connection.drain(receiver).unwrap();
    pair.settle();
    pair.connector.events();
    // The two cross: the sender gives up what it had, the receiver wants deliveries again.
    pair.connector.connection.drained(sender).unwrap();
    pair.listener.connection.grant(receiver, 5).unwrap();
    pair.settle();
    let events = pair.listener.events();
    let [Event::GivenUp { credit, .. }, Event::Flow { .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(*credit, 10);
    pair.listener.connection.grant(receiver, *credit).unwrap();
    pair.settle();
    let last = pair.connector.events().pop();
    let wanted = Event::Flow {
        link: sender,
        credit: 15,
        drain: false,
    };
    assert_eq!(last, Some(wanted));
}

#[test]
fn what_is_said_of_an_aborted_delivery_is_not_told_and_nothing_follows_a_detach() {
    let (mut pair, sender, receiver) = at_the_window(&begun());
    pair.settle();
    let came = transfers(pair.listener.events());
    // The abort waits for the window, and its owner may use the token for the next delivery.
    pair.connector.connection.abort(sender).unwrap();
    pair.listener
        .connection
        .dispose(receiver, 0, Some(DeliveryState::Accepted), true)
        .unwrap();
    pair.settle();
    assert_eq!(pair.connector.events(), []);
    pair.connector.connection.detach(sender, None).unwrap();
    pair.listener.connection.release(came[0].session, 2);
    pair.settle();
    // A transfer behind the detach would end the connection.
    let events = pair.listener.events();
    assert!(
        matches!(events.as_slice(), [Event::Detached { error: None, .. }]),
        "{events:?}"
    );
    let events = pair.connector.events();
    assert!(
        events.iter().all(|event| matches!(
            event,
            Event::Detached { error: None, .. } | Event::Writable { .. }
        )),
        "{events:?}"
    );
}
