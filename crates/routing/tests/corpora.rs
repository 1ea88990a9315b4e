//! The seeds that fuzzing left (`fuzz/seeds`), replayed on the stable toolchain.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../amqp/fuzz/replay.rs"]
mod replay;

#[path = "../fuzz/bodies/message.rs"]
mod message;

#[path = "../fuzz/bodies/engine.rs"]
mod engine;

use replay::replay;

#[test]
fn message_seeds() {
    replay("message", message::run);
}

#[test]
fn engine_seeds() {
    replay("engine", engine::run);
}
