//! The images that a cluster cannot do without, and the one that tests use: pods' sandbox, CoreDNS, busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::config::PAUSE_IMAGE;
use super::home::lock;
use crate::host::find_program;
use crate::oci::{self, Image};
use crate::process;
use crate::progress::Step;

/// busybox with all its applets (`sh`, `httpd`, `nc`, `nslookup`, …), for tests. A static program: its `wget` cannot
/// resolve names, its `nslookup` can.
pub const BUSYBOX_IMAGE: &str = "localhost/busybox:1";
/// The cluster's DNS server.
pub(super) const COREDNS_IMAGE: &str = "localhost/coredns:1";

/// The archives of all images for the programs in `bin`, made where they are missing.
///
/// # Errors
/// When one cannot be made.
pub(super) fn ensure(cache: &Path, bin: &Path) -> Result<Vec<PathBuf>> {
    let folder = cache.join("images");
    let archives = [folder.join("busybox.tar"), folder.join("coredns.tar")];
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let _lock = lock(&folder.join(".lock"))?;
    if archives.iter().all(|archive| archive.exists()) {
        return Ok(archives.into());
    }
    let step = Step::start("images of busybox and CoreDNS");
    busybox(&folder, &archives[0])?;
    coredns(&folder, bin, &archives[1])?;
    step.done();
    Ok(archives.into())
}

/// Two images of one layer: a pod's sandbox has nothing to do but to stay.
fn busybox(folder: &Path, out: &Path) -> Result<()> {
    let program = find_program("busybox").context("no busybox: install busybox-static")?;
    let root = empty_root(folder, "busybox")?;
    copy(&program, &root.join("bin/busybox"))?;
    for applet in process::output(Command::new(&program).arg("--list"))?
        .lines()
        .filter(|name| *name != "busybox")
    {
        symlink("busybox", root.join("bin").join(applet))
            .with_context(|| format!("cannot link {applet}"))?;
    }
    let image = |reference: &str, entrypoint, description| Image {
        reference: reference.into(),
        entrypoint,
        path: "/bin",
        user: None,
        description,
    };
    let images = [
        image(
            PAUSE_IMAGE,
            &["/bin/busybox", "sleep", "2147483647"][..],
            "a pod's sandbox in a test cluster",
        ),
        image(BUSYBOX_IMAGE, &[], "busybox for tests"),
    ];
    oci::write(&root, &images, out)
}

fn coredns(folder: &Path, bin: &Path, out: &Path) -> Result<()> {
    let root = empty_root(folder, "coredns")?;
    copy(&bin.join("coredns"), &root.join("bin/coredns"))?;
    let image = Image {
        reference: COREDNS_IMAGE.into(),
        entrypoint: &["/bin/coredns"],
        path: "/bin",
        user: None,
        description: "CoreDNS for a test cluster",
    };
    oci::write(&root, &[image], out)
}

fn empty_root(folder: &Path, name: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let root = folder.join(format!("{name}.root"));
    fs::remove_dir_all(&root).ok();
    for inner in ["bin", "tmp", "etc"] {
        fs::create_dir_all(root.join(inner))
            .with_context(|| format!("cannot make {}", root.display()))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))
        .context("cannot open up /tmp")?;
    Ok(root)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
