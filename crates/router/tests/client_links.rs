//! What clients ask of their links, and what becomes of deliveries that are not finished: clients that do what they like, at one
//! router and at two.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use common::links::*;
use common::raw::{Raw, pour};
use common::*;
use serde_json::json;
use skupper_amqp::connection::{Event, Outgoing, Payload, Sent};
use skupper_amqp::message::{RouterAnnotations, flags};
use skupper_amqp::{
    Attach, DeliveryState, Map, Message, Open, Properties, Role, Symbol, Terminus, Value,
};
use skupper_management::Kind;
use skupper_management::agent::Store;

const RESEND: &str = "qd.resend-released";
const STREAM: &str = "qd.streaming-deliveries";

#[test]
fn what_one_consumer_releases_goes_to_the_others_each_once() {
    let router = interior("A", &[]);
    for address in ["queue", "near/queue"] {
        let mut consumers: Vec<Client> = (0..3).map(|_| consumer(&router, address)).collect();
        known(&router, address, 3, 0);
        let mut producer = producer(&router, address, &[RESEND]);
        for n in 0..5 {
            let whole = message(&n.to_string());
            producer.send(whole.clone(), false);
            let mut came = Vec::new();
            for _ in 0..3 {
                let (at, delivery) = transfer_to(&mut consumers);
                assert!(!delivery.more && delivery.payload == whole);
                consumers[at].release(&delivery);
                came.push(at);
            }
            came.sort_unstable();
            assert_eq!(came, [0, 1, 2]);
            assert_eq!(producer.told(), RELEASED);
        }
        producer.send(message("taken"), false);
        let (at, delivery) = transfer_to(&mut consumers);
        consumers[at].release(&delivery);
        let (at, delivery) = transfer_to(&mut consumers);
        consumers[at].tell(&delivery, DeliveryState::Accepted, true);
        assert_eq!(producer.told(), ACCEPTED);
    }
}

#[test]
fn whoever_does_not_ask_for_it_is_told_of_a_release() {
    let router = interior("A", &[]);
    let mut consumers = [consumer(&router, "queue"), consumer(&router, "queue")];
    known(&router, "queue", 2, 0);
    let mut producer = producer(&router, "queue", &[]);
    producer.send(message("hello"), false);
    let (at, delivery) = transfer_to(&mut consumers);
    consumers[at].release(&delivery);
    assert_eq!(producer.told(), RELEASED);
}

#[test]
fn what_may_have_been_used_is_not_sent_again() {
    let router = interior("A", &[]);
    let mut consumers = [consumer(&router, "queue"), consumer(&router, "queue")];
    known(&router, "queue", 2, 0);
    let mut producer = producer(&router, "queue", &[RESEND]);
    producer.send(message("hello"), false);
    let (at, delivery) = transfer_to(&mut consumers);
    let received = DeliveryState::Received {
        section_number: 0,
        section_offset: 1,
    };
    consumers[at].tell(&delivery, received.clone(), false);
    consumers[at].release(&delivery);
    let mut told = producer.told();
    if told == (Some(received), false) {
        told = producer.told();
    }
    assert_eq!(told, RELEASED);
}

#[test]
fn what_all_have_released_at_one_router_goes_to_the_next() {
    let (west, east) = pair();
    for address in ["queue", "near/queue"] {
        let mut here = [consumer(&west, address)];
        let mut there = [consumer(&east, address), consumer(&east, address)];
        known(&east, address, 2, 1);
        known(&west, address, 1, 1);
        let mut producer = producer(&west, address, &[RESEND]);
        producer.send(message("hello"), false);
        let (_, delivery) = transfer_to(&mut here);
        here[0].release(&delivery);
        let (at, delivery) = transfer_to(&mut there);
        there[at].release(&delivery);
        let other = &mut there[1 - at];
        let delivery = other.transfer();
        assert_eq!(delivery.payload, message("hello"));
        other.tell(&delivery, DeliveryState::Accepted, true);
        assert_eq!(producer.told(), ACCEPTED);
    }
}

