//! One history: a network comes up, flows begin anywhere and at any time while things are done to it, and then there is peace, in
//! which everything has to work and nothing may be left over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use skupper_management::entity::Role;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};

use super::dice::Dice;
use super::node::{Node, Plan};
use super::reach::{Fault, Place};
use super::stream::{Terms, Told};
use super::world::{State, Wire, World, id};
use crate::connection::handle::Command;
use crate::transit::block;

/// Flows that begin so long after something was done find the network as it is then.
const NOTICED: Duration = Duration::from_millis(5_000);
/// How long the network takes to come to terms with all that was done, at most: silence is noticed after 16 s.
const CONVERGED: Duration = Duration::from_secs(40);
/// How long flows take to end in peace.
const OVER: Duration = Duration::from_secs(1_800);
/// How long what is left behind takes to go: what was sent to who has failed in silence, until that is noticed.
const SETTLED: Duration = Duration::from_secs(25);
/// A connection that is silent is closed after this.
const SILENT: Duration = Duration::from_secs(16);
/// A standstill that is shorter breaks nothing.
const HARMLESS: Duration = Duration::from_millis(6_000);

/// What was seen of a history.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) digest: u64,
    /// Flows that ended in order, and all.
    pub(super) flows: (usize, usize),
}

/// Plays the history of a seed.
///
/// # Errors
/// What must not be.
pub(super) fn play(seed: u64, told: bool) -> Result<Outcome, String> {
    within(seed, told, async |world| run(&world).await)
}

/// Has something happen in a world of its own.
///
/// # Errors
/// What must not be.
pub(super) fn within(
    seed: u64,
    told: bool,
    happens: impl AsyncFnOnce(Arc<World>),
) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let _seeded = super::dice::seed(seed);
        block::begin_anew();
        let world = World::new(seed, told);
        let _current = world.enter();
        happens(world.clone()).await;
        let mut state = world.lock();
        let wrong = std::mem::take(&mut state.wrong);
        let flows = state.flows();
        drop(state);
        match wrong.is_empty() {
            true => Ok(Outcome {
                digest: world.digest(),
                flows,
            }),
            false => Err(wrong.join("; ")),
        }
    })
}

/// Routers and wires.
fn plan(state: &mut State) {
    let dice = &mut state.dice;
    let (interior, edges) = match dice.below(6) {
        0 => (2, 0),
        1 => (3, 0),
        2 => (dice.between(3, 4), 0),
        3 => (1, dice.between(1, 2)),
        4 => (2, 1),
        _ => (dice.between(2, 3), dice.between(0, 2)),
    };
    let routers = interior + edges;
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let shape = dice.below(3);
    for one in 0..interior {
        for other in 0..one {
            let linked = match shape {
                // A line, a ring, a mesh.
                0 => one == other + 1,
                1 => one == other + 1 || (other == 0 && one + 1 == interior),
                _ => true,
            };
            if linked {
                pairs.push(if dice.chance(50) {
                    (one, other)
                } else {
                    (other, one)
                });
            }
        }
    }
    for edge in interior..routers {
        pairs.push((edge, dice.below(interior)));
    }
    let plans = (0..routers).map(|at| Plan {
        edge: at >= interior,
        workers: dice.between(1, 3),
        data_connections: dice.below(3),
        wires: Vec::new(),
        servers: vec![at],
        services: routers,
    });
    state.plans = plans.collect();
    for (number, (from, to)) in pairs.into_iter().enumerate() {
        let role = match state.plans[from].edge {
            true => Role::Edge,
            false => Role::InterRouter,
        };
        state.plans[from].wires.push((number, role));
        let dice = &mut state.dice;
        let terms = Terms {
            delay: if dice.chance(30) {
                dice.ms(5, 60)
            } else {
                dice.ms(0, 3)
            },
            room: dice.between(20_000, 300_000),
            piece: if dice.chance(70) {
                131_072
            } else {
                dice.between(200, 20_000)
            },
            rate: if dice.chance(80) {
                0
            } else {
                dice.between(500_000, 20_000_000)
            },
        };
        let slowness = if dice.chance(30) {
            dice.ms(0, 1_500)
        } else {
            Duration::ZERO
        };
        state.wires.push(Wire {
            from,
            to,
            role,
            terms,
            up: true,
            stalled: false,
            slowness,
        });
    }
    state.nodes = state.plans.iter().map(|_| None).collect();
    state.clocks = state
        .plans
        .iter()
        .map(|_| Duration::from_secs(1_000))
        .collect();
}

