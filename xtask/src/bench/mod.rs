//! `cargo xtask bench router`: pairs of routers side by side, in one run, alternating; medians and ratios.
//!
//! Everything is on loopback: client, two proxies with mutual TLS between them, server. Contenders: no proxy at all, HAProxy
//! (from Debian), upstream's `skrouterd` where `SKROUTERD` names one, and ours (release build).

mod contender;
pub mod controller;
mod figure;
mod load;
mod material;
mod record;
mod sentences;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cargo::{self, Profile, workspace};
use crate::host::find_program;
use crate::progress::say;
use contender::{Contender, Pair};
use figure::{FIGURES, Figure, Measured};

pub use record::record;
pub use sentences::sentences;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds of each figure and contender; the median counts.
    pub rounds: usize,
    /// How long each measurement takes.
    pub seconds: u64,
    /// Figures whose name holds this; all if empty.
    pub only: String,
}

/// Runs it, prints the table and writes `target/bench/figures.json`.
///
/// # Errors
/// When a contender cannot be started, or moves no octets.
pub fn router(options: &Options) -> Result<()> {
    let folder = workspace().join("target/bench");
    std::fs::create_dir_all(&folder).context("target/bench cannot be made")?;
    let material = material::Material::make(&folder)?;
    let servers = load::Servers::start()?;
    let ours = cargo::build("skupper", "skupper", Profile::Release)?;
    let mut contenders = vec![Contender::Direct];
    match find_program("haproxy").or_else(|| find_program("/usr/sbin/haproxy")) {
        Some(program) => contenders.push(Contender::Haproxy(program)),
        None => say("no HAProxy here (apt-get install haproxy): left out"),
    }
    match std::env::var_os("SKROUTERD") {
        Some(program) => contenders.push(Contender::Router("skrouterd", vec![program])),
        None => say("SKROUTERD names no upstream router: left out"),
    }
    contenders.push(Contender::Router(
        "ours",
        vec![ours.into(), "router".into()],
    ));

    let figures: Vec<_> = FIGURES
        .iter()
        .filter(|figure| figure.name.contains(&options.only))
        .collect();
    let mut measured: BTreeMap<(&str, &str), Vec<Measured>> = BTreeMap::new();
    for round in 1..=options.rounds {
        for contender in &contenders {
            say(&format!(
                "round {round} of {}: {}",
                options.rounds,
                contender.name()
            ));
            let mut pair = Pair::start(contender, &folder, &material, &servers)
                .with_context(|| format!("starting {}", contender.name()))?;
            for figure in &figures {
                let value = measure(figure, &mut pair, options)
                    .with_context(|| format!("{} of {}", figure.name, contender.name()))?;
                measured
                    .entry((figure.name, contender.name()))
                    .or_default()
                    .push(value);
            }
        }
    }
    figure::report(&figures, &contenders, &measured, &folder)
}

fn measure(figure: &Figure, pair: &mut Pair, options: &Options) -> Result<Measured> {
    let before = pair.cpu_seconds();
    let result = (figure.run)(pair, Duration::from_secs(options.seconds))?;
    let cpu = pair.cpu_seconds() - before;
    Ok(Measured {
        value: result.value,
        cpu_per_gb: result.octets.map(|octets| cpu / (octets as f64 / 1e9)),
    })
}
