//! `skupper controller`: watches, reconciles, writes.
//!
//! Whatever happens to an object comes in by a `watch` and lies in the inbox of its namespace in the `world`. The
//! `queue` says whose turn it is; a `turn` takes the inbox in, asks [`skupper_site`] what is to be done, does it
//! (`writes`), and puts the answers in, so that the next turn knows them before the watch tells. Nothing is looked at
//! periodically: a namespace in which nothing happens is left alone until the time that its last plan named.

mod control;
mod events;
mod gauges;
mod identity;
mod kinds;
mod options;
mod process;
mod queue;
mod sync;
mod turn;
mod watch;
mod world;
mod writes;

use std::ffi::OsString;
use std::process::ExitCode;

use tracing::error;

use self::options::Options;
use crate::logging;

/// Runs a controller until it is told to stop. `args` are the arguments after the role's name.
///
/// Logs go to standard output; exit code 2 means that the command line makes no sense, 1 that the controller could not
/// start, and why is the last line of the log.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let options = match Options::read(args) {
        Ok(options) => options,
        Err(error) => {
            // Help goes to standard output, all else to standard error; if that is closed, nobody is there to read it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if options.version {
        println!("{}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let log_level = logging::init();
    // Few threads: it waits most of the time, and each keeps memory that it has used once. One is for all that comes and goes,
    // two for reconciling, so that a namespace that takes long holds nobody up.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(2)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(process::run(options, skupper_site::reconcile, log_level)),
        Err(error) => Err(anyhow::Error::new(error).context("cannot start threads")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
