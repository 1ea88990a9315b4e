//! The figures: how each is measured, its goal, and the report.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::contender::{Contender, Pair};
use super::load;

/// One measurement.
pub(super) struct Measured {
    pub(super) value: f64,
    pub(super) cpu_per_gb: Option<f64>,
}

/// What a run gives.
pub(super) struct Outcome {
    pub(super) value: f64,
    /// Octets moved, where processor time is to be divided by them.
    pub(super) octets: Option<u64>,
}

/// A goal against the same run's peers.
pub(super) struct Goal {
    /// Against whom.
    peer: &'static str,
    /// Our value divided by theirs must reach this (or stay below it where less is better).
    ratio: f64,
}

/// One figure.
pub(super) struct Figure {
    pub(super) name: &'static str,
    unit: &'static str,
    less_is_better: bool,
    goals: &'static [Goal],
    pub(super) run: fn(&mut Pair, Duration) -> Result<Outcome>,
}

fn rate(
    entrance: std::net::SocketAddr,
    flows: usize,
    reverse: bool,
    span: Duration,
) -> Result<Outcome> {
    let (octets, took) = load::throughput(entrance, flows, reverse, span)?;
    Ok(Outcome {
        value: octets as f64 * 8.0 / 1e9 / took.as_secs_f64(),
        octets: Some(octets),
    })
}

fn quantile(times: &[Duration], q: f64) -> Result<Outcome> {
    let index = ((times.len() as f64 - 1.0) * q).max(0.0) as usize;
    let value = times
        .get(index)
        .context("no round trip came back")?
        .as_secs_f64()
        * 1e6;
    Ok(Outcome {
        value,
        octets: None,
    })
}

fn per_second(times: &[Duration], span: Duration) -> Outcome {
    Outcome {
        value: times.len() as f64 / span.as_secs_f64(),
        octets: None,
    }
}

fn memory_per_flow(pair: &mut Pair, flows: usize) -> Result<Outcome> {
    let before = pair.memory();
    let held = load::idle(pair.echo, flows)?;
    let value = pair.memory().saturating_sub(before) as f64
        / 1024.0
        / flows as f64
        / pair.size().max(1) as f64;
    drop(held);
    Ok(Outcome {
        value,
        octets: None,
    })
}

