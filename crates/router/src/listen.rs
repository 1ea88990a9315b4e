//! Ports: how they are opened, shared with the router that comes after this one, and closed without losing anybody.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use skupper_management::entity::AddressFamily;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::net::{TcpListener as AsyncListener, TcpStream};
use tokio::time::{Instant, sleep, timeout_at};

use crate::descriptors::{Descriptors, Room};
use crate::keep_alive;
use crate::spell::Spell;

/// The system cuts longer queues to what it allows.
const LONGEST_QUEUE: i32 = 4096;
/// A client whose first packet has been answered has so long to connect: a round trip, and one more where a packet is lost.
const UNDER_WAY: Duration = Duration::from_millis(500);
/// How long accepting rests where it failed, while a port is closed.
const REST: Duration = Duration::from_millis(10);
/// How long it rests where descriptors run short.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How often it is looked then whether somebody has gone for whom another came.
const MAKING_ROOM: Duration = Duration::from_millis(2);
/// Passes every packet for a listening socket, except those that begin a connection (SYN without ACK, in octet 13 of the TCP
/// header, where the packet begins for a filter).
const NOBODY_NEW: [(u16, u8, u8, u32); 5] = [
    (0x30, 0, 0, 13),       // load the octet with the flags
    (0x54, 0, 0, 0x12),     // and SYN | ACK
    (0x15, 0, 1, 0x02),     // SYN alone?
    (0x06, 0, 0, 0),        // drop it
    (0x06, 0, 0, u32::MAX), // take it whole
];

/// The ports of a router.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// Another process of the same user may listen on them as well.
    shared: bool,
    /// Those that are open, where they are shared: the system does not say that a port is taken by this router itself.
    open: Mutex<Vec<Weak<SocketAddr>>>,
}

/// A port that is open; closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    socket: TcpListener,
    shared: bool,
    address: Arc<SocketAddr>,
}

/// Who comes to a port, which decides whether they get a descriptor where few are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Clients: they wait.
    Clients,
    /// Other routers: they get one, but strangers who have not said yet that they are routers do not get the last.
    Routers,
    /// Probes and collectors: for each that comes another goes.
    Operators,
}

/// A port at which clients are accepted.
#[derive(Debug)]
pub(crate) struct Listening {
    socket: AsyncListener,
    shared: bool,
    address: Arc<SocketAddr>,
    whose: Whose,
    /// Its listener's name.
    name: String,
    descriptors: Arc<Descriptors>,
    /// The last who came got one of the last descriptors, and somebody else was sent away for that.
    crowded: AtomicBool,
    failing: Mutex<Spell>,
}

impl Ports {
    /// With `shared`, two routers may have the same ports for a time, so that one takes over from the other.
    pub(crate) fn new(shared: bool) -> Self {
        Ports {
            shared,
            open: Mutex::default(),
        }
    }

    /// Listens on a host (empty for all addresses) and port (a number or a service's name), without blocking. `port` replaces
    /// port 0, if given. Of a `family`, only its addresses. A `backlog` of zero or less is the system's.
    ///
    /// Hosts to listen on are this machine's own, so their look-up does not leave it.
    pub(crate) fn bind(
        &self,
        host: &str,
        service: &str,
        family: Option<AddressFamily>,
        port: Option<u16>,
        backlog: i64,
    ) -> io::Result<Port> {
        let mut number = service_port(service)?;
        if number == 0 {
            number = port.unwrap_or(0);
        }
        let queue = i32::try_from(backlog).ok().filter(|queue| *queue > 0);
        let queue = queue.unwrap_or(LONGEST_QUEUE).min(LONGEST_QUEUE);
        let both = family.is_none();
        let open = |address| self.open(address, queue, both);
        if host.is_empty() {
            let version_4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), number);
            if family == Some(AddressFamily::Ipv4) {
                return open(version_4);
            }
            // One socket for both families where the system has both.
            let all = open(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), number));
            return all.or_else(|error| match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                _ if both => open(version_4),
                _ => Err(error),
            });
        }
        let mut last = no_address(family);
        let addresses = (bare(host), number).to_socket_addrs()?;
        for address in addresses.filter(|address| is_of(*address, family)) {
            match open(address) {
                Ok(port) => return Ok(port),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// `both`: a socket for all addresses is for those of IPv4, too.
    fn open(&self, address: SocketAddr, queue: i32, both: bool) -> io::Result<Port> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|port| port.strong_count() > 0);
        if open
            .iter()
            .filter_map(Weak::upgrade)
            .any(|port| overlap(&port, &address))
        {
            let text = "another listener of this router has the port";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        let socket = bind_to(address, queue, self.shared, both)?;
        let address = Arc::new(socket.local_addr()?);
        if self.shared {
            open.push(Arc::downgrade(&address));
        }
        Ok(Port {
            socket,
            shared: self.shared,
            address,
        })
    }
}

