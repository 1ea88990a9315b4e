//! How long a fault takes from its write to its sentence, and what else is seen on the way: how long a Site and a Link take to be
//! Ready, and what a router of a linked site holds in memory.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::cargo::workspace;
use xtask::progress::say;
use xtask::{bench, image};

use crate::faults::client::{FAULTS, Fault};
use crate::ground::Ground;
use crate::space::condition_of;
use crate::stage::Stage;
use crate::watch::Watch;

/// The kinds of fault that are planted in each round: seen by both sides, by one, and before anything is tried.
const KINDS: &[&str] = &[
    "client-of-foreign-ca",
    "client-of-namesake-ca",
    "client-expired",
    "client-not-yet-valid",
    "client-without-client-auth",
    "client-intermediate-missing",
    "foreign-ca-trusted",
    "key-of-another",
    "garbled-certificate",
    "nothing-listens",
    "name-does-not-resolve",
];

/// The goal for both sentences, from before `kubectl apply` is started.
const GOAL: Duration = Duration::from_secs(5);

/// A RouterAccess is written for strangers at most once in ten seconds: a fault is planted when that is over, or the pause after
/// the fault before would be measured.
const QUIET: Duration = Duration::from_secs(11);

/// What was measured so far.
#[derive(Default)]
struct Samples {
    link: Vec<Duration>,
    router_access: Vec<Duration>,
    site_ready: Vec<Duration>,
    link_ready: Vec<Duration>,
    idle_megabytes: Vec<f64>,
}

/// Measures on a cluster of its own, `rounds` times with new sites (so that every refusal is a new one), and writes the figures.
///
/// # Errors
/// When the cluster or a site does not come up, or a sentence does not come.
pub fn measure(options: &image::Options, rounds: usize) -> Result<()> {
    ensure!(rounds > 0, "no round, no figure");
    let stage = Stage::own("bench-sentences", options)?;
    let guard = stage.cluster.clone().guarded();
    let mut samples = Samples::default();
    for round in 1..=rounds {
        say(&format!("round {round} of {rounds}"));
        one_round(&stage, round, &mut samples).with_context(|| stage.diagnosis())?;
    }
    drop(guard);
    report(&mut samples)
}

fn one_round(stage: &Stage, round: usize, samples: &mut Samples) -> Result<()> {
    let start_up = stage.space(&format!("bench-{round}-start"))?;
    let watch = Watch::of(&start_up, "site")?;
    samples.site_ready.push(clocked(
        || start_up.site("start", Some("default")),
        &watch,
        |site| site["status"]["status"] == "Ready",
    )?);
    drop(start_up);

    let ground = Ground::new(stage, &format!("bench-{round}"))?;
    let links = Watch::of(&ground.east, "link")?;
    let accesses = Watch::of(&ground.west, "routeraccess")?;
    samples.link_ready.push(clocked(
        || ground.east.link("another", &ground.endpoints, "good"),
        &links,
        |link| link["metadata"]["name"] == "another" && link["status"]["status"] == "Ready",
    )?);
    samples.idle_megabytes.extend(routers_memory(stage)?);
    for name in KINDS {
        let fault = FAULTS
            .iter()
            .find(|fault| fault.name == *name)
            .with_context(|| format!("no fault {name} in the table"))?;
        one_fault(&ground, fault, (&links, &accesses), samples)
            .with_context(|| format!("the fault {name}"))?;
    }
    Ok(())
}

fn one_fault(
    ground: &Ground,
    fault: &Fault,
    (links, accesses): (&Watch, &Watch),
    samples: &mut Samples,
) -> Result<()> {
    if !fault.router_access.is_empty() {
        accesses.await_quiet(QUIET)?;
    }
    let start = Instant::now();
    fault.plant(ground, fault.name)?;
    links.await_object("the sentence on the Link", |link| {
        let said = &condition_of(link, fault.condition)["message"];
        link["metadata"]["name"] == fault.name && holds(said, fault.link)
    })?;
    samples.link.push(start.elapsed());
    if !fault.router_access.is_empty() {
        accesses.await_object("the sentence on the RouterAccess", |access| {
            let conditions = access["status"]["conditions"].as_array();
            conditions
                .into_iter()
                .flatten()
                .any(|condition| holds(&condition["message"], fault.router_access))
        })?;
        samples.router_access.push(start.elapsed());
    }
    ground
        .east
        .kubectl(&["delete", "link", fault.name, "--wait=true"])
        .map(drop)
}