pub(super) const FIGURES: &[Figure] = &[
    Figure {
        name: "memory idle",
        unit: "MB each",
        less_is_better: true,
        goals: &[],
        run: |pair, _| {
            Ok(Outcome {
                value: pair.memory() as f64 / 1e6 / pair.size().max(1) as f64,
                octets: None,
            })
        },
    },
    Figure {
        name: "1 flow",
        unit: "Gb/s",
        less_is_better: false,
        goals: &[
            Goal {
                peer: "haproxy",
                ratio: 1.1,
            },
            Goal {
                peer: "skrouterd",
                ratio: 3.0,
            },
        ],
        run: |pair, span| rate(pair.sink, 1, false, span),
    },
    Figure {
        name: "1 flow reverse",
        unit: "Gb/s",
        less_is_better: false,
        goals: &[Goal {
            peer: "haproxy",
            ratio: 1.1,
        }],
        run: |pair, span| rate(pair.source, 1, true, span),
    },
    Figure {
        name: "8 flows",
        unit: "Gb/s",
        less_is_better: false,
        goals: &[Goal {
            peer: "haproxy",
            ratio: 1.1,
        }],
        run: |pair, span| rate(pair.sink, 8, false, span),
    },
    Figure {
        name: "64 B request-response, 1 client, p50",
        unit: "µs",
        less_is_better: true,
        goals: &[Goal {
            peer: "haproxy",
            ratio: 1.0,
        }],
        run: |pair, span| quantile(&load::requests(pair.echo, 1, span)?, 0.5),
    },
    Figure {
        name: "64 B request-response, 1 client, p99",
        unit: "µs",
        less_is_better: true,
        goals: &[Goal {
            peer: "haproxy",
            ratio: 1.0,
        }],
        run: |pair, span| quantile(&load::requests(pair.echo, 1, span)?, 0.99),
    },
    Figure {
        name: "64 B requests, 64 clients",
        unit: "1/s",
        less_is_better: false,
        goals: &[Goal {
            peer: "haproxy",
            ratio: 1.15,
        }],
        run: |pair, span| Ok(per_second(&load::requests(pair.echo, 64, span)?, span)),
    },
    Figure {
        name: "new connections, 1 client",
        unit: "1/s",
        less_is_better: false,
        goals: &[],
        run: |pair, span| Ok(per_second(&load::connections(pair.echo, 1, span)?, span)),
    },
    Figure {
        name: "new connections, 64 clients",
        unit: "1/s",
        less_is_better: false,
        goals: &[],
        run: |pair, span| Ok(per_second(&load::connections(pair.echo, 64, span)?, span)),
    },
    Figure {
        name: "memory per idle flow, 1000 flows",
        unit: "KB each",
        less_is_better: true,
        goals: &[],
        run: |pair, _| memory_per_flow(pair, 1000),
    },
];

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Prints the table and writes `figures.json`.
pub(super) fn report(
    figures: &[&Figure],
    contenders: &[Contender],
    measured: &BTreeMap<(&str, &str), Vec<Measured>>,
    folder: &Path,
) -> Result<()> {
    let of = |figure: &str, contender: &str, pick: fn(&Measured) -> Option<f64>| {
        median(
            measured
                .get(&(figure, contender))
                .into_iter()
                .flatten()
                .filter_map(pick),
        )
    };
    let mut rows = Vec::new();
    for figure in figures {
        rows.push(row(figure.name, figure.unit, contenders, figure, |name| {
            of(figure.name, name, |m| Some(m.value))
        }));
        if contenders
            .iter()
            .any(|c| of(figure.name, c.name(), |m| m.cpu_per_gb).is_some_and(|cpu| cpu > 0.0))
        {
            let name = format!("{}, processor time of both", figure.name);
            let cpu = Figure {
                name: "",
                unit: "s/GB",
                less_is_better: true,
                goals: &[Goal {
                    peer: "haproxy",
                    ratio: 0.95,
                }],
                run: figure.run,
            };
            rows.push(row(&name, cpu.unit, contenders, &cpu, |c| {
                of(figure.name, c, |m| m.cpu_per_gb).filter(|cpu| *cpu > 0.0)
            }));
        }
    }
    let file = folder.join("figures.json");
    std::fs::write(&file, serde_json::to_string_pretty(&rows)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("written to {}", file.display());
    Ok(())
}

fn row(
    name: &str,
    unit: &str,
    contenders: &[Contender],
    figure: &Figure,
    value: impl Fn(&str) -> Option<f64>,
) -> Value {
    let mut row = Map::new();
    row.insert("figure".into(), name.into());
    row.insert("unit".into(), unit.into());
    print!("{name:<52} {unit:<8}");
    for contender in contenders {
        if let Some(value) = value(contender.name()) {
            row.insert(
                contender.name().into(),
                json!((value * 1000.0).round() / 1000.0),
            );
            print!("  {} {value:.3}", contender.name());
        }
    }
    let mut goals = Vec::new();
    let mut met = true;
    for goal in figure.goals {
        if let (Some(ours), Some(theirs)) = (value("ours"), value(goal.peer)) {
            let ratio = ours / theirs;
            let sign = if figure.less_is_better { "≤" } else { "≥" };
            met &= if figure.less_is_better {
                ratio <= goal.ratio
            } else {
                ratio >= goal.ratio
            };
            goals.push(format!(
                "{sign} {} × {} (is {ratio:.2})",
                goal.ratio, goal.peer
            ));
        }
    }
    println!(
        "  {}{}",
        goals.join(", "),
        if goals.is_empty() {
            ""
        } else if met {
            "  met"
        } else {
            "  NOT MET"
        }
    );
    row.insert("goal".into(), goals.join(", ").into());
    row.insert("met".into(), met.into());
    Value::Object(row)
}
