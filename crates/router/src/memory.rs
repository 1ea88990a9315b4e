//! The router's memory: how much it may have, and what is done when that runs short.
//!
//! What a TCP flow has sent and its receiver does not take waits in the receiver's router. The protocol lets each sender be a
//! megabyte ahead, so a crowd of receivers that stand still holds as many megabytes. From half of the ceiling on flows that begin
//! are not let further ahead than that, and from 85 % on those whose receivers have taken nothing for a while are ended, the
//! greatest first, before the system ends all of them with the router (router management reference §1.3).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::context::Context;
use crate::entities::Entities;
use crate::still::{self, Still};
use crate::tcp::By;
use crate::tcp::window;

/// Names the ceiling, in octets.
const CEILING: &str = "SKUPPER_ROUTER_MEMORY_CEILING";
/// The ceiling where neither user nor system names one.
const UNKNOWN: u64 = 4 * 1024 * 1024 * 1024;
/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// A receiver that has taken nothing for so long stands still.
const STILL: Duration = Duration::from_secs(10);
/// The time in which memory of flows that were ended comes back: nobody else is ended in it.
const RETURN: Duration = Duration::from_secs(5);
/// Percent of the ceiling from which flows that begin get the protocol's own window.
const NARROW: u64 = 50;
/// Percent from which flows are ended.
const SHORT: u64 = 85;
/// Percent to which that is to bring it.
const ENOUGH: u64 = 75;

/// What the router may have, and whether it has much of that.
#[derive(Debug)]
pub(crate) struct Memory {
    ceiling: u64,
    narrow: AtomicBool,
}

impl Memory {
    /// The ceiling that the environment names, else the least that the system names.
    ///
    /// # Errors
    /// When the environment names one that is no number of octets.
    pub(crate) fn new() -> Result<Self, String> {
        let named = std::env::var(CEILING).ok();
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let ceiling = match named.filter(|named| !named.is_empty()) {
            Some(named) => named_ceiling(&named)?,
            None => {
                let meminfo = read("/proc/meminfo");
                let cgroups = [
                    read("/sys/fs/cgroup/memory.max"),
                    read("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
                ];
                system_ceiling(&meminfo, &cgroups, &read("/proc/self/limits"))
            }
        };
        Ok(Memory {
            ceiling,
            narrow: AtomicBool::new(false),
        })
    }

    /// Octets that the other end of a flow that begins now may be ahead.
    pub(crate) fn window(&self) -> u64 {
        match self.narrow.load(Ordering::Relaxed) {
            true => window::LEAST,
            false => window::MOST,
        }
    }

    fn percent(&self, percent: u64) -> u64 {
        self.ceiling / 100 * percent
    }

    /// Looks at what is in use; octets that are to be given back.
    fn look(&self, used: u64) -> u64 {
        self.narrow
            .store(used >= self.percent(NARROW), Ordering::Relaxed);
        match used >= self.percent(SHORT) {
            true => used - self.percent(ENOUGH),
            false => 0,
        }
    }
}

fn named_ceiling(named: &str) -> Result<u64, String> {
    named
        .trim()
        .parse()
        .ok()
        .filter(|octets| *octets > 0)
        .ok_or_else(|| {
            format!(
                "{CEILING} is {named:?}: a number of octets is expected, for instance 536870912"
            )
        })
}

/// The least of what the system names.
fn system_ceiling(meminfo: &str, cgroups: &[String], limits: &str) -> u64 {
    let after = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let physical = after(meminfo, "MemTotal:").map(|kilobytes| kilobytes * 1024);
    let address_space = after(limits, "Max address space");
    let cgroups = cgroups.iter().map(|limit| limit.trim().parse().ok());
    let named = cgroups.chain([physical, address_space]).flatten();
    named.filter(|octets| *octets > 0).min().unwrap_or(UNKNOWN)
}

/// Which flows are ended to get so many octets back: the greatest first.
fn chosen<T>(mut still: Vec<Still<T>>, wanted: u64) -> Vec<Still<T>> {
    still.sort_unstable_by_key(|flow| std::cmp::Reverse(flow.waiting));
    let mut freed = 0;
    let enough = |flow: &Still<T>| {
        let more = freed < wanted;
        freed += flow.waiting;
        more
    };
    still.into_iter().take_while(enough).collect()
}

/// Starts looking, in a task of `runtime`.
pub(crate) fn start(context: &Arc<Context>, entities: &Arc<Mutex<Entities>>, runtime: &Handle) {
    let ceiling = context.memory.ceiling;
    tracing::info!(
        target: "TCP_ADAPTOR",
        "Router buffer memory ceiling: {:.2} MiB", ceiling as f64 / (1024.0 * 1024.0)
    );
    let (context, entities) = (Arc::downgrade(context), Arc::downgrade(entities));
    runtime.spawn(async move {
        let mut turn = tokio::time::interval(INTERVAL);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turn.tick().await;
            let (Some(context), Some(entities)) = (context.upgrade(), entities.upgrade()) else {
                return;
            };
            let Some((_, used)) = crate::agent::system::usage() else {
                continue;
            };
            let wanted = context.memory.look(used);
            if wanted == 0 {
                continue;
            }
            // Management may hold the entities for a while, which must not stop the core on this thread.
            let shed = tokio::task::spawn_blocking(move || shed(&entities, wanted, used, ceiling));
            if shed.await.unwrap_or(false) {
                turn.reset_after(RETURN);
            }
        }
    });
}

