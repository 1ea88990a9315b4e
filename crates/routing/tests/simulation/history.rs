//! Histories: changes at any moment, also before the last one has been digested, some of them silent; then peace, then one
//! failure alone.
//!
//! `SKUPPER_HISTORIES=100000` plays that many, from `SKUPPER_FIRST` on; a failing one says the command that plays it alone
//! and tells it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::net::Net;
use super::{ms, random_net, truth};

/// A single failure of a network that was at peace is over by then.
const SINGLE: Duration = ms(2000);

/// Changes something, if it can be changed now.
fn change(net: &mut Net) {
    let routers = net.routers.len();
    let (router, cable) = (net.dice.below(routers), net.dice.below(net.cables.len()));
    match net.dice.below(13) {
        0 if net.is_alive(router) => net.kill(router),
        1 if !net.is_alive(router) => net.start(router),
        2 if net.is_alive(router) => {
            net.kill(router);
            net.start(router);
        }
        3 if net.cables[cable].up => net.cut(cable),
        4 if !net.cables[cable].up => net.mend(cable),
        5 => net.cables[cable].frozen ^= true,
        6 => {
            let cost = 1 + net.dice.below(4) as u32;
            net.set_cost(cable, cost);
        }
        7 | 8 => {
            let (name, up) = (format!("a{}", net.dice.below(4)), net.dice.chance(60));
            net.address(router, &name, up);
        }
        9 => {
            let time = net.dice.below(8000) as u64;
            net.stop_for(router, ms(time));
        }
        10 if net.is_alive(router) => {
            // Its clock was set back between two runs.
            net.kill(router);
            net.routers[router].instance -= 1_000 + net.dice.below(100) as i64;
            net.start(router);
        }
        11 => partition(net),
        _ => {
            let other = net.dice.below(routers);
            if router != other {
                net.connect(router, other, 2, ms(4));
            }
        }
    }
}

/// Some routers lose sight of the others, in silence or not; or everybody sees everybody again.
fn partition(net: &mut Net) {
    let heals = net.dice.chance(50);
    let silent = net.dice.chance(50);
    let side: Vec<bool> = (0..net.routers.len())
        .map(|_| net.dice.chance(50))
        .collect();
    for cable in 0..net.cables.len() {
        let [a, b] = net.cables[cable].ends;
        match (heals, side[a] != side[b]) {
            (true, _) => {
                net.cables[cable].frozen = false;
                if !net.cables[cable].up {
                    net.mend(cable);
                }
            }
            (false, true) if silent => net.cables[cable].frozen = true,
            (false, true) if net.cables[cable].up => net.cut(cable),
            (false, _) => {}
        }
    }
}

/// Something fails that both of its sides notice; whether there was anything to fail.
fn fail(net: &mut Net) -> bool {
    let (router, cable) = (
        net.dice.below(net.routers.len()),
        net.dice.below(net.cables.len()),
    );
    if net.dice.chance(50) {
        let up = net.cables[cable].up && !net.cables[cable].frozen;
        if up {
            net.cut(cable);
        }
        return up;
    }
    let alive = net.is_alive(router);
    if alive {
        net.kill(router);
    }
    alive
}

/// One history, of which everything is decided by its seed.
fn play(seed: u64, loss: usize, told: bool) -> Result<(), String> {
    let routers = 2 + seed as usize % 9;
    let mut net = random_net(seed, routers, seed as usize % 7);
    (net.loss, net.told) = (loss, told);
    for _ in 0..12 {
        let pause = net.dice.below(1500) as u64;
        net.run_for(ms(pause));
        change(&mut net);
    }
    net.run_until(net.all_go_on());
    let limit = if loss == 0 { ms(16_000) } else { ms(98_000) };
    net.converge_within(limit)?;
    net.loss = 0;
    net.run_for(ms(5000));
    truth::check(&net).map_err(|wrong| format!("lost again: {wrong}"))?;
    if fail(&mut net) {
        let took = net.converge_within(SINGLE);
        took.map_err(|wrong| format!("a single failure: {wrong}"))?;
    }
    Ok(())
}

/// Plays histories on all processors, for the test of this name, `with` something.
pub(crate) fn histories(
    test: &str,
    default: u64,
    with: &str,
    play: impl Fn(u64, bool) -> Result<(), String> + Sync,
) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap())
    };
    let alone = number("SKUPPER_SEED");
    let (first, count) = match alone {
        Some(seed) => (seed, 1),
        None => (
            number("SKUPPER_FIRST").unwrap_or(0),
            number("SKUPPER_HISTORIES").unwrap_or(default),
        ),
    };
    let next = AtomicU64::new(first);
    let player = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            if let Err(wrong) = play(seed, alone.is_some()) {
                panic!(
                    "with {with}: {wrong}; again by: \
                     SKUPPER_SEED={seed} cargo test -p skupper-routing --test simulation {test}"
                );
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(player);
        }
    });
}

#[test]
fn histories_converge() {
    histories("histories_converge", 300, "no loss", |seed, told| {
        play(seed, 0, told)
    });
}

#[test]
fn histories_with_loss_converge() {
    histories(
        "histories_with_loss_converge",
        100,
        "5 % loss",
        |seed, told| play(seed, 5, told),
    );
}
