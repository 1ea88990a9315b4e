//! What strangers send to the port for links: nothing that says Ready changes, and one condition of the RouterAccess counts them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use skupper_tests::flows::{connect, inside};
use skupper_tests::ground::Ground;
use skupper_tests::material::Leaf;
use skupper_tests::space::condition_of;
use skupper_tests::stage::Stage;
use skupper_tests::watch::Watch;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario::shared(
    "strangers_at_the_port_for_links_change_nothing_but_a_count",
    scenario,
)
.own_cluster()];

/// How long they come.
const SPAN: Duration = Duration::from_secs(25);
/// Octets of the longest message, whatever peers send: as much as a Kubernetes condition holds.
const LONGEST: usize = 32_768;
/// What tells of them.
const REFUSALS: &str = "Refusals";

fn scenario(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "strangers")?;
    let (west, east) = (&ground.west, &ground.east);
    let watches: Vec<(&str, Watch)> = [
        (west, "site"),
        (west, "routeraccess"),
        (west, "securedaccess"),
        (west, "certificate"),
        (east, "site"),
        (east, "link"),
    ]
    .into_iter()
    .map(|(space, kind)| Ok((kind, Watch::start(space, kind)?)))
    .collect::<Result<_>>()?;

    let folder = tempfile::tempdir()?;
    let foreign = ground.foreign.issue(&Leaf::client(NAME))?;
    std::fs::write(folder.path().join("crt"), foreign.crt)?;
    std::fs::write(folder.path().join("key"), foreign.key)?;
    let address = SocketAddr::new(ground.host.parse().context("the endpoint's host")?, 55671);
    let start = Instant::now();
    let mut visits = 0;
    let mut held = Vec::new();
    while start.elapsed() < SPAN {
        held.extend(inside(&stage.cluster, || visit(address))?);
        for line in [
            format!("openssl s_client -connect {address}"),
            format!("openssl s_client -connect {address} -cert crt -key key"),
            format!("curl -s -m 5 http://{address}/"),
        ] {
            // They are turned away: how these programs end is not ours to say.
            west.shell(&format!(
                "cd {}; timeout 10 {line} </dev/null >/dev/null 2>&1 || true",
                folder.path().display()
            ))?;
        }
        visits += 1;
    }
    let span = start.elapsed();
    drop(held);

    let access = west.await_object(
        "routeraccess",
        "skupper-router",
        "a count of all rounds",
        |access| count(access).is_some_and(|count| count > visits),
    )?;
    let told = told(&access);
    println!("after {visits} rounds in {} s: {told}", span.as_secs());
    ensure!(
        told.len() < LONGEST && !told.chars().any(char::is_control),
        "not bounded or not escaped: {told:?}"
    );
    // A stranger's connection is still served beside the others: a good link comes up.
    east.link("meanwhile", &ground.endpoints, "good")?;
    east.await_ready("link", "meanwhile")?;

    for (kind, watch) in &watches {
        let told = watch.told()?;
        let known = told.iter().filter(|o| o["metadata"]["name"] != "meanwhile");
        nothing_changed(kind, known)?;
        if *kind == "routeraccess" {
            let writes = told.len() - 1;
            println!("{writes} writes of the RouterAccess");
            ensure!(
                writes as u64 <= start.elapsed().as_secs() / 10 + 1,
                "{writes} writes in {} s",
                start.elapsed().as_secs()
            );
        }
    }
    Ok(())
}

/// What is told of strangers.
fn told(access: &Value) -> &str {
    condition_of(access, REFUSALS)["message"]
        .as_str()
        .unwrap_or_default()
}

/// The count with which that begins.
fn count(access: &Value) -> Option<u64> {
    told(access).split_once(' ')?.0.parse().ok()
}

/// What a client of a stranger calls itself: nothing of it may reach a terminal.
const NAME: &str = "stranger \u{1b}[31m\r\nReady: True";

/// Comes and goes in all ways that need no TLS; returns the connections that stay half open.
fn visit(address: SocketAddr) -> Result<Vec<TcpStream>> {
    // A health probe, a port scan.
    drop(connect(address)?);
    for port in [45671, 22, 80, 5671] {
        TcpStream::connect_timeout(
            &SocketAddr::new(address.ip(), port),
            Duration::from_millis(200),
        )
        .ok();
    }
    let hello: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for octets in [
        b"\x00\xff\x1b[2J\x07 garbage \r\n".as_slice(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"AMQP\x00\x01\x00\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        hello,
    ] {
        let mut stream = connect(address)?;
        stream.write_all(octets)?;
        // Turned away already, perhaps; else the answer, if there is one, or the end.
        stream.shutdown(std::net::Shutdown::Write).ok();
        stream.read_to_end(&mut Vec::new()).ok();
    }
    let mut half = connect(address)?;
    half.write_all(hello)?;
    Ok(vec![connect(address)?, half])
}

/// Whatever else was written, every object says of itself what it said at first, and since when.
fn nothing_changed<'a>(kind: &str, told: impl Iterator<Item = &'a Value>) -> Result<()> {
    let mut first: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
    for object in told {
        let name = object["metadata"]["name"].to_string();
        let says = says(object);
        let earlier = first.entry(name.clone()).or_insert_with(|| says.clone());
        ensure!(
            *earlier == says,
            "{kind} {name} said {earlier}, then {says}"
        );
    }
    ensure!(!first.is_empty(), "there is no {kind}");
    Ok(())
}

/// The conditions of an object with their transitions, without the one that is there for strangers.
fn says(object: &Value) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let conditions: Vec<_> = conditions
        .into_iter()
        .flatten()
        .filter(|condition| condition["type"] != REFUSALS)
        .map(|c| {
            json!([
                c["type"],
                c["status"],
                c["lastTransitionTime"],
                c["message"]
            ])
        })
        .collect();
    json!([
        object["status"]["status"],
        object["status"]["message"],
        conditions
    ])
}
