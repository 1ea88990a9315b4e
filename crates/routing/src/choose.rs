//! Choosing destinations (§6.4): which local link or which neighbour a delivery goes to. Pure: the caller brings the local
//! links that may be used, the loads and the turn.

use crate::id::LinkId;
use crate::table::{Origin, Remotes, RouterIndex, Table};

/// Where a delivery goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Choice<L> {
    /// To a destination of this router.
    Local(L),
    /// Towards another router.
    Remote {
        /// Whom it is for.
        router: RouterIndex,
        /// The neighbour's control connection.
        link: LinkId,
    },
}

/// Where a delivery entered the network.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The interior router.
    pub origin: Origin,
    /// The edge mesh that it came from, if it came from one: it does not go to routers all of whose destinations are in that.
    /// Upstream's router sends it there, from where it comes back released.
    pub mesh: Option<&'a str>,
}

impl From<Origin> for Entry<'_> {
    /// Not from an edge mesh.
    fn from(origin: Origin) -> Self {
        Entry { origin, mesh: None }
    }
}

/// How busy a destination is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Deliveries of this address not settled yet, and streams still open.
    pub outstanding: u64,
    /// From where on the destination is taken only if no other has room.
    pub capacity: u64,
}

/// The closest destination: a local one, else a router of the lowest cost that can be used. `turn` goes round among equals;
/// count it up with each delivery of the address.
pub fn closest<'a, L: Copy>(
    table: &Table,
    locals: &[L],
    remotes: Option<&Remotes>,
    entry: impl Into<Entry<'a>>,
    turn: usize,
    usable: impl Fn(LinkId) -> bool,
) -> Option<Choice<L>> {
    if !locals.is_empty() {
        return Some(Choice::Local(locals[turn % locals.len()]));
    }
    let candidates: Vec<(u32, RouterIndex, LinkId)> = eligible(table, remotes?, entry.into())
        .filter(|(_, _, link)| usable(*link))
        .collect();
    let lowest = candidates.iter().map(|(cost, ..)| *cost).min()?;
    let nearest = candidates.iter().filter(|(cost, ..)| *cost == lowest);
    let count = nearest.clone().count();
    let (_, router, link) = *nearest.clone().nth(turn % count)?;
    Some(Choice::Remote { router, link })
}

/// The least loaded destination; a remote router counts with the cost of the way. Among equal local ones `turn` goes round.
/// Where none has room, the least loaded of all. `local_load` and `remote_load` answer `None` for what cannot be used.
pub fn balanced<'a, L: Copy>(
    table: &Table,
    locals: &[L],
    remotes: Option<&Remotes>,
    entry: impl Into<Entry<'a>>,
    turn: usize,
    local_load: impl Fn(L) -> Option<Load>,
    remote_load: impl Fn(LinkId) -> Option<Load>,
) -> Option<Choice<L>> {
    let mut best: Option<(bool, u64, Choice<L>)> = None;
    let mut consider = |load: Load, cost: u64, choice: Choice<L>| {
        let rank = (load.outstanding >= load.capacity, load.outstanding + cost);
        if best.is_none_or(|(full, value, _)| rank < (full, value)) {
            best = Some((rank.0, rank.1, choice));
        }
        rank == (false, 0)
    };
    let turn = if locals.is_empty() {
        0
    } else {
        turn % locals.len()
    };
    for local in locals[turn..].iter().chain(&locals[..turn]) {
        if let Some(load) = local_load(*local)
            && consider(load, 0, Choice::Local(*local))
        {
            return Some(Choice::Local(*local));
        }
    }
    if let Some(remotes) = remotes {
        for (cost, router, link) in eligible(table, remotes, entry.into()) {
            if let Some(load) = remote_load(link) {
                consider(load, u64::from(cost), Choice::Remote { router, link });
            }
        }
    }
    best.map(|(_, _, choice)| choice)
}

/// The neighbours a multicast delivery goes to: one copy each, none to a neighbour whose link is in `passed` (see
/// [`Table::traced`]).
pub fn multicast<'a>(
    table: &Table,
    remotes: &Remotes,
    entry: impl Into<Entry<'a>>,
    passed: &[LinkId],
) -> Vec<LinkId> {
    // A router that is not known (yet) is nobody's valid origin: nothing goes out, as upstream does.
    let mut links: Vec<LinkId> = eligible(table, remotes, entry.into())
        .map(|(_, _, link)| link)
        .collect();
    links.sort_unstable();
    links.dedup();
    links.retain(|link| !passed.contains(link));
    links
}

/// For anycast an unknown ingress counts as this router (§6.4).
pub fn anycast_origin(origin: Origin) -> Origin {
    match origin {
        Origin::Unknown => Origin::Here,
        known => known,
    }
}

fn eligible<'a>(
    table: &'a Table,
    remotes: &'a Remotes,
    Entry { origin, mesh }: Entry<'a>,
) -> impl Iterator<Item = (u32, RouterIndex, LinkId)> + 'a {
    remotes.routers.iter().filter_map(move |router| {
        let link = table.eligible(router, origin)?;
        if mesh.is_some() && remotes.sole_mesh(router) == mesh {
            return None;
        }
        Some((table.route(router)?.cost, router, link))
    })
}
