use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Links = BTreeMap<&'static str, Vec<(&'static str, u32)>>;

struct Result_ {
    next_hops: BTreeMap<String, String>,
    costs: BTreeMap<String, u32>,
    valid_origins: BTreeMap<String, Vec<String>>,
    radius: u32,
}

/// Computes as `me`. A router that is mentioned but reports nothing is given a link back, as the original's unit tests have it.
fn compute(me: &'static str, links: &Links) -> Result_ {
    let mut all: Links = links.clone();
    for (from, to) in links {
        for (peer, _) in to {
            all.entry(peer).or_insert_with(|| vec![(from, 1)]);
        }
    }
    let ids: Vec<&str> = all.keys().copied().collect();
    let index = |id: &str| RouterIndex(ids.iter().position(|i| *i == id).unwrap() as u32);
    let mut paths = Paths::new(index(me), RouterId::new(me).unwrap());
    for id in ids.iter().filter(|id| **id != me) {
        paths.add(index(id), RouterId::new(id).unwrap());
    }
    for (from, to) in &all {
        paths.set_links(index(from), to.iter().map(|(to, cost)| (index(to), *cost)));
    }
    let found = paths.compute();
    let name = |i: RouterIndex| ids[i.0 as usize].to_owned();
    let ways = || {
        found
            .ways
            .iter()
            .enumerate()
            .filter_map(|(i, w)| Some((ids[i].to_owned(), w.as_ref()?)))
    };
    Result_ {
        next_hops: ways().map(|(id, w)| (id, name(w.next_hop))).collect(),
        costs: ways().map(|(id, w)| (id, w.cost)).collect(),
        valid_origins: ways()
            .map(|(id, w)| (id, w.valid_origins.iter().map(name).collect()))
            .collect(),
        radius: found.radius,
    }
}

fn check(
    me: &'static str,
    links: &[(&'static str, &[(&'static str, u32)])],
    expected: &[(&str, &str, u32, &[&str])],
    radius: u32,
) {
    let links: Links = links
        .iter()
        .map(|(from, to)| (*from, to.to_vec()))
        .collect();
    let result = compute(me, &links);
    assert_eq!(
        result.next_hops.len(),
        expected.len(),
        "{:?}",
        result.next_hops
    );
    for (id, next_hop, cost, valid_origins) in expected {
        assert_eq!(result.next_hops[*id], *next_hop, "next hop of {id}");
        assert_eq!(result.costs[*id], *cost, "cost of {id}");
        assert_eq!(
            result.valid_origins[*id], *valid_origins,
            "valid origins of {id}"
        );
    }
    assert_eq!(result.radius, radius);
}

// The topologies of the original's unit tests of its path engine.

#[test]
fn chain() {
    check(
        "R1",
        &[
            ("R1", &[("R2", 1)]),
            ("R2", &[("R1", 1), ("R3", 1)]),
            ("R3", &[("R2", 1)]),
        ],
        &[("R2", "R2", 1, &[]), ("R3", "R2", 2, &[])],
        2,
    );
}

#[test]
fn ring_at_the_end_of_a_chain() {
    check(
        "R1",
        &[
            ("R1", &[("R2", 1)]),
            ("R2", &[("R1", 1), ("R3", 1), ("R4", 1)]),
            ("R3", &[("R2", 1), ("R5", 1)]),
            ("R4", &[("R2", 1), ("R5", 1)]),
            ("R5", &[("R3", 1), ("R4", 1), ("R6", 1)]),
            ("R6", &[("R5", 1)]),
        ],
        &[
            ("R2", "R2", 1, &[]),
            ("R3", "R2", 2, &[]),
            ("R4", "R2", 2, &[]),
            ("R5", "R2", 3, &[]),
            ("R6", "R2", 4, &[]),
        ],
        4,
    );
}

