//! Path computation (§5.6): every router must find the same trees, because what may pass here depends on the trees of others.
//!
//! The tree of a root is the one that Dijkstra's algorithm finds when it takes the open router of lowest cost, among equals
//! the one of smallest id, and keeps the predecessor found first. Hence a router's predecessor is, of those on a cheapest
//! way to it, the one of lowest cost and then smallest id. From that follows which changes leave a tree as it is, and only
//! trees that a change can touch are computed anew.

mod tree;

use crate::id::RouterId;
use crate::set::RouterSet;
use crate::table::RouterIndex;
use tree::{NONE, Tree};

/// The known routers, their links, and the trees from each.
#[derive(Debug)]
pub(crate) struct Paths {
    me: u32,
    vertices: Vec<Option<Vertex>>,
    trees: Vec<Option<Tree>>,
}

#[derive(Debug)]
struct Vertex {
    id: RouterId,
    /// In order of index.
    links: Vec<(u32, u32)>,
}

/// What a computation finds for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) next_hop: RouterIndex,
    pub(crate) cost: u32,
    pub(crate) valid_origins: RouterSet,
}

/// What a computation finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// By index; `None` where there is no way (or no router).
    pub(crate) ways: Vec<Option<Way>>,
    /// Most hops to any of them.
    pub(crate) radius: u32,
}

impl Paths {
    pub(crate) fn new(me: RouterIndex, id: RouterId) -> Self {
        let mut paths = Self {
            me: me.0,
            vertices: Vec::new(),
            trees: Vec::new(),
        };
        paths.add(me, id);
        paths
    }

    /// Makes a router known, without links of its own.
    pub(crate) fn add(&mut self, router: RouterIndex, id: RouterId) {
        let at = router.0 as usize;
        if at >= self.vertices.len() {
            self.vertices.resize_with(at + 1, || None);
            self.trees.resize_with(at + 1, || None);
        }
        self.vertices[at] = Some(Vertex {
            id,
            links: Vec::new(),
        });
    }

    /// Forgets a router. Nobody may have a link to it any more.
    pub(crate) fn remove(&mut self, router: RouterIndex) {
        self.set_links(router, Vec::new());
        self.vertices[router.0 as usize] = None;
        self.trees[router.0 as usize] = None;
    }

    /// Replaces the links that a router reports. Costs are at least 1.
    pub(crate) fn set_links(
        &mut self,
        router: RouterIndex,
        links: impl IntoIterator<Item = (RouterIndex, u32)>,
    ) {
        let mut links: Vec<(u32, u32)> = links.into_iter().map(|(to, cost)| (to.0, cost)).collect();
        links.sort_unstable();
        let Some(Some(vertex)) = self.vertices.get_mut(router.0 as usize) else {
            return;
        };
        let before = std::mem::replace(&mut vertex.links, links);
        let after = &vertex.links;
        for slot in &mut self.trees {
            if slot
                .as_ref()
                .is_some_and(|tree| tree.is_touched(router.0, &before, after))
            {
                *slot = None;
            }
        }
    }

    /// The ways from this router to all others.
    pub(crate) fn compute(&mut self) -> Found {
        let own = self.tree(self.me);
        let mut radius = 0;
        let mut ways: Vec<Option<Way>> = Vec::with_capacity(self.vertices.len());
        for v in 0..self.vertices.len() as u32 {
            let way = own.first(v).map(|(next_hop, cost, hops)| {
                radius = radius.max(hops);
                Way {
                    next_hop: RouterIndex(next_hop),
                    cost,
                    valid_origins: RouterSet::new(),
                }
            });
            ways.push(way);
        }
        self.trees[self.me as usize] = Some(own);
        for root in 0..self.vertices.len() as u32 {
            // Whoever reports no links reaches nobody, by this router or another.
            let links = self.vertices[root as usize]
                .as_ref()
                .map_or(0, |vertex| vertex.links.len());
            if ways[root as usize].is_none() || links == 0 {
                continue;
            }
            let tree = self.tree(root);
            for to in tree.below().iter() {
                if let Some(Some(way)) = ways.get_mut(to.0 as usize) {
                    way.valid_origins.insert(RouterIndex(root));
                }
            }
            self.trees[root as usize] = Some(tree);
        }
        Found { ways, radius }
    }

    /// Takes the tree of a root out of the store, or grows it.
    fn tree(&mut self, root: u32) -> Tree {
        match self.trees[root as usize].take() {
            Some(tree) => tree,
            None => Tree::grow(root, self.me, self.vertices.len(), |v| {
                match self.vertices.get(v as usize) {
                    Some(Some(vertex)) => Some((&vertex.id, vertex.links.as_slice())),
                    _ => None,
                }
            }),
        }
    }

    #[cfg(test)]
    fn forget_trees(&mut self) {
        self.trees.iter_mut().for_each(|tree| *tree = None);
    }
}

const _: () = assert!(NONE == u32::MAX);

#[cfg(test)]
mod tests;