#[test]
fn of_a_stream_the_next_consumer_gets_the_beginning_too() {
    let (west, east) = pair();
    let mut here = consumer(&west, "near/queue");
    let mut there = consumer(&east, "near/queue");
    known(&west, "near/queue", 1, 1);
    let mut producer = producer(&west, "near/queue", &[RESEND, STREAM]);
    let whole = message(&"0123456789".repeat(10_000));
    producer.send(whole.slice(..500), true);
    let delivery = here.transfer();
    assert!(delivery.more && delivery.payload == whole[..500]);
    here.release(&delivery);
    assert!(here.transfer().aborted);
    let begun = there.transfer();
    assert!(begun.more && begun.payload == whole[..500]);
    producer.send(whole.slice(500..), false);
    let (octets, last) = there.rest();
    assert!(octets == whole[500..]);
    there.tell(&last, DeliveryState::Accepted, true);
    assert_eq!(producer.told(), ACCEPTED);
}

#[test]
fn what_comes_of_a_stream_goes_on_at_once() {
    let (west, east) = pair();
    let mut consumer = consumer(&east, "queue");
    known(&west, "queue", 0, 1);
    let mut producer = producer(&west, "queue", &[STREAM]);
    let whole = message(&"0123456789".repeat(100));
    for at in 0..whole.len() / 100 {
        let (from, to) = (at * 100, (at + 1) * 100);
        producer.send(whole.slice(from..to), true);
        let came = consumer.transfer();
        assert!(came.more && came.payload == whole[from..to], "{from}");
    }
    producer.send(whole.slice(whole.len() / 100 * 100..), false);
    // Its end comes with the last octets, not behind them.
    let last = consumer.transfer();
    assert!(!last.more && last.payload == whole[whole.len() / 100 * 100..]);
    consumer.tell(&last, DeliveryState::Accepted, true);
    assert_eq!(producer.told(), ACCEPTED);
}

#[test]
fn credit_is_given_up_though_a_stream_is_under_way() {
    let router = interior("A", &[]);
    let mut consumer = consumer(&router, "queue");
    known(&router, "queue", 1, 0);
    let mut producer = producer(&router, "queue", &[STREAM]);
    let whole = message(&"0123456789".repeat(100));
    producer.send(whole.slice(..500), true);
    assert!(consumer.transfer().more);
    consumer.raw.amqp.drain(consumer.link).unwrap();
    let given_up = consumer.raw.wait("credit given up", |event| match event {
        Event::GivenUp { credit, .. } => Some(*credit),
        _ => None,
    });
    assert_eq!(given_up, 99);
    // The stream has its credit and goes on.
    producer.send(whole.slice(500..), false);
    let last = consumer.transfer();
    assert!(!last.more && last.payload == whole[500..]);
}

#[test]
fn a_link_without_a_target_is_anonymous() {
    let router = interior("A", &[]);
    let mut consumer = consumer(&router, "queue");
    known(&router, "queue", 1, 0);
    let mut raw = Raw::open(stream_to(&router));
    let session = raw.amqp.begin().unwrap();
    let attach = Attach {
        target: None,
        ..Attach::new(
            "out",
            Role::Sender,
            Terminus::default(),
            Terminus::default(),
        )
    };
    let link = raw.amqp.attach(session, attach).unwrap();
    raw.wait("credit", |event| match event {
        Event::Flow { credit, .. } => (*credit > 0).then_some(()),
        _ => None,
    });
    let mut producer = Client { raw, link };
    let message = Message {
        properties: Some(Properties {
            to: Some("queue".to_owned()),
            ..Properties::default()
        }),
        ..Message::default()
    };
    producer.send(message.to_bytes(), false);
    assert!(!consumer.transfer().more);
}

#[test]
fn what_edge_routers_are_told_is_not_for_clients() {
    let router = interior("A", &[]);
    for address in [
        "_$qd.edge_addr_tracking",
        "_$qd.mesh_discovery",
        "_$qd.mesh_id_negotiation",
    ] {
        for role in [Role::Sender, Role::Receiver] {
            let mut raw = Raw::open(stream_to(&router));
            let session = raw.amqp.begin().unwrap();
            let at = Terminus::at(address);
            let attach = Attach::new("link", role, at.clone(), at);
            raw.amqp.attach(session, attach).unwrap();
            let error = raw.wait("refusal", |event| match event {
                Event::Detached { error, .. } => error.clone(),
                _ => None,
            });
            assert_eq!(error.condition.as_str(), "qd:connection-role");
        }
    }
}

