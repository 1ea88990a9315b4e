//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use skupper_management::entity::Level;

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
    File(Arc<File>),
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
            path => Sink::File(Arc::new(
                OpenOptions::new().append(true).create(true).open(path)?,
            )),
        })
    }

    /// Writes a line. What cannot be written is lost: there is nobody to tell.
    pub(super) fn write(&self, level: Level, line: &str) {
        let _ = match self {
            Sink::Stderr => io::stderr().write_all(line.as_bytes()),
            Sink::Stdout => io::stdout().write_all(line.as_bytes()),
            Sink::File(file) => (&**file).write_all(line.as_bytes()),
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
