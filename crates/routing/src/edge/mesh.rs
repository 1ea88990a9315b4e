//! The identity of a mesh of edge routers: which of its members names it (§2.7, §2.8).
//!
//! Each edge router draws an ordinal and an identity. Every member tells every other its own pair; the identity of the lowest
//! ordinal is the mesh's. A bid always carries the sender's own pair, so a mesh is meant to be fully connected.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Length of a mesh's identity, in octets.
pub const ID_LEN: usize = 15;

/// What one edge router says of itself to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
    /// The lowest wins: microseconds since the epoch, about when the router was started.
    pub ordinal: i64,
    /// The identity of the mesh if this bid wins.
    pub id: Arc<str>,
}

/// What follows from a bid or a loss.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Consequence {
    /// The mesh has another identity now: the interior is to be told.
    pub renamed: bool,
    /// This router's bid is to be sent to all peers (again).
    pub bid: bool,
}

/// The negotiation as one edge router sees it: the lowest of its own bid and those of the peers that it has. Peers are numbered
/// by whoever drives it.
///
/// Upstream's router goes on by the name that a peer has given which is lost. Here its name goes with it: where not the peer but
/// the way to it was lost, the two are not one mesh any more, and what one sends the other has to go through the interior, which
/// it does not between edge routers of one name.
#[derive(Debug)]
pub struct Negotiation {
    own: Bid,
    bids: BTreeMap<u64, Bid>,
    id: Arc<str>,
}

impl Negotiation {
    /// Of a router that is alone yet.
    pub fn new(own: Bid) -> Self {
        Self {
            id: own.id.clone(),
            own,
            bids: BTreeMap::new(),
        }
    }

    /// The identity of the mesh.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// What this router tells its peers.
    pub fn own(&self) -> &Bid {
        &self.own
    }

    /// A peer's bid came. `draw` makes a new pair for this router, for the case that both drew the same ordinal.
    pub fn on_bid(&mut self, peer: u64, bid: Bid, draw: impl FnOnce() -> Bid) -> Consequence {
        let equal = bid.ordinal == self.own.ordinal;
        if equal {
            self.own = draw();
        }
        self.bids.insert(peer, bid);
        Consequence {
            renamed: self.name(),
            bid: equal,
        }
    }

    /// A peer is gone. If it had named the mesh, another name is found, and the others are told this router's bid again:
    /// upstream's have forgotten it.
    pub fn lost(&mut self, peer: u64) -> Consequence {
        let bid = self.bids.remove(&peer);
        let named = bid.is_some_and(|bid| bid.id == self.id);
        Consequence {
            renamed: self.name(),
            bid: named,
        }
    }

    /// Names the mesh by the lowest bid; whether that is another name.
    fn name(&mut self) -> bool {
        let lowest = self.bids.values().fold(&self.own, |lowest, bid| {
            if bid.ordinal < lowest.ordinal {
                bid
            } else {
                lowest
            }
        });
        let renamed = lowest.id != self.id;
        self.id = lowest.id.clone();
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bid(ordinal: i64, id: &str) -> Bid {
        Bid {
            ordinal,
            id: id.into(),
        }
    }

    fn nobody_draws() -> Bid {
        panic!("ordinals differ")
    }

    #[test]
    fn the_lowest_ordinal_names_the_mesh() {
        let mut mesh = Negotiation::new(bid(20, "own"));
        assert_eq!(
            mesh.on_bid(1, bid(30, "higher"), nobody_draws),
            Consequence::default()
        );
        assert_eq!(&**mesh.id(), "own");
        let consequence = mesh.on_bid(2, bid(10, "lower"), nobody_draws);
        assert!(consequence.renamed && !consequence.bid);
        assert_eq!(&**mesh.id(), "lower");
        assert_eq!(
            mesh.on_bid(3, bid(15, "between"), nobody_draws),
            Consequence::default()
        );
        assert_eq!((&**mesh.id(), mesh.own().ordinal), ("lower", 20));
    }

    #[test]
    fn the_name_goes_with_who_gave_it() {
        let mut mesh = Negotiation::new(bid(20, "own"));
        mesh.on_bid(2, bid(10, "lower"), nobody_draws);
        assert_eq!(mesh.lost(3), Consequence::default());
        let consequence = mesh.lost(2);
        assert!(consequence.bid && consequence.renamed);
        assert_eq!(&**mesh.id(), "own");
        mesh.on_bid(2, bid(10, "lower"), nobody_draws);
        // It is there by another connection as well.
        mesh.on_bid(4, bid(10, "lower"), nobody_draws);
        assert!(!mesh.lost(2).renamed);
        assert_eq!(&**mesh.id(), "lower");
    }

    #[test]
    fn the_next_lowest_names_it_then() {
        let mut mesh = Negotiation::new(bid(20, "own"));
        mesh.on_bid(1, bid(10, "lowest"), nobody_draws);
        mesh.on_bid(2, bid(15, "lower"), nobody_draws);
        mesh.on_bid(3, bid(30, "higher"), nobody_draws);
        assert!(mesh.lost(1).renamed);
        assert_eq!(&**mesh.id(), "lower");
        // It has started anew, with another ordinal.
        assert!(mesh.on_bid(2, bid(40, "late"), nobody_draws).renamed);
        assert_eq!(&**mesh.id(), "own");
    }

    #[test]
    fn equal_ordinals_are_drawn_anew() {
        let mut mesh = Negotiation::new(bid(20, "own"));
        let consequence = mesh.on_bid(1, bid(20, "twin"), || bid(21, "again"));
        assert!(consequence.bid && consequence.renamed);
        assert_eq!((mesh.own().ordinal, &**mesh.id()), (21, "twin"));
        // The other has drawn as well.
        assert!(mesh.on_bid(1, bid(22, "too"), nobody_draws).renamed);
        assert_eq!(&**mesh.id(), "again");
    }
}
