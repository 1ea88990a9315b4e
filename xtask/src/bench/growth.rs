//! How cost grows with number: flow by flow it stays the same.

use std::time::Duration;

use anyhow::Result;

use super::contender::{Contender, Pair, Setting};
use super::figure::{Figure, Goal};
use super::load;

/// Flows in one step.
const STEP: usize = 1_250;
/// Steps; the last is compared with the first. A power of two: tables double, and are as full then as they were.
const STEPS: usize = 8;
/// What flows took to open is given back a second later: there is more of that where more have opened just now.
const REST: Duration = Duration::from_secs(2);

/// What comes out, in this order.
pub(super) const FIGURES: &[Figure] = &[
    Figure {
        name: "growth: memory of each flow, at 10000 to at 1250",
        unit: "times",
        less_is_better: true,
        goals: &[Goal::Absolute(1.1)],
    },
    Figure {
        name: "growth: processor time of a new flow, beside 8750 to beside none",
        unit: "times",
        less_is_better: true,
        goals: &[Goal::Absolute(1.25)],
    },
];

/// Opens flows that then stay idle, step by step.
pub(super) fn measure(contender: &Contender, setting: &Setting) -> Result<Vec<Option<f64>>> {
    let pair = Pair::start(contender, setting, None)?;
    let echo = pair.entrance("echo")?;
    // One, so that what is made once is not counted as a flow's; what many leave behind would be taken for the first step's.
    drop(load::idle(echo, 1)?);
    std::thread::sleep(REST);
    let idle = pair.memory();
    let mut held = Vec::new();
    let (mut each, mut cost) = (Vec::new(), Vec::new());
    for step in 1..=STEPS {
        let before = pair.cpu_seconds();
        held.extend(load::idle(echo, STEP)?);
        cost.push(pair.cpu_seconds() - before);
        std::thread::sleep(REST);
        each.push((pair.memory() - idle) / (step * STEP) as f64);
    }
    let growth = |values: &[f64]| Some(values.last()? / values.first().filter(|v| **v > 0.0)?);
    Ok(vec![growth(&each), growth(&cost)])
}