async fn run(world: &Arc<World>) {
    let (count, troubled, routers, longest) = {
        let state = &mut *world.lock();
        plan(state);
        let lines: Vec<String> = state
            .wires
            .iter()
            .map(|wire| {
                format!(
                    "wire from {} to {}: {:?}, slowness {:?}",
                    wire.from, wire.to, wire.terms, wire.slowness
                )
            })
            .collect();
        let plans: Vec<String> = state.plans.iter().map(|plan| format!("{plan:?}")).collect();
        for line in plans.into_iter().chain(lines) {
            if let Some(line) = state.note(line) {
                println!("{line}");
            }
        }
        let dice = &mut state.dice;
        let troubles = match dice.chance(30) {
            true => 0,
            false => dice.between(1, 5),
        };
        (
            dice.between(4, 14),
            troubles,
            state.plans.len(),
            dice.ms(5_000, 30_000),
        )
    };
    let mut tasks = JoinSet::new();
    for at in 0..routers {
        let (world, delay) = (world.clone(), world.lock().dice.ms(0, 2_000));
        tasks.spawn(async move {
            sleep(delay).await;
            world.note(|| format!("{} starts", id(at)));
            world.start(at);
        });
    }
    let end = Instant::now() + longest;
    for _ in 0..count {
        let dice = world.lock().dice.fork();
        tasks.spawn(begin_flow(world.clone(), dice, end));
    }
    let mut dice = world.lock().dice.fork();
    for _ in 0..troubled {
        sleep(dice.ms(0, 6_000)).await;
        trouble(world, &mut dice, &mut tasks).await;
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    world.note(|| "peace".to_owned());
    if timeout(CONVERGED, all_reachable(world)).await.is_err() {
        let missing = missing(world).join(", ");
        world.lock().accuse(format!("no convergence: {missing}"));
        return;
    }
    world.note(|| "all is reachable".to_owned());
    for at in 0..routers {
        for service in 0..routers {
            if !world.dial_service(at, service) {
                let text = format!("service {service} is out of reach of {} again", id(at));
                world.lock().accuse(text);
            }
        }
    }
    if !judged(world).await {
        return;
    }
    world.note(|| "all flows are over".to_owned());
    sleep(SETTLED).await;
    let nodes: Vec<(usize, Arc<Node>)> = {
        let state = world.lock();
        let nodes = state.nodes.iter().cloned().enumerate();
        nodes.filter_map(|(at, node)| Some((at, node?))).collect()
    };
    for (at, node) in &nodes {
        for left in left(node).await {
            world
                .lock()
                .accuse(format!("{} is left with {left}", id(*at)));
        }
    }
    drop(nodes);
    for at in 0..routers {
        let context = world.lock().nodes[at]
            .as_ref()
            .map(|node| Arc::downgrade(&node.context));
        world.crash(at, Told::Reset).await;
        tokio::task::yield_now().await;
        if let Some(left) = context.filter(|context| context.strong_count() > 0) {
            let holders = left.strong_count();
            world.lock().accuse(format!(
                "{} is held {holders} times when it has ended",
                id(at)
            ));
        }
    }
}

/// Waits until all flows are over, and judges how they ended; whether they are.
pub(super) async fn judged(world: &World) -> bool {
    let over = async {
        while !world.lock().flows_are_over() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = timeout(OVER, over).await.is_ok();
    world.lock().judge_flows();
    in_time
}

/// Has a client come some time, as soon as it can.
async fn begin_flow(world: Arc<World>, mut dice: Dice, end: Instant) {
    let left = end.duration_since(Instant::now()).as_millis() as usize;
    sleep(dice.ms(0, left)).await;
    let routers = world.lock().plans.len();
    let (at, service) = (dice.below(routers), dice.below(routers));
    // Ports are not looked for at once: as other clients know, they come when somebody serves them.
    while !world.dial_service(at, service) {
        if Instant::now() >= end {
            return;
        }
        sleep(dice.ms(1, 40)).await;
    }
}

/// Does something to the network, and undoes it later.
async fn trouble(world: &Arc<World>, dice: &mut Dice, tasks: &mut JoinSet<()>) {
    let (routers, wires) = {
        let state = world.lock();
        (state.plans.len(), state.wires.len())
    };
    let (at, wire) = (dice.below(routers), dice.below(wires));
    let long = dice.ms(200, 12_000);
    let now = Instant::now();
    let fault = |place, breaks, until| {
        let fault = Fault {
            at: now,
            place,
            breaks,
            until,
        };
        world.lock().faults.push(fault);
    };
    let world = world.clone();
    match dice.below(10) {
        0..3 => {
            let down = std::mem::replace(&mut world.lock().wires[wire].up, false);
            if !down {
                return;
            }
            world.note(|| format!("wire {wire} is cut for {long:?}"));
            // Where something else is done, too, it may leave somebody out of reach, and who was cut off hears of it late.
            let others = world.lock().is_troubled_since(now, wire);
            let long_for = if others { long } else { Duration::ZERO };
            fault(Place::Wire(wire), true, now + long_for + NOTICED);
            world.cut(wire, true);
            tasks.spawn(async move {
                sleep(long).await;
                world.note(|| format!("wire {wire} is mended"));
                let mut state = world.lock();
                state.wires[wire].up = true;
                if state.is_troubled_since(now, wire) {
                    // Who was cut off does not know yet what was done, or undone, meanwhile beyond.
                    let at = Instant::now();
                    state.faults.push(Fault {
                        at,
                        place: Place::Wire(wire),
                        breaks: false,
                        until: at + NOTICED,
                    });
                }
            });
        }
        3 | 4 => {
            world.note(|| format!("a connection of wire {wire} is cut"));
            fault(Place::Wire(wire), true, now + NOTICED);
            world.cut(wire, false);
        }
        5 | 6 => {
            if world.lock().wires[wire].stalled {
                return;
            }
            let long = if dice.chance(30) {
                dice.ms(6_000, 40_000)
            } else {
                long
            };
            world.note(|| format!("wire {wire} stalls for {long:?}"));
            fault(Place::Wire(wire), long > HARMLESS, now + long + NOTICED);
            world.stall(wire, true);
            tasks.spawn(async move {
                sleep(long).await;
                world.note(|| format!("wire {wire} goes on"));
                world.stall(wire, false);
            });
        }
        7 | 8 => {
            if world.lock().nodes[at].is_none() {
                return;
            }
            let edges = world.lock().plans.iter().any(|plan| plan.edge);
            let is_edge = world.lock().plans[at].edge;
            let told = [Told::Nothing, Told::Reset, Told::End][dice.below(3)];
            world.note(|| format!("{} fails, {told:?}, for {long:?}", id(at)));
            let until = match told {
                // Between an edge router and the interior there is no HELLO. Until its connection is closed for its silence, who
                // has failed passes for one that is there; an edge router no longer than until it is back.
                Told::Nothing if is_edge => now + long.min(SILENT) + NOTICED,
                Told::Nothing if edges => now + SILENT + NOTICED,
                Told::Nothing => now + Duration::from_secs(3) + NOTICED,
                _ => now + NOTICED,
            };
            fault(Place::Router(at), true, until);
            // Who has not heard of it, because he was cut off, may still send flows there.
            fault(Place::Missing(at), true, now + long);
            let clock = dice.ms(0, 2_000_000);
            tasks.spawn(async move {
                world.crash(at, told).await;
                sleep(long).await;
                world.note(|| format!("{} is back", id(at)));
                // Its clock may have been set back.
                world.lock().clocks[at] = clock;
                world.start(at);
            });
        }
        _ => {
            let jump = dice.ms(500, 30_000);
            world.note(|| format!("all clocks jump by {jump:?}"));
            fault(Place::Everywhere, jump > HARMLESS, now + jump + NOTICED);
            advance(jump).await;
        }
    }
}

/// What clients do not find: router and service.
fn missing(world: &World) -> Vec<String> {
    let state = world.lock();
    let mut missing = Vec::new();
    for (at, node) in state.nodes.iter().enumerate() {
        let Some(node) = node else {
            missing.push(id(at));
            continue;
        };
        let listeners = node.listeners.iter().enumerate();
        let out = listeners.filter(|(_, listener)| !listener.is_reachable());
        missing.extend(out.map(|(service, _)| format!("service {service} at {}", id(at))));
    }
    missing
}

pub(super) async fn all_reachable(world: &World) {
    while !missing(world).is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
}

/// What a router without flows still has of them.
async fn left(node: &Node) -> Vec<String> {
    let context = &node.context;
    let mut left = Vec::new();
    let mut add = |count: usize, what: &str| {
        if count > 0 {
            left.push(format!("{count} {what}"));
        }
    };
    add(context.workers.flows(), "flows on its workers");
    add(context.dispatch.replies.count(), "names of flows");
    add(context.dispatch.waiting.count(), "streams that wait");
    for listener in &node.listeners {
        add(listener.flows.all().len(), "flows of a listener");
    }
    for connector in &node.connectors {
        add(connector.flows.all().len(), "flows of a connector");
    }
    let forwarding = context.dispatch.forwarding.load_full();
    for (key, local) in forwarding.locals.iter() {
        let mut under_way = 0;
        for destination in &local.links {
            under_way += destination.outstanding.load(Ordering::Relaxed);
        }
        add(under_way, &format!("deliveries under way to {key}"));
        let usage = context.dispatch.uses.of(key);
        add(
            usage.transit_outstanding(),
            &format!("deliveries to {key} at neighbours"),
        );
    }
    for connection in context.connections.all() {
        let (told, answer) = sync_channel(1);
        add(connection.streams(), "streams on a connection");
        drop(connection.send(Command::Left(told)));
        sleep(Duration::from_millis(1)).await;
        let kinds = [
            "deliveries that come",
            "deliveries that leave",
            "octets that are kept",
        ];
        for (count, kind) in answer.try_recv().unwrap_or_default().into_iter().zip(kinds) {
            add(count, kind);
        }
    }
    left
}
