//! The table on the terminal, and the figures among those of the other benchmarks.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::bench::record;

/// One figure.
pub(super) struct Row {
    /// What was measured.
    pub(super) figure: &'static str,
    pub(super) unit: &'static str,
    /// What came out.
    pub(super) ours: f64,
    /// What the original was measured at, once, on the same kind of machine.
    pub(super) original: &'static str,
    /// What is to be reached at most, if anything.
    pub(super) goal: Option<f64>,
}

impl Row {
    fn met(&self) -> bool {
        self.goal.is_none_or(|goal| self.ours <= goal)
    }

    fn goal(&self) -> String {
        self.goal
            .map(|goal| format!("≤ {goal} {}", self.unit))
            .unwrap_or_default()
    }

    fn json(&self) -> Value {
        let rounded = (self.ours * 1000.0).round() / 1000.0;
        json!({"figure": self.figure, "unit": self.unit, "ours": rounded, "goal": self.goal(), "met": self.met()})
    }
}

/// Prints the table, and writes the figures to `figures.json` in `folder`.
pub(super) fn write(rows: &[Row], folder: &Path) -> Result<()> {
    println!(
        "{:<88} {:>10}  {:<8} {:<14} the original",
        "", "ours", "unit", "goal"
    );
    for row in rows {
        let verdict = if row.met() { "" } else { "  NOT MET" };
        println!(
            "{:<88} {:>10.2}  {:<8} {:<14} {}{verdict}",
            row.figure,
            row.ours,
            row.unit,
            row.goal(),
            row.original
        );
    }
    let file = record(folder, rows.iter().map(Row::json).collect())?;
    println!("written: {}", file.display());
    Ok(())
}

/// The middle one of some measurements.
pub(super) fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.get(values.len() / 2);
    middle.copied().context("nothing was measured")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: &'static str, ours: f64) -> Row {
        Row {
            figure,
            unit: "s",
            ours,
            original: "long",
            goal: Some(1.0),
        }
    }

    #[test]
    fn a_row_is_judged_by_its_goal() {
        let wanted =
            json!({"figure": "two", "unit": "s", "ours": 1.5, "goal": "≤ 1 s", "met": false});
        assert_eq!(row("two", 1.5).json(), wanted);
        assert_eq!(row("one", 0.5).json()["met"], true);
    }

    #[test]
    fn the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).unwrap(), 2.0);
        assert!(median(Vec::new()).is_err());
    }
}