#[test]
fn equal_ways_go_by_id() {
    let links: &[(&str, &[(&str, u32)])] = &[
        ("R1", &[("R3", 1), ("R5", 1)]),
        ("R2", &[("R3", 1)]),
        ("R3", &[("R1", 1), ("R2", 1), ("R4", 1)]),
        ("R4", &[("R3", 1), ("R5", 1)]),
        ("R5", &[("R1", 1), ("R4", 1), ("R6", 1)]),
        ("R6", &[("R5", 1)]),
    ];
    check(
        "R1",
        links,
        &[
            ("R2", "R3", 2, &["R5", "R6"]),
            ("R3", "R3", 1, &["R5", "R6"]),
            ("R4", "R3", 2, &[]),
            ("R5", "R5", 1, &["R2", "R3"]),
            ("R6", "R5", 2, &["R2", "R3"]),
        ],
        2,
    );
    let mut with_r7 = links.to_vec();
    with_r7[5] = ("R6", &[("R5", 1), ("R7", 1)]);
    check("R1", &with_r7, SEVEN_ROUTERS, 3);
}

const SEVEN_ROUTERS: &[(&str, &str, u32, &[&str])] = &[
    ("R2", "R3", 2, &["R5", "R6", "R7"]),
    ("R3", "R3", 1, &["R5", "R6", "R7"]),
    ("R4", "R3", 2, &[]),
    ("R5", "R5", 1, &["R2", "R3"]),
    ("R6", "R5", 2, &["R2", "R3"]),
    ("R7", "R5", 3, &["R2", "R3"]),
];

