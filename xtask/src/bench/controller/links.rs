//! Links and the user's own server certificate, with router pods where they are part of the question.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Options;
use super::ground::{Ground, LIMIT, documents, resource};
use super::process::Controller;
use super::report::{Row, median};
use super::stream::Watch;
use crate::{image, process, wait};

/// How often each is measured; the median counts.
const TIMES: usize = 5;
/// What the documentation promises for each certificate that is the user's.
const SENTENCE: &str = "Secret exists but is not controlled by skupper";
/// The port for links.
const PORT: u16 = 55671;

pub(super) fn measure(ground: &Ground, _: &Options) -> Result<Vec<Row>> {
    let mut controller = Controller::ready(ground)?;
    ground.namespace("east")?;
    ground.apply(&documents([resource("Site", "east", "east", json!({}))]))?;
    let secret = credential(ground)?;
    controller.until_quiet()?;
    let mut rows = vec![
        Row {
            figure: "new Link with its Secret in a running Site → first status",
            unit: "s",
            ours: with_secret(ground, &secret)?,
            original: "16–27",
            goal: Some(1.0),
        },
        Row {
            figure: "its Secret arriving later → configured",
            unit: "s",
            ours: before_secret(ground, &secret)?,
            original: "29",
            goal: Some(1.0),
        },
    ];
    let user = User::new(ground)?;
    rows.push(Row {
        figure: "the user's server Secret created → sentence in the Certificate",
        unit: "s",
        ours: sentence(ground, &user)?,
        original: "1–2",
        goal: Some(1.0),
    });
    rows.extend(with_pods(ground, &user)?);
    Ok(rows)
}

/// A client credential as it is handed to remote sites.
fn credential(ground: &Ground) -> Result<Value> {
    let spec = json!({"ca": "skupper-site-ca", "client": true, "subject": "east"});
    ground.apply(&documents([resource(
        "Certificate",
        "east",
        "credential",
        spec,
    )]))?;
    let certificate = ("east", "certificates.skupper.io", "credential");
    ground.until(certificate, "/status/status", "Ready")?;
    ground.get("east", "secret", "credential")
}

/// The same credential under another name, the user's.
fn secret_of(credential: &Value, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"namespace": "east", "name": name}, "data": credential["data"]})
}

fn link(name: &str, host: &str) -> Value {
    let endpoint = |name: &str, port: &str| json!({"name": name, "host": host, "port": port});
    resource(
        "Link",
        "east",
        name,
        json!({"tlsCredentials": name, "cost": 1,
            "endpoints": [endpoint("inter-router", "55671"), endpoint("edge", "45671")]}),
    )
}

/// Condition `Configured` of each Link, as `name status`.
fn watch_links(ground: &Ground) -> Result<Watch> {
    Watch::start(
        ground,
        &["-n", "east", "links.skupper.io"],
        "{.metadata.name} {.status.conditions[?(@.type==\"Configured\")].status}",
    )
}

fn with_secret(ground: &Ground, credential: &Value) -> Result<f64> {
    let watch = watch_links(ground)?;
    let mut times = Vec::new();
    for number in 0..TIMES {
        let name = format!("both-{number}");
        let both = [secret_of(credential, &name), link(&name, "127.0.0.1")];
        let (began, _) = ground.apply(&documents(both))?;
        let told = format!("{name} True");
        times.push((watch.until(|line| line == told)? - began).as_secs_f64());
    }
    median(times)
}

fn before_secret(ground: &Ground, credential: &Value) -> Result<f64> {
    let watch = watch_links(ground)?;
    let mut times = Vec::new();
    for number in 0..TIMES {
        let name = format!("later-{number}");
        ground.apply(&documents([link(&name, "127.0.0.1")]))?;
        let missing = format!("{name} False");
        watch.until(|line| line == missing)?;
        let (began, _) = ground.apply(&documents([secret_of(credential, &name)]))?;
        let told = format!("{name} True");
        times.push((watch.until(|line| line == told)? - began).as_secs_f64());
    }
    median(times)
}

/// A user with a CA and server certificates of their own.
struct User<'g> {
    ground: &'g Ground,
}

impl<'g> User<'g> {
    fn new(ground: &'g Ground) -> Result<Self> {
        let user = Self { ground };
        user.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=mine -keyout ca.key -out ca.crt")?;
        Ok(user)
    }

    fn folder(&self) -> &Path {
        self.ground.folder.path()
    }

    fn openssl(&self, arguments: &str) -> Result<()> {
        let arguments = arguments.split(' ');
        process::run(
            Command::new("openssl")
                .current_dir(self.folder())
                .args(arguments),
        )
    }

    /// A new server Secret for a host, and its certificate in PEM.
    fn server(&self, namespace: &str, host: &str) -> Result<(Value, String)> {
        self.openssl(&format!(
            "req -x509 -CA ca.crt -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=server \
             -addext subjectAltName=IP:{host},DNS:{host} -addext extendedKeyUsage=serverAuth -addext basicConstraints=critical,CA:false \
             -keyout server.key -out server.crt"
        ))?;
        let read = |name: &str| std::fs::read_to_string(self.folder().join(name));
        let certificate = read("server.crt")?;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": "skupper-site-server"},
            "stringData": {"tls.crt": certificate, "tls.key": read("server.key")?, "ca.crt": read("ca.crt")?}});
        Ok((secret, certificate))
    }
}

