//! The client against a small router of the tests' own, and against upstream's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod local;
mod router;
mod upstream;

use std::sync::Mutex;

use tokio::net::TcpSocket;

/// A port that nobody listens on, until somebody is told of it. The system chose it, and gives it to nobody else as long as these
/// tests run: a socket here is bound to it, and never listens, which leaves it to whoever says its number.
fn free_port() -> u16 {
    static BOUND: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    BOUND.lock().unwrap().push(socket);
    port
}