#[test]
fn streams_do_not_wait_for_each_other_where_they_may_have_links() {
    let router = interior("A", &[]);
    let mut consumer = consumer_of_streams(&router, "queue");
    known(&router, "queue", 1, 0);
    let whole = message(&"0123456789".repeat(100));
    let mut producers: Vec<Client> = (0..3)
        .map(|_| producer(&router, "queue", &[STREAM]))
        .collect();
    let mut links = Vec::new();
    for producer in &mut producers {
        producer.send(whole.slice(..500), true);
        let came = consumer.transfer();
        assert!(came.first && came.more && came.link != consumer.link);
        links.push(came.link);
    }
    for (producer, link) in producers.iter_mut().zip(links) {
        producer.send(whole.slice(500..), false);
        let (octets, last) = consumer.rest();
        assert!(octets == whole[500..] && last.link == link);
        consumer.tell(&last, DeliveryState::Accepted, true);
        assert_eq!(producer.told(), ACCEPTED);
    }
    // A whole message comes by the consumer's own link.
    producers[0].send(whole, false);
    assert_eq!(consumer.transfer().link, consumer.link);
}

/// How a producer ends in the middle of a delivery.
const ENDS: [fn(Client) -> Option<Client>; 3] = [
    |mut producer| {
        producer.raw.amqp.abort(producer.link).unwrap();
        producer.raw.turn();
        Some(producer)
    },
    |mut producer| {
        producer.raw.amqp.detach(producer.link, None).unwrap();
        producer.raw.turn();
        Some(producer)
    },
    |producer| {
        drop(producer);
        None
    },
];

#[test]
fn a_delivery_that_its_sender_does_not_finish_is_aborted() {
    let (west, east) = pair();
    let mut consumer = consumer(&east, "queue");
    known(&west, "queue", 0, 1);
    // It is long enough to be passed on, and no message: whom it is for is known all the same.
    let begun = vec![b'0'; 400_000];
    for end in ENDS {
        let mut producer = producer(&west, "queue", &[]);
        producer.send(begun.clone(), true);
        assert!(consumer.transfer().first);
        let _still = end(producer);
        let (octets, last) = consumer.rest();
        assert!(last.aborted && octets.len() < begun.len());
        let mut other = self::producer(&west, "queue", &[]);
        other.send(message("whole"), false);
        let (octets, last) = consumer.rest();
        assert!(!last.aborted && octets == message("whole"));
    }
    wait_for("both kinds counted", || {
        let links = east.entities().find(Kind::Link, "linkName", "in");
        let counted = links[0]["deliveryCount"].as_u64().unwrap();
        (links.len() == 1 && counted == 2 * ENDS.len() as u64).then_some(())
    });
}

#[test]
fn of_a_multicast_that_is_not_finished_every_copy_is_aborted() {
    let (west, east) = pair();
    let mut consumers = [
        consumer(&west, "all/news"),
        consumer(&west, "all/news"),
        consumer(&east, "all/news"),
    ];
    known(&west, "all/news", 2, 1);
    for end in ENDS {
        let mut producer = producer(&west, "all/news", &[]);
        producer.send(message(&"0123456789".repeat(40_000)).slice(..400_000), true);
        for consumer in &mut consumers {
            assert!(consumer.transfer().first);
        }
        let _still = end(producer);
        for consumer in &mut consumers {
            assert!(consumer.rest().1.aborted);
        }
    }
}

#[test]
fn a_long_multicast_waits_for_the_slowest_and_loses_nothing() {
    let (west, east) = pair();
    let mut quick = consumer(&east, "all/news");
    let mut slow = consumer_with(&west, "all/news", Open::new("slow"), 0);
    known(&west, "all/news", 1, 1);
    let whole = message(&"0123456789".repeat(1_500_000));
    for settled in [false, true] {
        let mut producer = producer(&west, "all/news", &[]);
        let delivery = Outgoing {
            settled,
            ..Outgoing::default()
        };
        let mut payload = Payload::new();
        payload.push(whole.clone());
        let mut got = [Vec::new(), Vec::new()];
        let mut whole_at = [false, false];
        let mut waited = false;
        wait_for("both copies", || {
            if !payload.is_empty() {
                let sent = producer
                    .raw
                    .amqp
                    .transfer(producer.link, &delivery, &mut payload);
                // More than the window has to be waited for: nobody keeps it all.
                if matches!(sent.unwrap(), Sent::Window(_)) && !std::mem::replace(&mut waited, true)
                {
                    slow.raw.amqp.grant(slow.link, 1).unwrap();
                }
            }
            producer.raw.turn();
            for (at, consumer) in [&mut quick, &mut slow].into_iter().enumerate() {
                while let Some(came) = consumer.look() {
                    got[at].extend_from_slice(&came.payload);
                    whole_at[at] |= !came.more;
                    if !came.more && !settled {
                        consumer.tell(&came, DeliveryState::Accepted, true);
                    }
                }
            }
            (whole_at == [true, true]).then_some(())
        });
        assert!(waited && got.iter().all(|got| *got == whole));
        if !settled {
            assert_eq!(producer.told(), ACCEPTED);
        }
    }
}

