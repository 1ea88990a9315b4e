//! Where a router sends what comes: what [`skupper_routing::choose`] and [`skupper_routing::edge`] decide, asked as the router
//! asks them.

use std::sync::Arc;

use skupper_routing::address::Class;
use skupper_routing::choose::{self, Choice, Entry, Load};
use skupper_routing::edge::{Beyond, Side, echoes, is_for_interior};
use skupper_routing::{AddressKey, LinkId, Treatment};

use super::world::World;

/// From how many flows on other destinations are preferred.
const CAPACITY: u64 = 3;

/// What the routers' section of the first word tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    pub(super) ingress: Option<String>,
    pub(super) mesh: Option<Arc<str>>,
    trace: Vec<String>,
}

/// From one router to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hop {
    /// By a connection to or from an edge router.
    Edge(u64),
    /// By this router's connection to another interior one.
    Inner(LinkId),
}

/// Where a router sends a flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Next {
    Consumer,
    Hop(Hop),
}

/// How an address is treated, which its number decides.
pub(crate) fn treatment(key: &AddressKey) -> Treatment {
    let number = key.text().trim_start_matches(|c: char| !c.is_ascii_digit());
    match number.parse::<usize>().unwrap() % 3 {
        0 => Treatment::Closest,
        1 => Treatment::Balanced,
        _ => Treatment::Multicast,
    }
}

impl World {
    /// What a router decides on the first word of a flow, or of a delivery: to whom it goes, if to anybody.
    pub(super) fn decide(
        &self,
        node: usize,
        key: &AddressKey,
        from: Option<Hop>,
        annotations: &Annotations,
        turn: usize,
    ) -> Vec<Next> {
        let longest = self.table(node).radius() as usize + 1;
        if !self.is_edge(node) && annotations.trace.len() > longest {
            return Vec::new();
        }
        match treatment(key) {
            Treatment::Multicast => self.to_all(node, key, from, annotations),
            _ => {
                let one = self.to_one(node, key, from, annotations, turn);
                one.into_iter().collect()
            }
        }
    }

    fn came(&self, node: usize, from: Option<Hop>) -> Option<Beyond> {
        match from {
            Some(Hop::Edge(number)) => {
                let end = self.nodes[node].ends.get(&number);
                end.map(|end| end.handle.beyond)
            }
            _ => None,
        }
    }

    /// Its destinations that are no way back.
    fn open(
        &self,
        node: usize,
        key: &AddressKey,
        came: Option<Beyond>,
        mesh: Option<&str>,
    ) -> Vec<Next> {
        let dests = self.nodes[node].dests(key).iter();
        let open = dests.filter(|dest| !echoes(*dest, came, mesh));
        open.map(|dest| match &dest.beyond {
            Some(beyond) => Next::Hop(Hop::Edge(beyond.beyond.connection)),
            None => Next::Consumer,
        })
        .collect()
    }

    fn to_one(
        &self,
        node: usize,
        key: &AddressKey,
        from: Option<Hop>,
        annotations: &Annotations,
        turn: usize,
    ) -> Option<Next> {
        let came = self.came(node, from);
        let mesh = annotations.mesh.as_deref();
        let locals = self.open(node, key, came, mesh);
        let table = self.table(node);
        let origin = choose::anycast_origin(table.origin(annotations.ingress.as_deref()));
        let remotes = table.remotes(key).map(|remotes| &**remotes);
        let usable = |link| self.net.across(node, link).is_some();
        let entry = Entry { origin, mesh };
        let choice = match treatment(key) {
            Treatment::Closest => choose::closest(&table, &locals, remotes, entry, turn, usable),
            _ => {
                let load = |next: Next| Load {
                    outstanding: self.flows.outstanding(node, key, next),
                    capacity: CAPACITY,
                };
                let far = |link| usable(link).then(|| load(Next::Hop(Hop::Inner(link))));
                let near = |next| Some(load(next));
                choose::balanced(&table, &locals, remotes, entry, turn, near, far)
            }
        };
        match choice {
            Some(Choice::Local(next)) => Some(next),
            Some(Choice::Remote { link, .. }) => Some(Next::Hop(Hop::Inner(link))),
            None if key.class() == Class::Local => None,
            None => {
                let from_interior = came.is_some_and(|came| came.side == Side::Interior);
                let uplink = self.nodes[node].uplink.filter(|_| !from_interior);
                uplink.map(|(connection, _)| Next::Hop(Hop::Edge(connection)))
            }
        }
    }

    fn to_all(
        &self,
        node: usize,
        key: &AddressKey,
        from: Option<Hop>,
        annotations: &Annotations,
    ) -> Vec<Next> {
        let came = self.came(node, from);
        let mesh = annotations.mesh.as_deref();
        let mut all = self.open(node, key, came, mesh);
        if let Some((connection, _)) = self.nodes[node].uplink {
            let interior = Next::Hop(Hop::Edge(connection));
            if is_for_interior(came) && !all.contains(&interior) {
                all.push(interior);
            }
        }
        let table = self.table(node);
        if let Some(remotes) = table.remotes(key) {
            let origin = table.origin(annotations.ingress.as_deref());
            let passed = table.traced(annotations.trace.iter().map(String::as_str));
            let links = choose::multicast(&table, remotes, Entry { origin, mesh }, &passed);
            let links = links.into_iter();
            let links = links.filter(|link| self.net.across(node, *link).is_some());
            all.extend(links.map(|link| Next::Hop(Hop::Inner(link))));
        }
        all
    }

    /// What a router writes into the section as it sends a delivery on.
    pub(super) fn annotate(&self, node: usize, to: Hop, annotations: &Annotations) -> Annotations {
        let n = &self.nodes[node];
        if !self.is_edge(node) {
            let ingress = annotations.ingress.clone();
            let mut trace = annotations.trace.clone();
            trace.push(n.id.annotation());
            return Annotations {
                ingress: Some(ingress.unwrap_or_else(|| n.id.annotation())),
                mesh: annotations.mesh.clone(),
                trace,
            };
        }
        let Hop::Edge(number) = to else {
            panic!("an edge router has no neighbours")
        };
        let side = n.ends.get(&number).map(|end| end.handle.beyond.side);
        Annotations {
            ingress: None,
            mesh: match side {
                Some(Side::Interior) => n.mesh.clone(),
                _ => annotations.mesh.clone(),
            },
            trace: Vec::new(),
        }
    }
}
