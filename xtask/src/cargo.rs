//! Building a program of this workspace and learning where it lies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::host::packages;
use crate::process;
use crate::progress::Step;
use crate::release;

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// As tests are: quick to build again.
    Dev,
    /// As users get it, trained (`cargo xtask release`).
    Release,
}

/// The workspace's folder.
#[must_use]
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Builds the program `name` of `package` and returns its path.
///
/// # Errors
/// When the build fails (the compiler's messages are on standard error already), or when something that it needs is missing and
/// cannot be installed here.
pub fn build(package: &str, name: &str, profile: Profile) -> Result<PathBuf> {
    match profile {
        Profile::Dev => compile(package, name, |_| {}),
        Profile::Release => release::build(package, name),
    }
}

/// Builds it with what `more` adds to the command line.
pub(crate) fn compile(
    package: &str,
    name: &str,
    more: impl FnOnce(&mut Command),
) -> Result<PathBuf> {
    packages::ensure(packages::BUILD)?;
    let step = Step::start(format!("cargo build --package {package}"));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace())
        .args(["build", "--quiet", "--package", package, "--bin", name]);
    cargo.arg("--message-format=json-render-diagnostics");
    more(&mut cargo);
    let out = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", process::line(&cargo)))?;
    if !out.status.success() {
        bail!("`{}` ended with {}", process::line(&cargo), out.status);
    }
    let program = executable(&String::from_utf8_lossy(&out.stdout), name)
        .with_context(|| format!("`{}` told of no program {name}", process::line(&cargo)))?;
    step.done();
    Ok(program)
}

/// The path of the program `name` in cargo's messages (`--message-format=json`).
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| {
            let fits =
                message["reason"] == "compiler-artifact" && message["target"]["name"] == name;
            fits.then(|| message["executable"].as_str().map(PathBuf::from))
                .flatten()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"anyhow"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"skupper","kind":["bin"]},"executable":"/t/debug/skupper"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "skupper"),
            Some("/t/debug/skupper".into())
        );
        assert_eq!(executable(messages, "anyhow"), None);
        assert_eq!(executable(messages, "other"), None);
    }

    #[test]
    fn the_workspace_has_the_lock_file() {
        assert!(workspace().join("Cargo.lock").exists());
    }
}
