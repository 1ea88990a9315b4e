//! `target/bench/figures.json`: what every benchmark measured last, in one list.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Puts figures into `figures.json` in `folder`, in the place of their namesakes; those of other benchmarks stay. Each is an
/// object with `figure`, `unit`, a number for each contender, `goal` as text and `met`. Returns the file.
///
/// # Errors
/// When the file is there and holds no such list, or cannot be written.
pub fn record(folder: &Path, new: Vec<Value>) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join("figures.json");
    let figures = merge(&file, new)?;
    std::fs::write(&file, serde_json::to_string_pretty(&figures)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        record(
            folder.path(),
            vec![
                json!({"figure": "other", "ours": 7}),
                json!({"figure": "one", "ours": 9}),
            ],
        )
        .unwrap();
        let file = record(
            folder.path(),
            vec![
                json!({"figure": "one", "ours": 1}),
                json!({"figure": "two", "ours": 2}),
            ],
        )
        .unwrap();
        let written: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let wanted = json!([
            {"figure": "other", "ours": 7},
            {"figure": "one", "ours": 1},
            {"figure": "two", "ours": 2},
        ]);
        assert_eq!(written, wanted);
    }

    #[test]
    fn what_others_wrote_and_is_no_list_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("figures.json"), "{}").unwrap();
        let error = record(folder.path(), vec![json!({"figure": "one"})]).unwrap_err();
        assert!(error.to_string().contains("is no list of figures"));
    }
}