/// Whether the system would refuse one beside the other, if they were not shared.
fn overlap(one: &SocketAddr, other: &SocketAddr) -> bool {
    let everywhere = |address: &SocketAddr| address.ip().is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || everywhere(one) || everywhere(other))
}

impl Port {
    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        *self.address
    }

    /// Hands it to the runtime in which it is called, as a port of the listener with this name.
    pub(crate) fn listen(
        self,
        whose: Whose,
        name: &str,
        descriptors: &Arc<Descriptors>,
    ) -> io::Result<Listening> {
        Ok(Listening {
            socket: AsyncListener::from_std(self.socket)?,
            shared: self.shared,
            address: self.address,
            whose,
            name: name.to_owned(),
            descriptors: descriptors.clone(),
            crowded: AtomicBool::new(false),
            failing: Mutex::default(),
        })
    }
}

impl Listening {
    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        *self.address
    }

    /// Gives the port up again where its own descriptor is one of the last.
    pub(crate) fn unless_short(self) -> io::Result<Self> {
        match self.descriptors.at(&self.socket) {
            Room::Known => Err(self.descriptors.short(Room::Links).into()),
            _ => Ok(self),
        }
    }

    /// The next client. Where descriptors run short, `make_room` has to send the oldest of those away who have not shown that
    /// they mean something.
    pub(crate) async fn accept(&self, make_room: impl Fn() + Send) -> (TcpStream, SocketAddr) {
        loop {
            self.room_is_made().await;
            if self.whose == Whose::Clients && self.descriptors.room() > Room::Clients {
                if self.somebody_waits() {
                    let name = &self.name;
                    self.descriptors
                        .tell(format_args!("clients of {name} wait to be accepted"));
                    make_room();
                }
                sleep(EXHAUSTED).await;
                continue;
            }
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    let room = self.descriptors.at(&stream);
                    match (self.whose, room) {
                        // It has come beside the one after whom clients were to wait. It shall not take its end for one in order.
                        (Whose::Clients, Room::Links | Room::Known) => {
                            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                            continue;
                        }
                        (Whose::Routers, Room::Known)
                        | (Whose::Operators, Room::Servers | Room::Links | Room::Known) => {
                            make_room();
                            self.crowded.store(room == Room::Known, Ordering::Relaxed);
                        }
                        _ => {}
                    }
                    return (stream, peer);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    // Without a descriptor the system says so also where nobody is there.
                    if self.somebody_waits() {
                        self.failed(error);
                        make_room();
                    }
                    sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// Waits until somebody has gone for the last who came, so that many at once do not get all; not for long, since who has the
    /// last descriptors may be here to stay.
    async fn room_is_made(&self) {
        if !self.crowded.load(Ordering::Relaxed) {
            return;
        }
        let end = Instant::now() + EXHAUSTED;
        while self.descriptors.room() == Room::Known && Instant::now() < end {
            sleep(MAKING_ROOM).await;
        }
        self.crowded.store(false, Ordering::Relaxed);
    }

    /// Whether there is somebody to be accepted.
    fn somebody_waits(&self) -> bool {
        let mut port = [PollFd::new(&self.socket, PollFlags::IN)];
        matches!(poll(&mut port, Some(&Timespec::default())), Ok(1..))
    }

    fn failed(&self, error: io::Error) {
        let error = self.descriptors.explain(error);
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.begins(Instant::now()) {
            tracing::error!(target: "SERVER", "cannot accept on {}: {error}", self.name);
        }
    }

    /// Closes the port, after whoever has come to it was taken: the system resets those who wait in the queue of a port that
    /// is closed.
    ///
    /// Where another router shares the port, those who are just coming are taken as well: their packets would not be
    /// understood by the other's socket (unless `net.ipv4.tcp_migrate_req` is set). Who begins meanwhile is not heard, so he
    /// begins again a second later, and then with the other router.
    pub(crate) async fn close(self, mut take: impl FnMut(TcpStream, SocketAddr)) {
        if self.shared {
            let filter =
                NOBODY_NEW.map(|(code, yes, no, operand)| SockFilter::new(code, yes, no, operand));
            if let Err(error) = SockRef::from(&self.socket).attach_filter(&filter) {
                tracing::warn!(
                    target: "SERVER",
                    "the port {} takes new clients to its end, the last of them may be lost: no filter can be set: {error}", self.address
                );
            }
            let end = Instant::now() + UNDER_WAY;
            while let Ok(accepted) = timeout_at(end, self.socket.accept()).await {
                match accepted {
                    Ok((stream, peer)) => take(stream, peer),
                    Err(_) => sleep(REST).await,
                }
            }
        }
        // The runtime may not have noticed the last of them.
        let Ok(socket) = self.socket.into_std() else {
            return;
        };
        for _ in 0..LONGEST_QUEUE {
            match socket.accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_ok()
                        && let Ok(stream) = TcpStream::from_std(stream)
                    {
                        take(stream, peer);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether what went wrong concerns one client, which is gone already.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
    )
}

/// The addresses of a host, of one family if that is asked for.
///
/// # Errors
/// The name cannot be resolved, or has no such address.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    family: Option<AddressFamily>,
) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = match bare(host).parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::net::lookup_host((host, port)).await?.collect(),
    };
    addresses.retain(|address| is_of(*address, family));
    match addresses.is_empty() {
        true => Err(no_address(family)),
        false => Ok(addresses),
    }
}

