//! The acceptance checks of the custom-certificate procedures that no other file holds (reference: Kubernetes, §9.10).

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use skupper_tests::material::{Authority, Leaf};
use skupper_tests::space::{Space, condition_of};
use skupper_tests::stage::Stage;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("row_1_and_2_what_is_made_by_default", made_by_default),
    Scenario::shared("row_9_the_users_ca_in_every_form_signs", users_ca_signs),
    Scenario::shared("row_12_a_replaced_secret_raises_the_ordinal", ordinal_rises),
    Scenario::shared(
        "row_14_the_users_secret_survives_the_site",
        secret_survives_the_site,
    ),
    Scenario::shared(
        "row_15_a_router_access_whose_secret_comes_later",
        secret_comes_later,
    ),
];

fn made_by_default(stage: &Stage) -> Result<()> {
    let west = stage.space("row-1")?;
    west.site("west", Some("default"))?;
    for name in [
        "skupper-site-ca",
        "skupper-local-ca",
        "skupper-local-server",
        "skupper-site-server",
    ] {
        let certificate = west.await_ready("certificate", name)?;
        ensure!(
            condition_of(&certificate, "Ready")["message"] == "OK",
            "{name}: {}",
            certificate["status"]
        );
    }
    let endpoints = west.endpoints("west")?;
    let host = endpoints[0]["host"]
        .as_str()
        .context("endpoint without host")?;
    let text = west.await_object(
        "secret",
        "skupper-site-server",
        "the public host",
        |secret| dump(&west, secret).is_ok_and(|text| text.contains(&format!("DNS:{host}"))),
    );
    let text = dump(&west, &text?)?;
    for piece in [
        "CN = skupper-router",
        "DNS:skupper-router",
        "DNS:skupper-router.row-1",
        &format!("IP Address:{host}"),
    ] {
        ensure!(text.contains(piece), "no {piece} in\n{text}");
    }
    let verdict = west.shell(
        "d=$(mktemp -d); kubectl get secret skupper-site-server -o json | jq -r '.data[\"tls.crt\"]' | base64 -d > $d/leaf; \
         kubectl get secret skupper-site-server -o json | jq -r '.data[\"ca.crt\"]' | base64 -d > $d/ca; \
         kubectl get secret skupper-site-ca -o json | jq -r '.data[\"tls.crt\"]' | base64 -d | cmp - $d/ca; \
         openssl verify -CAfile $d/ca -purpose sslserver $d/leaf; rm -r $d",
    )?;
    ensure!(
        verdict.trim_end().ends_with(": OK"),
        "openssl verify: {verdict}"
    );
    Ok(())
}

/// `openssl x509 -text` of a Secret's `tls.crt`.
fn dump(space: &Space, secret: &Value) -> Result<String> {
    let crt = secret["data"]["tls.crt"].as_str().context("no tls.crt")?;
    space.shell(&format!(
        "echo {crt} | base64 -d | openssl x509 -noout -text"
    ))
}

fn users_ca_signs(stage: &Stage) -> Result<()> {
    let make = "-x509 -days 30 -nodes -subj '/CN=own CA' -out $d/crt -keyout $d/raw -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null";
    let forms = [
        (
            "pkcs1",
            format!(
                "openssl req -newkey rsa:2048 {make}; openssl rsa -traditional -in $d/raw -out $d/key 2>/dev/null"
            ),
        ),
        (
            "pkcs8",
            format!("openssl req -newkey rsa:2048 {make}; cp $d/raw $d/key"),
        ),
        (
            "sec1",
            format!(
                "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 {make}; openssl ec -in $d/raw -out $d/key 2>/dev/null"
            ),
        ),
    ];
    for (form, command) in forms {
        let west = stage.space(&format!("row-9-{form}"))?;
        west.shell(&format!(
            "d=$(mktemp -d); {command}; kubectl create secret generic skupper-site-ca --from-file=tls.crt=$d/crt --from-file=tls.key=$d/key --from-file=ca.crt=$d/crt; rm -r $d"
        ))
        .with_context(|| form.to_owned())?;
        west.site("west", Some("default"))?;
        west.await_ready("certificate", "skupper-site-server")?;
        let text = dump(&west, &west.get("secret", "skupper-site-server")?)?;
        ensure!(text.contains("Issuer: CN = own CA"), "{form}: {text}");
        west.await_message(
            "certificate",
            "skupper-site-ca",
            "Ready",
            &["Secret exists but is not controlled by skupper"],
        )?;
    }
    Ok(())
}

