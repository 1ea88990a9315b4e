//! The seeds that fuzzing left (`fuzz/seeds`), replayed on the stable toolchain.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../amqp/fuzz/replay.rs"]
mod replay;

#[path = "../fuzz/bodies/pem.rs"]
mod pem;

#[path = "../fuzz/bodies/certificate.rs"]
mod certificate;

use replay::replay;

#[test]
fn pem_seeds() {
    replay("pem", pem::run);
}

#[test]
fn certificate_seeds() {
    replay("certificate", certificate::run);
}
