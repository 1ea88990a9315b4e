//! What a flow can depend on: the wires and routers on any way between its ends.

use tokio::time::Instant;

use super::world::{State, Wire};

/// Where something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Wire(usize),
    Router(usize),
    /// A router that is not there: who is at it.
    Missing(usize),
    Everywhere,
}

/// Something that was done to the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) at: Instant,
    pub(super) place: Place,
    /// Flows that are under way may break.
    pub(super) breaks: bool,
    /// Those that begin until then may find that nobody serves them.
    pub(super) until: Instant,
}

impl State {
    /// Whether a flow between two routers can have to do with what happens at a place.
    pub(super) fn touches(&self, place: Place, from: usize, to: usize) -> bool {
        place == Place::Everywhere
            || [from, to].map(Place::Missing).contains(&place)
            || Place::Router(from) == place
            || leads(&self.wires, place, &mut vec![from], to)
    }

    /// Whether anything but a wire's own cut of that time was in the way at some time since.
    pub(super) fn is_troubled_since(&self, cut: Instant, wire: usize) -> bool {
        let own = |fault: &Fault| fault.at == cut && fault.place == Place::Wire(wire);
        let late = |fault: &Fault| fault.until > cut && !own(fault);
        let mut others = self.wires.iter().enumerate();
        self.faults.iter().any(late) || others.any(|(other, at)| other != wire && !at.up)
    }
}

/// Whether a way that begins with `passed` comes by the place to its end, and to no router twice.
fn leads(wires: &[Wire], place: Place, passed: &mut Vec<usize>, to: usize) -> bool {
    let here = passed.last().copied();
    if here == Some(to) {
        return false;
    }
    let numbered = wires.iter().enumerate();
    for (number, wire) in
        numbered.filter(|(_, wire)| Some(wire.from) == here || Some(wire.to) == here)
    {
        let next = if Some(wire.from) == here {
            wire.to
        } else {
            wire.from
        };
        if passed.contains(&next) {
            continue;
        }
        let is_there = [Place::Wire(number), Place::Router(next)].contains(&place);
        passed.push(next);
        let found = match is_there {
            true => arrives(wires, passed, to),
            false => leads(wires, place, passed, to),
        };
        passed.pop();
        if found {
            return true;
        }
    }
    false
}

fn arrives(wires: &[Wire], passed: &mut Vec<usize>, to: usize) -> bool {
    let here = passed.last().copied();
    let others = wires.iter().filter_map(|wire| match here {
        Some(here) if wire.from == here => Some(wire.to),
        Some(here) if wire.to == here => Some(wire.from),
        _ => None,
    });
    here == Some(to)
        || others.collect::<Vec<_>>().into_iter().any(|next| {
            if passed.contains(&next) {
                return false;
            }
            passed.push(next);
            let found = arrives(wires, passed, to);
            passed.pop();
            found
        })
}
