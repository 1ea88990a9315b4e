//! The cluster's own certificates: a CA, the API server's, and an administrator's. Made by `openssl`; they have nothing
//! to do with Skupper's.

use std::process::Command;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::home::Home;
use crate::process;

const DAYS: &str = "365";

/// Writes all keys and certificates below `pki/`, and the administrator's kubeconfig.
///
/// # Errors
/// When openssl fails or a file cannot be written.
pub(super) fn create(home: &Home) -> Result<()> {
    let plan = home.plan;
    let names = format!(
        "subjectAltName=IP:{},IP:{},IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc",
        plan.node(),
        plan.api_service()
    );
    certificate(
        home,
        "ca",
        "/CN=skupper-test-cluster-ca",
        &[
            "basicConstraints=critical,CA:TRUE",
            "keyUsage=critical,keyCertSign,cRLSign",
        ],
        None,
    )?;
    certificate(
        home,
        "apiserver",
        "/CN=kube-apiserver",
        &[&names, "extendedKeyUsage=serverAuth"],
        Some("ca"),
    )?;
    // The group system:masters may do everything, whatever RBAC says.
    certificate(
        home,
        "admin",
        "/O=system:masters/CN=admin",
        &["extendedKeyUsage=clientAuth"],
        Some("ca"),
    )?;

    let key = home.path("pki/service-accounts.key");
    let public = home.path("pki/service-accounts.pub");
    process::run(Command::new("openssl").args([
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        &key,
    ]))?;
    process::run(Command::new("openssl").args(["pkey", "-in", &key, "-pubout", "-out", &public]))?;

    home.write("kubeconfig", &kubeconfig(home)?)
}

fn certificate(
    home: &Home,
    file: &str,
    subject: &str,
    extensions: &[&str],
    issuer: Option<&str>,
) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        DAYS,
    ]);
    openssl.args(["-subj", subject, "-config", "/dev/null"]);
    openssl.args([
        "-keyout",
        &home.path(&format!("pki/{file}.key")),
        "-out",
        &home.path(&format!("pki/{file}.crt")),
    ]);
    for extension in extensions {
        openssl.args(["-addext", extension]);
    }
    if let Some(issuer) = issuer {
        openssl.args([
            "-CA",
            &home.path(&format!("pki/{issuer}.crt")),
            "-CAkey",
            &home.path(&format!("pki/{issuer}.key")),
        ]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    process::run(&mut openssl)
}

/// The administrator's kubeconfig, complete in itself; JSON, which every reader of YAML takes.
fn kubeconfig(home: &Home) -> Result<String> {
    let data = |file: &str| {
        let path = home.dir.join("pki").join(file);
        std::fs::read(&path)
            .map(|bytes| STANDARD.encode(bytes))
            .with_context(|| format!("cannot read {}", path.display()))
    };
    let name = home.name.as_str();
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{}:6443", home.plan.node()),
            "certificate-authority-data": data("ca.crt")?,
        }}],
        "users": [{"name": "admin", "user": {
            "client-certificate-data": data("admin.crt")?,
            "client-key-data": data("admin.key")?,
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "current-context": name,
    });
    serde_json::to_string_pretty(&config).context("cannot write the kubeconfig")
}
