//! What must hold of edge routers once the world is at rest, computed from who is alive and connected with whom.

use std::collections::BTreeSet;

use skupper_routing::AddressKey;

use super::super::truth;
use super::flows::{Annotations, Hop, Next};
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
                let arrives = walk(world, node, key, turn)?;
                if arrives != expected {
                    return Err(format!(
                        "{id}: a delivery to {key} arrives: {arrives}, should be {expected}"
                    ));
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

/// Whether a router reaches a consumer of the address; `None` where that is left open: between edge routers that name their
/// mesh by the same third one but are not connected with each other (a mesh is meant to be connected fully, §2.8).
fn expected(
    world: &World,
    live: &BTreeSet<[usize; 2]>,
    cost: &[Vec<Option<u32>>],
    node: usize,
    key: &AddressKey,
) -> Option<bool> {
    let attached = |node: usize| match world.is_edge(node) {
        true => {
            let uplink = world.nodes[node].uplink;
            uplink.and_then(|(number, _)| world.beyond(node, number))
        }
        false => Some(node),
    };
    let mut open = false;
    for other in (0..world.nodes.len()).filter(|other| world.is_alive(*other)) {
        if !world.nodes[other].consumers.contains(key) {
            continue;
        }
        let both_edges = world.is_edge(node) && world.is_edge(other);
        if other == node || (both_edges && adjacent(live, node, other)) {
            return Some(true);
        }
        if let (Some(a), Some(b)) = (attached(node), attached(other))
            && (a == b || cost[a][b].is_some())
        {
            if !both_edges || world.nodes[node].mesh != world.nodes[other].mesh {
                return Some(true);
            }
            open = true;
        }
    }
    (!open).then_some(false)
}

/// Follows a delivery through the decisions; whether it arrives at a consumer.
fn walk(world: &World, origin: usize, key: &AddressKey, turn: usize) -> Result<bool, String> {
    let (mut at, mut from, mut annotations) = (origin, None, Annotations::default());
    let mut passed = vec![at];
    loop {
        let hop = match world.decide(at, key, from, &annotations, turn) {
            None => return Ok(false),
            Some(Next::Consumer) => return Ok(true),
            Some(Next::Hop(hop)) => hop,
        };
        annotations = world.annotate(at, hop, &annotations);
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
            return Err(format!(
                "{key} from {} goes round: {passed:?}",
                world.nodes[origin].id
            ));
        }
        passed.push(next);
        (at, from) = (next, Some(came));
    }
}
