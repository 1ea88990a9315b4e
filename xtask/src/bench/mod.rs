//! `cargo xtask bench router|controller|sentences`: what is measured, never asserted; each writes its figures into
//! `target/bench/figures.json`.
//!
//! `router`: pairs of routers side by side, in one run, alternating; medians, ratios and goals. Everything is on loopback: clients,
//! two proxies with mutual TLS between them, servers (a process of their own). Contenders: no proxy at all, HAProxy (from
//! Debian; with TLS, and without where that is the goal), upstream's `skrouterd` where `SKROUTERD` names one, and ours
//! (`cargo xtask release`).

mod addresses;
mod contender;
pub mod controller;
mod figure;
mod growth;
mod haproxy;
mod life;
mod load;
mod material;
mod plot;
mod record;
mod report;
mod routers;
mod sentences;
mod usage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cargo::{self, Profile, workspace};
use crate::host::find_program;
use crate::progress::say;
use contender::{Contender, Pair, Setting};
use figure::{MEASUREMENTS, Measurement, Run};
use report::Measured;

pub use record::record;
pub use sentences::sentences;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds of each figure and contender; the median counts.
    pub rounds: usize,
    /// How long each measurement takes.
    pub seconds: u64,
    /// Measurements with a figure whose name holds this; all if empty.
    pub only: String,
    /// Only contenders of these names; all if empty.
    pub contenders: Vec<String>,
    /// Takes this program, called as `skrouterd` is, instead of building ours.
    pub program: Option<PathBuf>,
}

/// Runs it, prints the table, and writes `figures.json` and `figures.svg` to `target/bench`.
///
/// # Errors
/// When no contender is there, the servers cannot be started, or the results cannot be written.
pub fn router(options: &Options) -> Result<()> {
    let contenders = contenders(options)?;
    let span = Duration::from_secs(options.seconds.max(1));
    let setting = Setting::make(workspace().join("target/bench"), span)?;
    let chosen: Vec<_> = MEASUREMENTS
        .iter()
        .filter(|m| m.figures.iter().any(|f| f.name.contains(&options.only)))
        .collect();
    let mut measured = Measured::new();
    for round in 1..=options.rounds.max(1) {
        for contender in &contenders {
            say(&format!(
                "round {round} of {}: {} (load of the machine: {})",
                options.rounds,
                contender.name(),
                std::fs::read_to_string("/proc/loadavg")
                    .unwrap_or_default()
                    .trim()
            ));
            measure(contender, &chosen, &setting, &mut measured);
        }
    }
    let figures: Vec<_> = chosen.iter().flat_map(|m| m.figures).collect();
    report::write(&figures, &measured, &setting.folder)
}

/// What can be carried here for [`train`], as a word.
pub fn traffic() -> &'static str {
    if load::http::Http::is_here() {
        "with-http"
    } else {
        "without-http"
    }
}

/// Has two routers of a program that is called as `skupper` is carry all that is measured with one pair, each kind for `span`, and end in order.
/// Configurations and logs go into `folder`. What fails is tried once more.
///
/// # Errors
/// When the routers or the servers cannot be started, traffic fails, or a router does not end in order.
pub fn train(program: &Path, folder: &Path, span: Duration) -> Result<()> {
    let setting = Setting::make(folder.to_owned(), span)?;
    let words = vec![program.into(), "router".into()];
    let contender = Contender::Routers("trained", words.clone(), words);
    // Somebody else may have been given one of the ports before a router had it.
    let pair = twice(|| Pair::start(&contender, &setting, None))?;
    let logs = || format!("the routers' logs are in {}", folder.display());
    for measurement in MEASUREMENTS {
        if let Run::On(run) = measurement.run {
            let name = measurement.figures.first().map_or("", |figure| figure.name);
            twice(|| run(&pair, &setting).with_context(|| format!("training: {name}")))
                .with_context(logs)?;
        }
    }
    pair.stop().with_context(logs)
}

fn twice<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    attempt().or_else(|error| {
        say(&format!("it is tried once more: {error:#}"));
        std::thread::sleep(Duration::from_secs(2));
        attempt()
    })
}

/// The process of the servers behind the pairs; runs until its standard input ends.
///
/// # Errors
/// When no port can be had.
pub fn servers() -> Result<()> {
    load::servers::serve()
}

fn contenders(options: &Options) -> Result<Vec<Contender>> {
    let ours = match &options.program {
        Some(program) => vec![program.into()],
        None => {
            let program = cargo::build("skupper", "skupper", Profile::Release)?;
            vec![program.into(), "router".into()]
        }
    };
    let mut contenders = vec![Contender::Direct];
    match find_program("haproxy") {
        Some(program) => {
            contenders.push(Contender::Haproxy(program.clone()));
            contenders.push(Contender::HaproxyPlain(program));
        }
        None => say("no HAProxy here (apt-get install haproxy): left out"),
    }
    let theirs = std::env::var_os("SKROUTERD").map(|program| vec![program]);
    match &theirs {
        Some(theirs) => {
            contenders.push(Contender::Routers(
                "skrouterd",
                theirs.clone(),
                theirs.clone(),
            ));
        }
        None => say("SKROUTERD names no upstream router: left out"),
    }
    contenders.push(Contender::Routers("ours", ours.clone(), ours.clone()));
    if let Some(theirs) = theirs {
        contenders.push(Contender::Routers("ours-to-skrouterd", ours, theirs));
    }
    let wanted = &options.contenders;
    contenders.retain(|c| wanted.is_empty() || wanted.iter().any(|name| name == c.name()));
    anyhow::ensure!(
        !contenders.is_empty(),
        "no contender of the names given is here"
    );
    Ok(contenders)
}

/// Measures all figures of a contender once. What fails is tried once more with new processes, and then left out of this round: one
/// contender that stands still must not take the figures of all others with it.
fn measure(
    contender: &Contender,
    chosen: &[&Measurement],
    setting: &Setting,
    measured: &mut Measured,
) {
    let mut shared: Option<Pair> = None;
    for measurement in chosen.iter().filter(|m| m.by.contains(&contender.name())) {
        let names: Vec<_> = measurement.figures.iter().map(|f| f.name).collect();
        let attempt = |shared: &mut Option<Pair>| match measurement.run {
            Run::On(run) => match shared {
                Some(pair) => run(pair, setting),
                None => Pair::start(contender, setting, None)
                    .and_then(|pair| run(shared.insert(pair), setting)),
            },
            Run::Alone(run) => {
                // Nothing runs beside it.
                *shared = None;
                run(contender, setting)
            }
        };
        let mut values = attempt(&mut shared);
        if let Err(error) = &values {
            let what = format!("{} of {}", names.join(", "), contender.name());
            say(&format!("{what} failed and is tried once more: {error:#}"));
            shared = None;
            values = attempt(&mut shared);
        }
        match values {
            Ok(values) => {
                for (name, value) in names.into_iter().zip(values) {
                    let key = (name, contender.name());
                    measured.entry(key).or_default().extend(value);
                }
            }
            Err(error) => {
                say(&format!(
                    "it failed again, and is left out of this round: {error:#}"
                ));
                shared = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_routers_are_trained_and_end_in_order() {
        let program = cargo::build("skupper", "skupper", Profile::Dev).unwrap();
        let folder = tempfile::tempdir().unwrap();
        train(&program, folder.path(), Duration::from_secs(1)).unwrap();
    }
}
