//! The commands against a router of our own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say what they expect by failing"
)]

use std::ffi::OsString;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skupper_management::document::{Dialect, Document};
use skupper_router::Router;
use skupper_router::agent::Agent;
use skupper_tools::{Outcome, Tool};
use tokio::net::TcpSocket;

/// Far longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    // Dropped in this order.
    _agent: Agent,
    _router: Router,
    bus: String,
}

fn running(id: &str, sections: Value) -> Running {
    let mut document = vec![
        json!(["router", {"id": id, "mode": "interior", "workerThreads": 2}]),
        json!(["listener", {"name": "amqp", "host": "127.0.0.1", "port": 0}]),
    ];
    document.extend(sections.as_array().unwrap().iter().cloned());
    let document = Document::parse(&Value::Array(document).to_string(), Dialect::Json).unwrap();
    let router = Router::start(&document).unwrap();
    let agent = Agent::start(&router).unwrap();
    let port = router
        .entities()
        .listener("amqp")
        .unwrap()
        .bound()
        .unwrap()
        .port();
    Running {
        _agent: agent,
        _router: router,
        bus: format!("127.0.0.1:{port}"),
    }
}

impl Running {
    fn run(&self, tool: Tool, words: &[&str]) -> Outcome {
        let connection = ["-b", &self.bus, "-t", "60"];
        tool.outcome(words.iter().chain(&connection).map(OsString::from))
    }

    fn done(&self, tool: Tool, words: &[&str]) -> String {
        let outcome = self.run(tool, words);
        assert_eq!((outcome.code, outcome.error.as_str()), (0, ""), "{words:?}");
        outcome.output
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.done(Tool::Skmanage, words)).unwrap()
    }

    fn refused(&self, words: &[&str]) -> (u8, String) {
        let outcome = self.run(Tool::Skmanage, words);
        assert_eq!(outcome.output, "");
        (outcome.code, outcome.error)
    }
}

#[test]
fn entities_are_made_read_and_removed() {
    let router = running("A", json!([]));
    let words = [
        "create",
        "--type",
        "tcpListener",
        "--name",
        "l",
        "host=127.0.0.1",
        "port=0",
        "address=backend",
    ];
    assert_eq!(router.json(&words)["identity"], "tcpListener/127.0.0.1:0:l");
    let (code, error) = router.refused(&words);
    assert_eq!(code, 1);
    assert!(
        error.starts_with("skmanage: BadRequestStatus: adding tcpListener 'l' duplicates"),
        "{error}"
    );
    assert_eq!(
        router.json(&[
            "query",
            "--type",
            "tcpListener",
            "name",
            "address",
            "siteId"
        ]),
        json!([{"name": "l", "address": "backend"}])
    );
    let updated = router.json(&[
        "update",
        "--type",
        "tcpListener",
        "--name",
        "l",
        "observer=http2",
    ]);
    assert_eq!(updated["observer"], "http2");
    assert_eq!(
        router.json(&["read", "--type", "tcpListener", "--name", "l"])["observer"],
        "http2"
    );
    assert_eq!(
        router.done(
            Tool::Skmanage,
            &["delete", "--type", "tcpListener", "--name", "l"]
        ),
        ""
    );
    assert_eq!(
        router.refused(&["delete", "--type", "tcpListener", "--name", "l"]),
        (
            1,
            "skmanage: NotFoundStatus: No entity with name=l\n".to_owned()
        )
    );
}

#[test]
fn the_router_tells_about_itself() {
    let router = running("A", json!([]));
    let types = router.json(&["get-types", "listener"]);
    assert_eq!(
        types.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["io.skupper.router.listener"]
    );
    assert_eq!(
        router.json(&["get-mgmt-nodes"]),
        json!(["amqp:/_topo/0/A/$management"])
    );
    assert!(
        router.json(&["GET-SCHEMA"])["entityTypes"]["sslProfile"]["attributes"]["credential"]
            .is_object()
    );
    assert!(
        router.json(&["query"]).as_array().unwrap().len() > 20,
        "entities of all types"
    );
    assert!(
        router
            .done(Tool::Skmanage, &["get-json-schema"])
            .starts_with("{\"prefix\": \"io.skupper.router\"")
    );
    assert_eq!(
        router
            .run(Tool::Skmanage, &["read", "--name", "self", "surplus"])
            .code,
        2
    );
    assert_eq!(router.run(Tool::Skmanage, &[]).code, 2);
}

#[test]
fn tables_are_shown() {
    let router = running(
        "A",
        json!([["tcpListener", {"name": "l", "host": "127.0.0.1", "port": 0, "address": "b"}]]),
    );
    for (flag, expected) in [
        ("-g", "Router Id                        A\n"),
        ("-c", "Connections\n  id"),
        ("-l", "Router Links\n  type"),
        ("-n", "  A          (self)    -\n"),
        ("-a", "mobile  $management"),
        ("-m", "No memory statistics available\n"),
        ("-p", "Policy Status\n"),
        ("--autolinks", "No AutoLinks found\n"),
        ("--all-entities", "No Vhost Stats\n"),
    ] {
        let text = router.done(Tool::Skstat, &[flag]);
        assert!(
            text.contains(" UTC\nA\n\n") && text.contains(expected),
            "{flag}: {text}"
        );
    }
    assert!(
        router
            .done(Tool::Skstat, &["-c", "--csv"])
            .contains("\"id\",\"host\",\"container\"")
    );
    router.done(Tool::Skstat, &["--log", "--limit", "3"]);
}

#[test]
fn other_routers_are_asked_through_this_one() {
    let west = running(
        "west",
        json!([["listener", {"name": "l", "role": "inter-router", "host": "127.0.0.1", "port": 0}]]),
    );
    let port = west
        ._router
        .entities()
        .listener("l")
        .unwrap()
        .bound()
        .unwrap()
        .port();
    let connector =
        json!({"name": "c", "role": "inter-router", "host": "127.0.0.1", "port": port.to_string()});
    let _east = running("east", json!([["connector", connector]]));
    let start = Instant::now();
    while west.json(&["get-mgmt-nodes"]).as_array().unwrap().len() < 2 {
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(
        west.json(&["query", "-r", "east", "--type", "router", "id"]),
        json!([{"id": "east"}])
    );
    let all = west.done(Tool::Skstat, &["--all-routers", "-n"]);
    assert!(
        all.contains("Router  east\n") && all.contains("Router  west\n"),
        "{all}"
    );
}

#[test]
fn who_cannot_be_reached_is_told_in_a_sentence() {
    // Bound, so that it is nobody else's, and not listened at.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = nobody.local_addr().unwrap().port();
    let words = [
        "-b".to_owned(),
        format!("127.0.0.1:{port}"),
        "-t".to_owned(),
        "0.5".to_owned(),
    ];
    let outcome = Tool::Skstat.outcome(words.iter().map(OsString::from));
    assert_eq!((outcome.code, outcome.output.as_str()), (1, ""));
    assert!(
        outcome.error.contains(&format!("127.0.0.1:{port}")),
        "{}",
        outcome.error
    );
    let outcome = Tool::Skstat
        .outcome(["-b", "amqps://h", "--ssl-trustfile", "/nowhere"].map(OsString::from));
    assert!(
        outcome.error.contains("--ssl-trustfile /nowhere"),
        "{}",
        outcome.error
    );
    let help = Tool::Skmanage.outcome(["--help"].map(OsString::from));
    assert!(
        help.code == 0 && help.output.contains("--indent"),
        "{help:?}"
    );
}
