//! Destinations behind connections to and from edge routers and routers of other networks: who is told of them, and what must
//! not go there.

use std::sync::Arc;

use crate::address::{AddressKey, Class};
use crate::id::LinkId;
use crate::table::Table;

/// Who is at the two ends of a connection to or from an edge router, or a router of another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The interior is at the other end: this is an edge router.
    Interior,
    /// An edge router is at the other end of this interior one.
    Edge,
    /// Both are edge routers.
    Peer,
    /// A router of another network is at the other end.
    Network,
}

impl Side {
    /// Whether a destination there only stands for consumers of another router: the interior's or another edge router's, seen
    /// from an edge router (§2.5, §2.8).
    pub fn is_proxy(self) -> bool {
        matches!(self, Side::Interior | Side::Peer)
    }
}

/// A connection to or from an edge router or a router of another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beyond {
    /// Its number: unique in the router.
    pub connection: u64,
    /// Who is at its ends.
    pub side: Side,
}

/// A destination of this router, as what is decided about edge routers sees it.
pub trait Standing {
    /// The connection from or to an edge router or a router of another network that it lies behind, if it does.
    fn beyond(&self) -> Option<Beyond>;
    /// The mesh that the edge router there has said it is in.
    fn mesh(&self) -> Option<Arc<str>>;
    /// Whether it is that mesh.
    fn is_in_mesh(&self, mesh: &str) -> bool {
        self.mesh().as_deref() == Some(mesh)
    }
}

impl<S: Standing> Standing for Arc<S> {
    fn beyond(&self) -> Option<Beyond> {
        S::beyond(self)
    }

    fn mesh(&self) -> Option<Arc<str>> {
        S::mesh(self)
    }

    fn is_in_mesh(&self, mesh: &str) -> bool {
        S::is_in_mesh(self, mesh)
    }
}

/// Whether a delivery would go back to where it came from if it went to the destination (§6.4, the edge-echo rule): it came by
/// `came`, if by a connection to or from an edge router or a router of another network, and its annotations say that it came
/// from the mesh `ingress_mesh`.
pub fn echoes(to: &impl Standing, came: Option<Beyond>, ingress_mesh: Option<&str>) -> bool {
    let Some(out) = to.beyond() else { return false };
    if let Some(came) = came {
        // One hop between edge routers, and none from the interior through one edge router to another. What comes from another
        // network has not been at any router of this one.
        let between_edges = out.side.is_proxy() && came.side != Side::Network;
        if between_edges || out.connection == came.connection {
            return true;
        }
    }
    ingress_mesh.is_some_and(|mesh| to.is_in_mesh(mesh))
}

/// Whether an edge router has a multicast delivery go to the interior, too: one that came from there has been there, and one
/// that came from another edge router has gone there from that. If that has no connection to the interior, the delivery stays
/// in the mesh, as it does at upstream's (whose edge-echo rule holds for the uplink, too).
pub fn is_for_interior(came: Option<Beyond>) -> bool {
    came.is_none_or(|came| !came.side.is_proxy())
}

/// Whether other routers are told that an address is consumed here: `inner` by a consumer inside the router, and by `links`.
pub fn is_told<S: Standing>(key: &AddressKey, inner: bool, links: &[S]) -> bool {
    let is_own = |link: &S| link.beyond().is_none_or(|beyond| !beyond.side.is_proxy());
    (inner && key.is_propagated()) || links.iter().any(is_own)
}

/// What an interior router tells others of an address: nothing, or that it is consumed here and which edge mesh all of its
/// destinations are in, if they are all in one.
pub fn announcement<S: Standing>(
    key: &AddressKey,
    inner: bool,
    links: &[S],
) -> Option<Option<Arc<str>>> {
    is_told(key, inner, links).then(|| if inner { None } else { sole_mesh(links) })
}

fn sole_mesh<S: Standing>(links: &[S]) -> Option<Arc<str>> {
    let (first, others) = links.split_first()?;
    let mesh = first.mesh()?;
    let is_sole = others.iter().all(|link| link.is_in_mesh(&mesh));
    is_sole.then_some(mesh)
}

/// An edge router on whose behalf it is asked whether an address has a destination.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Its connection.
    pub connection: u64,
    /// The mesh that it has said it is in.
    pub mesh: Option<&'a str>,
}

/// Whether a delivery to the address would find a destination: a consumer inside the router (`inner`), one of its `links`, the
/// interior of an edge router (`interior`: there is a way to it), or another router that `usable` links lead to. For an edge
/// router that asks, its own consumers and those of its mesh are none (§2.6).
pub fn is_reachable<S: Standing>(
    key: &AddressKey,
    (inner, links): (bool, &[S]),
    interior: bool,
    table: &Table,
    usable: impl Fn(LinkId) -> bool,
    asker: Option<Asker<'_>>,
) -> bool {
    let own_mesh = asker.and_then(|asker| asker.mesh);
    let serves = |link: &S| match (asker, link.beyond()) {
        (Some(asker), Some(beyond)) => {
            beyond.connection != asker.connection
                && own_mesh.is_none_or(|mesh| !link.is_in_mesh(mesh))
        }
        _ => true,
    };
    if inner || links.iter().any(serves) {
        return true;
    }
    // What is no application's address, an edge router leaves to the interior.
    if interior && !matches!(key.class(), Class::Mobile | Class::Local) {
        return true;
    }
    table.remotes(key).is_some_and(|remotes| {
        remotes.routers.iter().any(|router| {
            let link = table.route(router).and_then(|route| route.link);
            link.is_some_and(&usable)
                && own_mesh.is_none_or(|mesh| remotes.sole_mesh(router) != Some(mesh))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Link(Option<Beyond>);

    impl Standing for Link {
        fn beyond(&self) -> Option<Beyond> {
            self.0
        }

        fn mesh(&self) -> Option<Arc<str>> {
            None
        }
    }

    fn beyond(connection: u64, side: Side) -> Option<Beyond> {
        Some(Beyond { connection, side })
    }

    #[test]
    fn nothing_goes_back_to_the_network_that_it_came_from() {
        let came = beyond(1, Side::Network);
        for (to, echo) in [
            (beyond(1, Side::Network), true),
            (beyond(2, Side::Network), false),
            (beyond(3, Side::Edge), false),
            // At an edge router: to the interior, and to another edge router.
            (beyond(3, Side::Interior), false),
            (beyond(3, Side::Peer), false),
            (None, false),
        ] {
            assert_eq!(echoes(&Link(to), came, None), echo, "{to:?}");
        }
    }

    #[test]
    fn what_came_from_the_interior_leaves_for_another_network_and_for_no_edge_router() {
        let came = beyond(1, Side::Interior);
        assert!(!echoes(&Link(beyond(2, Side::Network)), came, None));
        assert!(echoes(&Link(beyond(2, Side::Peer)), came, None));
    }

    #[test]
    fn the_router_at_the_border_tells_others_of_another_network() {
        let key = AddressKey::new(Class::Network, "west");
        let link = Link(beyond(1, Side::Network));
        assert_eq!(announcement(&key, false, &[link]), Some(None));
    }
}
