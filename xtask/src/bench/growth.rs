//! How cost grows with number: flow by flow it stays the same.

use anyhow::Result;

use super::contender::{Contender, Pair, Setting};
use super::figure::{Figure, Goal};
use super::load;

/// Flows in one step.
const STEP: usize = 1_000;
/// Steps; the last is compared with the first.
const STEPS: usize = 10;

/// What comes out, in this order.
pub(super) const FIGURES: &[Figure] = &[
    Figure {
        name: "growth: memory of each flow, at 10000 to at 1000",
        unit: "times",
        less_is_better: true,
        goals: &[Goal::Absolute(1.1)],
    },
    Figure {
        name: "growth: processor time of a new flow, beside 9000 to beside none",
        unit: "times",
        less_is_better: true,
        goals: &[Goal::Absolute(1.25)],
    },
];

/// Opens flows that then stay idle, step by step.
pub(super) fn measure(contender: &Contender, setting: &Setting) -> Result<Vec<Option<f64>>> {
    let pair = Pair::start(contender, setting, None)?;
    let echo = pair.entrance("echo")?;
    drop(load::idle(echo, STEP / 10)?);
    let idle = pair.memory();
    let mut held = Vec::new();
    let (mut each, mut cost) = (Vec::new(), Vec::new());
    for step in 1..=STEPS {
        let before = pair.cpu_seconds();
        held.extend(load::idle(echo, STEP)?);
        cost.push(pair.cpu_seconds() - before);
        each.push((pair.memory() - idle) / (step * STEP) as f64);
    }
    let growth = |values: &[f64]| Some(values.last()? / values.first().filter(|v| **v > 0.0)?);
    Ok(vec![growth(&each), growth(&cost)])
}