fn ordinal_rises(stage: &Stage) -> Result<()> {
    let west = stage.space("row-12")?;
    let ca = Authority::new("the user's CA")?;
    let secret = || {
        ca.issue(&Leaf::server(&["skupper-router"]))
            .map(|c| c.secret("skupper-site-server"))
    };
    west.apply(&secret()?)?;
    west.site("west", Some("default"))?;
    west.await_ready("site", "west")?;
    let ordinal = |router: &Value| {
        profile(router, "skupper-site-server")["ordinal"]
            .as_u64()
            .unwrap_or(0)
    };
    let before = ordinal(&west.get("configmap", "skupper-router")?);
    west.apply(&secret()?)?;
    west.await_object("configmap", "skupper-router", "a higher ordinal", |c| {
        ordinal(c) == before + 1
    })?;
    west.apply(&secret()?)?;
    west.await_object("configmap", "skupper-router", "a higher ordinal", |c| {
        ordinal(c) == before + 2
    })?;
    Ok(())
}

/// The sslProfile `name` in the router's configuration.
fn profile(config_map: &Value, name: &str) -> Value {
    let document = config_map["data"]["skrouterd.json"]
        .as_str()
        .unwrap_or("[]");
    let entities: Vec<(String, Value)> = serde_json::from_str(document).unwrap_or_default();
    let mut profiles = entities
        .into_iter()
        .filter(|(kind, _)| kind == "sslProfile")
        .map(|(_, attributes)| attributes);
    profiles.find(|p| p["name"] == name).unwrap_or_default()
}

fn secret_survives_the_site(stage: &Stage) -> Result<()> {
    let west = stage.space("row-14")?;
    let secret = Authority::new("the user's CA")?
        .issue(&Leaf::server(&["skupper-router"]))?
        .secret("skupper-site-server");
    west.apply(&secret)?;
    west.site("west", Some("default"))?;
    west.await_ready("site", "west")?;
    west.kubectl(&["delete", "site", "west", "--wait"])?;
    xtask::wait::until(
        "the site's own Secrets to go",
        skupper_tests::space::LIMIT,
        || Ok(west.get("secret", "skupper-site-ca").is_err().then_some(())),
    )?;
    xtask::wait::until(
        "the site's Certificates to go",
        skupper_tests::space::LIMIT,
        || {
            Ok(west
                .kubectl(&["get", "certificates", "-o", "name"])?
                .trim()
                .is_empty()
                .then_some(()))
        },
    )?;
    ensure!(
        west.get("secret", "skupper-site-server")?["data"] == secret["data"],
        "the user's Secret changed"
    );
    Ok(())
}

fn secret_comes_later(stage: &Stage) -> Result<()> {
    let west = stage.space("row-15")?;
    west.site("west", None)?;
    west.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "RouterAccess", "metadata": {"name": "public"},
        "spec": {"generateTlsCredentials": false, "tlsCredentials": "public-server-tls",
            "roles": [{"name": "inter-router", "port": 55671}, {"name": "edge", "port": 45671}]}}))?;
    west.await_message(
        "routeraccess",
        "public",
        "Configured",
        &[r#"TLS credentials secret "public-server-tls" not found"#],
    )?;
    let host = west.await_object("routeraccess", "public", "endpoints", |r| {
        r["status"]["endpoints"][0]["host"].is_string()
    })?["status"]["endpoints"][0]["host"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let secret = Authority::new("the user's CA")?
        .issue(&Leaf::server(&[&host]))?
        .secret("public-server-tls");
    west.apply(&secret)?;
    west.await_ready("routeraccess", "public")?;
    stage.await_presented(&west, &host, &secret)?;
    // Deleted again, it is told; nobody else may issue it, and the router goes on with what it has.
    west.kubectl(&["delete", "secret", "public-server-tls"])?;
    west.await_message(
        "routeraccess",
        "public",
        "Configured",
        &[
            r#"TLS credentials secret "public-server-tls" not found"#,
            "the router goes on with the credential that it has",
        ],
    )?;
    stage.await_presented(&west, &host, &secret)
}
