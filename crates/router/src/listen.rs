//! Opening listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

/// The system cuts longer queues to what it allows.
const LONGEST_QUEUE: i32 = 4096;

/// Listens on a host (empty for all addresses) and port (a number or a service's name), without blocking. `port` replaces
/// port 0, if given. A `backlog` of zero or less is the system's.
///
/// Hosts to listen on are this machine's own, so their look-up does not leave it.
pub(crate) fn bind(
    host: &str,
    service: &str,
    port: Option<u16>,
    backlog: i64,
) -> io::Result<TcpListener> {
    let mut number = service_port(service)?;
    if number == 0 {
        number = port.unwrap_or(0);
    }
    let queue = i32::try_from(backlog).ok().filter(|queue| *queue > 0);
    let queue = queue.unwrap_or(LONGEST_QUEUE).min(LONGEST_QUEUE);
    if host.is_empty() {
        // One socket for both families where the system has both.
        let all = bind_to(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), number), queue);
        return all.or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => bind_to(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), number), queue),
        });
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (bare(host), number).to_socket_addrs()? {
        match bind_to(address, queue) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a host.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = bare(host).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// An IPv6 address may stand in brackets.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

fn bind_to(address: SocketAddr, queue: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A port whose old connections still linger can be opened again at once.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
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
        let first = bind("127.0.0.1", "0", None, 0).unwrap();
        let port = first.local_addr().unwrap().port();
        drop(first);
        let again = bind("127.0.0.1", "0", Some(port), 0).unwrap();
        assert_eq!(again.local_addr().unwrap().port(), port);
    }
}
