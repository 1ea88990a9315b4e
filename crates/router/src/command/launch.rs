//! What upstream's image does before it starts its router: the configuration is found by environment variables and
//! other variables are filled in (management reference §1.4). Here the same program does both.

use std::path::{Path, PathBuf};

use skupper_management::document::{Dialect, Document, expand};

use super::CommandError;

/// The configuration that the environment names; `None` where it names none.
pub(super) fn document() -> Result<Option<Document>, CommandError> {
    let Ok(named) = std::env::var("QDROUTERD_CONF") else {
        return Ok(None);
    };
    let dialect = match std::env::var("QDROUTERD_CONF_TYPE").as_deref() {
        Ok("json") => Dialect::Json,
        _ => Dialect::Conf,
    };
    if std::env::var("QDROUTERD_AUTO_MESH_DISCOVERY").is_ok_and(|value| !value.is_empty()) {
        tracing::warn!(
            target: "ROUTER",
            "QDROUTERD_AUTO_MESH_DISCOVERY is not supported and ignored: configure connectors to the other routers"
        );
    }
    let (text, source) = if is_inline(&named) {
        (named, PathBuf::from("QDROUTERD_CONF"))
    } else {
        (gather(&named)?, PathBuf::from(&named))
    };
    let text = expand(&text, |name| std::env::var(name).ok());
    if text.trim().is_empty() {
        return Err(CommandError::Empty(source));
    }
    Document::parse(&text, dialect)
        .map(Some)
        .map_err(|error| CommandError::Document {
            path: source,
            error,
        })
}

/// A text and no list of paths: it contains a block.
fn is_inline(named: &str) -> bool {
    named
        .find('{')
        .is_some_and(|open| named[open..].contains('}'))
}

/// The texts of a list of paths; a directory stands for all its `*.conf`.
fn gather(named: &str) -> Result<String, CommandError> {
    let mut text = String::new();
    for path in named.split([':', ',']).filter(|path| !path.is_empty()) {
        for file in files(Path::new(path))? {
            let content = std::fs::read_to_string(&file)
                .map_err(|error| CommandError::Open { path: file, error })?;
            text.push_str(&content);
            text.push('\n');
        }
    }
    Ok(text)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, CommandError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let open = |error| CommandError::Open {
        path: path.to_owned(),
        error,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(open)? {
        let file = entry.map_err(open)?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "conf")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_inline() {
        assert!(is_inline("router {\n id: A\n}"));
        assert!(!is_inline("/etc/a.conf:/etc/b.conf"));
    }

    #[test]
    fn directories_give_their_files_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("b.conf", "second"), ("a.conf", "first"), ("c.txt", "no")] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        assert_eq!(
            gather(&directory.path().to_string_lossy()).unwrap(),
            "first\nsecond\n"
        );
        assert!(matches!(
            gather("/nowhere/at/all"),
            Err(CommandError::Open { .. })
        ));
    }
}
