//! Links through an HTTP proxy.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use common::*;
use serde_json::{Value, json};

/// A proxy that asks for `user:secret`.
fn proxy(mut client: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        if client.read_exact(&mut octet).is_err() {
            return;
        }
        request.push(octet[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let target = request
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next())
        .unwrap();
    if !request.contains("Proxy-Authorization: basic dXNlcjpzZWNyZXQ=\r\n") {
        let denied = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        client.write_all(denied).unwrap();
        return;
    }
    let Ok(mut server) = TcpStream::connect(target) else {
        return;
    };
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        .unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let there = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = there.join();
}

fn profile(port: u16, password: &str) -> Value {
    json!(["proxyProfile", {
        "name": "proxy", "host": "127.0.0.1", "port": port.to_string(),
        "username": "user", "password": password,
    }])
}

fn through_proxy(port: u16) -> Value {
    let mut connector = inter_router_connector("link", port);
    connector[1]["proxyProfile"] = json!("proxy");
    connector
}

#[test]
fn flows_by_a_proxy() {
    let far = [
        inter_router_listener("link"),
        tcp_connector("echo", server(echo)),
    ];
    let far = router("FAR", &far);
    let link = through_proxy(listener_port(&far, "link"));
    let near = [
        profile(server(proxy), "literal:secret"),
        link,
        tcp_listener("echo"),
    ];
    let near = router("NEAR", &near);
    let address = open_port(&near, "echo");
    assert_eq!(exchange(address, b"hello"), b"hello");
    assert_eq!(stream_through(address, 1 << 20), 1 << 20);
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let sections = [profile(server(proxy), "guess"), through_proxy(9)];
    let router = router("NEAR", &sections);
    let said = wait_for("a refusal by the proxy", || {
        let connector = router.entities().connector("link")?;
        let (_, message) = connector.status();
        message.contains("proxy").then_some(message)
    });
    assert!(said.contains("proxy request denied 407"), "{said}");
}