/// Ends flows that stand still; whether there were any.
fn shed(entities: &Mutex<Entities>, wanted: u64, used: u64, ceiling: u64) -> bool {
    let still = still::flows(entities, STILL);
    let chosen = chosen(still, wanted);
    let freed: u64 = chosen.iter().map(|flow| flow.waiting).sum();
    for still in &chosen {
        still.flow.close(By::Memory);
    }
    let any = !chosen.is_empty();
    if any {
        tracing::warn!(
            target: "TCP_ADAPTOR",
            "{used} octets of memory are in use and the ceiling is {ceiling}: {} flows are ended whose receivers have taken nothing for {} seconds (nothing could be written to them) while {freed} octets wait for them here. See why these clients or servers do not read, or give the router more memory (the container's limit, or {CEILING})",
            chosen.len(), STILL.as_secs()
        );
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_the_system_names_is_the_ceiling() {
        let meminfo = "MemTotal:       16384 kB\nMemFree: 1 kB\n";
        let limits = |octets: &str| {
            format!("Max address space         {octets}            unlimited            bytes\n")
        };
        let none = || [String::new(), String::new()];
        let cgroup = |text: &str| [text.to_owned(), String::new()];
        let ceiling =
            |cgroups: [String; 2], space| system_ceiling(meminfo, &cgroups, &limits(space));
        assert_eq!(ceiling(none(), "unlimited"), 16 << 20);
        assert_eq!(ceiling(cgroup("max\n"), "unlimited"), 16 << 20);
        assert_eq!(ceiling(cgroup("8388608\n"), "unlimited"), 8 << 20);
        assert_eq!(ceiling(cgroup("8388608\n"), "4194304"), 4 << 20);
        assert_eq!(system_ceiling("", &none(), ""), UNKNOWN);
    }

    #[test]
    fn a_ceiling_that_is_none_is_refused() {
        assert_eq!(named_ceiling("1000"), Ok(1000));
        for wrong in ["1 GiB", "0", "-1", "x"] {
            let error = named_ceiling(wrong).unwrap_err();
            assert!(error.contains(wrong) && error.contains(CEILING), "{error}");
        }
    }

    #[test]
    fn what_is_done_goes_by_what_is_in_use() {
        let memory = Memory {
            ceiling: 1000,
            narrow: AtomicBool::new(false),
        };
        for (used, wanted, window) in [
            (499, 0, window::MOST),
            (500, 0, window::LEAST),
            (849, 0, window::LEAST),
            (850, 100, window::LEAST),
            (1200, 450, window::LEAST),
            (100, 0, window::MOST),
        ] {
            assert_eq!(
                (memory.look(used), memory.window()),
                (wanted, window),
                "{used}"
            );
        }
    }

    #[test]
    fn the_greatest_go_and_no_more_than_is_needed() {
        let flow = |flow, waiting| Still { flow, waiting };
        let still = vec![flow(1, 10), flow(2, 30), flow(3, 20)];
        let numbers = |wanted| -> Vec<u64> {
            let chosen = chosen(still.clone(), wanted);
            chosen.iter().map(|still| still.flow).collect()
        };
        assert_eq!(numbers(1), [2]);
        assert_eq!(numbers(30), [2]);
        assert_eq!(numbers(31), [2, 3]);
        assert_eq!(numbers(1000), [2, 3, 1]);
        assert!(numbers(0).is_empty());
    }
}
