//! A router by itself, for development: takes the command line of upstream's router.

use std::process::ExitCode;

/// The program's own, so that what is measured here is what it does.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    skupper_router::command::run(std::env::args_os().skip(1))
}
