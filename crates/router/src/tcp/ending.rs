//! Why flows end, and how collectors are told of it: as upstream's router writes it, `name (description)`.

use std::fmt::Display;
use std::io;

use super::socket::Socket;

/// Why a flow ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Both directions came to their end.
    Done,
    /// The socket failed.
    Socket(Fault),
    /// The other end or the network gave this end's stream back.
    Refused,
    /// The other end's stream broke off: its socket or a link on the way failed.
    Lost,
    /// Somebody wanted it closed.
    Closed(By),
}

/// Who has a flow closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Its listener or connector, which was deleted.
    Parent,
    /// Management, which asked for this flow.
    Management,
    /// The router itself, which runs short of memory.
    Memory,
}

/// What a socket failed at.
#[derive(Debug)]
pub(crate) struct Fault {
    at: At,
    error: io::Error,
}

/// What was done with a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Connect,
    Handshake,
    Read,
    Write,
}

impl Ending {
    /// Whether the socket's peer would take its end for one in order, unless it is told.
    fn breaks_off(&self) -> bool {
        matches!(self, Ending::Refused | Ending::Lost | Ending::Closed(_))
    }

    /// Tells a socket's peer that the flow broke off, if it did.
    pub(crate) fn tell(self, socket: &Socket) -> Self {
        if self.breaks_off() {
            socket.reset();
        }
        self
    }

    /// What collectors are told of it; nothing where it is in order. `peer` is at the socket's other side.
    pub(crate) fn text(&self, peer: impl Display) -> Option<String> {
        let text = match self {
            Ending::Done => return None,
            Ending::Socket(fault) => return Some(fault.text(peer)),
            Ending::Refused => "delivery-failed (destination unreachable)",
            Ending::Lost => "delivery-failed (the other end's stream broke off)",
            Ending::Closed(By::Parent) => "Parent-deleted (Forced closed)",
            Ending::Closed(By::Management) => "Force-closed (closed by management request)",
            Ending::Closed(By::Memory) => {
                "Force-closed (memory runs short, and octets waited that were not taken)"
            }
        };
        Some(text.to_owned())
    }
}

impl Fault {
    /// There was no connection to be had.
    pub(super) fn connect(error: io::Error) -> Self {
        Fault {
            at: At::Connect,
            error,
        }
    }

    /// There was no TLS to be agreed on.
    pub(super) fn handshake(error: io::Error) -> Self {
        Fault {
            at: At::Handshake,
            error,
        }
    }

    /// Nothing more could be read.
    pub(super) fn read(error: io::Error) -> Self {
        Fault {
            at: At::Read,
            error,
        }
    }

    /// Nothing more could be written.
    pub(super) fn write(error: io::Error) -> Self {
        Fault {
            at: At::Write,
            error,
        }
    }

    fn text(&self, peer: impl Display) -> String {
        let at = match self.at {
            At::Handshake => return self.of_tls(),
            _ if self.is_of_tls() => return self.of_tls(),
            At::Connect => "on connect",
            // Whichever was being done, the peer did it.
            _ if self.error.kind() == io::ErrorKind::ConnectionReset => "async disconnect",
            At::Read => "recv error",
            At::Write => "send error",
        };
        format!("proton:io ({} - {at} {peer})", words(&self.error))
    }

    fn of_tls(&self) -> String {
        format!("TLS-connection-failed ({})", words(&self.error))
    }

    fn is_of_tls(&self) -> bool {
        let inner = self.error.get_ref();
        inner.is_some_and(|inner| inner.is::<rustls::Error>())
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

/// An error in the system's words, without the number that the standard library adds.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let Some(code) = error.raw_os_error() else {
        return text;
    };
    match text.strip_suffix(&format!(" (os error {code})")) {
        Some(words) => words.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn endings_are_told_by_name_and_description() {
        let refused = || io::Error::from(Errno::CONNREFUSED);
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        let told = |ending: Ending| ending.text("10.0.0.1:80");
        for (ending, text) in [
            (
                Ending::Socket(Fault::connect(refused())),
                "proton:io (Connection refused - on connect 10.0.0.1:80)",
            ),
            (
                Ending::Socket(Fault::read(Errno::CONNRESET.into())),
                "proton:io (Connection reset by peer - async disconnect 10.0.0.1:80)",
            ),
            (
                Ending::Socket(Fault::read(Errno::TIMEDOUT.into())),
                "proton:io (Connection timed out - recv error 10.0.0.1:80)",
            ),
            (
                Ending::Socket(Fault::write(Errno::PIPE.into())),
                "proton:io (Broken pipe - send error 10.0.0.1:80)",
            ),
            (
                Ending::Socket(Fault::handshake(io::ErrorKind::TimedOut.into())),
                "TLS-connection-failed (timed out)",
            ),
            (
                Ending::Socket(Fault::read(io::Error::new(
                    io::ErrorKind::InvalidData,
                    alert,
                ))),
                "TLS-connection-failed (received fatal alert: UnknownCA)",
            ),
            (Ending::Refused, "delivery-failed (destination unreachable)"),
            (Ending::Closed(By::Parent), "Parent-deleted (Forced closed)"),
        ] {
            assert_eq!(told(ending).as_deref(), Some(text));
        }
        assert_eq!(told(Ending::Done), None);
    }
}
