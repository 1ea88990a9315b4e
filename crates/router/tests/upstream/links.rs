//! The connections of a router to others, as its management tells of them.

use std::collections::HashSet;
use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use skupper_management::{Attributes, Kind};

use super::common::PATIENCE;
use super::common::clients::{attached, run};
use super::common::trust::Use;
use super::credentials::subject;
use super::node::{DATA_CONNECTIONS, Node};

/// How long a router is left alone between two questions.
const REST: Duration = Duration::from_millis(50);

/// By this an edge router tells of its mesh. Upstream's does not take the link for it along to a new connection.
const MESH_DISCOVERY: &str = "M_$qd.mesh_discovery";

/// A connection to another router.
#[derive(Debug)]
struct Link {
    identity: String,
    role: String,
    /// Whether the other router has connected.
    incoming: bool,
    /// The revision of what this end has presented.
    ordinal: Option<u64>,
    /// The revision of what the connector has presented, as it tells the other end to sort its connections by.
    group: Option<u64>,
    /// Whom the peer's certificate names.
    user: String,
    /// On an edge router: whether this is its way to the interior.
    active: bool,
}

impl Link {
    fn read(row: &Attributes) -> Option<Self> {
        let role = text(row, "role");
        if !["inter-router", "inter-router-data", "edge", "inter-edge"].contains(&role.as_str()) {
            return None;
        }
        let number = |name: &str| row.get(name).and_then(Value::as_u64);
        Some(Link {
            identity: text(row, "identity"),
            role,
            incoming: text(row, "dir") == "in",
            ordinal: number("tlsOrdinal"),
            group: number("groupOrdinal"),
            user: text(row, "user"),
            active: row.get("active") == Some(&Value::Bool(true)),
        })
    }

    /// Whether all that is known of it is of this revision.
    fn is_of(&self, ordinal: u64) -> bool {
        let is_grouped = self.role.starts_with("inter-router");
        self.ordinal == Some(ordinal)
            && (!is_grouped || self.group == Some(ordinal))
            && (!self.incoming || self.user.ends_with(&subject(Use::Client, ordinal)))
    }
}

fn text(row: &Attributes, name: &str) -> String {
    match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// How many connections a connector of this role makes.
pub(crate) fn set(role: &str) -> usize {
    match role {
        "inter-router" => 1 + DATA_CONNECTIONS,
        _ => 1,
    }
}

fn links(node: &Node) -> Vec<Link> {
    let attributes = [
        "identity",
        "role",
        "dir",
        "tlsOrdinal",
        "groupOrdinal",
        "user",
        "active",
    ];
    let rows = node.rows(Kind::Connection, &attributes);
    rows.iter().filter_map(Link::read).collect()
}

/// Asks until what is told fits.
fn wait<T: Debug>(what: &str, ask: impl Fn() -> T, fits: impl Fn(&T) -> bool) {
    let began = Instant::now();
    loop {
        let told = ask();
        if fits(&told) {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "no {what} within {PATIENCE:?}: {told:#?}"
        );
        thread::sleep(REST);
    }
}

/// Waits until a router has so many connections to others.
pub(crate) fn linked(node: &Node, count: usize) {
    wait("connections", || links(node), |links| links.len() == count);
}

/// Waits until a router has so many connections to others, and all of them are of this revision at this end, and by what is known of
/// it at the other.
pub(crate) fn linked_by(node: &Node, count: usize, ordinal: u64) {
    wait(
        &format!("connections of revision {ordinal} alone"),
        || links(node),
        |links| links.len() == count && links.iter().all(|link| link.is_of(ordinal)),
    );
}

/// Waits until a router has so many connections of this revision beside as many of the one before.
pub(crate) fn doubled(node: &Node, count: usize, ordinal: u64) {
    let of = |links: &[Link], ordinal| links.iter().filter(|link| link.is_of(ordinal)).count();
    wait(
        &format!("connections of revision {ordinal} beside those of the one before"),
        || links(node),
        |links| {
            links.len() == 2 * count
                && of(links, ordinal) == count
                && of(links, ordinal - 1) == count
        },
    );
}

/// Waits until what is new goes by connections of this revision: the control links between interior routers, those for an edge
/// router's addresses, and its way to the interior.
pub(crate) fn moved(node: &Node, ordinal: u64) {
    let ask = || {
        let attributes = ["linkType", "connectionId", "owningAddr"];
        (links(node), node.rows(Kind::Link, &attributes))
    };
    wait(
        &format!("move to the connections of revision {ordinal}"),
        ask,
        |(links, rows)| {
            let (new, old): (Vec<_>, Vec<_>) = links.iter().partition(|link| link.is_of(ordinal));
            let (new, old) = (identities(&new), identities(&old));
            let leads = |row: &&Attributes| {
                ["router-control", "edge-downlink"].contains(&&*text(row, "linkType"))
                    || text(row, "owningAddr").starts_with('M')
                        && text(row, "owningAddr") != MESH_DISCOVERY
            };
            let leading: HashSet<_> = rows
                .iter()
                .filter(leads)
                .map(|row| text(row, "connectionId"))
                .collect();
            let way = |link: &Link| link.role == "inter-router" || link.role == "edge";
            links.iter().all(|link| {
                let is_new = new.contains(&*link.identity);
                let is_left = !link.incoming && link.role == "edge" && link.active != is_new;
                !is_left && (!is_new || !way(link) || leading.contains(&link.identity))
            }) && leading.iter().all(|identity| !old.contains(&**identity))
        },
    );
}

fn identities<'a>(links: &[&'a Link]) -> HashSet<&'a str> {
    links.iter().map(|link| &*link.identity).collect()
}

/// Waits until one of upstream's routers that came back knows the others, then has it say something new. Others of upstream's may
/// forget what it said of its addresses before they had heard of its new run, and do not ask again until these change.
pub(crate) fn back_among_its_like(node: &Node, distances: &[(String, u64)]) {
    knows(node, distances);
    run(async { attached(&mut node.client("news").subscribe("news")).await });
}

/// Waits until a router knows others, each at this distance.
pub(crate) fn knows(node: &Node, distances: &[(String, u64)]) {
    wait(
        "ways to the other routers",
        || node.rows(Kind::Node, &["id", "cost"]),
        |rows| {
            distances.iter().all(|(id, cost)| {
                let row = rows.iter().find(|row| text(row, "id") == *id);
                row.and_then(|row| row.get("cost")?.as_u64()) == Some(*cost)
            })
        },
    );
}
