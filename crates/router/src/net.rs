//! The sockets that traffic crosses: the system's, and in the simulation of whole routers its own.

use std::io;

#[cfg(not(test))]
pub(crate) use tokio::net::TcpStream;

#[cfg(test)]
pub(crate) use crate::simulation::TcpStream;

/// A socket that the system has connected.
#[cfg(not(test))]
pub(crate) fn of_system(stream: tokio::net::TcpStream) -> TcpStream {
    stream
}

/// A socket that the system has connected.
#[cfg(test)]
pub(crate) fn of_system(stream: tokio::net::TcpStream) -> TcpStream {
    stream.into()
}

/// Whether the first look at what a client says finds that it has left without a word: a check whether the port is open. What else
/// fails there is an error as any.
pub(crate) fn has_left(first: &io::Result<usize>) -> bool {
    match first {
        Ok(octets) => *octets == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}
