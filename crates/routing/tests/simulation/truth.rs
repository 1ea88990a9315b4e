//! What must hold once a network has converged, computed from outside.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use skupper_routing::{AddressKey, Origin, choose};

use super::net::Net;

/// Costs of the cheapest ways between all pairs, by Floyd and Warshall.
pub(crate) fn costs(net: &Net) -> Vec<Vec<Option<u32>>> {
    let n = net.routers.len();
    let mut cost = vec![vec![None; n]; n];
    for c in net
        .cables
        .iter()
        .filter(|c| c.up && !c.frozen && c.ends.iter().all(|end| net.is_alive(*end)))
    {
        let [a, b] = c.ends;
        let cheaper = cost[a][b].is_none_or(|known: u32| c.cost < known);
        if cheaper {
            cost[a][b] = Some(c.cost);
            cost[b][a] = Some(c.cost);
        }
    }
    for k in 0..n {
        for i in 0..n {
            for j in 0..n {
                if let (Some(a), Some(b)) = (cost[i][k], cost[k][j])
                    && i != j
                    && cost[i][j].is_none_or(|known| a + b < known)
                {
                    cost[i][j] = Some(a + b);
                }
            }
        }
    }
    cost
}

/// Whether every router knows the ways and addresses there are, and no others.
pub(crate) fn check(net: &Net) -> Result<(), String> {
    let cost = costs(net);
    let alive: Vec<usize> = (0..net.routers.len())
        .filter(|i| net.is_alive(*i))
        .collect();
    for &i in &alive {
        let (me, table) = (&net.routers[i].id, net.table(i));
        for &j in alive.iter().filter(|j| **j != i) {
            let id = &net.routers[j].id;
            let found = table
                .router(id.as_str())
                .filter(|(_, route)| route.is_reachable())
                .map(|(_, r)| r.cost);
            if found != cost[i][j] {
                return Err(format!(
                    "{me}: cost of {id} is {found:?}, should be {:?}",
                    cost[i][j]
                ));
            }
        }
        let reachable = table
            .routers()
            .filter(|(_, route)| route.is_reachable())
            .count();
        if reachable != alive.iter().filter(|j| cost[i][**j].is_some()).count() {
            return Err(format!(
                "{me}: {reachable} are said to be reachable, of which some are dead"
            ));
        }
        let mut expected = BTreeMap::<&AddressKey, BTreeSet<(&str, Option<&str>)>>::new();
        for &j in alive.iter().filter(|j| cost[i][**j].is_some()) {
            for (key, mesh) in &net.routers[j].addresses {
                let router = (net.routers[j].id.as_str(), mesh.as_deref());
                expected.entry(key).or_default().insert(router);
            }
        }
        let name = |router| {
            table
                .route(router)
                .map_or("nobody", |route| route.id.as_str())
        };
        let found: BTreeMap<&AddressKey, BTreeSet<(&str, Option<&str>)>> = table
            .addresses()
            .map(|(key, remotes)| {
                let routers = remotes.routers.iter();
                (
                    key,
                    routers.map(|r| (name(r), remotes.sole_mesh(r))).collect(),
                )
            })
            .collect();
        if found != expected {
            return Err(format!(
                "{me}: addresses are {found:?}, should be {expected:?}"
            ));
        }
    }
    alive
        .iter()
        .try_for_each(|origin| deliver(net, *origin, &cost))
}

/// Follows the tables: anycast to each address arrives, multicast to everybody arrives once.
fn deliver(net: &Net, origin: usize, cost: &[Vec<Option<u32>>]) -> Result<(), String> {
    let n = net.routers.len();
    let ingress = net.routers[origin].id.annotation();
    let origin_at = |at: usize| {
        if at == origin {
            Origin::Here
        } else {
            net.table(at).origin(Some(&ingress))
        }
    };
    let across = |at: usize, link| {
        net.across(at, link)
            .ok_or_else(|| format!("{}: no such link {link:?}", net.routers[at].id))
    };
    for to in (0..n).filter(|to| cost[origin][*to].is_some()) {
        let key = AddressKey::mobile(&format!("own.{}", net.routers[to].id));
        let (mut at, mut hops) = (origin, 0);
        while at != to {
            let table = net.table(at);
            let choice = choose::closest::<()>(
                table,
                &[],
                table.remotes(&key).map(|r| &**r),
                origin_at(at),
                hops,
                |_| true,
            );
            let Some(choose::Choice::Remote { link, .. }) = choice else {
                return Err(format!(
                    "{}: no way on to {key} from {ingress}",
                    net.routers[at].id
                ));
            };
            at = across(at, link)?;
            hops += 1;
            if hops > n {
                return Err(format!("{key} from {ingress} goes round"));
            }
        }
    }
    let everybody = AddressKey::mobile("everybody");
    if !(0..n).all(|i| net.routers[i].addresses.contains_key(&everybody)) {
        return Ok(());
    }
    let mut got = BTreeMap::<usize, usize>::new();
    let mut queue = VecDeque::from([(origin, Vec::<String>::new())]);
    while let Some((at, trace)) = queue.pop_front() {
        let table = net.table(at);
        let Some(remotes) = table.remotes(&everybody) else {
            continue;
        };
        let passed = table.traced(trace.iter().map(String::as_str));
        for link in choose::multicast(table, remotes, origin_at(at), &passed) {
            let next = across(at, link)?;
            *got.entry(next).or_default() += 1;
            let mut trace = trace.clone();
            trace.push(net.routers[at].id.annotation());
            if trace.len() <= n {
                queue.push_back((next, trace));
            }
        }
    }
    let expected: BTreeMap<usize, usize> = (0..n)
        .filter(|to| cost[origin][*to].is_some())
        .map(|to| (to, 1))
        .collect();
    if got == expected {
        Ok(())
    } else {
        Err(format!(
            "multicast from {ingress} gave {got:?}, should be {expected:?}"
        ))
    }
}
