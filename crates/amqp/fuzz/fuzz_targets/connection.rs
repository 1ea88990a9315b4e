#![no_main]

#[path = "../bodies/connection.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| body::run(octets));
