//! The sockets that traffic crosses: the system's, and in the simulation of whole routers its own.

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
