//! The table on the terminal, `figures.json` and the plot.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::figure::{Figure, Goal};
use super::{plot, record};

/// Measured numbers by figure and contender.
pub(super) type Measured = BTreeMap<(&'static str, &'static str), Vec<f64>>;

/// Medians of one figure, by contender.
pub(super) struct Row<'a> {
    pub(super) figure: &'a Figure,
    pub(super) medians: Vec<(&'static str, f64)>,
}

impl Row<'_> {
    pub(super) fn of(&self, contender: &str) -> Option<f64> {
        let mut medians = self.medians.iter();
        medians.find(|(name, _)| *name == contender).map(|m| m.1)
    }

    /// The goals that can be judged: as text, with what is reached, and whether it is met.
    fn goals(&self) -> Vec<(String, bool)> {
        let Some(ours) = self.of("ours") else {
            return Vec::new();
        };
        let sign = if self.figure.less_is_better {
            "≤"
        } else {
            "≥"
        };
        let met = |reached: f64, wanted: f64| match self.figure.less_is_better {
            true => reached <= wanted,
            false => reached >= wanted,
        };
        let goals = self.figure.goals.iter();
        goals
            .filter_map(|goal| match *goal {
                Goal::Absolute(wanted) => Some((
                    format!("{sign} {wanted} {}", self.figure.unit),
                    met(ours, wanted),
                )),
                Goal::Times(wanted, peer) => {
                    let reached = ours / self.of(peer)?;
                    let text = format!("{sign} {wanted} × {peer} (is {reached:.2})");
                    Some((text, met(reached, wanted)))
                }
            })
            .collect()
    }
}

/// Prints the table, and writes `figures.json` and `figures.svg`.
pub(super) fn write(chosen: &[&Figure], measured: &Measured, folder: &Path) -> Result<()> {
    let rows: Vec<_> = chosen
        .iter()
        .map(|figure| Row {
            figure,
            medians: measured
                .iter()
                .filter(|((name, _), _)| *name == figure.name)
                .filter_map(|((_, contender), values)| Some((*contender, median(values)?)))
                .collect(),
        })
        .collect();
    for row in &rows {
        print(row);
    }
    let values: Vec<_> = rows.iter().map(json_of).collect();
    let plot = folder.join("figures.svg");
    std::fs::write(&plot, plot::draw(&rows))
        .with_context(|| format!("cannot write {}", plot.display()))?;
    for file in [record(folder, values)?, plot] {
        println!("written: {}", file.display());
    }
    Ok(())
}

fn print(row: &Row<'_>) {
    println!("{} [{}]", row.figure.name, row.figure.unit);
    let ours = row.of("ours");
    for (name, value) in &row.medians {
        let ratio = match ours {
            Some(ours) if *name != "ours" && *value > 0.0 => {
                format!("   ours is {:.2} times that", ours / value)
            }
            _ => String::new(),
        };
        println!("    {name:<18}{value:>14.3}{ratio}");
    }
    for (goal, met) in row.goals() {
        println!("    {} {goal}", if met { "met:    " } else { "NOT MET:" });
    }
}

fn json_of(row: &Row<'_>) -> Value {
    let mut object = Map::new();
    object.insert("figure".into(), row.figure.name.into());
    object.insert("unit".into(), row.figure.unit.into());
    for (name, value) in &row.medians {
        let rounded = (value * 1000.0).round() / 1000.0;
        object.insert((*name).into(), json!(rounded));
    }
    let goals = row.goals();
    let texts: Vec<_> = goals.iter().map(|(text, _)| text.as_str()).collect();
    object.insert("goal".into(), texts.join(", ").into());
    // What could not be judged is not met.
    let met = !goals.is_empty() && goals.iter().all(|(_, met)| *met);
    object.insert("met".into(), met.into());
    Value::Object(object)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURE: Figure = Figure {
        name: "speed",
        unit: "m/s",
        less_is_better: false,
        goals: &[Goal::Times(1.1, "haproxy"), Goal::Absolute(10.0)],
    };

    #[test]
    fn goals_are_judged_against_the_same_runs_peers() {
        let row = |ours, haproxy| Row {
            figure: &FIGURE,
            medians: vec![("haproxy", haproxy), ("ours", ours)],
        };
        let object = json_of(&row(12.0, 10.0));
        assert_eq!(object["goal"], "≥ 1.1 × haproxy (is 1.20), ≥ 10 m/s");
        assert_eq!(object["met"], true);
        assert_eq!(json_of(&row(10.5, 10.0))["met"], false);
        assert_eq!(json_of(&row(9.0, 1.0))["met"], false);
    }

    #[test]
    fn without_the_peer_only_the_rest_is_judged() {
        let row = Row {
            figure: &FIGURE,
            medians: vec![("ours", 12.0)],
        };
        assert_eq!(json_of(&row)["goal"], "≥ 10 m/s");
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
