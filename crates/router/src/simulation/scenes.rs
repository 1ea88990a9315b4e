//! What histories have shown, each alone.

use std::sync::Arc;
use std::time::Duration;

use skupper_management::entity::Role;
use tokio::time::sleep;

use super::history::{all_reachable, judged, within};
use super::node::Plan;
use super::stream::{Terms, Told};
use super::world::{State, Wire, World};

/// Interior routers, each with a service, and wires from one to another, which take so many milliseconds each way.
fn lay(state: &mut State, routers: usize, wires: &[(usize, usize, u64)]) {
    state.plans = (0..routers)
        .map(|at| Plan {
            edge: false,
            workers: 2,
            data_connections: 1,
            wires: Vec::new(),
            servers: vec![at],
            services: routers,
        })
        .collect();
    for (number, (from, to, delay)) in wires.iter().copied().enumerate() {
        state.plans[from].wires.push((number, Role::InterRouter));
        state.wires.push(Wire {
            from,
            to,
            role: Role::InterRouter,
            terms: Terms {
                delay: Duration::from_millis(delay),
                room: 100_000,
                piece: 100_000,
                rate: 0,
            },
            up: true,
            stalled: false,
            slowness: Duration::ZERO,
        });
    }
    state.nodes = state.plans.iter().map(|_| None).collect();
    state.clocks = state.plans.iter().map(|_| Duration::ZERO).collect();
}

#[test]
fn flows_that_begin_while_a_shorter_way_comes_up_are_served() {
    let scene = async |world: Arc<World>| {
        lay(&mut world.lock(), 3, &[(0, 1, 20), (1, 2, 20), (2, 0, 20)]);
        world.lock().wires[2].up = false;
        (0..3).for_each(|at| world.start(at));
        all_reachable(&world).await;
        world.lock().wires[2].up = true;
        for _ in 0..500 {
            assert!(world.dial_service(0, 2) && world.dial_service(2, 0));
            sleep(Duration::from_millis(2)).await;
        }
        judged(&world).await;
    };
    let seen = within(7, false, scene).unwrap();
    assert_eq!(seen.flows.1, 1_000);
}

#[test]
fn answers_that_are_under_way_when_a_shorter_way_comes_up_arrive() {
    let scene = async |world: Arc<World>| {
        let ring = [(1, 0, 13), (1, 2, 3), (0, 3, 38), (2, 3, 0)];
        lay(&mut world.lock(), 4, &ring);
        world.lock().wires[0].up = false;
        (0..4).for_each(|at| world.start(at));
        all_reachable(&world).await;
        world.lock().wires[0].up = true;
        for _ in 0..500 {
            assert!(world.dial_service(0, 1) && world.dial_service(1, 0));
            sleep(Duration::from_millis(2)).await;
        }
        judged(&world).await;
    };
    let seen = within(7, false, scene).unwrap();
    assert_eq!(seen.flows.1, 1_000);
}

#[test]
fn an_edge_router_that_has_failed_in_silence_is_found_again_as_soon_as_it_is_back() {
    let scene = async |world: Arc<World>| {
        lay(&mut world.lock(), 2, &[(1, 0, 3)]);
        {
            let state = &mut *world.lock();
            state.plans[1].edge = true;
            state.plans[1].wires[0].1 = Role::Edge;
            state.wires[0].role = Role::Edge;
        }
        (0..2).for_each(|at| world.start(at));
        all_reachable(&world).await;
        world.crash(1, Told::Nothing).await;
        sleep(Duration::from_secs(3)).await;
        world.lock().clocks[1] = Duration::from_secs(60);
        world.start(1);
        all_reachable(&world).await;
        // The port at the edge router says that it knows the way; that to its service is open all the time.
        sleep(Duration::from_millis(200)).await;
        for _ in 0..100 {
            assert!(world.dial_service(0, 1) && world.dial_service(1, 0));
            sleep(Duration::from_millis(10)).await;
        }
        judged(&world).await;
    };
    let seen = within(7, false, scene).unwrap();
    assert_eq!(seen.flows.1, 200);
}
