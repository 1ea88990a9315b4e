//! The commands `skstat` and `skmanage`, with the options and the output of upstream's.
//!
//! What they ask and print is in [`skupper_management::tools`]; here are their words, the connection, and the asking.

mod arguments;
mod connect;
mod error;
mod manage;
mod stat;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use error::ToolError;

/// One of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Shows tables.
    Skstat,
    /// Reads and changes entities.
    Skmanage,
}

impl Tool {
    /// The tool of a program's name, without its directory.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "skstat" => Some(Tool::Skstat),
            "skmanage" => Some(Tool::Skmanage),
            _ => None,
        }
    }

    /// Runs the command with the words behind its name, prints, and says how the process ends.
    pub fn run(self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        let outcome = self.outcome(arguments);
        let printed = io::stdout()
            .write_all(outcome.output.as_bytes())
            .and_then(|()| io::stdout().flush());
        match printed {
            // A reader that has seen enough is no error.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ => {
                // There is nowhere else to say it.
                let _ = io::stderr().write_all(outcome.error.as_bytes());
                ExitCode::from(outcome.code)
            }
        }
    }

    /// What the command comes to, printed nowhere.
    pub fn outcome(self, arguments: impl IntoIterator<Item = OsString>) -> Outcome {
        match self {
            Tool::Skstat => outcome(arguments, "skstat", stat::run),
            Tool::Skmanage => outcome(arguments, "skmanage", manage::run),
        }
    }
}

/// What a command comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output.
    pub output: String,
    /// For standard error.
    pub error: String,
    /// 0 if done, 1 if it could not be done, 2 for words that make no sense.
    pub code: u8,
}

/// Reads the words and does what they say.
fn outcome<A, F>(arguments: impl IntoIterator<Item = OsString>, name: &str, run: F) -> Outcome
where
    A: Parser,
    F: AsyncFnOnce(A) -> Result<String, ToolError>,
{
    let words = std::iter::once(OsString::from(name)).chain(arguments);
    let parsed = match A::try_parse_from(words) {
        Ok(parsed) => parsed,
        Err(error) if error.use_stderr() => {
            return Outcome {
                error: error.render().to_string(),
                code: 2,
                ..Outcome::default()
            };
        }
        Err(help) => {
            return Outcome {
                output: help.render().to_string(),
                ..Outcome::default()
            };
        }
    };
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ToolError::Runtime)
        .and_then(|runtime| runtime.block_on(run(parsed)));
    match done {
        Ok(output) => Outcome {
            output,
            ..Outcome::default()
        },
        Err(error @ ToolError::Usage(_)) => Outcome {
            error: format!("{name}: {error}\nTry '{name} --help'.\n"),
            code: 2,
            ..Outcome::default()
        },
        Err(error) => Outcome {
            error: format!("{name}: {error}\n"),
            code: 1,
            ..Outcome::default()
        },
    }
}
