//! The figures: how each is measured, by whom, and its goal.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::contender::{Contender, Pair, Setting};
use super::{addresses, growth, life, load};

/// A goal of ours.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// So many times what a peer has in the same run: at least, or at most where less is better.
    Times(f64, &'static str),
    /// The number itself: at least, or at most where less is better.
    Absolute(f64),
}

/// One figure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) less_is_better: bool,
    pub(super) goals: &'static [Goal],
}

const fn more(name: &'static str, unit: &'static str, goals: &'static [Goal]) -> Figure {
    Figure {
        name,
        unit,
        less_is_better: false,
        goals,
    }
}

const fn less(name: &'static str, unit: &'static str, goals: &'static [Goal]) -> Figure {
    Figure {
        name,
        unit,
        less_is_better: true,
        goals,
    }
}

/// How a measurement is made: one number for each of its figures, where there is one.
pub(super) enum Run {
    /// On a pair that is up, one measurement after another.
    On(fn(&Pair, &Setting) -> Result<Vec<Option<f64>>>),
    /// On processes of its own.
    Alone(fn(&Contender, &Setting) -> Result<Vec<Option<f64>>>),
}

/// One measurement, which may give several figures.
pub(super) struct Measurement {
    pub(super) figures: &'static [Figure],
    /// Names of those who are measured; the others have no such figure, or it says nothing of them.
    pub(super) by: &'static [&'static str],
    pub(super) run: Run,
}

const ALL: &[&str] = &["direct", "haproxy", "skrouterd", "ours"];
const WITH_PLAIN: &[&str] = &["direct", "haproxy", "haproxy-plain", "skrouterd", "ours"];
const PROXIES: &[&str] = &["haproxy", "skrouterd", "ours"];
const ROUTERS: &[&str] = &["skrouterd", "ours"];
const FAR: &[&str] = &["haproxy", "skrouterd", "ours", "ours-to-skrouterd"];
const OURS: &[&str] = &["ours"];

const AS_FAST: &[Goal] = &[Goal::Times(1.1, "haproxy")];
const CHEAPER: &[Goal] = &[Goal::Times(0.95, "haproxy")];
const AS_QUICK: &[Goal] = &[Goal::Times(1.0, "haproxy")];
const AS_PLAIN: &[Goal] = &[Goal::Times(1.0, "haproxy-plain")];
const FAR_TRIP: Duration = Duration::from_millis(100);

