//! The head of a stream message, in one piece and in two: more octets never turn an answer into another.

#[path = "../../src/tcp/head.rs"]
#[allow(dead_code, reason = "a router does more with it")]
mod stream_head;

use stream_head::{MAX_HEAD, Parsed, StreamHead};

pub(crate) fn run(octets: &[u8]) {
    let whole = StreamHead::parse(octets);
    match &whole {
        Parsed::Incomplete => assert!(octets.len() < MAX_HEAD),
        Parsed::Head { head, length } => {
            let written = head.encode();
            let again = StreamHead::parse(&written);
            assert!(
                matches!(&again, Parsed::Head { head: same, .. } if same == head),
                "{again:?}"
            );
            assert_eq!(StreamHead::parse(&octets[..*length]), whole);
            if let Some(before) = length.checked_sub(1) {
                assert_eq!(StreamHead::parse(&octets[..before]), Parsed::Incomplete);
            }
        }
        Parsed::WrongEncapsulation | Parsed::Malformed(_) => {}
    }
}
