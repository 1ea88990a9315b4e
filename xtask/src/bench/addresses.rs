//! How cost grows with the number of addresses: address by address it stays the same.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::contender::{Contender, Setting, end};
use super::figure::{Figure, Goal};
use super::routers::{self, End};
use super::{load, usage};
use crate::wait;

/// Addresses of the pairs that are compared: the first is what a pair costs without any to speak of.
const COUNTS: [usize; 3] = [1, 1_000, 4_000];
/// Longer than any router that works takes.
const LIMIT: Duration = Duration::from_secs(60);

/// What comes out, in this order.
pub(super) const FIGURES: &[Figure] = &[
    Figure {
        name: "growth: memory of each address, at 4000 to at 1000",
        unit: "times",
        less_is_better: true,
        goals: &[Goal::Absolute(1.25)],
    },
    Figure {
        name: "growth: processor time until each address is reachable, at 4000 to at 1000",
        unit: "times",
        less_is_better: true,
        goals: &[Goal::Absolute(1.25)],
    },
    Figure {
        name: "1000 addresses: memory of each",
        unit: "KB",
        less_is_better: true,
        goals: &[],
    },
    Figure {
        name: "1000 addresses: processor time of both until all are reachable",
        unit: "s",
        less_is_better: true,
        goals: &[],
    },
];

/// What a pair has used when all its addresses can be reached.
struct Cost {
    /// Octets, both together.
    memory: f64,
    /// Seconds, both together.
    cpu: f64,
}

/// Starts pairs that differ in the number of their addresses only: a listener at the front and a connector at the back for
/// each.
pub(super) fn measure(contender: &Contender, setting: &Setting) -> Result<Vec<Option<f64>>> {
    let mut costs = Vec::new();
    for count in COUNTS {
        costs.push(cost(contender, setting, count)?);
    }
    let [none, few, many] = &costs[..] else {
        anyhow::bail!("three pairs are compared");
    };
    let each = |of: fn(&Cost) -> f64, pair: &Cost, count: usize| {
        (of(pair) - of(none)) / (count - COUNTS[0]) as f64
    };
    let growth = |of| {
        let before = each(of, few, COUNTS[1]);
        (before > 0.0).then(|| each(of, many, COUNTS[2]) / before)
    };
    Ok(vec![
        growth(|cost| cost.memory),
        growth(|cost| cost.cpu),
        Some(each(|cost| cost.memory, few, COUNTS[1]) / 1024.0),
        Some(few.cpu - none.cpu),
    ])
}

fn cost(contender: &Contender, setting: &Setting, count: usize) -> Result<Cost> {
    let Contender::Routers(name, front, back) = contender else {
        anyhow::bail!("addresses are routed by routers");
    };
    let (folder, material) = (&setting.folder, &setting.material);
    let (between, entrances) = ports(count)?;
    let mut texts = [
        routers::common(End::Back, material) + &routers::listener(between),
        routers::common(End::Front, material) + &routers::connector(between),
    ];
    for (number, entrance) in entrances.iter().enumerate() {
        let address = format!("address-{number}");
        texts[0] += &routers::tcp("tcpConnector", &address, setting.servers.at.echo);
        texts[1] += &routers::tcp("tcpListener", &address, *entrance);
    }
    let name = format!("{name}-{count}");
    let mut processes = vec![routers::run(&name, End::Back, back, &texts[0], folder)?];
    let result = (|| {
        processes.push(routers::run(&name, End::Front, front, &texts[1], folder)?);
        wait::until(&format!("{count} open ports"), LIMIT, || {
            Ok((open_ports(&entrances)? == count).then_some(()))
        })?;
        let last = entrances.last().context("a pair without an address")?;
        drop(load::idle(*last, 1)?);
        let ids = || processes.iter().map(std::process::Child::id);
        Ok(Cost {
            memory: ids().map(|id| usage::resident(id) as f64).sum(),
            cpu: ids().map(usage::cpu_of_threads).sum(),
        })
    })();
    end(&mut processes);
    result
}

/// A port between the two, and one for each listener.
fn ports(count: usize) -> Result<(SocketAddr, Vec<SocketAddr>)> {
    // All are held at once, so that no two are the same.
    let held: Vec<_> = (0..=count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<std::io::Result<_>>()?;
    let mut ports = held
        .iter()
        .map(TcpListener::local_addr)
        .collect::<std::io::Result<Vec<_>>>()?;
    let between = ports.pop().context("no port")?;
    Ok((between, ports))
}

/// How many of the ports somebody listens on, without a word to whoever that is.
fn open_ports(wanted: &[SocketAddr]) -> Result<usize> {
    const LISTEN: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").context("/proc/net/tcp")?;
    let open: HashSet<u16> = table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next()?, fields.nth(1)?);
            let port = local.rsplit_once(':')?.1;
            (state == LISTEN).then(|| u16::from_str_radix(port, 16).ok())?
        })
        .collect();
    Ok(wanted.iter().filter(|at| open.contains(&at.port())).count())
}
