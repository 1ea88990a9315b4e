//! Networks of engines under virtual time.
#![allow(clippy::unwrap_used, clippy::panic)]

mod edges;
mod history;
mod net;
mod truth;

use std::time::Duration;

use net::Net;
use skupper_routing::{AddressKey, Event};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A connected network: a random tree and some more cables.
fn random_net(seed: u64, routers: usize, more: usize) -> Net {
    let mut net = Net::new(seed, routers);
    for i in 0..routers {
        net.address(i, "everybody", true);
    }
    for b in 1..routers {
        let a = net.dice.below(b);
        let (cost, delay) = (
            1 + net.dice.below(3) as u32,
            ms(1 + net.dice.below(10) as u64),
        );
        net.connect(a, b, cost, delay);
    }
    for _ in 0..more {
        let (a, b) = (net.dice.below(routers), net.dice.below(routers));
        if a != b {
            let (cost, delay) = (
                1 + net.dice.below(3) as u32,
                ms(1 + net.dice.below(10) as u64),
            );
            net.connect(a, b, cost, delay);
        }
    }
    net
}

#[test]
fn an_address_is_reachable_a_few_round_trips_after_the_link_is_up() {
    let mut net = Net::new(1, 2);
    net.address(1, "echo", true);
    net.run_for(ms(5000));
    net.connect(0, 1, 1, ms(5));
    let took = net.converge_within(ms(500)).unwrap();
    assert!(took <= ms(50), "{took:?}");
    assert!(net.table(0).remotes(&AddressKey::mobile("echo")).is_some());
    // One more address, and one less.
    net.run_for(ms(3000));
    net.address(1, "more", true);
    assert!(net.converge_within(ms(500)).unwrap() <= ms(20));
    net.run_for(ms(3000));
    net.address(1, "echo", false);
    assert!(net.converge_within(ms(500)).unwrap() <= ms(20));
}

#[test]
fn a_quiet_network_says_hello_and_little_else() {
    let mut net = random_net(3, 8, 4);
    net.run_for(ms(20_000));
    truth::check(&net).unwrap();
    net.sent.clear();
    net.run_for(ms(60_000));
    let cables = net.cables.len();
    assert!(net.sent["HELLO"] <= 2 * 61 * cables, "{:?}", net.sent);
    assert!(net.sent["RA"] <= 8 * 3 * 2 * cables, "{:?}", net.sent);
    assert_eq!(net.sent.len(), 2, "{:?}", net.sent);
}

#[test]
fn news_of_a_change_is_said_once_more() {
    let mut net = Net::new(8, 2);
    net.run_for(ms(3_000));
    net.connect(0, 1, 1, ms(1));
    net.run_for(ms(1_100));
    let first = net.sent["RA"];
    // Before the next regular one.
    net.run_for(ms(400));
    assert!(net.sent["RA"] >= first + 2, "{:?}", net.sent);
}

#[test]
fn a_router_that_starts_anew_is_known_anew() {
    let mut net = random_net(4, 5, 2);
    net.run_for(ms(3000));
    truth::check(&net).unwrap();
    net.kill(2);
    let everybody = AddressKey::mobile("everybody");
    net.routers[2].addresses.remove(&everybody);
    net.start(2);
    net.converge_within(ms(1000)).unwrap();
    let noticed = |events: &[(Duration, Event)]| {
        events
            .iter()
            .any(|(_, e)| matches!(e, Event::RouterRestarted { .. }))
    };
    assert!(net.routers.iter().any(|r| noticed(&r.events)));
    net.kill(2);
    net.converge_within(ms(2000)).unwrap();
}

