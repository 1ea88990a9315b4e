//! Histories of worlds with edge routers: changes at any moment, then peace, then one failure alone. Played and replayed as
//! those of the interior: see [`super::super::history`].

use std::time::Duration;

use skupper_routing::AddressKey;

use super::super::history::histories;
use super::super::{ms, random_net};
use super::flows::Fate;
use super::truth;
use super::world::World;

/// After the last change: what is silent is found out, connectors try again, the interior converges.
const PEACE: Duration = ms(24_000);
/// After a single failure that is noticed at once, or after the idle time of a connection by one of its ends.
const SINGLE: Duration = ms(7_000);

/// For what was sent to be taken by a slow reader.
const READ: Duration = ms(60_000);
/// Two each that are closest and balanced, and one multicast.
const ADDRESSES: usize = 5;

fn key(number: usize) -> AddressKey {
    AddressKey::mobile(&format!("a{number}"))
}

/// Some interior routers, edge routers with one to three connectors to them, and meshes of some of those.
fn random_world(seed: u64) -> World {
    let net = random_net(seed, 1 + seed as usize % 4, seed as usize % 3);
    let edges = 2 + seed as usize / 4 % 5;
    let mut world = World::new(net, edges, seed);
    for edge in 0..edges {
        for _ in 0..1 + world.net.dice.below(3) {
            let to = world.net.dice.below(world.interiors);
            connect(&mut world, edge, to);
        }
    }
    let of_mesh = 1 + world.net.dice.below(3);
    for a in 0..edges {
        for b in (0..a).filter(|b| b % of_mesh == a % of_mesh) {
            let (from, to) = match world.net.dice.chance(50) {
                true => (a, b),
                false => (b, a),
            };
            let to = world.interiors + to;
            connect(&mut world, from, to);
            if world.net.dice.chance(20) {
                // Both connect to each other.
                let (from, to) = (to - world.interiors, world.interiors + from);
                connect(&mut world, from, to);
            }
        }
    }
    for node in 0..world.nodes.len() {
        for number in 0..ADDRESSES {
            if world.net.dice.chance(20) {
                world.consume(node, &key(number), true);
            }
            if world.net.dice.chance(70) {
                world.listen(node, &key(number), true);
            }
        }
    }
    world
}

fn connect(world: &mut World, edge: usize, to: usize) {
    let delay = ms(1 + world.net.dice.below(10) as u64);
    world.connect(world.interiors + edge, to, delay, None);
}

/// Changes something, if it can be changed now.
fn change(world: &mut World) {
    let node = world.net.dice.below(world.nodes.len());
    let cable = world.net.dice.below(world.cables.len());
    let number = key(world.net.dice.below(ADDRESSES));
    match world.net.dice.below(17) {
        0 if world.is_alive(node) => world.kill(node),
        1 if !world.is_alive(node) => world.start(node),
        2 if world.is_alive(node) => {
            world.kill(node);
            world.start(node);
        }
        3 if world.cables[cable].up => world.cut(cable),
        4 => world.mend(cable),
        5 | 6 => {
            let frozen = !world.cables[cable].frozen;
            world.freeze(cable, frozen);
        }
        7 | 8 => {
            let up = world.net.dice.chance(50);
            world.consume(node, &number, up);
        }
        9 => {
            let up = world.net.dice.chance(60);
            world.listen(node, &number, up);
        }
        10 => {
            let time = world.net.dice.below(8000) as u64;
            world.stop_for(node, ms(time));
        }
        11 => inner_change(world),
        12 if world.is_alive(node) => {
            // Its clock was set back between two runs.
            world.kill(node);
            let seconds = 1 + world.net.dice.below(100) as i64;
            world.set_clock_back(node, seconds);
            world.start(node);
        }
        13 => {
            // Another credential: the connector makes another connection.
            let edge = world.net.dice.below(world.nodes.len() - world.interiors);
            let to = world.net.dice.below(world.interiors);
            let ordinal = Some(world.net.dice.below(3) as u64);
            let delay = ms(1 + world.net.dice.below(10) as u64);
            world.connect(world.interiors + edge, to, delay, ordinal);
        }
        _ if world.is_alive(node) => {
            let length = world.net.dice.below(30) as u32;
            world.begin(node, &number, length);
        }
        _ => {}
    }
}

