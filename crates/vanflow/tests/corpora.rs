//! The seeds that fuzzing left (`fuzz/seeds`), replayed on the stable toolchain.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../amqp/fuzz/replay.rs"]
mod replay;

#[path = "../fuzz/bodies/records.rs"]
mod records;

use replay::replay;

#[test]
fn records_seeds() {
    replay("records", records::run);
}
