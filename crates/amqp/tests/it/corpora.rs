//! The seeds that fuzzing left (`fuzz/seeds`), replayed on the stable toolchain.

#[path = "../../fuzz/replay.rs"]
mod replay;

#[path = "../../fuzz/bodies/decode.rs"]
mod decode;

#[path = "../../fuzz/bodies/connection.rs"]
mod connection;

use replay::replay;

#[test]
fn decode_seeds() {
    replay("decode", decode::run);
}

#[test]
fn connection_seeds() {
    replay("connection", connection::run);
}
