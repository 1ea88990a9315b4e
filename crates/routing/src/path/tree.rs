//! The tree of cheapest paths from one root.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::id::RouterId;
use crate::set::RouterSet;
use crate::table::RouterIndex;

/// No router.
pub(super) const NONE: u32 = u32::MAX;

/// For each router by index: its predecessor, cost and so on; routers beyond the end, or without a predecessor, are out of reach.
#[derive(Debug)]
pub(super) struct Tree {
    root: u32,
    leaves: Vec<Leaf>,
    /// Those whose path from the root leads through the router that computes.
    below: RouterSet,
}

#[derive(Copy, Clone, Debug)]
struct Leaf {
    cost: u64,
    previous: u32,
    hops: u32,
    /// First router on the path.
    first: u32,
}

const UNREACHED: Leaf = Leaf {
    cost: u64::MAX,
    previous: NONE,
    hops: 0,
    first: NONE,
};

impl Tree {
    /// Grows the tree of `root` among `size` routers; `vertex` gives id and links, `None` for a number not in use.
    pub(super) fn grow<'a>(
        root: u32,
        me: u32,
        size: usize,
        vertex: impl Fn(u32) -> Option<(&'a RouterId, &'a [(u32, u32)])>,
    ) -> Self {
        let mut leaves = vec![UNREACHED; size];
        let mut settled = vec![false; size];
        let mut below = RouterSet::new();
        let mut open = BinaryHeap::new();
        if let Some((id, _)) = vertex(root) {
            leaves[root as usize].cost = 0;
            open.push(Reverse((0, id, root)));
        }
        while let Some(Reverse((cost, _, u))) = open.pop() {
            if std::mem::replace(&mut settled[u as usize], true) {
                continue;
            }
            let Leaf {
                previous,
                hops,
                first,
                ..
            } = leaves[u as usize];
            if previous == me || (previous != NONE && below.contains(RouterIndex(previous))) {
                below.insert(RouterIndex(u));
            }
            let Some((_, links)) = vertex(u) else {
                continue;
            };
            for (v, link) in links {
                let Some((id, _)) = vertex(*v) else { continue };
                let through = cost + u64::from(*link);
                let leaf = &mut leaves[*v as usize];
                if !settled[*v as usize] && through < leaf.cost {
                    let first = if u == root { *v } else { first };
                    *leaf = Leaf {
                        cost: through,
                        previous: u,
                        hops: hops + 1,
                        first,
                    };
                    open.push(Reverse((through, id, *v)));
                }
            }
        }
        if root == me {
            below = RouterSet::new();
        }
        Self {
            root,
            leaves,
            below,
        }
    }

    /// First hop, cost and hops to a router; `None` where it is the root or out of reach.
    pub(super) fn first(&self, to: u32) -> Option<(u32, u32, u32)> {
        let leaf = self.leaves.get(to as usize)?;
        (leaf.previous != NONE).then(|| {
            (
                leaf.first,
                leaf.cost.min(u64::from(u32::MAX)) as u32,
                leaf.hops,
            )
        })
    }

    /// Routers that this tree reaches through the one that computes.
    pub(super) fn below(&self) -> &RouterSet {
        &self.below
    }

    /// Whether the tree may look different once `router` reports the links `after` instead of `before`. May say yes too often.
    pub(super) fn is_touched(
        &self,
        router: u32,
        before: &[(u32, u32)],
        after: &[(u32, u32)],
    ) -> bool {
        let from = self.cost(router);
        if from == u64::MAX {
            return false;
        }
        let cost_in = |links: &[(u32, u32)], to: u32| {
            links
                .binary_search_by_key(&to, |(to, _)| *to)
                .ok()
                .map(|at| links[at].1)
        };
        // A link taken away or dearer matters only where the tree uses it.
        let lost = before.iter().any(|(to, cost)| {
            cost_in(after, *to).is_none_or(|now| now > *cost)
                && self
                    .leaves
                    .get(*to as usize)
                    .is_some_and(|leaf| leaf.previous == router)
        });
        // A link that is new or cheaper matters where it leads at most as dearly as the tree does: ties go by id.
        lost || after.iter().any(|(to, cost)| {
            *to != self.root
                && cost_in(before, *to).is_none_or(|then| *cost < then)
                && from + u64::from(*cost) <= self.cost(*to)
        })
    }

    fn cost(&self, router: u32) -> u64 {
        self.leaves
            .get(router as usize)
            .map_or(u64::MAX, |leaf| leaf.cost)
    }
}