fn holds(message: &Value, pieces: &[&str]) -> bool {
    message
        .as_str()
        .is_some_and(|said| pieces.iter().all(|piece| said.contains(piece)))
}

/// From before `write` until the watch tells of an object as `wanted`.
fn clocked(
    write: impl FnOnce() -> Result<()>,
    watch: &Watch,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Duration> {
    let start = Instant::now();
    write()?;
    watch.await_object("the state that is clocked", wanted)?;
    Ok(start.elapsed())
}

/// Megabytes that each router of the cluster holds just now, by the kernel's account of its process.
fn routers_memory(stage: &Stage) -> Result<Vec<f64>> {
    let mine = format!("skupper-{}", stage.cluster.name());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
        // A process may be gone before it is looked at.
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let text = |file: &str| String::from_utf8_lossy(&read(file)).into_owned();
        let is_router = read("cmdline").starts_with(b"/app/skupper\0router\0");
        if is_router && text("cgroup").contains(&mine) {
            let status = text("status");
            let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
            let kilobytes = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
            found.extend(kilobytes.map(|kilobytes: f64| kilobytes / 1000.0));
        }
    }
    ensure!(!found.is_empty(), "no process of a router was found");
    Ok(found)
}

fn report(samples: &mut Samples) -> Result<()> {
    let mut rows = Vec::new();
    for (name, times) in [
        ("sentence on the Link", &mut samples.link),
        ("sentence on the RouterAccess", &mut samples.router_access),
    ] {
        for (part, quantile) in [("p50", 0.5), ("p95", 0.95)] {
            let value = at(times, quantile)?;
            println!("{name}, {part} of {}: {value:.2} s", times.len());
            rows.push(
                json!({"figure": format!("{name}, {part}"), "unit": "s", "ours": value,
                "goal": format!("≤ {} s", GOAL.as_secs()), "met": value <= GOAL.as_secs_f64()}),
            );
        }
    }
    for (name, times) in [
        ("Site applied, to Ready", &mut samples.site_ready),
        ("Link applied, to Ready", &mut samples.link_ready),
    ] {
        let value = at(times, 0.5)?;
        println!("{name}, median of {}: {value:.2} s", times.len());
        rows.push(recorded(name, "s", value));
    }
    let memory = &mut samples.idle_megabytes;
    memory.sort_unstable_by(f64::total_cmp);
    let value = memory[memory.len() / 2];
    println!(
        "idle router in a pod, median of {}: {value:.1} MB",
        memory.len()
    );
    rows.push(recorded("idle router in a pod", "MB", value));
    let file = bench::record(&workspace().join("target/bench"), rows)?;
    println!("written: {}", file.display());
    Ok(())
}

/// A figure without a goal.
fn recorded(name: &str, unit: &str, value: f64) -> Value {
    let value = (value * 1000.0).round() / 1000.0;
    json!({"figure": name, "unit": unit, "ours": value, "goal": "recorded", "met": true})
}

/// A quantile (nearest rank) in seconds, rounded to milliseconds.
fn at(times: &mut [Duration], quantile: f64) -> Result<f64> {
    times.sort_unstable();
    let rank = (times.len() as f64 * quantile).ceil() as usize;
    let time = times
        .get(rank.saturating_sub(1))
        .context("no sample was taken")?;
    Ok((time.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let mut times: Vec<_> = (1..=20).rev().map(Duration::from_secs).collect();
        assert_eq!(at(&mut times, 0.5).unwrap(), 10.0);
        assert_eq!(at(&mut times, 0.95).unwrap(), 19.0);
        assert!(at(&mut [], 0.5).is_err());
    }

    #[test]
    fn every_kind_is_in_the_table() {
        for kind in KINDS {
            assert!(FAULTS.iter().any(|fault| fault.name == *kind), "{kind}");
        }
    }
}
