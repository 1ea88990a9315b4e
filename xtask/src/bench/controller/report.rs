//! The table on the terminal, and the figures among those of the other benchmarks.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

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
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let file = folder.join("figures.json");
    let figures = merge(&file, rows.iter().map(Row::json).collect())?;
    std::fs::write(&file, serde_json::to_string_pretty(&figures)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("written: {}", file.display());
    Ok(())
}

/// The figures of a file with these in the place of their namesakes: other benchmarks have theirs in it.
fn merge(file: &Path, new: Vec<Value>) -> Result<Vec<Value>> {
    let mut figures = match std::fs::read_to_string(file) {
        Ok(text) => match serde_json::from_str::<Value>(&text) {
            Ok(Value::Array(figures)) => figures,
            _ => bail!(
                "{} is no list of figures; remove it, it is made anew",
                file.display()
            ),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", file.display()));
        }
    };
    figures.retain(|old| !new.iter().any(|new| new["figure"] == old["figure"]));
    figures.extend(new);
    Ok(figures)
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
    fn figures_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("figures.json");
        std::fs::write(
            &file,
            r#"[{"figure": "other", "ours": 7}, {"figure": "one", "ours": 9}]"#,
        )
        .unwrap();
        write(&[row("one", 0.5), row("two", 1.5)], folder.path()).unwrap();
        let written: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let wanted = json!([
            {"figure": "other", "ours": 7},
            {"figure": "one", "unit": "s", "ours": 0.5, "goal": "≤ 1 s", "met": true},
            {"figure": "two", "unit": "s", "ours": 1.5, "goal": "≤ 1 s", "met": false},
        ]);
        assert_eq!(written, wanted);
    }

    #[test]
    fn what_others_wrote_and_is_no_list_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("figures.json"), "{}").unwrap();
        let error = write(&[row("one", 0.5)], folder.path()).unwrap_err();
        assert!(error.to_string().contains("is no list of figures"));
    }

    #[test]
    fn the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).unwrap(), 2.0);
        assert!(median(Vec::new()).is_err());
    }
}
