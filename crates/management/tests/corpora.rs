//! The seeds that fuzzing left (`fuzz/seeds`), replayed on the stable toolchain.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../amqp/fuzz/replay.rs"]
mod replay;

#[path = "../fuzz/bodies/document.rs"]
mod document;

#[path = "../fuzz/bodies/request.rs"]
mod request;

use replay::replay;

#[test]
fn document_seeds() {
    replay("document", document::run);
}

#[test]
fn request_seeds() {
    replay("request", request::run);
}
