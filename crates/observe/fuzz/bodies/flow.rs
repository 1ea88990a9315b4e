//! What passes in a flow, observed: whole and cut it tells the same, and never of more open requests than there may be.
//!
//! The input is an octet that chooses the observer, and then turns: an octet that says whose and how it is cut, two of length, the
//! octets.

use std::collections::BTreeSet;

use skupper_observe::{Event, MAX_OPEN, Observer, Side};

fn observer(which: u8) -> Observer {
    match which % 3 {
        0 => Observer::auto(),
        1 => Observer::http1(),
        _ => Observer::http2(),
    }
}

pub(crate) fn run(octets: &[u8]) {
    let [which, turns @ ..] = octets else { return };
    let (mut whole, mut cut) = (observer(*which), observer(*which));
    let (mut told, mut told_cut) = (Vec::new(), Vec::new());
    let mut rest = turns;
    while let [how, long, short, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*long, *short])).min(after.len());
        let (turn, after) = after.split_at(length);
        rest = after;
        let side = if how & 0x80 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        whole.feed(side, turn, &mut told);
        for piece in turn.chunks(usize::from(how & 0x7f) + 1) {
            cut.feed(side, piece, &mut told_cut);
        }
    }
    let told = joined(told);
    assert_eq!(told, joined(told_cut));
    assert_eq!(whole.is_over(), cut.is_over());
    let mut open = BTreeSet::new();
    for event in told {
        match event {
            Event::Request { id, .. } => assert!(open.insert(id)),
            Event::ForwardedFor { id, .. }
            | Event::Answered { id }
            | Event::Status { id, .. }
            | Event::Body { id, .. } => assert!(open.contains(&id)),
            Event::Done { id } => assert!(open.remove(&id)),
            Event::Over(_) => assert!(whole.is_over()),
        }
        assert!(open.len() <= MAX_OPEN);
    }
}

/// One event for contents that follow each other.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (
                Some(Event::Body { id, side, octets }),
                Event::Body {
                    id: of,
                    side: by,
                    octets: more,
                },
            ) if (*id, *side) == (of, by) => *octets += more,
            (_, event) => joined.push(event),
        }
    }
    joined
}
