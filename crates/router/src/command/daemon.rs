//! `--daemon`: the router goes on without the terminal and the process that started it (management reference §1.1).

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use super::PROGRAM;

/// Set for the process that is to be the router, to the number of the one that has started it: the variable may have been
/// inherited from elsewhere, the parent not.
const DETACHED: &str = "SKUPPER_ROUTER_DETACHED";
/// What the router's process says when it runs.
const RUNS: &str = "ok";

/// Which of the two processes this is.
pub(super) fn is_detached() -> bool {
    let starter = std::env::var(DETACHED).ok();
    let parent = rustix::process::getppid();
    is_child_of(
        starter.as_deref(),
        parent.map(|parent| parent.as_raw_nonzero().get()),
    )
}

/// Whether the process that started this one as the router, by what that left in the environment, is its parent.
fn is_child_of(starter: Option<&str>, parent: Option<i32>) -> bool {
    let starter = starter.and_then(|starter| starter.parse().ok());
    starter.is_some() && starter == parent
}

/// Starts this program once more as the router, and waits until that runs or has failed.
pub(super) fn start() -> ExitCode {
    match detached() {
        Ok(said) if said.trim() == RUNS => ExitCode::SUCCESS,
        Ok(said) => {
            eprintln!("{}", said.trim());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{PROGRAM}: the router's process cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

fn detached() -> io::Result<String> {
    let mut arguments = std::env::args_os();
    // The name decides what the program is.
    let name = arguments.next().unwrap_or_else(|| OsString::from(PROGRAM));
    // Not its standard output: that may be where its log goes.
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg0(name)
        .args(arguments)
        .env(DETACHED, std::process::id().to_string())
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut said = String::new();
    let mut output = BufReader::new(ours);
    output.read_line(&mut said)?;
    if said.trim() == RUNS {
        return Ok(said);
    }
    output.read_to_string(&mut said)?;
    if said.is_empty() {
        let status = child.wait()?;
        said = format!("{PROGRAM}: the router's process ended and said nothing: {status}");
    }
    Ok(said)
}

/// Leaves the session of the terminal, and the directory that may have to go.
pub(super) fn detach() -> io::Result<()> {
    rustix::process::setsid()?;
    std::env::set_current_dir("/")
}

/// Tells the process that waits that the router runs, or why it does not. It reads nothing after that.
pub(super) fn tell(failure: Option<&str>) -> io::Result<()> {
    let mut output = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    writeln!(output, "{}", failure.unwrap_or(RUNS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_the_router_of_its_own_parent_alone() {
        assert!(is_child_of(Some("17"), Some(17)));
        for (starter, parent) in [
            (None, Some(17)),
            (Some("1"), Some(17)),
            (Some("yes"), Some(17)),
            (Some("17"), None),
            (None, None),
        ] {
            assert!(!is_child_of(starter, parent), "{starter:?} {parent:?}");
        }
    }
}
