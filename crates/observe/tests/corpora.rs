//! The seeds that fuzzing left (`fuzz/seeds`), replayed on the stable toolchain.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../amqp/fuzz/replay.rs"]
mod replay;

#[path = "../fuzz/bodies/flow.rs"]
mod flow;

use replay::replay;

#[test]
fn flow_seeds() {
    replay("flow", flow::run);
}