#[test]
fn a_delivery_that_nobody_settles_is_counted_until_then() {
    let router = interior("A", &[]);
    let mut consumer = consumer(&router, "queue");
    known(&router, "queue", 1, 0);
    let mut producer = producer(&router, "queue", &[]);
    producer.send(message("held"), false);
    let held = consumer.transfer();
    let presettled = Outgoing {
        settled: true,
        ..Outgoing::default()
    };
    let mut payload = Payload::new();
    payload.push(message("let go"));
    let sent = producer
        .raw
        .amqp
        .transfer(producer.link, &presettled, &mut payload);
    assert!(matches!(sent, Ok(Sent::All(_))), "{sent:?}");
    producer.raw.turn();
    let came = consumer.transfer();
    assert!(came.settled && !held.settled);
    let unsettled = |direction: &str| {
        let links = router.entities().find(Kind::Link, "linkDir", direction);
        assert_eq!(links.len(), 1);
        assert_eq!(links[0]["priority"], 4, "that of messages without one");
        links[0]["unsettledCount"].clone()
    };
    for direction in ["in", "out"] {
        assert_eq!(unsettled(direction), 1, "{direction}");
    }
    consumer.tell(&held, DeliveryState::Accepted, true);
    assert_eq!(producer.told(), ACCEPTED);
    for direction in ["in", "out"] {
        assert_eq!(unsettled(direction), 0, "{direction}");
    }
}

#[test]
fn what_waits_for_credit_is_not_counted_as_delivered() {
    let router = interior("A", &[]);
    let mut consumer = consumer_with(&router, "queue", Open::new("slow"), 1);
    known(&router, "queue", 1, 0);
    let mut producer = producer(&router, "queue", &[]);
    for n in 0..3 {
        producer.send(message(&n.to_string()), false);
    }
    let first = consumer.transfer();
    let counted = |names: [&str; 4]| {
        let links = router.entities().find(Kind::Link, "linkDir", "out");
        assert_eq!(links.len(), 1);
        names.map(|name| links[0][name].as_u64().unwrap())
    };
    let names = [
        "deliveryCount",
        "undeliveredCount",
        "unsettledCount",
        "acceptedCount",
    ];
    wait_for("all three", || {
        (counted(names) == [1, 2, 1, 0]).then_some(())
    });
    consumer.tell(&first, DeliveryState::Accepted, true);
    assert_eq!(producer.told(), ACCEPTED);
    assert_eq!(counted(names), [1, 2, 0, 1]);
}

/// A supervisor starts a router again at once; nothing that others know of its last run may pass for what it says now.
#[test]
fn a_router_that_is_back_within_a_second_is_believed() {
    let west = interior("west", &[inter_router_listener("link")]);
    let link = inter_router_connector("link", listener_port(&west, "link"));
    for n in 0..4 {
        let east = interior("east", std::slice::from_ref(&link));
        let address = format!("queue/{n}");
        let _consumer = consumer(&east, &address);
        known(&west, &address, 0, 1);
    }
}

#[test]
fn what_a_producer_that_goes_has_not_settled_is_settled_for_its_consumer() {
    let router = interior("A", &[]);
    let mut consumer = consumer(&router, "queue");
    known(&router, "queue", 1, 0);
    let mut producer = producer(&router, "queue", &[]);
    producer.send(message("hello"), false);
    let held = consumer.transfer();
    consumer.tell(&held, DeliveryState::Accepted, false);
    assert_eq!(producer.told(), (Some(DeliveryState::Accepted), false));
    drop(producer);
    assert_eq!(consumer.told(), (None, true));
}

