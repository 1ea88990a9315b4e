//! What must hold of edge routers once the world is at rest, computed from who is alive and connected with whom.

use std::collections::BTreeSet;

use skupper_routing::{AddressKey, Treatment};

use super::super::truth;
use super::ways::{Annotations, Hop, Next, treatment};
use super::world::World;

/// Whether every router knows what it can reach, and deliveries arrive there.
pub(crate) fn check(world: &World) -> Result<(), String> {
    truth::check(&world.net)?;
    let cost = truth::costs(&world.net);
    let live: BTreeSet<[usize; 2]> = world.live().collect();
    uplinks(world, &live)?;
    meshes(world, &live)?;
    let keys: BTreeSet<&AddressKey> = world.nodes.iter().flat_map(|n| &n.consumers).collect();
    let listened = world.nodes.iter().flat_map(|node| &node.listeners);
    let keys: BTreeSet<&AddressKey> = keys.into_iter().chain(listened).collect();
    for node in (0..world.nodes.len()).filter(|node| world.is_alive(*node)) {
        for key in &keys {
            let id = &world.nodes[node].id;
            let Some(expected) = expected(world, &live, &cost, node, key) else {
                continue;
            };
            let open = world.nodes[node].reachable.contains(*key);
            if world.nodes[node].listeners.contains(*key) && open != expected {
                return Err(format!(
                    "{id}: the listener for {key} is open: {open}, should be {expected}"
                ));
            }
            for turn in 0..3 {
                let mut delivery = Delivery {
                    world,
                    origin: node,
                    key,
                    turn,
                    reached: Vec::new(),
                };
                delivery.follow(&mut vec![node], None, &Annotations::default())?;
                let reached = delivery.reached;
                if reached.is_empty() == expected {
                    return Err(format!(
                        "{id}: a delivery to {key} reaches {reached:?}, should reach any: {expected}"
                    ));
                }
                match treatment(key) {
                    Treatment::Multicast => every(world, &live, &cost, node, key, &reached)?,
                    _ if reached.len() > 1 => {
                        return Err(format!("{id}: a delivery to {key} reaches {reached:?}"));
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// Each edge router that has a connection to the interior uses one, and only one.
fn uplinks(world: &World, live: &BTreeSet<[usize; 2]>) -> Result<(), String> {
    for edge in (world.interiors..world.nodes.len()).filter(|edge| world.is_alive(*edge)) {
        let id = &world.nodes[edge].id;
        let any = live.iter().any(|[e, i]| *e == edge && !world.is_edge(*i));
        let used = world.nodes[edge].uplink;
        let leads = used.and_then(|(number, _)| world.beyond(edge, number));
        if any != leads.is_some() || (used.is_some() && leads.is_none()) {
            return Err(format!(
                "{id} uses {used:?} to the interior, has any: {any}"
            ));
        }
        let downlink = AddressKey::new(skupper_routing::address::Class::Edge, id.as_str());
        let known = (0..world.interiors).filter(|i| world.is_alive(*i));
        let known: Vec<usize> = known
            .filter(|i| !world.nodes[*i].dests(&downlink).is_empty())
            .collect();
        if known != leads.into_iter().collect::<Vec<_>>() {
            return Err(format!("{id} is expected by {leads:?}, known at {known:?}"));
        }
    }
    Ok(())
}

fn adjacent(live: &BTreeSet<[usize; 2]>, a: usize, b: usize) -> bool {
    live.contains(&[a, b]) || live.contains(&[b, a])
}

/// Edge routers that are all connected with each other have one name, and no others have it.
fn meshes(world: &World, live: &BTreeSet<[usize; 2]>) -> Result<(), String> {
    let edges: Vec<usize> = (world.interiors..world.nodes.len())
        .filter(|edge| world.is_alive(*edge))
        .collect();
    let around = |edge: usize| -> BTreeSet<usize> {
        let others = edges.iter().copied();
        others
            .filter(|other| *other == edge || adjacent(live, edge, *other))
            .collect()
    };
    for a in &edges {
        for b in &edges {
            let same = world.nodes[*a].mesh == world.nodes[*b].mesh;
            let (around_a, around_b) = (around(*a), around(*b));
            if (around_a == around_b && !same) || (around_a.is_disjoint(&around_b) && same) {
                return Err(format!(
                    "{} is in the mesh {:?}, {} in {:?}",
                    world.nodes[*a].id,
                    world.nodes[*a].mesh,
                    world.nodes[*b].id,
                    world.nodes[*b].mesh
                ));
            }
        }
    }
    Ok(())
}

/// Whether a router reaches any consumer of the address, as [`reaches`].
fn expected(
    world: &World,
    live: &BTreeSet<[usize; 2]>,
    cost: &[Vec<Option<u32>>],
    node: usize,
    key: &AddressKey,
) -> Option<bool> {
    let mut open = false;
    for other in consumers(world, key) {
        match reaches(world, live, cost, node, other) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => open = true,
        }
    }
    (!open).then_some(false)
}

fn consumers<'a>(world: &'a World, key: &'a AddressKey) -> impl Iterator<Item = usize> + 'a {
    let nodes = (0..world.nodes.len()).filter(|node| world.is_alive(*node));
    nodes.filter(|node| world.nodes[*node].consumers.contains(key))
}

/// Whether deliveries from a router reach another's consumers; `None` where that is left open: between edge routers that name
/// their mesh by the same third one but are not connected with each other (a mesh is meant to be connected fully, §2.8).
fn reaches(
    world: &World,
    live: &BTreeSet<[usize; 2]>,
    cost: &[Vec<Option<u32>>],
    node: usize,
    other: usize,
) -> Option<bool> {
    let attached = |node: usize| match world.is_edge(node) {
        true => {
            let uplink = world.nodes[node].uplink;
            uplink.and_then(|(number, _)| world.beyond(node, number))
        }
        false => Some(node),
    };
    let both_edges = world.is_edge(node) && world.is_edge(other);
    if other == node || (both_edges && adjacent(live, node, other)) {
        return Some(true);
    }
    let (Some(a), Some(b)) = (attached(node), attached(other)) else {
        return Some(false);
    };
    if a != b && cost[a][b].is_none() {
        return Some(false);
    }
    let same = both_edges && world.nodes[node].mesh == world.nodes[other].mesh;
    (!same).then_some(true)
}

/// Whether a multicast delivery reaches every consumer there is a way to, once.
fn every(
    world: &World,
    live: &BTreeSet<[usize; 2]>,
    cost: &[Vec<Option<u32>>],
    node: usize,
    key: &AddressKey,
    reached: &[usize],
) -> Result<(), String> {
    for other in consumers(world, key) {
        let copies = reached.iter().filter(|at| **at == other).count();
        let neighbours = world.is_edge(node) && other != node && adjacent(live, node, other);
        let as_it_should = match reaches(world, live, cost, node, other) {
            // Directly and through the interior: to that they are strangers, as long as their mesh is not whole.
            Some(true) if neighbours && world.nodes[node].mesh != world.nodes[other].mesh => {
                copies == 1 || copies == 2
            }
            Some(reaches) => copies == usize::from(reaches),
            None => copies <= 1,
        };
        if !as_it_should {
            let (from, to) = (&world.nodes[node].id, &world.nodes[other].id);
            return Err(format!(
                "{copies} copies of a message to {key} from {from} reach {to}"
            ));
        }
    }
    Ok(())
}

/// A delivery that is followed through the decisions.
struct Delivery<'a> {
    world: &'a World,
    origin: usize,
    key: &'a AddressKey,
    turn: usize,
    /// The routers whose consumers it comes to.
    reached: Vec<usize>,
}

impl Delivery<'_> {
    fn follow(
        &mut self,
        passed: &mut Vec<usize>,
        from: Option<Hop>,
        annotations: &Annotations,
    ) -> Result<(), String> {
        let world = self.world;
        let Some(at) = passed.last().copied() else {
            return Ok(());
        };
        for next in world.decide(at, self.key, from, annotations, self.turn) {
            let Next::Hop(hop) = next else {
                self.reached.push(at);
                continue;
            };
            let annotations = world.annotate(at, hop, annotations);
            let gone = || format!("{}: {hop:?} leads nowhere", world.nodes[at].id);
            let (next, came) = match hop {
                Hop::Edge(number) => (world.beyond(at, number).ok_or_else(gone)?, hop),
                Hop::Inner(link) => {
                    let (cable, side) = world.net.end(link).ok_or_else(gone)?;
                    let next = world.net.cables[cable].ends[1 - side];
                    (next, Hop::Inner(world.net.link_of(cable, next)))
                }
            };
            if passed.contains(&next) {
                let (key, from) = (self.key, &world.nodes[self.origin].id);
                return Err(format!("{key} from {from} goes round: {passed:?}"));
            }
            passed.push(next);
            self.follow(passed, Some(came), &annotations)?;
            passed.pop();
        }
        Ok(())
    }
}
