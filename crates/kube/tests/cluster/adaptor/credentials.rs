//! Files and entities follow the ConfigMap and the Secrets.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use skupper_management::Kind;
use skupper_pki::Credential;

use super::pod::Pod;
use super::{LINKS, NOBODY, REPORT, Scenario, link, tcp_listener, tls_listener};

pub const SCENARIOS: &[Scenario] = &[
    (
        "a router starts from what init writes and follows the ConfigMap",
        follows,
    ),
    (
        "a missing Secret holds back what uses it and nothing else",
        holds_back,
    ),
    (
        "a credential is rotated when both halves of the news are there",
        rotates,
    ),
    (
        "under upstream's controller the annotation counts",
        follows_the_annotation,
    ),
];

fn follows(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    let credential = pod.issue()?;
    let checksum = pod.secret("server", &credential)?;
    let before = pod.stage.get(&pod.namespace, "secret", "server")?;
    let profiles = [("server", "server", 0, checksum.as_str())];
    let always = [pod.profile("server", 0), tls_listener()];
    pod.configure(&always, &profiles)?;
    pod.init()?;
    ensure!(pod.file("server/tls.crt")? == credential.tls_crt);
    ensure!(pod.file("server/ca.crt")? == credential.ca_crt);
    let key = std::fs::metadata(pod.certificates().join("server/tls.key"))?;
    ensure!(key.mode() & 0o777 == 0o600, "mode {:o}", key.mode());

    let _router = pod.router(router)?;
    let adaptor = pod.adaptor()?;
    pod.until_names(Kind::Listener, &["amqp", "links"])?;
    pod.until_presented(LINKS, &credential)?;

    // Entities come, change and go.
    let with = |more: &[Value]| pod.configure(&[&always[..], more].concat(), &profiles);
    with(&[
        tcp_listener("listener/a", 21024),
        tcp_listener("listener/b", 21025),
    ])?;
    pod.until_names(Kind::TcpListener, &["listener/a", "listener/b"])?;
    with(&[tcp_listener("listener/a", 21030)])?;
    pod.until_attribute(Kind::TcpListener, "listener/a", "port", &json!("21030"))?;
    pod.until_names(Kind::TcpListener, &["listener/a"])?;
    let names: Vec<String> = (0..200).map(|n| format!("listener/{n:03}")).collect();
    let many: Vec<Value> = names
        .iter()
        .zip(22000..)
        .map(|(name, port)| tcp_listener(name, port))
        .collect();
    with(&many)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    pod.until_names(Kind::TcpListener, &names)?;
    pod.configure(&[], &[])?;
    pod.until_names(Kind::TcpListener, &[])?;
    pod.until_names(Kind::Listener, &["amqp"])?;
    pod.until_names(Kind::SslProfile, &[])?;

    // Nobody has touched the user's Secret.
    let after = pod.stage.get(&pod.namespace, "secret", "server")?;
    ensure!(before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]);
    ensure!(!adaptor.log().contains("level=ERROR"), "{}", adaptor.log());
    Ok(())
}

