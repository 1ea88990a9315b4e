//! Conversations, and what an observer makes of them.

use skupper_observe::{Event, Observer, Side};

/// What the sides say, in the order in which it passes.
pub(crate) type Conversation = Vec<(Side, Vec<u8>)>;

/// A turn of the client.
pub(crate) fn client(octets: impl AsRef<[u8]>) -> (Side, Vec<u8>) {
    (Side::Client, octets.as_ref().to_vec())
}

/// A turn of the server.
pub(crate) fn server(octets: impl AsRef<[u8]>) -> (Side, Vec<u8>) {
    (Side::Server, octets.as_ref().to_vec())
}

/// What a conversation tells; contents that follow each other are one.
pub(crate) fn play(mut observer: Observer, conversation: &[(Side, Vec<u8>)]) -> Vec<Event> {
    let mut events = Vec::new();
    for (side, octets) in conversation {
        observer.feed(*side, octets, &mut events);
    }
    joined(events)
}

/// The same with every octet by itself.
pub(crate) fn play_slowly(mut observer: Observer, conversation: &[(Side, Vec<u8>)]) -> Vec<Event> {
    let mut events = Vec::new();
    for (side, octets) in conversation {
        for octet in octets {
            observer.feed(*side, &[*octet], &mut events);
        }
    }
    joined(events)
}

/// One event for contents that follow each other.
pub(crate) fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        if let (
            Some(Event::Body { id, side, octets }),
            Event::Body {
                id: of,
                side: by,
                octets: more,
            },
        ) = (joined.last_mut(), &event)
            && (*id, *side) == (*of, *by)
        {
            *octets += more;
        } else {
            joined.push(event);
        }
    }
    joined
}
