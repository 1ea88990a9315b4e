//! The images of our one program: one layer, three names, each with its own entry point.
//!
//! Upstream's Deployment gives no command for router and adaptor, and calls `/app/kube-adaptor -init` for the init
//! container: so each name has an entry point, and the programs' upstream paths are links. The image holds the program
//! and the shared libraries that it loads, nothing else; it runs as user 10000 on a read-only root.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{self, Profile};
use crate::host::packages;
use crate::oci::{self, Image};
use crate::process;
use crate::progress::Step;

/// Who runs the program in the image: a number, because `runAsNonRoot` can judge no name.
pub const USER: u32 = 10000;

/// Image names and their entry points.
const ROLES: [(&str, &[&str], &str); 3] = [
    (
        "skupper-controller",
        &["/app/skupper", "controller"],
        "Skupper controller for Kubernetes",
    ),
    (
        "skupper-kube-adaptor",
        &["/app/skupper", "adaptor"],
        "Skupper adaptor between Kubernetes and a router",
    ),
    (
        "skupper-router",
        &["/app/skupper", "router"],
        "Skupper router",
    ),
];

/// Paths under which upstream's images hold the same programs; links to ours, which looks at the name it is called by.
const LINKS: [&str; 7] = [
    "app/controller",
    "app/kube-adaptor",
    "app/skrouterd",
    "usr/sbin/skrouterd",
    "usr/bin/skupper",
    "usr/bin/skstat",
    "usr/bin/skmanage",
];

/// What to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// In front of the images' names: `localhost`, `quay.io/somebody`.
    pub registry: String,
    /// The images' tag.
    pub tag: String,
    /// How the program is built.
    pub profile: Profile,
    /// A program that is built already, instead.
    pub program: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            registry: "localhost".into(),
            tag: "dev".into(),
            profile: Profile::Dev,
            program: None,
        }
    }
}

impl Options {
    /// The full name of the image of `role`: `controller`, `kube-adaptor` or `router`.
    #[must_use]
    pub fn name(&self, role: &str) -> String {
        format!("{}/skupper-{role}:{}", self.registry, self.tag)
    }
}

/// The archive with all three images, for [`crate::cluster::Cluster::load`].
#[must_use]
pub fn archive() -> PathBuf {
    cargo::workspace().join("target/image/skupper.tar")
}

/// Builds the program and writes its images into [`archive`].
///
/// # Errors
/// When the build fails, a tool is missing that cannot be installed, or a file cannot be written.
pub fn build(options: &Options) -> Result<PathBuf> {
    packages::ensure(packages::IMAGE)?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => cargo::build("skupper", "skupper", options.profile)?,
    };
    let out = archive();
    let step = Step::start("images");
    let root = out.with_extension("root");
    fill(&root, &program)?;
    let images: Vec<_> = ROLES
        .iter()
        .map(|&(name, entrypoint, description)| Image {
            reference: format!("{}/{name}:{}", options.registry, options.tag),
            entrypoint,
            path: "/app:/usr/bin:/usr/sbin",
            user: Some(USER),
            description,
        })
        .collect();
    oci::write(&root, &images, &out)?;
    step.done();
    Ok(out)
}

/// Lays the image's file tree out at `root`.
fn fill(root: &Path, program: &Path) -> Result<()> {
    fs::remove_dir_all(root).ok();
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let folder = |path: &str, mode: u32| {
        let path = inside(path);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .context("cannot set permissions")
    };
    for path in ["app", "etc", "usr", "usr/bin", "usr/sbin"] {
        folder(path, 0o755)?;
    }
    folder("tmp", 0o1777)?;

    let installed = inside("app/skupper");
    copy(program, &installed)?;
    process::run(Command::new("strip").arg("--strip-debug").arg(&installed))?;
    for link in LINKS {
        let up = "../".repeat(link.matches('/').count());
        symlink(format!("{up}app/skupper"), inside(link))
            .with_context(|| format!("cannot link {link}"))?;
    }
    // Hosts before DNS: without this file glibc's order is not promised.
    fs::write(inside("etc/nsswitch.conf"), "hosts: files dns\n")
        .context("cannot write nsswitch.conf")?;
    for library in libraries(program)? {
        let target = inside(&library.display().to_string());
        let parent = target.parent().context("a library lies at the root")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        copy(&library, &target)?;
    }
    Ok(())
}

/// Copies what a link points to, for everybody to read and run.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).context("cannot set permissions")
}

/// The shared libraries that `program` loads, its loader included.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let said = process::output(Command::new("ldd").arg(program))?;
    parse_ldd(&said).with_context(|| format!("`ldd {}`", program.display()))
}

fn parse_ldd(said: &str) -> Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for line in said.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // `NAME => PATH (ADDRESS)`, `LOADER (ADDRESS)`; the kernel's own has no file.
        let (name, path) = line.split_once(" => ").unwrap_or((line, line));
        let path = path.rsplit_once(" (").map_or(path, |(path, _)| path).trim();
        if path == "not found" {
            bail!("the library {name} is not on this machine");
        }
        if path.starts_with('/') {
            libraries.push(PathBuf::from(path));
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_ldd() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd5a5f2000)\n\
                    \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f1)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f3)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libgcc_s.so.1",
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(parse_ldd(said).unwrap(), expected.map(PathBuf::from));
    }

    #[test]
    fn a_missing_library_is_named() {
        let error = parse_ldd("\tlibz.so.1 => not found\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the library libz.so.1 is not on this machine"
        );
        assert!(parse_ldd("\tstatically linked\n").unwrap().is_empty());
    }

    #[test]
    fn the_tree_holds_the_program_its_links_and_libraries() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fill(&root, Path::new("/bin/sh")).unwrap();
        for link in LINKS {
            assert_eq!(
                fs::canonicalize(root.join(link)).unwrap(),
                fs::canonicalize(root.join("app/skupper")).unwrap(),
                "{link}"
            );
        }
        assert_eq!(
            fs::metadata(root.join("tmp")).unwrap().permissions().mode() & 0o7777,
            0o1777
        );
        for library in libraries(Path::new("/bin/sh")).unwrap() {
            assert!(
                root.join(library.strip_prefix("/").unwrap()).is_file(),
                "{}",
                library.display()
            );
        }
    }
}
