//! What routers tell of themselves, as a collector sees it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use common::collector::{Observer, run};
use common::trust::{Ca, Files, Use};
use common::*;
use serde_json::{Value, json};
use skupper_management::Kind;
use skupper_management::agent::Store;
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
        let mut found = east.entities().find(Kind::SslProfile, "name", "client");
        let current = found.remove(0);
        let mut renewed = current.clone();
        renewed.insert("ordinal".to_owned(), 5.into());
        east.entities()
            .update(Kind::SslProfile, &current, renewed)
            .unwrap();
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
    let (west, east) = sites(free_port());
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
        assert!(
            flow.text(Attribute::ERROR_CONNECTOR_SIDE)
                .contains("refused")
        );
        assert!(!flow.text(Attribute::CONNECTOR).is_empty());
        assert_eq!(flow.text(Attribute::TRACE), "0/west");
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
