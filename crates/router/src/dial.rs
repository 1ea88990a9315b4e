//! Connecting to a host, whoever it is that connects: AMQP connectors, to peers and to the proxies before them, and TCP
//! connectors.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use skupper_management::entity::AddressFamily;
use tokio::net::{TcpSocket, TcpStream as SystemStream};
use tokio::time::timeout;

use crate::descriptors::{Descriptors, Room};
use crate::keep_alive;
use crate::listen::{resolve, service_port};
use crate::net::{self, TcpStream};

/// An address that does not answer is given up after this. Left to itself the system takes more than two minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom a connection is for, which decides whether it gets a descriptor where few are left.
#[derive(Debug, Clone, Copy)]
pub(crate) enum For<'d> {
    /// A link between routers: the last one, too.
    Link(&'d Descriptors),
    /// Anybody else.
    Workload(&'d Descriptors),
}

/// Why no address of a host was reached.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Unreached {
    /// What failed, as a word of [`Refusal::CHECKS`](skupper_management::report::Refusal::CHECKS).
    pub(crate) check: &'static str,
    /// Why; for several addresses, of the last. `TimedOut`: it did not answer.
    pub(crate) error: io::Error,
}

/// Connects to the first address of a host that answers; `service` is a port's number or the name of its service. Each address
/// has ten seconds.
pub(crate) async fn connect(
    host: &str,
    service: &str,
    family: Option<AddressFamily>,
    whom: For<'_>,
) -> Result<TcpStream, Unreached> {
    let unreached = |check| move |error| Unreached { check, error };
    #[cfg(test)]
    if let Some(dialled) = crate::simulation::dial(host, service).await {
        return dialled.map_err(unreached("connect"));
    }
    let port = service_port(service).map_err(unreached("resolve"))?;
    // A name takes descriptors to look it up.
    whom.unless_short(Descriptors::room)
        .map_err(unreached("connect"))?;
    let addresses = resolve(host, port, family)
        .await
        .map_err(unreached("resolve"))?;
    let connected = to_one_of(&addresses, whom, PATIENCE).await;
    connected.map(net::of_system).map_err(unreached("connect"))
}

impl For<'_> {
    /// An error where this one gets none in the room that there is.
    fn unless_short(self, room: impl FnOnce(&Descriptors) -> Room) -> io::Result<()> {
        match self {
            For::Workload(descriptors) if room(descriptors) > Room::Servers => {
                Err(descriptors.short(Room::Servers).into())
            }
            _ => Ok(()),
        }
    }

    fn explain(self, error: io::Error) -> io::Error {
        let (For::Link(descriptors) | For::Workload(descriptors)) = self;
        descriptors.explain(error)
    }

    fn socket(self, address: &SocketAddr) -> io::Result<TcpSocket> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(|error| self.explain(error))?;
        self.unless_short(|descriptors| descriptors.at(&socket))?;
        Ok(socket)
    }
}

async fn to_one_of(
    addresses: &[SocketAddr],
    whom: For<'_>,
    patience: Duration,
) -> io::Result<SystemStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        let connecting = async { whom.socket(address)?.connect(*address).await };
        match timeout(patience, connecting).await {
            Ok(Ok(stream)) => {
                // Small requests must not wait for more. Where the system does not do it, they do.
                let _ = stream.set_nodelay(true);
                keep_alive::ask(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use socket2::{Domain, Socket, Type};

    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    /// An address that does not answer: there is no room in the queue of its socket, so the system drops who knocks.
    fn silent() -> (SocketAddr, Socket, std::net::TcpStream) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let first = std::net::TcpStream::connect(address).unwrap();
        (address, socket, first)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_is_given_up_and_the_next_tried() {
        let (address, _full, _first) = silent();
        let descriptors = Descriptors::new();
        let whom = For::Workload(&descriptors);
        let error = to_one_of(&[address], whom, SOON).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = listener.local_addr().unwrap();
        let stream = to_one_of(&[address, other], whom, SOON).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), other);
        assert!(stream.nodelay().unwrap());
        keep_alive::tests::is_asked(&stream);
    }

    #[tokio::test]
    async fn what_fails_has_its_word() {
        let descriptors = Descriptors::new();
        let whom = For::Link(&descriptors);
        let unreached = connect("no-such-host.invalid", "1", None, whom).await;
        assert_eq!(unreached.unwrap_err().check, "resolve");
        let unreached = connect("127.0.0.1", "no port", None, whom).await;
        assert_eq!(unreached.unwrap_err().check, "resolve");
    }
}
