//! `skupper adaptor`: stands between a site's objects in Kubernetes and the router in the same pod.
//!
//! As init container (`-init`, `init`) it writes the router's configuration and certificate files. Beside the router it
//! keeps both in line (`store` → `settle` → `sync`), and tells the site what the router says: refusals and unusable
//! credentials (`report`), and, as the leader among the pods of a site, the network (`leader`).
//!
//! It decides purely and acts at the edge: `credentials` says which files a profile gets, `desired` what the router is
//! to run. A Secret is only ever read; which revision it has stands in the ConfigMap, or, under upstream's controller, in
//! the annotation that that controller writes.

mod credentials;
mod desired;
mod files;
mod init;
mod leader;
mod network;
mod options;
mod process;
mod report;
mod settle;
mod store;
mod sync;

use std::ffi::OsString;
use std::process::ExitCode;

use tracing::error;

use self::options::Options;
use crate::logging;

/// Runs an adaptor until it is told to stop, or with `-init` until its work is done. `args` are the arguments after the
/// role's name.
///
/// Logs go to standard output; exit code 2 means that the command line makes no sense, 1 that the work could not be done,
/// and why is the last line of the log.
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
    logging::init();
    // One thread: it waits nearly all the time, and its memory is paid for in every router pod.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(process::run(options)),
        Err(error) => Err(anyhow::Error::new(error).context("cannot start")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