/// All of them; what wants fresh processes comes first.
pub(super) const MEASUREMENTS: &[Measurement] = &[
    Measurement {
        figures: &[less("memory, idle", "MB each", &[Goal::Absolute(15.0)])],
        by: PROXIES,
        run: Run::On(|pair, _| Ok(vec![Some(pair.memory() / 1e6)])),
    },
    Measurement {
        figures: &[
            more(
                "1 flow",
                "Gb/s",
                &[Goal::Times(1.1, "haproxy"), Goal::Times(3.0, "skrouterd")],
            ),
            less("1 flow, processor time of both", "s/GB", CHEAPER),
        ],
        by: ALL,
        run: Run::On(|pair, setting| rate(pair, "sink", 1, setting.span)),
    },
    Measurement {
        figures: &[
            more("1 flow reverse", "Gb/s", AS_FAST),
            less("1 flow reverse, processor time of both", "s/GB", CHEAPER),
        ],
        by: ALL,
        run: Run::On(|pair, setting| rate(pair, "source", 1, setting.span)),
    },
    Measurement {
        figures: &[
            more("8 flows", "Gb/s", AS_FAST),
            less("8 flows, processor time of both", "s/GB", CHEAPER),
        ],
        by: ALL,
        run: Run::On(|pair, setting| rate(pair, "sink", 8, setting.span)),
    },
    Measurement {
        figures: &[
            less("64 B request-response, 1 client, p50", "µs", AS_QUICK),
            less("64 B request-response, 1 client, p99", "µs", AS_QUICK),
        ],
        by: ALL,
        run: Run::On(|pair, setting| {
            let times = load::requests(pair.entrance("echo")?, 1, setting.span)?;
            Ok(vec![
                Some(quantile(&times, 0.5)?),
                Some(quantile(&times, 0.99)?),
            ])
        }),
    },
    Measurement {
        figures: &[more(
            "64 B requests, 64 clients",
            "1/s",
            &[Goal::Times(1.15, "haproxy")],
        )],
        by: ALL,
        run: Run::On(|pair, setting| {
            let times = load::requests(pair.entrance("echo")?, 64, setting.span)?;
            Ok(per_second(&times, setting.span))
        }),
    },
    Measurement {
        figures: &[more("new connections, 1 client", "1/s", AS_PLAIN)],
        by: WITH_PLAIN,
        run: Run::On(|pair, setting| {
            let times = load::connections(pair.entrance("echo")?, 1, setting.span)?;
            Ok(per_second(&times, setting.span))
        }),
    },
    Measurement {
        figures: &[more("new connections, 64 clients", "1/s", AS_PLAIN)],
        by: WITH_PLAIN,
        run: Run::On(|pair, setting| {
            let times = load::connections(pair.entrance("echo")?, 64, setting.span)?;
            Ok(per_second(&times, setting.span))
        }),
    },
    Measurement {
        figures: &[more("HTTP, keep-alive, 64 clients", "1/s", AS_FAST)],
        by: ALL,
        run: Run::On(|pair, setting| http(pair, setting, true)),
    },
    Measurement {
        figures: &[more("HTTP, close, 64 clients", "1/s", AS_PLAIN)],
        by: WITH_PLAIN,
        run: Run::On(|pair, setting| http(pair, setting, false)),
    },
    Measurement {
        figures: &[
            less(
                "memory per idle flow, 1000 flows",
                "KB each",
                &[Goal::Absolute(8.0)],
            ),
            less(
                "memory per idle flow, 5000 flows",
                "KB each",
                &[Goal::Absolute(8.0)],
            ),
            less(
                "memory kept after 5000 flows closed",
                "KB per flow",
                &[Goal::Absolute(0.8)],
            ),
        ],
        by: PROXIES,
        run: Run::Alone(memory),
    },
    Measurement {
        figures: &[more(
            "1 flow, 100 ms round trip",
            "Gb/s",
            &[Goal::Absolute(1.0)],
        )],
        by: FAR,
        run: Run::Alone(|contender, setting| {
            let pair = Pair::start(contender, setting, Some(FAR_TRIP))?;
            let warm_up = Duration::from_secs(2);
            let entrance = pair.entrance("sink")?;
            let (octets, took) = load::throughput(entrance, 1, false, warm_up, setting.span)?;
            Ok(vec![Some(gigabits(octets, took))])
        }),
    },
    Measurement {
        figures: &[
            less("link: start until reachable", "s", &[Goal::Absolute(0.5)]),
            less(
                "link: peer back until reachable",
                "s",
                &[Goal::Absolute(1.0)],
            ),
        ],
        by: ROUTERS,
        run: Run::Alone(life::measure),
    },
    Measurement {
        figures: growth::FIGURES,
        by: OURS,
        run: Run::Alone(growth::measure),
    },
    Measurement {
        figures: addresses::FIGURES,
        by: ROUTERS,
        run: Run::Alone(addresses::measure),
    },
];

fn gigabits(octets: u64, took: Duration) -> f64 {
    octets as f64 * 8.0 / 1e9 / took.as_secs_f64()
}

fn rate(pair: &Pair, service: &str, flows: usize, span: Duration) -> Result<Vec<Option<f64>>> {
    let entrance = pair.entrance(service)?;
    let reverse = service == "source";
    let before = pair.cpu_seconds();
    let (octets, took) = load::throughput(entrance, flows, reverse, span / 10, span)?;
    // The warm-up is paid for and not counted as moved.
    let cpu = (pair.cpu_seconds() - before) / 1.1;
    Ok(vec![
        Some(gigabits(octets, took)),
        (cpu > 0.0).then_some(cpu / (octets as f64 / 1e9)),
    ])
}

fn quantile(times: &[Duration], q: f64) -> Result<f64> {
    let index = ((times.len() as f64 - 1.0) * q).max(0.0) as usize;
    let time = times.get(index).context("no round trip came back")?;
    Ok(time.as_secs_f64() * 1e6)
}

fn per_second(times: &[Duration], span: Duration) -> Vec<Option<f64>> {
    vec![Some(times.len() as f64 / span.as_secs_f64())]
}

fn http(pair: &Pair, setting: &Setting, keep: bool) -> Result<Vec<Option<f64>>> {
    let Some(http) = &setting.http else {
        return Ok(vec![None]);
    };
    let rate = http.load(pair.entrance("http")?, keep, setting.span)?;
    Ok(vec![Some(rate)])
}

fn memory(contender: &Contender, setting: &Setting) -> Result<Vec<Option<f64>>> {
    let pair = Pair::start(contender, setting, None)?;
    let echo = pair.entrance("echo")?;
    // One flow and its end, so that what is made once is not counted as a flow's.
    drop(load::idle(echo, 1)?);
    let before = pair.memory();
    let per_flow = |flows: usize| (pair.memory() - before) / 1024.0 / flows as f64;
    let mut held = load::idle(echo, 1000)?;
    let at_1000 = per_flow(1000);
    held.extend(load::idle(echo, 4000)?);
    let at_5000 = per_flow(5000);
    drop(held);
    let patience = Instant::now();
    while per_flow(5000) > 0.8 && patience.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(vec![
        Some(at_1000),
        Some(at_5000),
        Some(per_flow(5000).max(0.0)),
    ])
}
