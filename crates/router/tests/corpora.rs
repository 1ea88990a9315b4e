//! The seeds that fuzzing left (`fuzz/seeds`), replayed on the stable toolchain.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../amqp/fuzz/replay.rs"]
mod replay;

#[path = "../fuzz/bodies/head.rs"]
mod head;

#[path = "../fuzz/bodies/peer.rs"]
mod peer;

use replay::replay;

#[test]
fn head_seeds() {
    replay("head", head::run);
}

#[test]
fn peer_seeds() {
    replay("peer", peer::run);
}