/// Triangle R1 R2 R3 with the square R1 R3 R4 R5 and a tail R6 R7; costs of the links as given, 0 for none.
fn seven(
    r1: [u32; 3],
    r2: [u32; 2],
    r3: [u32; 3],
    r4: [u32; 2],
    r5: [u32; 3],
    r6: [u32; 2],
) -> Links {
    let of =
        |to: &[(&'static str, u32)]| to.iter().filter(|(_, cost)| *cost > 0).copied().collect();
    [
        ("R1", of(&[("R2", r1[0]), ("R3", r1[1]), ("R5", r1[2])])),
        ("R2", of(&[("R1", r2[0]), ("R3", r2[1])])),
        ("R3", of(&[("R1", r3[0]), ("R2", r3[1]), ("R4", r3[2])])),
        ("R4", of(&[("R3", r4[0]), ("R5", r4[1])])),
        ("R5", of(&[("R1", r5[0]), ("R4", r5[1]), ("R6", r5[2])])),
        ("R6", of(&[("R5", r6[0]), ("R7", r6[1])])),
    ]
    .into()
}

fn origins_to(result: &Result_, id: &str) -> String {
    result.valid_origins[id].join(" ")
}

#[test]
fn asymmetric_links() {
    let one_way_out = compute(
        "R1",
        &seven([1, 1, 1], [0, 1], [1, 1, 1], [1, 1], [1, 1, 1], [1, 1]),
    );
    assert_eq!(one_way_out.next_hops["R2"], "R2");
    let one_way_in = compute(
        "R1",
        &seven([0, 1, 1], [1, 1], [1, 1, 1], [1, 1], [1, 1, 1], [1, 1]),
    );
    assert_eq!(one_way_in.next_hops["R2"], "R3");
    for result in [one_way_out, one_way_in] {
        assert_eq!(result.next_hops["R4"], "R3");
        assert_eq!(result.next_hops["R7"], "R5");
        for id in ["R2", "R3"] {
            assert_eq!(origins_to(&result, id), "R5 R6 R7");
        }
        assert_eq!(origins_to(&result, "R4"), "");
        for id in ["R5", "R6", "R7"] {
            assert_eq!(origins_to(&result, id), "R2 R3");
        }
        assert_eq!(result.radius, 3);
    }
    let cut = compute(
        "R1",
        &seven([0, 1, 1], [1, 1], [1, 1, 1], [1, 1], [1, 1, 0], [1, 1]),
    );
    assert_eq!(
        cut.next_hops.keys().collect::<Vec<_>>(),
        ["R2", "R3", "R4", "R5"]
    );
    assert_eq!(origins_to(&cut, "R3"), "R5");
    assert_eq!(origins_to(&cut, "R5"), "R2 R3");
    assert_eq!(cut.radius, 2);
}

#[test]
fn costs_decide() {
    let dear = compute(
        "R1",
        &seven([20, 3, 10], [20, 4], [3, 4, 4], [4, 5], [10, 5, 2], [2, 1]),
    );
    assert_eq!(
        dear.costs.values().copied().collect::<Vec<_>>(),
        [7, 3, 7, 10, 12, 13]
    );
    assert_eq!(dear.next_hops["R2"], "R3");
    assert!(dear.valid_origins.values().all(Vec::is_empty));
    let cheap = compute(
        "R1",
        &seven(
            [5, 100, 10],
            [5, 4],
            [100, 4, 4],
            [4, 100],
            [10, 100, 2],
            [2, 1],
        ),
    );
    assert_eq!(
        cheap.costs.values().copied().collect::<Vec<_>>(),
        [5, 9, 13, 10, 12, 13]
    );
    assert_eq!(cheap.next_hops["R4"], "R2");
    for id in ["R2", "R3", "R4"] {
        assert_eq!(origins_to(&cheap, id), "R5 R6 R7");
    }
    for id in ["R5", "R6", "R7"] {
        assert_eq!(origins_to(&cheap, id), "R2 R3 R4");
    }
}

#[test]
fn what_one_sends_the_other_lets_pass() {
    let links: Links = [
        ("R1", vec![("R2", 1), ("R3", 10)]),
        ("R2", vec![("R1", 1), ("R4", 10)]),
        ("R3", vec![("R1", 10), ("R4", 10), ("R5", 10)]),
        ("R4", vec![("R2", 10), ("R3", 10), ("R6", 10)]),
        ("R5", vec![("R3", 10), ("R6", 1)]),
        ("R6", vec![("R4", 10), ("R5", 1)]),
    ]
    .into();
    let r1 = compute("R1", &links);
    let r3 = compute("R3", &links);
    assert_eq!(r1.next_hops["R6"], "R2");
    assert_eq!(origins_to(&r3, "R6"), "");
    assert_eq!((r1.radius, r3.radius), (3, 2));
}

#[test]
fn out_of_reach() {
    check(
        "R1",
        &[("R1", &[("R2", 1)]), ("R2", &[("R1", 1)]), ("R3", &[])],
        &[("R2", "R2", 1, &[])],
        1,
    );
    check(
        "R1",
        &[("R1", &[]), ("R2", &[("R3", 1)]), ("R3", &[("R2", 1)])],
        &[],
        0,
    );
}

/// The algorithm as §5.6 tells it, word for word: an ordered list, re-insertion, first predecessor kept.
fn by_the_letter(
    root: usize,
    ids: &[RouterId],
    links: &[BTreeMap<usize, u32>],
) -> Vec<Option<(usize, u64)>> {
    let mut cost: Vec<Option<u64>> = vec![None; ids.len()];
    let mut previous: Vec<Option<usize>> = vec![None; ids.len()];
    cost[root] = Some(0);
    let mut open: Vec<usize> = std::iter::once(root)
        .chain((0..ids.len()).filter(|i| *i != root))
        .collect();
    while !open.is_empty() {
        let u = open.remove(0);
        let Some(so_far) = cost[u] else { break };
        for (v, link) in &links[u] {
            let through = so_far + u64::from(*link);
            if open.contains(v) && cost[*v].is_none_or(|c| through < c) {
                cost[*v] = Some(through);
                previous[*v] = Some(u);
                open.retain(|x| x != v);
                let before = |x: &usize| {
                    cost[*x].is_none_or(|c| c > through || (c == through && ids[*x] > ids[*v]))
                };
                let at = open.iter().position(before).unwrap_or(open.len());
                open.insert(at, *v);
            }
        }
    }
    (0..ids.len())
        .map(|v| Some((previous[v]?, cost[v]?)))
        .collect()
}

fn path_of(tree: &[Option<(usize, u64)>], root: usize, to: usize) -> Option<Vec<usize>> {
    let mut path = vec![to];
    while *path.last()? != root {
        path.push(tree[*path.last()?]?.0);
    }
    path.reverse();
    Some(path)
}

fn expected(me: usize, ids: &[RouterId], links: &[BTreeMap<usize, u32>]) -> Found {
    let trees: Vec<_> = (0..ids.len())
        .map(|root| by_the_letter(root, ids, links))
        .collect();
    let mut radius = 0;
    let ways = (0..ids.len()).map(|to| {
        let path = path_of(&trees[me], me, to).filter(|path| path.len() > 1)?;
        radius = radius.max(path.len() as u32 - 1);
        let through_me = |root: usize| {
            root != me
                && path_of(&trees[me], me, root).is_some()
                && path_of(&trees[root], root, to).is_some_and(|p| p[..p.len() - 1].contains(&me))
        };
        Some(Way {
            next_hop: RouterIndex(path[1] as u32),
            cost: trees[me][to]?.1 as u32,
            valid_origins: (0..ids.len())
                .filter(|r| through_me(*r))
                .map(|r| RouterIndex(r as u32))
                .collect(),
        })
    });
    Found {
        ways: ways.collect(),
        radius,
    }
}

fn names(n: usize, order: u64) -> Vec<RouterId> {
    // Ids in an order of their own, so that nothing depends on indices by accident.
    (0..n)
        .map(|i| RouterId::new(format!("r{:02}", (i as u64 * 7 + order) % 31)).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_the_letter_after_any_changes(
        n in 2usize..12,
        order in 0u64..31,
        changes in prop::collection::vec((0usize..12, prop::collection::btree_map(0usize..12, 1u32..4, 0..5)), 1..30),
    ) {
        let ids = names(n, order);
        let me = 0;
        let mut paths = Paths::new(RouterIndex(0), ids[0].clone());
        for (i, id) in ids.iter().enumerate().skip(1) {
            paths.add(RouterIndex(i as u32), id.clone());
        }
        let mut links = vec![BTreeMap::new(); n];
        for (from, to) in changes {
            let from = from % n;
            links[from] = to.into_iter().filter(|(to, _)| *to < n && *to != from).collect();
            paths.set_links(RouterIndex(from as u32), links[from].iter().map(|(to, c)| (RouterIndex(*to as u32), *c)));
            let found = paths.compute();
            prop_assert_eq!(&found, &expected(me, &ids, &links));
            paths.forget_trees();
            prop_assert_eq!(&found, &paths.compute());
        }
    }

    /// With symmetric links, a message for any router that each hop passes on by its own tables arrives, and every hop finds
    /// the origin valid; a multicast reaches every router exactly once.
    #[test]
    fn all_routers_trees_agree(
        n in 2usize..14,
        order in 0u64..31,
        edges in prop::collection::vec((0usize..14, 0usize..14, 1u32..4), 1..40),
    ) {
        let ids = names(n, order);
        let mut links: Vec<BTreeMap<usize, u32>> = vec![BTreeMap::new(); n];
        for (a, b, cost) in edges {
            let (a, b) = (a % n, b % n);
            if a != b {
                links[a].insert(b, cost);
                links[b].insert(a, cost);
            }
        }
        let found: Vec<Found> = (0..n).map(|me| {
            let mut paths = Paths::new(RouterIndex(me as u32), ids[me].clone());
            for (i, id) in ids.iter().enumerate().filter(|(i, _)| *i != me) {
                paths.add(RouterIndex(i as u32), id.clone());
            }
            for (from, to) in links.iter().enumerate() {
                paths.set_links(RouterIndex(from as u32), to.iter().map(|(to, c)| (RouterIndex(*to as u32), *c)));
            }
            paths.compute()
        }).collect();
        for origin in 0..n {
            let reachable: BTreeSet<usize> =
                (0..n).filter(|to| found[origin].ways[*to].is_some()).collect();
            // Unicast.
            for to in &reachable {
                let (mut at, mut hops) = (origin, 0);
                while at != *to {
                    let way = found[at].ways[*to].as_ref().expect("a way on");
                    prop_assert!(at == origin || way.valid_origins.contains(RouterIndex(origin as u32)));
                    at = way.next_hop.0 as usize;
                    hops += 1;
                    prop_assert!(hops <= n);
                }
            }
            // Multicast to everybody.
            let mut got: Vec<usize> = Vec::new();
            let mut queue = vec![origin];
            while let Some(at) = queue.pop() {
                let next: BTreeSet<usize> = found[at].ways.iter().flatten()
                    .filter(|way| at == origin || way.valid_origins.contains(RouterIndex(origin as u32)))
                    .map(|way| way.next_hop.0 as usize)
                    .collect();
                got.extend(&next);
                queue.extend(next);
                prop_assert!(got.len() <= n);
            }
            got.sort_unstable();
            prop_assert_eq!(got, reachable.into_iter().collect::<Vec<_>>());
        }
    }
}
