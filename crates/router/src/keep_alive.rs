//! Noticing that a peer's machine has vanished.
//!
//! A machine that loses its power or its network says nothing. Where nothing is sent either, a connection with it would last for
//! ever, and with it a flow, the state of the routers on its way, and the connection at its other end. So the system is told
//! to ask a peer that says nothing whether it is still there; upstream's router does not.
//!
//! A peer is asked when it has said nothing for a minute, six times in the next one, and then given up. So a network may be
//! away for some time, and what stands between (NAT, balancers) does not forget a connection that is idle: the hasty do so after
//! four minutes.
//!
//! What is sent and not acknowledged the system gives up by itself after a quarter of an hour (`tcp_retries2`). There is an
//! option for less (`TCP_USER_TIMEOUT`), but by that Linux gives up a peer, too, that answers and has no room: somebody who
//! stops reading for a while would be cut off.

use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a peer says nothing before it is asked.
const IDLE: Duration = Duration::from_secs(60);
/// How long it has to answer, until it is asked again.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often it is asked.
const TIMES: u32 = 6;

/// Has the system ask the peer of a socket. Those that are accepted by a listening socket have it from that one.
pub(crate) fn ask(socket: &impl AsFd) {
    let asked = TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(TIMES);
    if let Err(error) = SockRef::from(socket).set_tcp_keepalive(&asked) {
        // The socket is as good as before, and one that is broken says so itself.
        tracing::debug!(target: "SERVER", "a peer that vanishes will not be noticed: {error}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Fails unless a peer that has vanished is given up after two minutes.
    pub(crate) fn is_asked(socket: &impl AsFd) {
        let socket = SockRef::from(socket);
        assert!(socket.keepalive().unwrap());
        let after = socket.tcp_keepalive_time().unwrap();
        let within =
            socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
        assert_eq!(
            (after, within),
            (Duration::from_secs(60), Duration::from_secs(60))
        );
    }
}
