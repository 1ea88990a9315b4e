//! A router by itself, for development: takes the command line of upstream's router.

use std::process::ExitCode;

fn main() -> ExitCode {
    skupper_router::command::run(std::env::args_os().skip(1))
}
