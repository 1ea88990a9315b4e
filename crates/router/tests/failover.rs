//! A connector whose peer has told where else it may go.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use common::*;
use serde_json::json;
use skupper_router::connection::connector::Status;

#[test]
fn a_connector_goes_where_its_peer_has_said() {
    let spare = router("spare", &[inter_router_listener("link")]);
    let second = format!("amqp://127.0.0.1:{}", listener_port(&spare, "link"));
    // It is free for the first when that comes back.
    let port = free_port();
    let mut listener = inter_router_listener("link");
    listener[1]["port"] = json!(port.to_string());
    let mut naming = listener.clone();
    naming[1]["failoverUrls"] = json!(second);
    let first = router("first", &[naming]);
    let gate = router("gate", &[inter_router_connector("link", port)]);
    let connector = gate.entities().connector("link").unwrap();
    let shows = |wanted: &str| {
        wait_for(wanted, || {
            (connector.failover_urls() == wanted).then_some(())
        });
        wait_for("connection", || {
            (connector.status().0 == Status::Success).then_some(())
        });
    };
    shows(&format!("amqp://127.0.0.1:{port}, {second}"));
    drop(first);
    shows(&format!("{second}, amqp://127.0.0.1:{port}"));
    // The second has named none: what the first has said is still known.
    drop(spare);
    let first = router("first", &[listener]);
    shows(&format!("amqp://127.0.0.1:{port}, {second}"));
    drop(first);
}