fn sentence(ground: &Ground, user: &User<'_>) -> Result<f64> {
    let names: Vec<String> = (0..TIMES).map(|number| format!("user-{number}")).collect();
    for name in &names {
        ground.namespace(name)?;
        let site = resource("Site", name, "site", json!({"linkAccess": "local"}));
        ground.apply(&documents([site]))?;
    }
    let mut times = Vec::new();
    for name in &names {
        let certificate = (
            name.as_str(),
            "certificates.skupper.io",
            "skupper-site-server",
        );
        ground.until(certificate, "/status/status", "Ready")?;
        let watch = Watch::start(
            ground,
            &["-n", name, "certificates.skupper.io", "skupper-site-server"],
            "{.status.conditions[0].message}",
        )?;
        watch.until(|line| line == "OK")?;
        let (secret, _) = user.server(name, "10.1.1.1")?;
        let (began, _) = ground.apply(&documents([secret]))?;
        let at = watch.until(|line| line.starts_with(SENTENCE))?;
        times.push((at - began).as_secs_f64());
    }
    median(times)
}

fn with_pods(ground: &Ground, user: &User<'_>) -> Result<Vec<Row>> {
    let archive = image::build(&image::Options {
        program: Some(ground.program.clone()),
        ..image::Options::default()
    })?;
    ground.cluster.load(archive)?;
    // The pods of the sites so far would take the machine from the one that is looked at.
    for number in 0..TIMES {
        let namespace = format!("user-{number}");
        ground
            .cluster
            .kubectl(["delete", "namespace", &namespace])?;
    }
    ground
        .cluster
        .kubectl(["-n", "east", "delete", "links.skupper.io", "--all"])?;
    ground.uncordon()?;
    ground.namespace("west")?;
    let watch = Watch::start(
        ground,
        &["-n", "west", "sites.skupper.io"],
        "{.status.status}",
    )?;
    let site = resource(
        "Site",
        "west",
        "west",
        json!({"linkAccess": "loadbalancer"}),
    );
    let (began, _) = ground.apply(&documents([site]))?;
    let site_ready = (watch.until(|line| line == "Ready")? - began).as_secs_f64();
    let site = ground.get("west", "sites.skupper.io", "west")?;
    let host = site["status"]["endpoints"][0]["host"].as_str();
    let host = host.context("the Site has no endpoint")?.to_owned();

    let mut times = Vec::new();
    for _ in 0..TIMES {
        let (secret, certificate) = user.server("west", &host)?;
        let (began, _) = ground.apply(&documents([secret]))?;
        let at = presented(ground, &host, &certificate)?;
        times.push((at - began).as_secs_f64());
    }
    let presented = median(times)?;

    // A credential of west's CA, whose clients the user's Secret does not let in: the site's own server certificate is back
    // first.
    ground
        .cluster
        .kubectl(["-n", "west", "delete", "secret", "skupper-site-server"])?;
    let link_ready = link_with_pods(ground, &host)?;
    Ok(vec![
        Row {
            figure: "the user's server Secret applied → presented in new handshakes of the router's pod",
            unit: "s",
            ours: presented,
            original: "not measured",
            goal: Some(3.0),
        },
        Row {
            figure: "Site with link access applied → Ready, with its pod",
            unit: "s",
            ours: site_ready,
            original: "not measured",
            goal: None,
        },
        Row {
            figure: "Link applied → Ready, between two pods",
            unit: "s",
            ours: link_ready,
            original: "not measured",
            goal: None,
        },
    ])
}

/// When a handshake first presents this certificate.
fn presented(ground: &Ground, host: &str, certificate: &str) -> Result<Instant> {
    let wanted = certificate.trim();
    let began = Instant::now();
    loop {
        let output = ground
            .cluster
            .command("openssl")?
            .args(["s_client", "-connect", &format!("{host}:{PORT}")])
            .stdin(Stdio::null())
            .output()
            .context("cannot start openssl")?;
        if String::from_utf8_lossy(&output.stdout).contains(wanted) {
            return Ok(Instant::now());
        }
        ensure!(
            began.elapsed() < LIMIT,
            "{host}:{PORT} does not present the certificate: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Links the two sites by a credential of west's CA.
fn link_with_pods(ground: &Ground, host: &str) -> Result<f64> {
    let certificate = ("west", "certificates.skupper.io", "skupper-site-server");
    ground.until(certificate, "/status/conditions/0/message", "OK")?;
    let spec = json!({"ca": "skupper-site-ca", "client": true, "subject": "east"});
    ground.apply(&documents([resource(
        "Certificate",
        "west",
        "for-east",
        spec,
    )]))?;
    let issued = ("west", "certificates.skupper.io", "for-east");
    ground.until(issued, "/status/status", "Ready")?;
    let credential = ground.get("west", "secret", "for-east")?;
    wait::until("east's router to run", LIMIT, || {
        let site = ground.get("east", "sites.skupper.io", "east")?;
        Ok((site["status"]["status"] == "Ready").then_some(()))
    })?;
    let watch = Watch::start(
        ground,
        &["-n", "east", "links.skupper.io"],
        "{.metadata.name} {.status.status}",
    )?;
    let both = [secret_of(&credential, "west"), link("west", host)];
    let (began, _) = ground.apply(&documents(both))?;
    Ok((watch.until(|line| line == "west Ready")? - began).as_secs_f64())
}