/// A router to which a client says something at once, and one that has a consumer which takes nothing before it has answered.
#[test]
fn a_clients_first_octets_are_not_sent_to_who_does_not_take_them_early() {
    let west = interior(
        "west",
        &[inter_router_listener("link"), tcp_listener("svc")],
    );
    let link = inter_router_connector("link", listener_port(&west, "link"));
    let east = interior("east", &[link]);
    let mut consumer = consumer_of_streams(&east, "svc");
    let mut client = connect(open_port(&west, "svc"));
    client.write_all(b"hello").unwrap();
    // What west sent first came back from east, and the consumer has seen nothing of it.
    let mut came = |then: DeliveryState| {
        // The end of the one before has nothing in it.
        let mut came = consumer.transfer();
        while came.payload.is_empty() {
            came = consumer.transfer();
        }
        let stream = Message::decode(&came.payload);
        assert!(
            !contains(&came.payload, b"hello") && came.more,
            "{stream:?}"
        );
        consumer.tell(&came, then, true);
    };
    came(DeliveryState::Released);
    // It may be another's now. Nobody else is there, so it comes again; and what has failed does not.
    came(DeliveryState::failed());
    let mut end = Vec::new();
    // It must not take that for an empty answer.
    let error = client.read_to_end(&mut end).unwrap_err();
    assert_eq!(
        (error.kind(), end),
        (ErrorKind::ConnectionReset, Vec::new())
    );
}

/// What a router is ahead of what the server's end has acknowledged, which says nothing of its window, after it has acknowledged
/// more than half of what the protocol lets through: at least `least` octets, or all that comes in a while.
fn ahead_of(version: &str, least: usize) -> usize {
    let open_to_all = json!(["listener", {"name": "unstripped", "host": "127.0.0.1", "port": "0", "stripAnnotations": "no", "idleTimeoutSeconds": 120}]);
    let router = interior("A", &[open_to_all, tcp_listener("svc")]);
    let mut open = Open::new("B");
    open.properties = Map::new()
        .with_symbol("product", "skupper-router")
        .with_symbol("version", version);
    open.offered_capabilities = vec![Symbol::from_static("qd.streaming-links")];
    let port = listener_port(&router, "unstripped");
    let mut server = consumer_at(port, "svc", open, 100);
    let client = connect(open_port(&router, "svc"));
    let pouring = client.try_clone().unwrap();
    let pour = thread::spawn(move || pour(&mut { pouring }, &[7; 1 << 16], 16 << 20));

    let came = server.transfer();
    let head = Message::decode(&came.payload).unwrap().properties;
    let to = head.unwrap().reply_to.unwrap();
    let answer = server.attach_sender(&to);
    let mut octets = BytesMut::new();
    let annotations = RouterAnnotations {
        flags: flags::STREAMING,
        ingress: Some("0/B".to_owned()),
        trace: vec!["0/B".to_owned()],
        ..RouterAnnotations::default()
    };
    annotations.write(&mut octets);
    let mut properties = Properties::to(to);
    properties.content_type = Some("application/octet-stream".to_owned());
    octets.extend_from_slice(&Message::with_value(properties, Value::Null).to_bytes());
    let mut stream = Client {
        link: answer,
        ..server
    };
    stream.send(octets, true);

    let mut got = 0;
    let mut take = |stream: &mut Client, until: usize, patience: Duration| {
        let began = Instant::now();
        while got < until && began.elapsed() < patience {
            got += stream.look().map_or(0, |came| came.payload.len());
        }
        got
    };
    assert!(take(&mut stream, TOLD, PATIENCE) >= TOLD);
    let told = DeliveryState::Received {
        section_number: 0,
        section_offset: TOLD as u64,
    };
    stream.tell(&came, told, false);
    let ahead = take(&mut stream, TOLD + least, PATIENCE) - TOLD;
    assert!(ahead >= least, "{ahead}");
    // What else comes.
    let ahead = take(&mut stream, usize::MAX, Duration::from_millis(300)) - TOLD;
    client.shutdown(Shutdown::Both).unwrap();
    pour.join().unwrap();
    ahead
}

/// Octets after which a receiver acknowledges; a sender may be ahead by twice as many.
const HALF: usize = 4072 * 16 * 8;
/// What the test acknowledges: the router's clock runs from the piece that goes beyond the half.
const TOLD: usize = HALF + (1 << 18);

#[test]
fn releases_without_a_limit_on_what_waits_are_sent_more_than_the_protocol_lets_through() {
    assert!(ahead_of("3.5.1", 3 * HALF) >= 3 * HALF);
    // One piece more than the window may have been read.
    let ahead = ahead_of("3.0.0-137-ge2ec51a4", 2 * HALF - (1 << 16));
    assert!(ahead < 3 * HALF, "{ahead}");
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}
