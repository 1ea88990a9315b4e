//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex, PoisonError};

use skupper_management::entity::Level;
use tokio::time::Instant;

use crate::spell::Spell;

/// Facility of daemons in the system's log.
const DAEMON: u8 = 3;

/// Where lines go.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// The system's log.
    Syslog(Arc<UnixDatagram>),
    /// The end of a file.
    File(Arc<LogFile>),
}

/// A file that lines go to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: String,
    file: File,
    failing: Mutex<Spell>,
}

impl LogFile {
    fn open(path: &str) -> io::Result<Self> {
        Ok(LogFile {
            path: path.to_owned(),
            file: OpenOptions::new().append(true).create(true).open(path)?,
            failing: Mutex::default(),
        })
    }

    /// Writes a line; what is to be said elsewhere when it begins to fail.
    fn write(&self, line: &str) -> Option<String> {
        let error = (&self.file).write_all(line.as_bytes()).err()?;
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.begins(Instant::now()).then(|| {
            format!(
                "cannot write the log to {}: {error}: what is logged until that is repaired is lost; free space, or give the log another outputFile\n",
                self.path
            )
        })
    }
}

impl Sink {
    /// Opens what an `outputFile` names.
    pub(super) fn open(name: &str) -> io::Result<Self> {
        Ok(match name {
            "stderr" => Sink::Stderr,
            "stdout" => Sink::Stdout,
            "syslog" => {
                let socket = UnixDatagram::unbound()?;
                socket.connect("/dev/log")?;
                Sink::Syslog(Arc::new(socket))
            }
            path => Sink::File(Arc::new(LogFile::open(path)?)),
        })
    }

    /// Writes a line. What cannot be written is lost; of a file standard error is told that.
    pub(super) fn write(&self, level: Level, line: &str) {
        let _ = match self {
            Sink::Stderr => io::stderr().write_all(line.as_bytes()),
            Sink::Stdout => io::stdout().write_all(line.as_bytes()),
            Sink::File(file) => match file.write(line) {
                Some(told) => io::stderr().write_all(told.as_bytes()),
                None => Ok(()),
            },
            Sink::Syslog(socket) => {
                let priority = DAEMON << 3 | severity(level);
                let line = format!(
                    "<{priority}>skrouterd[{}]: {}",
                    std::process::id(),
                    line.trim_end()
                );
                socket.send(line.as_bytes()).map(|_| ())
            }
        };
    }
}

/// Severity in the system's log.
fn severity(level: Level) -> u8 {
    match level {
        Level::Debug => 7,
        Level::Info => 6,
        Level::Warning => 4,
        Level::Error => 3,
        Level::Critical => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_takes_nothing_is_told_of_once() {
        let full = LogFile::open("/dev/full").unwrap();
        let told = full.write("a line\n").unwrap();
        let begins = "cannot write the log to /dev/full: No space left on device";
        assert!(told.starts_with(begins), "{told}");
        assert_eq!(full.write("another\n"), None);
    }
}