fn holds_back(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    let checksum = pod.secret("server", &pod.issue()?)?;
    let sections = [
        pod.profile("server", 0),
        tls_listener(),
        pod.profile("link-profile", 0),
        link(NOBODY),
        tcp_listener("listener/a", 21024),
    ];
    let server = ("server", "server", 0, checksum.as_str());
    pod.configure(&sections, &[server, ("link-profile", "link", 0, "")])?;
    let log = pod.init()?;
    ensure!(
        log.contains("the Secret \\\"link\\\" does not exist"),
        "{log}"
    );
    let _router = pod.router(router)?;
    let _adaptor = pod.adaptor()?;
    pod.until_names(Kind::Listener, &["amqp", "links"])?;
    pod.until_names(Kind::TcpListener, &["listener/a"])?;
    pod.until_names(Kind::Connector, &[])?;
    let problems = |report: &Value| report["west-pod"]["problems"].to_string();
    pod.until_document(REPORT, "names what is missing", |report| {
        problems(report).contains("the Secret \\\"link\\\" does not exist")
    })?;

    let checksum = pod.secret("link", &pod.issue()?)?;
    pod.configure(&sections, &[server, ("link-profile", "link", 0, &checksum)])?;
    pod.until_names(Kind::Connector, &["link"])?;
    pod.until_document(REPORT, "has no problems", |report| {
        report["west-pod"]["problems"].is_null()
    })?;

    // A Secret that goes, or cannot be used, takes nothing away.
    let namespace = &pod.namespace;
    pod.stage
        .kubectl(&["-n", namespace, "delete", "secret", "link"])?;
    let garbled = Credential {
        tls_key: pod.issue()?.tls_key,
        ..pod.issue()?
    };
    pod.secret("server", &garbled)?;
    let told = pod.until_document(REPORT, "tells of both", |report| {
        problems(report).contains("does not exist; the files written before stay")
            && problems(report).contains("cannot use the Secret \\\"server\\\"")
    })?;
    let problems = told["west-pod"]["problems"].as_array().map(Vec::len);
    ensure!(problems == Some(2), "{told}");
    pod.until_names(Kind::Connector, &["link"])
}

fn rotates(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    let first = pod.issue()?;
    let checksum = pod.secret("server", &first)?;
    pod.configure(
        &[pod.profile("server", 1), tls_listener()],
        &[("server", "server", 1, &checksum)],
    )?;
    pod.init()?;
    let _router = pod.router(router)?;
    let _adaptor = pod.adaptor()?;
    pod.until_attribute(Kind::SslProfile, "server", "ordinal", &json!(1))?;
    pod.until_presented(LINKS, &first)?;

    // The Secret alone is not enough; with the configuration, files and router follow.
    let second = pod.issue()?;
    let checksum = pod.secret("server", &second)?;
    pod.configure(
        &[
            pod.profile("server", 1),
            tls_listener(),
            tcp_listener("listener/a", 21024),
        ],
        &[("server", "server", 1, "of the first")],
    )?;
    pod.until_names(Kind::TcpListener, &["listener/a"])?;
    ensure!(pod.file("server/tls.crt")? == first.tls_crt);
    pod.configure(
        &[pod.profile("server", 2), tls_listener()],
        &[("server", "server", 2, &checksum)],
    )?;
    pod.until_attribute(Kind::SslProfile, "server", "ordinal", &json!(2))?;
    ensure!(pod.file("server/tls.crt")? == second.tls_crt);
    pod.until_presented(LINKS, &second)
}

fn follows_the_annotation(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    let annotate = |ordinal: u64| {
        let context = json!([{"profileName": "link-profile", "ordinal": ordinal}]);
        let annotation = format!("internal.skupper.io/tls-profile-context={context}");
        let namespace = &pod.namespace;
        pod.stage.kubectl(&[
            "-n",
            namespace,
            "annotate",
            "--overwrite",
            "secret",
            "link",
            &annotation,
        ])
    };
    pod.secret("link", &pod.issue()?)?;
    annotate(0)?;
    pod.configure(&[pod.profile("link-profile", 0), link(NOBODY)], &[])?;
    pod.init()?;
    let _router = pod.router(router)?;
    let _adaptor = pod.adaptor()?;
    pod.until_names(Kind::Connector, &["link"])?;

    // As upstream's controller goes about it: the configuration, the Secret, its annotation.
    let second = pod.issue()?;
    pod.configure(&[pod.profile("link-profile", 1), link(NOBODY)], &[])?;
    pod.secret("link", &second)?;
    annotate(1)?;
    pod.until_attribute(Kind::SslProfile, "link-profile", "ordinal", &json!(1))?;
    ensure!(pod.file("link-profile/tls.crt")? == second.tls_crt);
    Ok(())
}
