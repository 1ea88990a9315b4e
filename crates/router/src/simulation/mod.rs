//! Whole routers under virtual time: their cores, connections and flows as they run in the product, in one thread and joined by
//! simulated sockets. Everything is decided by a seed.
//!
//! Left out are TLS, policies, ports (who listens is asked instead), telemetry and management.
//!
//! `SKUPPER_HISTORIES=100000` plays that many, from `SKUPPER_FIRST` on; a failing one says the command that plays it alone
//! and tells it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod dice;
mod flow;
mod history;
mod node;
mod reach;
mod scenes;
mod socket;
mod stream;
mod world;

pub(crate) use dice::rng;
pub(crate) use node::Tasks;
pub(crate) use socket::TcpStream;
pub(crate) use world::dial;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use skupper_management::entity::Log;

use crate::agent::logging;
use history::play;

/// Histories that are played where nobody says how many.
const HISTORIES: u64 = 200;

/// Has everything logged that the routers of this process say.
fn logs() {
    let log = Log {
        module: "DEFAULT".to_owned(),
        enable: Some("debug+".to_owned()),
        ..Log::default()
    };
    logging::configure(&log).unwrap();
    logging::install();
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}

#[test]
fn what_flows_carry_arrives() {
    let alone = number("SKUPPER_SEED");
    let (first, count) = match alone {
        Some(seed) => (seed, 1),
        None => (
            number("SKUPPER_FIRST").unwrap_or(0),
            number("SKUPPER_HISTORIES").unwrap_or(HISTORIES),
        ),
    };
    if alone.is_some() {
        logs();
    }
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let player = || {
        let mut flows = (0, 0);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return flows;
            }
            match play(seed, alone.is_some()) {
                Ok(seen) => flows = (flows.0 + seen.flows.0, flows.1 + seen.flows.1),
                Err(wrong) => panic!(
                    "{wrong}; again by: \
                     SKUPPER_SEED={seed} cargo test -p skupper-router --lib what_flows_carry_arrives -- --nocapture"
                ),
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let played: Vec<_> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..processors).map(|_| scope.spawn(player)).collect();
        players
            .into_iter()
            .map(|player| player.join().unwrap())
            .collect()
    });
    let sum = |which: fn(&(usize, usize)) -> usize| played.iter().map(which).sum::<usize>();
    println!(
        "{count} histories in {:.1} s: {} flows, of which {} ended in order",
        began.elapsed().as_secs_f64(),
        sum(|flows| flows.1),
        sum(|flows| flows.0)
    );
}

#[test]
fn the_same_seed_is_the_same_history() {
    let alone = number("SKUPPER_SEED");
    let seeds = alone.map_or(0..10, |seed| seed..seed + 1);
    for seed in seeds {
        let [first, second] = [(); 2].map(|()| play(seed, alone.is_some()));
        assert_eq!(first, second, "seed {seed}");
    }
}
