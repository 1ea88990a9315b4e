//! `skupper router`, and the command line of upstream's `skrouterd`, which is the same (management reference §1).

mod arguments;
mod daemon;
mod drain;
mod launch;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use skupper_management::document::{Dialect, Document};
use skupper_management::entity::{Level, Mode};

use crate::agent::{Agent, logging};
use crate::descriptors;
use crate::router::{Options, Router};
use crate::stuck::StuckAfter;
use arguments::{Arguments, Wanted};

/// What the program is called where it speaks of itself.
const PROGRAM: &str = "skrouterd";

/// Why the router did not start or did not go on.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(
        "Not found: Configuration file could not be opened: {path}: {error}: name an existing file with -c, or set QDROUTERD_CONF"
    )]
    Open {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("Configuration: Configuration file was empty: {0}")]
    Empty(PathBuf),
    #[error("Configuration: Cannot load configuration file {path}: {error}")]
    Document {
        path: PathBuf,
        error: skupper_management::document::DocumentErrors,
    },
    #[error(transparent)]
    Start(#[from] crate::router::StartError),
    #[error(transparent)]
    Http(#[from] crate::http::BindError),
    #[error("System: {0}")]
    System(String),
}

/// Runs a router until it is told to stop. `arguments` are what follows the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = std::iter::once(PROGRAM.into()).chain(arguments).collect();
    let arguments = match Arguments::parse(&args) {
        Wanted::Run(arguments) => arguments,
        Wanted::Done(code) => return code,
    };
    if arguments.daemon && !daemon::is_detached() {
        return daemon::start();
    }
    logging::install();
    descriptors::take_all();
    match start(&arguments) {
        Ok(code) => code,
        Err(error) => {
            if arguments.daemon {
                // That nobody waits for it is no reason to say more.
                let _ = daemon::tell(Some(&format!("{PROGRAM}: {error}")));
            }
            let text = format!("Router start-up failed: {error}");
            logging::logs().log("ROUTER", Level::Critical, &text, None);
            // Whoever started the program by hand sees it without the log.
            let _ = writeln!(std::io::stderr(), "{PROGRAM}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    if arguments.daemon {
        let detached = daemon::detach();
        detached.map_err(|error| CommandError::System(format!("cannot detach: {error}")))?;
    }
    let document = match &arguments.config {
        Some(path) => read(path)?,
        None => match launch::document()? {
            Some(document) => document,
            None => read(Path::new(arguments::DEFAULT_CONFIG))?,
        },
    };
    let options = Options {
        share_ports: arguments.share_ports,
        stuck_after: match arguments.test_hooks {
            true => StuckAfter::HASTY,
            false => StuckAfter::default(),
        },
    };
    let router = Router::start_with(&document, options)?;
    let agent = Agent::start(&router)?;
    let context = router.context();
    let mode = match context.settings.mode {
        Mode::Standalone => "Router started in Standalone mode".to_owned(),
        Mode::Edge => "Router started in Edge mode".to_owned(),
        Mode::Interior => format!(
            "Router started in Interior mode, area=0 id={}",
            context.dispatch.me
        ),
    };
    tracing::info!(target: "ROUTER", "{mode}");
    tracing::info!(target: "ROUTER", "Version: {}", env!("CARGO_PKG_VERSION"));
    tracing::info!(target: "SERVER", "Container Name: {}", context.dispatch.me);
    let data = context.settings.data_connections();
    let count = match context.settings.data_connection_count.as_str() {
        "" | "auto" => format!("Inter-router data connections calculated at {data}"),
        number if number.parse::<u32>().is_ok() => {
            format!("Inter-router data connections set to {data}")
        }
        wrong => format!(
            "Bad value \"{wrong}\" for dataConnectionCount: data connections calculated at {data}"
        ),
    };
    tracing::info!(target: "ROUTER", "{count}");
    // Supervisors and tests wait for this line.
    tracing::info!(
        target: "SERVER",
        "Operational, {} Threads Running (process ID {})",
        context.workers.len(), std::process::id()
    );
    if let Some(path) = &arguments.pid_file {
        let written = std::fs::write(path, format!("{}\n", std::process::id()));
        written.map_err(|error| {
            CommandError::System(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    if arguments.daemon {
        let told = daemon::tell(None);
        told.map_err(|error| CommandError::System(format!("cannot tell that it runs: {error}")))?;
    }
    drain::until_stopped(&router, Duration::from_secs(arguments.drain))?;
    drop(agent);
    drop(router);
    tracing::info!(target: "ROUTER", "Shut Down");
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Document, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|error| CommandError::Open {
        path: path.to_owned(),
        error,
    })?;
    if text.trim().is_empty() {
        return Err(CommandError::Empty(path.to_owned()));
    }
    let dialect = Dialect::of_path(&path.to_string_lossy());
    Document::parse(&text, dialect).map_err(|error| CommandError::Document {
        path: path.to_owned(),
        error,
    })
}