fn is_of(address: SocketAddr, family: Option<AddressFamily>) -> bool {
    match family {
        None => true,
        Some(AddressFamily::Ipv4) => address.is_ipv4(),
        Some(AddressFamily::Ipv6) => address.is_ipv6(),
    }
}

fn no_address(family: Option<AddressFamily>) -> io::Error {
    let text = match family {
        None => "the name has no address".to_owned(),
        Some(family) => format!(
            "the host has no address of {family}: correct host, or take socketAddressFamily off"
        ),
    };
    io::Error::new(io::ErrorKind::NotFound, text)
}

/// An IPv6 address may stand in brackets.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

fn bind_to(address: SocketAddr, queue: i32, shared: bool, both: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A port whose old connections still linger can be opened again at once.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!(both && address.ip().is_unspecified()))?;
    }
    // Who is accepted has it, too.
    keep_alive::ask(&socket);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(queue)?;
    Ok(socket.into())
}

/// The number of a port that may be given by the name of its service.
pub(crate) fn service_port(service: &str) -> io::Result<u16> {
    match service {
        "amqp" => Ok(5672),
        "amqps" => Ok(5671),
        "http" => Ok(80),
        "https" => Ok(443),
        number => number.parse().map_err(|_| {
            let text =
                format!("'{number}' is no port: expected a number up to 65535, 'amqp' or 'amqps'");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_leaves_out_the_addresses_of_the_other() {
        let ports = Ports::default();
        let version = |family| ports.bind("", "0", Some(family), None, 0).unwrap();
        assert!(version(AddressFamily::Ipv4).address().is_ipv4());
        let error = ports.bind("127.0.0.1", "0", Some(AddressFamily::Ipv6), None, 0);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("no address of IPv6"), "{error}");
        // Not every machine has it.
        if let Ok(first) = ports.bind("", "0", Some(AddressFamily::Ipv6), None, 0) {
            assert!(first.address().is_ipv6());
        }
    }

    #[test]
    fn ports_by_name_and_number() {
        assert_eq!(service_port("amqp").unwrap(), 5672);
        assert_eq!(service_port("0").unwrap(), 0);
        assert!(
            service_port("70000")
                .unwrap_err()
                .to_string()
                .contains("70000")
        );
        assert!(service_port("nothing").is_err());
    }

    #[test]
    fn a_port_is_kept_across_reopening() {
        let ports = Ports::default();
        let first = ports.bind("127.0.0.1", "0", None, None, 0).unwrap();
        let port = first.address().port();
        drop(first);
        let again = ports.bind("127.0.0.1", "0", None, Some(port), 0).unwrap();
        assert_eq!(again.address().port(), port);
    }

    #[test]
    fn a_port_is_shared_with_another_router_and_not_within_one() {
        let (old, new) = (Ports::new(true), Ports::new(true));
        let first = old.bind("127.0.0.1", "0", None, None, 0).unwrap();
        let port = Some(first.address().port());
        let taken = |ports: &Ports, host: &str| {
            ports
                .bind(host, "0", None, port, 0)
                .map_err(|error| error.kind())
                .map(drop)
        };
        assert_eq!(taken(&new, "127.0.0.1"), Ok(()));
        for host in ["127.0.0.1", "0.0.0.0"] {
            assert_eq!(taken(&old, host), Err(io::ErrorKind::AddrInUse), "{host}");
        }
        assert_eq!(taken(&old, "127.0.0.2"), Ok(()));
        assert_eq!(
            taken(&Ports::default(), "127.0.0.1"),
            Err(io::ErrorKind::AddrInUse)
        );
        drop(first);
        assert_eq!(taken(&old, "127.0.0.1"), Ok(()));
    }

    #[tokio::test]
    async fn who_waits_when_a_port_is_closed_is_taken() {
        for shared in [false, true] {
            let port = Ports::new(shared)
                .bind("127.0.0.1", "0", None, None, 0)
                .unwrap();
            let descriptors = Arc::new(Descriptors::new());
            let listening = port.listen(Whose::Clients, "tcp", &descriptors).unwrap();
            let clients: Vec<_> = (0..5)
                .map(|_| std::net::TcpStream::connect(listening.address()).unwrap())
                .collect();
            let mut taken = Vec::new();
            let take = |stream: TcpStream, peer| {
                keep_alive::tests::is_asked(&stream);
                taken.push(peer);
            };
            listening.close(take).await;
            let came: Vec<_> = clients
                .iter()
                .map(|client| client.local_addr().unwrap())
                .collect();
            assert_eq!(taken, came);
        }
    }
}
