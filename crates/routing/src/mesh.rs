//! The identity of a mesh of edge routers: which of its members names it (§2.7, §2.8).
//!
//! Each edge router draws an ordinal and an identity. Every member tells every other its own pair; the identity of the lowest
//! ordinal is the mesh's. A bid always carries the sender's own pair, so a mesh is meant to be fully connected.

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

/// The negotiation as one edge router sees it. Peers are numbered by whoever drives it.
#[derive(Debug)]
pub struct Negotiation {
    own: Bid,
    adopted: Bid,
    winner: Option<u64>,
}

impl Negotiation {
    /// Of a router that is alone yet.
    pub fn new(own: Bid) -> Self {
        Self {
            adopted: own.clone(),
            own,
            winner: None,
        }
    }

    /// The identity of the mesh.
    pub fn id(&self) -> &Arc<str> {
        &self.adopted.id
    }

    /// What this router tells its peers.
    pub fn own(&self) -> &Bid {
        &self.own
    }

    /// A peer's bid came. `draw` makes a new pair for this router, for the case that both drew the same ordinal.
    pub fn on_bid(&mut self, peer: u64, bid: Bid, draw: impl FnOnce() -> Bid) -> Consequence {
        if bid.ordinal == self.own.ordinal {
            self.own = draw();
            let renamed = self.winner.is_none();
            if renamed {
                self.adopted = self.own.clone();
            }
            return Consequence { renamed, bid: true };
        }
        let lowest = match self.winner {
            // The winner may have started anew, with another ordinal.
            Some(winner) if winner == peer => self.own.ordinal,
            Some(_) => self.adopted.ordinal.min(self.own.ordinal),
            None => self.own.ordinal,
        };
        if bid.ordinal >= lowest {
            return Consequence::default();
        }
        let renamed = bid.id != self.adopted.id;
        self.adopted = bid;
        self.winner = Some(peer);
        Consequence {
            renamed,
            bid: false,
        }
    }

    /// A peer is gone. If it had named the mesh, the mesh keeps its identity until a lower ordinal is heard of again.
    pub fn lost(&mut self, peer: u64) -> Consequence {
        if self.winner != Some(peer) {
            return Consequence::default();
        }
        self.winner = None;
        Consequence {
            renamed: false,
            bid: true,
        }
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
    fn a_mesh_outlives_its_namer() {
        let mut mesh = Negotiation::new(bid(20, "own"));
        mesh.on_bid(2, bid(10, "lower"), nobody_draws);
        assert_eq!(mesh.lost(3), Consequence::default());
        assert!(mesh.lost(2).bid);
        assert_eq!(&**mesh.id(), "lower");
        assert_eq!(
            mesh.on_bid(3, bid(30, "higher"), nobody_draws),
            Consequence::default()
        );
        assert!(mesh.on_bid(3, bid(15, "new"), nobody_draws).renamed);
        assert_eq!(&**mesh.id(), "new");
    }

    #[test]
    fn equal_ordinals_are_drawn_anew() {
        let mut mesh = Negotiation::new(bid(20, "own"));
        let consequence = mesh.on_bid(1, bid(20, "twin"), || bid(21, "again"));
        assert!(consequence.bid && consequence.renamed);
        assert_eq!((mesh.own().ordinal, &**mesh.id()), (21, "again"));
        assert!(mesh.on_bid(1, bid(20, "twin"), nobody_draws).renamed);
        assert_eq!(&**mesh.id(), "twin");
    }
}