/// Something happens between interior routers.
fn inner_change(world: &mut World) {
    if world.net.cables.is_empty() {
        return;
    }
    let cable = world.net.dice.below(world.net.cables.len());
    match world.net.dice.below(3) {
        0 if world.net.cables[cable].up => world.inner_cut(cable),
        0 => world.net.mend(cable),
        1 => {
            let frozen = !world.net.cables[cable].frozen;
            world.inner_freeze(cable, frozen);
        }
        _ => {
            let cost = 1 + world.net.dice.below(4) as u32;
            world.net.set_cost(cable, cost);
        }
    }
}

/// Everything that is no router's end is over.
fn peace(world: &mut World) {
    for cable in 0..world.cables.len() {
        world.freeze(cable, false);
        world.mend(cable);
    }
    for cable in 0..world.net.cables.len() {
        world.inner_freeze(cable, false);
        if !world.net.cables[cable].up {
            world.net.mend(cable);
        }
    }
    let stopped = world.nodes.iter().map(|node| node.stopped_until);
    let go_on = stopped.fold(world.now(), Duration::max);
    world.run_for(go_on - world.now());
}

fn rest_within(world: &mut World, limit: Duration) -> Result<(), String> {
    let start = world.now();
    loop {
        match truth::check(world) {
            Ok(()) => return Ok(()),
            Err(wrong) if world.now() >= start + limit => {
                return Err(format!("after {limit:?}: {wrong}"));
            }
            Err(_) => world.run_for(ms(100)),
        }
    }
}

/// A single failure: of a router or of a cable.
fn fail(world: &mut World) {
    let node = world.net.dice.below(world.nodes.len());
    let cable = world.net.dice.below(world.cables.len());
    match world.net.dice.below(3) {
        0 if world.is_alive(node) => world.kill(node),
        1 if !world.net.cables.is_empty() => {
            let cable = world.net.dice.below(world.net.cables.len());
            world.inner_cut(cable);
        }
        _ => world.cut(cable),
    }
}

fn play(seed: u64, told: bool) -> Result<(), String> {
    let mut world = random_world(seed);
    world.net.told = told;
    for _ in 0..16 {
        let pause = world.net.dice.below(1200) as u64;
        world.run_for(ms(pause));
        change(&mut world);
    }
    peace(&mut world);
    rest_within(&mut world, PEACE)?;
    world.run_for(ms(8000));
    truth::check(&world).map_err(|wrong| format!("lost again: {wrong}"))?;
    world.flows_end_within(READ)?;
    // Nothing happens to these: where there is a way, they are whole.
    let mut flows = Vec::new();
    let alive: Vec<usize> = (0..world.nodes.len())
        .filter(|n| world.is_alive(*n))
        .collect();
    for node in alive {
        for number in 0..ADDRESSES {
            let key = key(number);
            let open = world.nodes[node].reachable.contains(&key);
            if world.nodes[node].listeners.contains(&key) {
                flows.push((world.begin(node, &key, 5), open));
            }
        }
    }
    world.flows_end_within(READ)?;
    for (flow, open) in flows {
        let expected = Some(if open { Fate::Whole } else { Fate::Broken });
        if world.flows.told(flow) != expected {
            let told = world.flows.told(flow);
            return Err(format!(
                "in peace, flow {flow} is {told:?}, not {expected:?}"
            ));
        }
    }
    for _ in 0..4 {
        let node = world.net.dice.below(world.nodes.len());
        if world.is_alive(node) {
            let key = key(world.net.dice.below(ADDRESSES));
            world.begin(node, &key, 20);
        }
    }
    fail(&mut world);
    let over = rest_within(&mut world, SINGLE);
    over.map_err(|wrong| format!("a single failure: {wrong}"))?;
    world.flows_end_within(READ)
}

#[test]
fn histories_with_edges_come_to_rest() {
    histories(
        "histories_with_edges_come_to_rest",
        150,
        "edge routers",
        play,
    );
}
