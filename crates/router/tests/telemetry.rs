//! What routers tell of themselves, as a collector sees it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};

use common::collector::{Observer, run};
use common::raw::Raw;
use common::trust::{Ca, Files, Use};
use common::*;
use serde_json::{Value, json};
use skupper_amqp::connection::{Event, LinkId, Outgoing, Payload, Sent};
use skupper_amqp::{Attach, Role};
use skupper_management::agent::Store;
use skupper_management::{Attributes, Kind};
use skupper_router::Router;
use skupper_vanflow::network_status::NetworkStatus;
use skupper_vanflow::{Attribute, Record, RecordType};

fn site(name: &str) -> Value {
    json!(["site", {"name": name, "platform": "linux", "namespace": "test"}])
}

fn clients() -> Value {
    json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": "0"}])
}

/// Two sites, west with the listeners; a server in east.
fn sites(server: u16) -> (Router, Router) {
    let west = router(
        "west",
        &[
            site("west"),
            inter_router_listener("access"),
            clients(),
            tcp_listener("echo"),
        ],
    );
    let link = inter_router_connector("to-west", listener_port(&west, "access"));
    let east = router(
        "east",
        &[site("east"), link, clients(), tcp_connector("echo", server)],
    );
    (west, east)
}

fn knows_two_linked_sites(status: &NetworkStatus) -> bool {
    let routers = || {
        status
            .site_status
            .iter()
            .flat_map(|site| &site.router_status)
    };
    let accesses: Vec<&str> = routers()
        .flat_map(|r| &r.router_access)
        .map(|access| access.identity.as_str())
        .collect();
    let mut links = routers().flat_map(|router| &router.links);
    status.site_status.len() == 2
        && links.any(|link| {
            link.name == "to-west" && link.status == "up" && accesses.contains(&link.peer.as_str())
        })
        && status
            .addresses
            .iter()
            .any(|a| a.name == "echo" && a.listener_count == 1 && a.connector_count == 1)
}

#[test]
fn a_collector_at_either_router_knows_both_sites_and_their_link() {
    let (west, east) = sites(server(echo));
    run(async {
        for router in [&west, &east] {
            let mut observer = Observer::new(listener_port(router, "clients"));
            let status = observer.until("linked sites", knows_two_linked_sites).await;
            let listener = status
                .site_status
                .iter()
                .flat_map(|s| &s.router_status)
                .find_map(|r| r.listeners.first());
            let listener = listener.unwrap();
            assert_eq!(
                (listener.name.as_str(), listener.protocol.as_str()),
                ("listener/echo", "tcp")
            );
        }
    });
}

#[test]
fn both_ends_of_a_link_tell_the_revision_of_their_credentials() {
    let (home, ca) = (tempfile::tempdir().unwrap(), Ca::new("CA"));
    let profile = |name: &str, leaf, ordinal| {
        let files = Files::write(home.path(), name, &leaf);
        json!(["sslProfile", files.attributes(name, ordinal, 0)])
    };
    let server = profile("server", ca.leaf(Use::Server, "west", &["127.0.0.1"]), 3);
    let client = profile("client", ca.leaf(Use::Client, "east", &[]), 4);
    let west = router(
        "west",
        &[server, secure_listener("access", "server"), clients()],
    );
    let link = secure_connector("to-west", listener_port(&west, "access"), "client");
    let lost = inter_router_connector("lost", free_port());
    let east = router("east", &[client, link, lost]);
    run(async {
        let mut observer = Observer::new(listener_port(&west, "clients"));
        let with_ordinal = |kind: RecordType, ordinal: u64| {
            move |record: &Record| {
                record.kind == kind && record.number(Attribute::ACTIVE_TLS_ORDINAL) == ordinal
            }
        };
        let access = with_ordinal(RecordType::RouterAccess, 3);
        observer.record_until("router access", access).await;
        let link = with_ordinal(RecordType::Link, 4);
        let before = observer.record_until("link", link).await;
        let set = |router: &Router, profile: &str, ordinal: u64| {
            let mut entities = router.entities();
            let current = entities.find(Kind::SslProfile, "name", profile).remove(0);
            let mut wanted = current.clone();
            wanted.insert("ordinal".to_owned(), ordinal.into());
            entities.update(Kind::SslProfile, &current, wanted).unwrap();
        };
        set(&east, "client", 5);
        let link = with_ordinal(RecordType::Link, 5);
        let after = observer.record_until("renewed link", link).await;
        let up = [before, after].map(|record| record.number(Attribute::UP_TIMESTAMP));
        assert_eq!(up[0], up[1], "it was up all the time");
        let failed = |record: &Record| {
            record.text(Attribute::NAME) == "lost" && !record.text(Attribute::REASON).is_empty()
        };
        let lost = observer.record_until("failure", failed).await;
        assert_eq!(lost.text(Attribute::RESULT), "proton:io", "nobody is there");
        assert_eq!(lost.number(Attribute::DOWN_COUNT), 1, "of many attempts");
        assert_ne!(lost.number(Attribute::DOWN_TIMESTAMP), 0);
        // Somebody goes back to what there was: the next connection tells that.
        set(&west, "server", 2);
        set(&east, "client", 6);
        let access = with_ordinal(RecordType::RouterAccess, 2);
        observer.record_until("what is used now", access).await;
    });
}