#[test]
fn of_two_cables_the_cheapest_is_used_and_the_other_steps_in() {
    for (a, b) in [(0, 1), (1, 0)] {
        let mut net = Net::new(5, 3);
        let dear = net.connect(a, b, 5, ms(3));
        net.connect(1, 2, 1, ms(3));
        net.run_for(ms(4000));
        let cheap = net.connect(a, b, 2, ms(3));
        net.converge_within(ms(500)).unwrap();
        let by = |net: &Net, cable: usize| {
            [(0, 1), (1, 0)].iter().all(|(me, peer)| {
                let table = net.table(*me);
                let (_, route) = table.router(net.routers[*peer].id.as_str()).unwrap();
                route.link == Some(net.link_of(cable, *me))
            })
        };
        assert!(by(&net, cheap));
        net.run_for(ms(10_000));
        assert!(by(&net, cheap), "it changes its mind");
        net.cut(cheap);
        net.converge_within(ms(500)).unwrap();
        net.run_for(ms(10_000));
        assert!(by(&net, dear));
        net.mend(cheap);
        net.converge_within(ms(500)).unwrap();
        // Silence takes the age of a HELLO to be noticed; the other cable is there.
        net.cables[cheap].frozen = true;
        net.run_for(ms(3500));
        net.converge_within(ms(1000)).unwrap();
        assert!(by(&net, dear));
        net.set_cost(dear, 9);
        net.converge_within(ms(500)).unwrap();
        for router in &net.routers {
            let lost = router
                .events
                .iter()
                .filter(|(_, e)| matches!(e, Event::NeighbourDown { .. }));
            assert_eq!(lost.count(), 0, "{:?}", router.events);
        }
    }
}

#[test]
fn both_ends_settle_on_the_same_of_equal_cables() {
    for seed in 0..20 {
        let mut net = Net::new(seed, 2);
        let cables: Vec<usize> = (0..3)
            .map(|_| {
                let delay = ms(1 + net.dice.below(20) as u64);
                net.connect(0, 1, 1, delay)
            })
            .collect();
        net.run_for(ms(6000));
        let used = |net: &Net, me: usize| {
            let link = net
                .table(me)
                .router(net.routers[1 - me].id.as_str())
                .unwrap()
                .1
                .link;
            cables
                .iter()
                .copied()
                .find(|c| Some(net.link_of(*c, me)) == link)
                .unwrap()
        };
        assert_eq!(used(&net, 0), used(&net, 1), "seed {seed}");
        let moves = |net: &Net| net.routers.iter().map(|r| r.events.len()).sum::<usize>();
        let before = moves(&net);
        net.run_for(ms(20_000));
        assert_eq!(before, moves(&net), "seed {seed}");
    }
}

#[test]
fn any_single_failure_of_a_large_network_is_over_in_two_seconds() {
    let mut net = random_net(6, 64, 64);
    net.converge_within(ms(2000)).unwrap();
    net.run_for(ms(3000));
    for step in 0..12 {
        let what = net.dice.below(4);
        let router = net.dice.below(64);
        let cable = net.dice.below(net.cables.len());
        match what {
            0 if net.is_alive(router) => net.kill(router),
            1 if !net.is_alive(router) => net.start(router),
            0 | 1 => continue,
            2 if net.cables[cable].up => net.cut(cable),
            2 => net.mend(cable),
            _ => net.set_cost(cable, 1 + step % 4),
        }
        let took = net
            .converge_within(ms(2000))
            .unwrap_or_else(|wrong| panic!("step {step}: {wrong}"));
        assert!(took <= ms(2000));
        net.run_for(ms(500));
    }
}

#[test]
fn a_thousand_addresses_move_as_fast_as_one() {
    let mut net = random_net(7, 64, 64);
    for number in 0..1000 {
        net.address(number % 64, &format!("service-{number}"), true);
    }
    net.converge_within(ms(2000)).unwrap();
    net.run_for(ms(3000));
    // What it takes to tell of one more does not depend on how many there are.
    net.sent.clear();
    net.address(5, "one-more", true);
    net.converge_within(ms(2000)).unwrap();
    let messages = net.sent.get("MAU").copied().unwrap_or_default();
    assert!(messages <= 2 * net.cables.len(), "{:?}", net.sent);
    net.kill(5);
    net.converge_within(ms(2000)).unwrap();
    net.start(5);
    net.converge_within(ms(2000)).unwrap();
}

#[test]
fn the_same_seed_is_the_same_history() {
    let run = || {
        let mut net = random_net(11, 6, 4);
        net.loss = 5;
        net.run_for(ms(10_000));
        (
            net.sent.clone(),
            net.routers
                .iter()
                .map(|r| format!("{:?}", r.events))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(run(), run());
}
