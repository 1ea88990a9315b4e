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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::trust::{Ca, Files, Use};
use common::*;
use serde_json::{Value, json};
use skupper_management::Kind;
use skupper_management::agent::{Store, create};
use skupper_management::schema::validate;
use skupper_router::Router;
use skupper_router::connection::connector::Status;

/// A proxy that asks for this password of `user`; its port.
fn proxy(password: &str) -> u16 {
    let credential = STANDARD.encode(format!("user:{password}"));
    server(move |client| pass(client, &credential))
}

fn pass(mut client: TcpStream, credential: &str) {
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
    if !request.contains(&format!("Proxy-Authorization: Basic {credential}\r\n")) {
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

/// What the connector says when it has failed because of its proxy.
fn said_of_proxy(router: &Router) -> String {
    wait_for("a failure of the proxy", || {
        let (_, message) = router.entities().connector("link")?.status();
        message.starts_with("Proxy ").then_some(message)
    })
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
        profile(proxy("secret"), "literal:secret"),
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
    let sections = [profile(proxy("secret"), "guess"), through_proxy(9)];
    let router = router("NEAR", &sections);
    let said = said_of_proxy(&router);
    assert!(said.contains("proxy request denied 407"), "{said}");
}

/// Two routers, of which one reaches the other by a proxy, and TLS with it.
#[test]
fn tls_goes_through_a_proxy() {
    let (home, ca) = (tempfile::tempdir().unwrap(), Ca::new("CA"));
    let files = |name, to_be, hosts: &[&str]| {
        Files::write(home.path(), name, &ca.leaf(to_be, name, hosts)).profile(name)
    };
    let far = [
        files("server", Use::Server, &["127.0.0.1"]),
        secure_listener("link", "server"),
        tcp_connector("echo", server(echo)),
    ];
    let far = router("FAR", &far);
    let mut link = secure_connector("link", listener_port(&far, "link"), "client");
    link[1]["proxyProfile"] = json!("proxy");
    let near = [
        files("client", Use::Client, &[]),
        profile(proxy("secret"), "pass:secret"),
        link,
        tcp_listener("echo"),
    ];
    let near = router("NEAR", &near);
    assert_eq!(exchange(open_port(&near, "echo"), b"hello"), b"hello");
    let connections = near.context().connections.all();
    let peer = connections[0].peer.get().unwrap();
    assert!(peer.tls.is_some(), "{peer:?}");
}

#[test]
fn the_password_for_a_proxy_comes_from_where_the_profile_says() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("password.txt");
    std::fs::write(&file, "from the file\nnot this\n").unwrap();
    let far = router("FAR", &[inter_router_listener("link")]);
    // A variable that every process has.
    let path = std::env::var("PATH").unwrap();
    for (source, password) in [
        (format!("file:{}", file.display()), "from the file"),
        ("env: PATH".to_owned(), &*path),
        ("plain".to_owned(), "plain"),
    ] {
        let link = through_proxy(listener_port(&far, "link"));
        let near = router("NEAR", &[profile(proxy(password), &source), link]);
        wait_for(&source, || {
            let status = near.entities().connector("link")?.status();
            (status.0 == Status::Success).then_some(())
        });
    }
}

#[test]
fn a_password_for_a_proxy_that_is_not_there_is_told() {
    for (source, told) in [
        (
            "file:/nowhere/password",
            "Unable to open password file /nowhere/password, error: ",
        ),
        (
            "env:NO_SUCH_PASSWORD",
            "Failed to find a password in the environment variable NO_SUCH_PASSWORD",
        ),
    ] {
        let near = router(
            "NEAR",
            &[profile(proxy("secret"), source), through_proxy(9)],
        );
        let said = said_of_proxy(&near);
        assert!(
            said.contains(told) && said.contains("proxyProfile proxy"),
            "{said}"
        );
    }
}

#[test]
fn a_profile_that_is_changed_holds_for_the_next_attempt() {
    let far = router("FAR", &[inter_router_listener("link")]);
    let link = through_proxy(listener_port(&far, "link"));
    let near = router("NEAR", &[profile(proxy("secret"), "guess"), link]);
    assert!(said_of_proxy(&near).contains("407"));
    {
        let mut entities = near.entities();
        let current = entities.find(Kind::ProxyProfile, "name", "proxy").remove(0);
        let mut wanted = current.clone();
        wanted.insert("password".to_owned(), json!("pass:secret"));
        entities
            .update(Kind::ProxyProfile, &current, wanted)
            .unwrap();
    }
    wait_for("connection", || {
        let status = near.entities().connector("link")?.status();
        (status.0 == Status::Success).then_some(())
    });
}

#[test]
fn a_profile_that_there_is_not_is_named() {
    // In a file it is the connector's affair alone, and helped by making it.
    let near = router("NEAR", &[through_proxy(9)]);
    let said = said_of_proxy(&near);
    assert!(said.contains("no proxy profile named proxy"), "{said}");
    let mut entities = near.entities();
    let given = through_proxy(9)[1].as_object().cloned().unwrap();
    let mut given = validate(Kind::Connector, &given).unwrap();
    given.insert("name".to_owned(), json!("another"));
    given.insert("proxyProfile".to_owned(), json!("nowhere"));
    let refused = create(Kind::Connector, given, &mut *entities).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "CError: Not found: proxyProfile 'nowhere' not found"
    );
}