/// Another router's end of a control connection, as far as a connector looks at it.
struct Neighbour {
    raw: Raw,
    /// By which the connector's router gets control messages, and by which it sends them.
    control: [Option<LinkId>; 2],
    /// Octets of deliveries that had come after each.
    came: Vec<u64>,
}

impl Neighbour {
    /// The next connection that comes to a port, with its control links.
    fn accept(port: &TcpListener) -> Self {
        let mut neighbour = Neighbour {
            raw: Raw::accept(port.accept().unwrap().0),
            control: [None; 2],
            came: vec![0],
        };
        wait_for("control links", || {
            neighbour.turn();
            neighbour.control.iter().all(Option::is_some).then_some(())
        });
        // What was last said goes out.
        neighbour.turn();
        neighbour
    }

    fn turn(&mut self) {
        assert!(self.raw.turn(), "the router closed the connection");
        while let Some(event) = self.raw.amqp.poll_event() {
            match event {
                Event::Attached { link, attach, .. } => {
                    let Attach { source, target, .. } = *attach;
                    let sends = attach.role == Role::Sender;
                    if source.as_ref().is_some_and(|end| end.has("qd.router")) {
                        self.control[usize::from(sends)] = Some(link);
                    }
                    self.raw.amqp.accept(link, source, target, 0).unwrap();
                    if sends {
                        self.raw.amqp.grant(link, 100).unwrap();
                    }
                }
                Event::Transfer(incoming) => {
                    let before = self.came.last().unwrap();
                    self.came.push(before + incoming.payload.len() as u64);
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, octets: usize) {
        let mut payload = Payload::new();
        payload.push(vec![0; octets].into());
        let link = self.control[0].unwrap();
        wait_for("credit", || {
            self.turn();
            let amqp = &mut self.raw.amqp;
            let sent = amqp.transfer(link, &Outgoing::default(), &mut payload);
            match sent.unwrap() {
                Sent::All(_) => Some(()),
                Sent::Credit | Sent::Window(_) => None,
            }
        });
        self.turn();
    }

    /// Whether so many octets had come after some delivery.
    fn has_got(&mut self, octets: u64) -> bool {
        wait_for("deliveries", || {
            self.turn();
            (self.came.last() >= Some(&octets)).then_some(())
        });
        self.came.contains(&octets)
    }
}

/// A port for a router's connector, and the router, which has one data connection beside its control connection.
fn connecting() -> (TcpListener, Router) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = inter_router_connector("link", port.local_addr().unwrap().port());
    (port, router("east", &[link, clients()]))
}

#[test]
fn a_link_is_down_without_its_control_connection_whatever_its_data_connections_do() {
    let (port, east) = connecting();
    let status = |status: &'static str, downs: u64| {
        move |record: &Record| {
            record.kind == RecordType::Link
                && record.text(Attribute::OPER_STATUS) == status
                && record.number(Attribute::DOWN_COUNT) == downs
        }
    };
    run(async {
        let mut observer = Observer::new(listener_port(&east, "clients"));
        let control = Neighbour::accept(&port);
        let mut data = Raw::accept(port.accept().unwrap().0);
        assert!(data.turn(), "it is answered");
        wait_for("data connection", || {
            let entities = east.entities();
            let data = entities.find(Kind::Connection, "role", "inter-router-data");
            (!data.is_empty()).then_some(())
        });
        let up = observer.record_until("link", status("up", 0)).await;
        drop(control);
        let down = observer.record_until("loss", status("down", 1)).await;
        assert!(down.number(Attribute::DOWN_TIMESTAMP) >= up.number(Attribute::UP_TIMESTAMP));
        assert!(!down.text(Attribute::RESULT).is_empty(), "{down:?}");
        let _control = Neighbour::accept(&port);
        let again = observer.record_until("return", status("up", 1)).await;
        assert!(again.number(Attribute::UP_TIMESTAMP) >= down.number(Attribute::DOWN_TIMESTAMP));
        assert_eq!(again.text(Attribute::RESULT), "", "that is over");
    });
}

#[test]
fn the_octets_of_a_link_are_those_of_deliveries() {
    let (port, east) = connecting();
    run(async {
        let mut observer = Observer::new(listener_port(&east, "clients"));
        let mut control = Neighbour::accept(&port);
        control.send(1000);
        control.send(234);
        let counted = |record: &Record| {
            record.kind == RecordType::Link
                && record.number(Attribute::OCTETS) > 0
                && record.number(Attribute::OCTETS_REVERSE) >= 1234
        };
        let link = observer.record_until("octets", counted).await;
        assert_eq!(link.number(Attribute::OCTETS_REVERSE), 1234);
        assert!(control.has_got(link.number(Attribute::OCTETS)), "{link:?}");
    });
}

#[test]
fn a_link_that_breaks_and_what_is_gone_are_told() {
    let (west, east) = sites(server(echo));
    run(async {
        let mut observer = Observer::new(listener_port(&east, "clients"));
        observer.until("linked sites", knows_two_linked_sites).await;
        drop(west);
        let is_down = |status: &NetworkStatus| {
            let mut links = status
                .site_status
                .iter()
                .flat_map(|s| &s.router_status)
                .flat_map(|r| &r.links);
            links.any(|link| link.status == "down")
        };
        observer.until("broken link", is_down).await;
        let link = observer
            .collector
            .records()
            .find(|record| record.kind == RecordType::Link)
            .unwrap();
        assert_eq!(link.number(Attribute::DOWN_COUNT), 1);
        assert!(link.number(Attribute::DOWN_TIMESTAMP) > 0);
    });
}

#[test]
fn a_flow_is_told_with_what_both_its_ends_know() {
    let (west, east) = sites(server(echo));
    run(async {
        let address = open_port(&west, "echo");
        let mut observer = Observer::new(listener_port(&east, "clients"));
        observer.until("linked sites", knows_two_linked_sites).await;
        let exchange = tokio::task::spawn_blocking(move || exchange(address, &[7; 3000]));
        let flow = observer
            .flow_until(|flow| flow.has_ended() && !flow.text(Attribute::CONNECTOR).is_empty())
            .await;
        assert_eq!(exchange.await.unwrap(), [7; 3000]);
        let identity = |router: &Router| router.context().records.router();
        let of = |kind| {
            observer
                .collector
                .records()
                .find(|record| record.kind == kind)
                .unwrap()
        };
        assert_eq!(flow.text(Attribute::PARENT), of(RecordType::Listener).id);
        assert_eq!(
            flow.text(Attribute::CONNECTOR),
            of(RecordType::Connector).id
        );
        assert!(
            flow.id.starts_with(identity(&west).trim_end_matches('0')),
            "{flow:?}"
        );
        assert_eq!(
            (
                flow.number(Attribute::OCTETS),
                flow.number(Attribute::OCTETS_REVERSE)
            ),
            (3000, 3000)
        );
        assert_eq!(flow.text(Attribute::TRACE), "0/west");
        assert_eq!(flow.text(Attribute::SOURCE_HOST), "127.0.0.1");
        assert!(
            flow.number(Attribute::LATENCY) > 0 && flow.number(Attribute::PROCESS_LATENCY) > 0,
            "{flow:?}"
        );
        assert!(!flow.text(Attribute::PROXY_PORT).is_empty());
    });
}

#[test]
fn a_flow_that_is_older_than_its_observer_is_told_too() {
    let (west, east) = sites(server(echo));
    run(async {
        let mut client = connect(open_port(&west, "echo"));
        client.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        for router in [&west, &east] {
            let mut observer = Observer::new(listener_port(router, "clients"));
            let flow = observer
                .flow_until(|flow| {
                    !flow.text(Attribute::CONNECTOR).is_empty()
                        && flow.number(Attribute::OCTETS) > 0
                        && flow.number(Attribute::PROCESS_LATENCY) > 0
                })
                .await;
            assert_eq!(flow.number(Attribute::OCTETS), 5);
            assert!(!flow.has_ended());
        }
        client.write_all(b"more!").unwrap();
        client.read_exact(&mut answer).unwrap();
        let mut observer = Observer::new(listener_port(&east, "clients"));
        observer
            .flow_until(|flow| flow.number(Attribute::OCTETS_REVERSE) == 10)
            .await;
    });
}

#[test]
fn a_flow_whose_server_cannot_be_reached_is_told_with_the_reason() {
    let closed = free_port();
    let (west, east) = sites(closed);
    run(async {
        let address = open_port(&west, "echo");
        let mut observer = Observer::new(listener_port(&east, "clients"));
        observer.until("linked sites", knows_two_linked_sites).await;
        let exchange = tokio::task::spawn_blocking(move || connect(address).read(&mut [0; 1]));
        let flow = observer
            .flow_until(|flow| {
                flow.has_ended() && !flow.text(Attribute::ERROR_CONNECTOR_SIDE).is_empty()
            })
            .await;
        assert!(!matches!(exchange.await.unwrap(), Ok(1..)));
        let why = format!("proton:io (Connection refused - on connect 127.0.0.1:{closed})");
        assert_eq!(flow.text(Attribute::ERROR_CONNECTOR_SIDE), why);
        assert_eq!(
            flow.text(Attribute::ERROR_LISTENER_SIDE),
            "delivery-failed (destination unreachable)"
        );
        assert!(!flow.text(Attribute::CONNECTOR).is_empty());
        assert_eq!(flow.text(Attribute::TRACE), "0/west");
    });
}

/// Closes the flow of a client's port as management does, and deletes the listener with all that are left.
fn close_one_and_all(router: &Router, port: u16) {
    let mut entities = router.entities();
    let mut number = None;
    entities.visit(Kind::TcpConnection, &mut |flow| {
        if flow["host"] == format!("127.0.0.1:{port}").as_str() {
            number = flow.get("identity").cloned();
        }
        ControlFlow::Continue(())
    });
    let flow = Attributes::from_iter([("identity".to_owned(), number.unwrap())]);
    let mut wanted = flow.clone();
    wanted.insert("adminStatus".to_owned(), json!("deleted"));
    entities.update(Kind::Connection, &flow, wanted).unwrap();
    let listener = entities
        .find(Kind::TcpListener, "name", "listener/echo")
        .remove(0);
    entities.delete(Kind::TcpListener, &listener).unwrap();
}

#[test]
fn a_flow_that_its_listener_or_management_closes_is_told_so() {
    let (west, east) = sites(server(echo));
    run(async {
        let address = open_port(&west, "echo");
        let mut observer = Observer::new(listener_port(&east, "clients"));
        observer.until("linked sites", knows_two_linked_sites).await;
        let mut clients = [0; 2].map(|_| connect(address));
        for client in &mut clients {
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        let port = clients[0].local_addr().unwrap().port();
        close_one_and_all(&west, port);
        let both = |flows: &BTreeMap<String, Record>| {
            flows.len() == 2 && flows.values().all(Record::has_ended)
        };
        let flows = observer.flows_until(both).await;
        let mut told: Vec<_> = flows
            .values()
            .map(|flow| {
                let forced = flow.text(Attribute::SOURCE_PORT) == port.to_string();
                (forced, flow.text(Attribute::ERROR_LISTENER_SIDE))
            })
            .collect();
        told.sort_unstable();
        let expected = [
            (false, "Parent-deleted (Forced closed)"),
            (true, "Force-closed (closed by management request)"),
        ];
        assert_eq!(told, expected);
    });
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs SKROUTERD"]
fn beside_upstreams_router_each_flow_has_both_its_ends() {
    let Some(binary) = std::env::var_os("SKROUTERD") else {
        panic!("SKROUTERD has to name the binary of upstream's router");
    };
    let west = router(
        "west",
        &[
            site("west"),
            inter_router_listener("access"),
            clients(),
            tcp_listener("theirs"),
            tcp_connector("ours", server(echo)),
        ],
    );
    let directory = tempfile::tempdir().unwrap();
    let free = free_port();
    let config = json!([
        ["router", {"id": "east", "mode": "interior"}],
        ["site", {"name": "east", "platform": "linux", "namespace": "test"}],
        ["connector", {"name": "to-west", "role": "inter-router", "host": "127.0.0.1",
                       "port": listener_port(&west, "access").to_string()}],
        ["tcpConnector", {"name": "c", "address": "theirs", "host": "127.0.0.1", "port": server(echo).to_string()}],
        ["tcpListener", {"name": "l", "address": "ours", "host": "127.0.0.1", "port": free.to_string()}],
    ]);
    let file = directory.path().join("east.json");
    std::fs::write(&file, config.to_string()).unwrap();
    // Without it upstream's router does not say to which site it belongs.
    let child = Command::new(binary)
        .env("SKUPPER_SITE_ID", "site-of-east")
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _east = Process(child.unwrap());
    run(async {
        let mut observer = Observer::new(listener_port(&west, "clients"));
        let both = |status: &NetworkStatus| {
            let routers = || {
                status
                    .site_status
                    .iter()
                    .flat_map(|site| &site.router_status)
            };
            let access = routers().flat_map(|r| &r.router_access).next();
            let mut links = routers().flat_map(|r| &r.links);
            status.site_status.len() == 2
                && links.any(|l| {
                    l.status == "up" && access.is_some_and(|access| access.identity == l.peer)
                })
                && status.addresses.len() == 2
                && status
                    .addresses
                    .iter()
                    .all(|a| a.listener_count == 1 && a.connector_count == 1)
        };
        observer.until("upstream's site beside ours", both).await;
        let whole = |flow: &Record| {
            flow.has_ended()
                && !flow.text(Attribute::CONNECTOR).is_empty()
                && flow.number(Attribute::OCTETS) == 2000
        };
        let ports = [open_port(&west, "theirs"), ([127, 0, 0, 1], free).into()];
        for (port, trace) in ports.into_iter().zip(["0/west", "0/east"]) {
            let exchange = tokio::task::spawn_blocking(move || {
                wait_for("open port", || std::net::TcpStream::connect(port).ok());
                exchange(port, &[7; 2000])
            });
            let flow = observer.flow_until(whole).await;
            assert_eq!(exchange.await.unwrap(), [7; 2000]);
            assert_eq!(flow.text(Attribute::TRACE), trace, "{flow:?}");
            assert_eq!(flow.number(Attribute::OCTETS_REVERSE), 2000);
        }
    });
}
