//! The program as users get it: built with what a first build of it did when it carried traffic (profile-guided optimisation).
//!
//! A router goes through all of its code for each new connection, and little of that is hot by itself: what costs is that it lies
//! apart. So a first build counts, two routers of it carry what the benchmark's pairs carry, and the second build lays out by that what belongs
//! together. Numbers are in `benches/README.md`.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::bench;
use crate::cargo::{compile, workspace};
use crate::host::packages;
use crate::process;
use crate::progress::{Step, say};

/// What gets the toolchain the program that merges counts.
const REMEDY: &str = "rustup component add llvm-tools";
/// How long each kind of traffic is carried.
const SPAN: Duration = Duration::from_secs(2);

/// Builds the program `name` of `package`, which is called as `skupper` is, and returns its path. It is trained anew where its first build, or
/// what can be carried here, has changed since the last time. Flags of the environment (`RUSTFLAGS`, `CARGO_ENCODED_RUSTFLAGS`) stay; those of cargo's
/// configuration files do not count.
///
/// # Errors
/// When a build or the traffic fails, or something that it needs is missing and cannot be installed here.
pub fn build(package: &str, name: &str) -> Result<PathBuf> {
    packages::ensure(packages::TRAINING)?;
    let merger = merger()?;
    let host = rustc(&["--print", "host-tuple"])?;
    let folder = workspace().join("target/trained");
    let counts = folder.join("counts");
    let built = |flag: String, target: &str| {
        compile(package, name, |cargo| {
            // For a target, so that what runs during the build is not built that way.
            cargo.args(["--release", "--locked", "--target", host.trim()]);
            cargo.arg("--target-dir").arg(folder.join(target));
            cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(&flag));
        })
    };
    let counting = built(
        format!("-Cprofile-generate={}", counts.display()),
        "counting",
    )?;
    // The name tells which program was trained with what: cargo builds anew for another name, not for another content.
    let profile = folder.join(format!(
        "{:016x}-{}.profdata",
        digest(&counting)?,
        bench::traffic()
    ));
    if !profile.exists() {
        forget(&folder)?;
        let step = Step::start("training");
        bench::train(&counting, &folder, SPAN)?;
        ensure!(
            counts.is_dir(),
            "{} wrote no counts into {}",
            counting.display(),
            counts.display()
        );
        // Under its name once it is whole.
        let merged = folder.join("merged");
        process::run(
            Command::new(&merger)
                .arg("merge")
                .arg("-o")
                .arg(&merged)
                .arg(&counts),
        )?;
        fs::rename(&merged, &profile)
            .with_context(|| format!("cannot write {}", profile.display()))?;
        step.done();
    }
    built(format!("-Cprofile-use={}", profile.display()), "release")
}

/// Removes what was counted before.
fn forget(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder.join("counts")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", folder.display()));
        }
        _ => {}
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "profdata") {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The flags of whoever builds, and one more, as `CARGO_ENCODED_RUSTFLAGS`.
fn flags(more: &str) -> String {
    let theirs = std::env::var("CARGO_ENCODED_RUSTFLAGS").or_else(|_| {
        let words = std::env::var("RUSTFLAGS")?;
        Ok(words.split_whitespace().collect::<Vec<_>>().join("\x1f"))
    });
    join(
        theirs.unwrap_or_else(|_: std::env::VarError| String::new()),
        more,
    )
}

fn join(mut flags: String, more: &str) -> String {
    if !flags.is_empty() {
        flags.push('\x1f');
    }
    flags + more
}

fn digest(program: &Path) -> Result<u64> {
    let octets = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&octets);
    Ok(hasher.finish())
}

/// The program that merges counts: the toolchain's own, because the compiler reads what is of its own LLVM.
fn merger() -> Result<PathBuf> {
    let libraries = PathBuf::from(rustc(&["--print", "target-libdir"])?.trim());
    let merger = libraries.with_file_name("bin").join("llvm-profdata");
    if merger.exists() {
        return Ok(merger);
    }
    let missing = || {
        format!(
            "{} is missing, with which a release is trained: have it installed for that toolchain ({REMEDY}), or build a release that is not trained (cargo build --release)",
            merger.display()
        )
    };
    say(&format!(
        "the toolchain has no llvm-profdata yet, getting it now: {REMEDY}"
    ));
    let mut words = REMEDY.split_whitespace();
    let mut rustup = Command::new(words.next().unwrap_or_default());
    process::run(rustup.args(words).current_dir(workspace())).with_context(missing)?;
    // It may have gone to another toolchain than that of `rustc`.
    ensure!(merger.exists(), missing());
    Ok(merger)
}

fn rustc(words: &[&str]) -> Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    process::output(Command::new(program).args(words).current_dir(workspace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_who_builds_stay() {
        assert_eq!(join(String::new(), "-Ca=b c"), "-Ca=b c");
        assert_eq!(join("-Cx\x1f-Cy".into(), "-Cz"), "-Cx\x1f-Cy\x1f-Cz");
    }

    #[test]
    fn what_was_counted_before_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("counts")).unwrap();
        fs::create_dir(at("release")).unwrap();
        fs::write(at("counts/0.profraw"), "").unwrap();
        fs::write(at("0123456789abcdef.profdata"), "").unwrap();
        forget(folder.path()).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["release"]);
    }
}
