//! Garbage on each kind of port.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::hub::Hub;

/// Octets that look like nothing, the same in each run.
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn garbage() -> Vec<Vec<u8>> {
    let behind = |front: &[u8], seed| [front, &noise(seed, 5_000)].concat();
    vec![
        vec![0],
        vec![0xff; 70_000],
        noise(1, 200_000),
        behind(b"AMQP", 2),
        behind(b"AMQP\x03\x01\x00\x00", 3),
        behind(b"AMQP\x00\x01\x00\x00", 4),
        behind(b"AMQP\x02\x01\x00\x00", 5),
        behind(
            b"AMQP\x03\x01\x00\x00\x00\x00\x00\x10\x02\x01\x00\x00\x00\x53\x41",
            6,
        ),
        behind(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 7),
        behind(b"\x16\x03\x03\xff\xff", 8),
        behind(b"\x17\x03\x03\x40\x00", 9),
        behind(b"GET / HTTP/1.1\r\nHost: ", 10),
        behind(
            b"POST /healthz HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
            11,
        ),
        behind(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 12),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
    ]
}

#[test]
fn on_each_port() {
    let mut hub = Hub::new(&[]);
    for port in hub.every_port() {
        for octets in garbage() {
            let mut stranger = hub.connect(port);
            let mut writer = stranger.try_clone().unwrap();
            let begin: Vec<u8> = octets[..octets.len().min(16)].to_vec();
            // The router may close, or reset, at any octet.
            let sender = std::thread::spawn(move || {
                drop(writer.write_all(&octets));
                drop(writer.shutdown(Shutdown::Write));
            });
            let mut answer = Vec::new();
            if let Err(error) = stranger.read_to_end(&mut answer) {
                let hangs = error.kind() == std::io::ErrorKind::WouldBlock;
                assert!(!hangs, "port {port} keeps who begins with {begin:?}");
            }
            sender.join().unwrap();
        }
        hub.serves_others();
    }
    hub.has_not_grown();
    hub.router.said("the peer speaks neither TLS nor AMQP");
    hub.router.said("a request of HTTP/1 was expected");
    hub.router.said("(to tls) failed: ");
}

#[test]
fn without_tls_or_a_certificate_where_they_are_required() {
    let mut hub = Hub::new(&[]);
    let mut clear = hub.connect(hub.ports.secure);
    clear.write_all(b"AMQP\x03\x01\x00\x00").unwrap();
    drop(clear.read_to_end(&mut Vec::new()));
    hub.router.said("Client connection unencrypted - forbidden");
    hub.serves_others();
}
