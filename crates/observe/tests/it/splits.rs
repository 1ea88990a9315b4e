//! However the octets are cut, they tell the same; whatever they are, they do no harm.

use proptest::prelude::*;
use skupper_observe::{Observer, Side};

use crate::http2::{PREFACE, fields, frame};
use crate::play::{Conversation, joined, play};

/// Parts of which conversations are made, most of which fit together.
fn http1_part() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &'static str| Just(text.as_bytes().to_vec()).boxed();
    prop_oneof![
        text("GET / HTTP/1.1\r\n\r\n"),
        text("HEAD / HTTP/1.0\r\nX-Forwarded-For: a,b\r\n\r\n"),
        text("CONNECT a:1 HTTP/1.1\r\n\r\n"),
        text("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
        text("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
        text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n"),
        text("HTTP/1.1 100 Continue\r\n\r\n"),
        text("HTTP/1.1 101 Switching\r\n\r\n"),
        text("HTTP/1.0 304 x\r\n\r\n"),
        text("HTTP/1.0 200 x\r\n\r\n"),
        text("\r\n"),
        proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

fn http2_part() -> impl Strategy<Value = Vec<u8>> {
    let block = prop_oneof![
        Just(vec![0x82]),
        Just(vec![0x88]),
        Just(vec![0xbe]),
        Just(fields(&[(":method", "GET"), ("x-forwarded-for", "a")])),
        Just(vec![3, 0x88, 0, 0, 0]),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    prop_oneof![
        1 => Just(PREFACE.to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        20 => (0u8..11, any::<u8>(), 0u32..6, block)
            .prop_map(|(kind, flags, stream, block)| frame(kind, flags, stream, block)),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|client| if client { Side::Client } else { Side::Server })
}

fn conversation(part: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Conversation> {
    proptest::collection::vec((side(), part), 0..12)
}

/// What a conversation tells when every turn is cut at lengths that repeat.
fn cut(
    mut observer: Observer,
    conversation: &Conversation,
    lengths: &[usize],
) -> Vec<skupper_observe::Event> {
    let mut events = Vec::new();
    let mut lengths = lengths.iter().cycle();
    for (side, octets) in conversation {
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            let length = lengths.next().map_or(1, |length| (*length).min(rest.len()));
            let (now, later) = rest.split_at(length);
            observer.feed(*side, now, &mut events);
            rest = later;
        }
    }
    joined(events)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn http1_however_cut(
        conversation in conversation(http1_part()),
        lengths in proptest::collection::vec(1usize..40, 1..6),
    ) {
        let whole = play(Observer::http1(), &conversation);
        prop_assert_eq!(cut(Observer::http1(), &conversation, &lengths), whole);
    }

    #[test]
    fn http2_however_cut(
        conversation in conversation(http2_part()),
        lengths in proptest::collection::vec(1usize..40, 1..6),
    ) {
        let begun = [vec![(Side::Client, PREFACE.to_vec())], conversation].concat();
        let whole = play(Observer::http2(), &begun);
        prop_assert_eq!(&cut(Observer::http2(), &begun, &lengths), &whole);
        prop_assert_eq!(cut(Observer::auto(), &begun, &lengths), whole);
    }

    #[test]
    fn either_however_cut(
        conversation in conversation(prop_oneof![http1_part(), http2_part()]),
        lengths in proptest::collection::vec(1usize..40, 1..6),
    ) {
        let whole = play(Observer::auto(), &conversation);
        prop_assert_eq!(cut(Observer::auto(), &conversation, &lengths), whole);
    }
}
