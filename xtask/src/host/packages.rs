//! Debian packages whose programs are used.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{find_program, is_root};
use crate::process;
use crate::progress::{Step, say};

/// A Debian package and how to see, on any distribution, that what we need of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name in Debian.
    pub name: &'static str,
    /// A program of it (found in the search path), or a file of it (an absolute path).
    pub sign: &'static str,
}

/// What a cluster needs.
pub const CLUSTER: &[Package] = &[
    Package {
        name: "runc",
        sign: "runc",
    },
    Package {
        name: "containernetworking-plugins",
        sign: "/usr/lib/cni/ptp",
    },
    Package {
        name: "nftables",
        sign: "nft",
    },
    Package {
        name: "iproute2",
        sign: "ip",
    },
    Package {
        name: "openssl",
        sign: "openssl",
    },
    Package {
        name: "busybox-static",
        sign: "busybox",
    },
    Package {
        name: "umoci",
        sign: "umoci",
    },
    Package {
        name: "util-linux",
        sign: "nsenter",
    },
    Package {
        name: "tar",
        sign: "tar",
    },
];

/// What building our programs needs besides Rust and a C compiler.
pub const BUILD: &[Package] = &[Package {
    name: "make",
    sign: "make",
}];

/// What training a release needs: certificates between its routers.
pub const TRAINING: &[Package] = &[Package {
    name: "openssl",
    sign: "openssl",
}];

/// What making an image needs.
pub const IMAGE: &[Package] = &[
    Package {
        name: "umoci",
        sign: "umoci",
    },
    Package {
        name: "binutils",
        sign: "strip",
    },
    Package {
        name: "libc-bin",
        sign: "ldd",
    },
    Package {
        name: "tar",
        sign: "tar",
    },
];

/// What tests type besides: the documented procedures use jq.
pub const TESTS: &[Package] = &[
    Package {
        name: "jq",
        sign: "jq",
    },
    Package {
        name: "curl",
        sign: "curl",
    },
    Package {
        name: "openssl",
        sign: "openssl",
    },
];

/// Sees to it that `packages` are installed: missing ones are installed with apt-get, after saying so.
///
/// # Errors
/// When something is missing and cannot be installed here; the error names the packages and the remedy.
pub fn ensure(packages: &[Package]) -> Result<()> {
    let missing = missing(packages, |sign| {
        if sign.starts_with('/') {
            Path::new(sign).exists()
        } else {
            find_program(sign).is_some()
        }
    });
    if missing.is_empty() {
        return Ok(());
    }
    let remedy = format!("apt-get install {}", missing.join(" "));
    if find_program("apt-get").is_none() {
        bail!(
            "missing on this machine: {}; install what provides them (on Debian: {remedy})",
            missing.join(", ")
        );
    }
    if !is_root() {
        bail!(
            "missing Debian packages: {}; install them as root: {remedy}",
            missing.join(", ")
        );
    }
    say(&format!(
        "missing Debian packages, installing them now: {remedy}"
    ));
    let step = Step::start("apt-get");
    apt(&["update"]).context("the list of packages could not be brought up to date")?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install).with_context(|| format!("could not install; try by hand: {remedy}"))?;
    step.done();
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<()> {
    process::run(
        Command::new("apt-get")
            .arg("--quiet")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn missing(packages: &[Package], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|p| !is_there(p.sign))
        .map(|p| p.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_absent_is_asked_for() {
        let absent = missing(CLUSTER, |sign| {
            !["umoci", "/usr/lib/cni/ptp"].contains(&sign)
        });
        assert_eq!(absent, ["containernetworking-plugins", "umoci"]);
    }
}
