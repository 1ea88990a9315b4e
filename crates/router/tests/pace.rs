//! What management tells of how links fare: how long deliveries take, since when there has been no credit, where deliveries came
//! from; and what services have carried.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::links::*;
use common::*;
use skupper_amqp::{DeliveryState, Open};
use skupper_management::agent::Store;
use skupper_management::{Attributes, Kind};
use skupper_router::{Options, Router, StuckAfter};

/// A little longer than what counts as delayed, so that what is stuck is delayed as soon as it is settled.
const STUCK: StuckAfter = StuckAfter {
    age: Duration::from_millis(1100),
    interval: Duration::from_secs(1),
};

fn metrics(router: &Router) -> Attributes {
    let found = router.entities().find(Kind::RouterMetrics, "identity", "1");
    found.into_iter().next().unwrap()
}

/// The links of an address that lead one way.
fn links(router: &Router, address: &str, direction: &str) -> Vec<Attributes> {
    let links = router.entities().find(Kind::Link, "linkDir", direction);
    let key = format!("M{address}");
    let own = |link: &Attributes| link["owningAddr"] == key.as_str();
    links.into_iter().filter(own).collect()
}

fn number(row: &Attributes, column: &str) -> u64 {
    row[column].as_u64().unwrap()
}

#[test]
fn deliveries_that_nobody_settles_are_stuck_and_then_delayed() {
    let options = Options {
        stuck_after: STUCK,
        ..Options::default()
    };
    let router = interior_with("A", &[], options);
    let mut consumer = consumer(&router, "queue");
    known(&router, "queue", 1, 0);
    let mut producer = producer(&router, "queue", &[]);
    producer.send(message("held"), false);
    let held = consumer.transfer();
    producer.send(message("taken"), false);
    let taken = consumer.transfer();
    consumer.tell(&taken, DeliveryState::Accepted, true);
    let both = |column: &str| {
        ["in", "out"].map(|direction| number(&links(&router, "queue", direction)[0], column))
    };
    wait_for("stuck deliveries", || {
        (both("deliveriesStuck") == [1, 1]).then_some(())
    });
    assert_eq!(metrics(&router)["deliveriesStuck"], 2, "at each link");
    assert_eq!(both("deliveriesDelayed1Sec"), [0, 0], "not yet settled");
    consumer.tell(&held, DeliveryState::Accepted, true);
    wait_for("no stuck deliveries", || {
        (both("deliveriesStuck") == [0, 0]).then_some(())
    });
    let delayed = |row: &Attributes| {
        // A machine that stands still for ten seconds makes it the other.
        number(row, "deliveriesDelayed1Sec") + number(row, "deliveriesDelayed10Sec")
    };
    for direction in ["in", "out"] {
        assert_eq!(
            delayed(&links(&router, "queue", direction)[0]),
            1,
            "{direction}"
        );
    }
    assert_eq!(delayed(&metrics(&router)), 1, "counted where it came in");
    drop((producer, consumer));
    wait_for("links that are gone", || {
        links(&router, "queue", "in").is_empty().then_some(())
    });
    assert_eq!(delayed(&metrics(&router)), 1, "counters never fall");
}

#[test]
fn a_link_without_credit_is_blocked_until_it_has_some() {
    let options = Options {
        stuck_after: STUCK,
        ..Options::default()
    };
    let router = interior_with("A", &[], options);
    let mut consumer = consumer_with(&router, "queue", Open::new("consumer"), 0);
    wait_for("blocked link", || {
        (metrics(&router)["linksBlocked"] == 1).then_some(())
    });
    assert!(number(&links(&router, "queue", "out")[0], "zeroCreditSeconds") > 0);
    consumer.raw.amqp.grant(consumer.link, 7).unwrap();
    consumer.raw.turn();
    wait_for("credit", || {
        (links(&router, "queue", "out")[0]["creditAvailable"] == 7).then_some(())
    });
    assert_eq!(links(&router, "queue", "out")[0]["zeroCreditSeconds"], 0);
    assert_eq!(metrics(&router)["linksBlocked"], 0);
}

#[test]
fn a_consumers_link_tells_at_which_router_its_deliveries_came_in() {
    let (west, east) = pair();
    let mut consumer = consumer(&east, "queue");
    known(&west, "queue", 0, 1);
    let mut deliver = |router: &Router| {
        let mut producer = producer(router, "queue", &[]);
        producer.send(message("hello"), false);
        let came = consumer.transfer();
        consumer.tell(&came, DeliveryState::Accepted, true);
        producer.told();
    };
    for router in [&west, &east, &west] {
        deliver(router);
    }
    let link = &links(&east, "queue", "out")[0];
    let nodes = east
        .entities()
        .find(Kind::Node, "identity", "router.node/west");
    let at = number(&nodes[0], "index") as usize;
    let counts = link["ingressHistogram"].as_array().unwrap();
    assert_eq!(
        (&counts[0], &counts[at]),
        (&1.into(), &2.into()),
        "{counts:?}"
    );
    assert_eq!(counts.len(), 2);
    let producers = links(&west, "queue", "in");
    assert!(
        producers
            .iter()
            .all(|link| link["ingressHistogram"].is_null())
    );
}

#[test]
fn services_tell_what_they_have_carried() {
    let port = server(|mut stream| {
        let mut question = [0; 8];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(b"answer").unwrap();
        // Until the client has gone.
        let _ = stream.read(&mut question);
    });
    let router = router("A", &[tcp_listener("svc"), tcp_connector("svc", port)]);
    let mut client = connect(open_port(&router, "svc"));
    client.write_all(b"question").unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    let flow = |direction: &str| {
        let flows = router
            .entities()
            .find(Kind::TcpConnection, "direction", direction);
        flows.into_iter().next()
    };
    for direction in ["in", "out"] {
        // What was said is told a moment after it was heard.
        let flow = wait_for("flow", || {
            flow(direction).filter(|flow| !flow["lastOutSeconds"].is_null())
        });
        assert_eq!(flow["address"], "svc");
        assert_eq!(
            (&flow["bytesIn"], &flow["bytesOut"]),
            (&8.into(), &6.into()),
            "{direction}"
        );
        assert!(!flow["lastInSeconds"].is_null());
    }
    assert_eq!(flow("out").unwrap()["host"], format!("127.0.0.1:{port}"));
    assert_eq!(
        flow("in").unwrap()["host"],
        client.local_addr().unwrap().to_string()
    );
    drop(client);
    wait_for("no flows", || {
        (flow("in").is_none() && flow("out").is_none()).then_some(())
    });
    let connector = format!("connector/svc@{port}");
    for (kind, name, octets) in [
        (Kind::TcpListener, "listener/svc", [8, 6]),
        (Kind::TcpConnector, &connector, [6, 8]),
    ] {
        let service = &router.entities().find(kind, "name", name)[0];
        let carried = ["bytesIn", "bytesOut"].map(|column| number(service, column));
        assert_eq!(carried, octets, "{name}");
    }
}
