//! The cluster's network namespace, and wires between two of them.

use std::os::fd::AsFd as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::home::{Home, netns};
use super::plan::Name;
use crate::process;

/// Makes the namespace with the node's own address in it. There is no way out of it, so no packet leaves the machine.
///
/// # Errors
/// When `ip` fails.
pub(super) fn create(home: &Home) -> Result<()> {
    let name = home.name.prefixed();
    process::run(Command::new("ip").args(["netns", "add", &name]))?;
    let ip = |words: &str| {
        process::run(
            Command::new("ip")
                .args(["-netns", &name])
                .args(words.split(' ')),
        )
    };
    ip("link set lo up")?;
    // The node's own interface: a bridge without ports, since many kernels have no dummy devices.
    ip("link add node type bridge")?;
    ip(&format!("addr add {}/32 dev node", home.plan.node()))?;
    ip("link set node up")?;
    // Addresses of Services must look routable before kube-proxy's rules change them.
    ip("route add default dev node")?;
    let mut forward = Command::new("nsenter");
    forward.arg(format!("--net={}", home.netns().display()));
    process::run(forward.args(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))
}

/// Removes the namespace `name` with every interface and rule in it; nothing to do where there is none.
///
/// # Errors
/// When it is there and cannot be removed.
pub(super) fn remove(name: &Name) -> Result<()> {
    if !netns(name).exists() {
        return Ok(());
    }
    process::run(Command::new("ip").args(["netns", "delete", &name.prefixed()]))
}

/// Lays a wire between two clusters: each reaches the other's node, pods and load balancers. Again is no error.
///
/// # Errors
/// When `ip` fails.
pub(super) fn join(a: &Home, b: &Home) -> Result<()> {
    part(a, b)?;
    let (to_b, to_a) = (b.plan.wire_name(), a.plan.wire_name());
    let mut add = Command::new("ip");
    add.args([
        "link",
        "add",
        &to_b,
        "netns",
        &a.name.prefixed(),
        "type",
        "veth",
    ]);
    process::run(add.args(["peer", "name", &to_a, "netns", &b.name.prefixed()]))?;
    for (here, there, wire) in [(a, b, &to_b), (b, a, &to_a)] {
        let (near, far) = (here.plan.wire_end(), there.plan.wire_end());
        let ip = |words: String| {
            process::run(
                Command::new("ip")
                    .args(["-netns", &here.name.prefixed()])
                    .args(words.split(' ')),
            )
        };
        ip(format!("addr add {near} peer {far} dev {wire}"))?;
        ip(format!("link set {wire} up"))?;
        // The other side sees the node's address, which it knows how to answer.
        ip(format!(
            "route add {} via {far} dev {wire} src {}",
            there.plan.all(),
            here.plan.node()
        ))?;
    }
    Ok(())
}

/// Cuts the wire between two clusters; no error where there is none.
///
/// # Errors
/// When there is one and `ip` cannot remove it.
pub(super) fn part(a: &Home, b: &Home) -> Result<()> {
    let (namespace, wire) = (a.name.prefixed(), b.plan.wire_name());
    let there =
        process::succeeds(Command::new("ip").args(["-netns", &namespace, "link", "show", &wire]));
    if there {
        // Its other end goes with it.
        process::run(Command::new("ip").args(["-netns", &namespace, "link", "delete", &wire]))?;
    }
    Ok(())
}

/// Moves the calling thread, and what it starts from now on, into the cluster's network namespace.
///
/// # Errors
/// When the namespace is gone, or the process lacks the right.
pub(super) fn enter(home: &Home) -> Result<()> {
    let path = home.netns();
    let file =
        std::fs::File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("cannot enter {}", path.display()))
}
