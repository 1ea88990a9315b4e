//! Edge cases of custom certificates that no other file holds (reference: Kubernetes, §9.11; the table in docs/testing.md).

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use skupper_tests::ground::Ground;
use skupper_tests::material::{Authority, Credential, Leaf};
use skupper_tests::space::{LIMIT, Space};
use skupper_tests::stage::Stage;
use time::Duration;
use xtask::wait;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("what_takes_its_time_renewal_and_a_deleted_secret", slow),
    Scenario::shared("chains_with_intermediates_on_both_sides", chains),
    Scenario::shared("what_ends_soon_is_told", ends_soon).own_cluster(),
    Scenario::shared("a_users_certificate_object_comes_first", certificate_first),
    Scenario::shared("two_sites_and_a_site_made_again", sites),
];

/// A managed server certificate is renewed long before its end; a user's Secret that is deleted is replaced, after a grace.
fn slow(stage: &Stage) -> Result<()> {
    let (brief, deleted) = (stage.space("brief")?, stage.space("deleted")?);
    brief.apply(
        &json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Site", "metadata": {"name": "west"},
        "spec": {"linkAccess": "default", "settings": {"tls-server-lifetime": "1m"}}}),
    )?;
    let server = Authority::new("the user's CA")?.issue(&Leaf::server(&["skupper-router"]))?;
    deleted.apply(&server.secret("skupper-site-server"))?;
    deleted.site("west", Some("default"))?;
    brief.await_ready("site", "west")?;
    deleted.await_ready("site", "west")?;

    deleted.kubectl(&["delete", "secret", "skupper-site-server"])?;
    let first = brief.get("secret", "skupper-site-server")?;
    deleted.await_message(
        "certificate",
        "skupper-site-server",
        "Ready",
        &["provided by its user was deleted"],
    )?;
    deleted.await_only_message("certificate", "skupper-site-server", "Ready", "OK")?;
    await_event(&deleted, "UserSecretDeleted", "skupper-site-server")?;
    presents_its_own(&deleted)?;

    brief.await_object("secret", "skupper-site-server", "another", |secret| {
        secret["data"]["tls.crt"] != first["data"]["tls.crt"]
    })?;
    wait::until("a server certificate that has not ended", LIMIT, || {
        brief
            .shell(
                "kubectl get secret skupper-site-server -o json | jq -r '.data[\"tls.crt\"]' | base64 -d | openssl x509 -noout -checkend 0",
            )
            .map(Some)
    })?;
    presents_its_own(&brief)
}

/// A handshake presents what the Secret of the server certificate holds, which is read anew each time: it may be renewed again.
fn presents_its_own(space: &Space) -> Result<()> {
    let endpoints = space.endpoints("west")?;
    let host = endpoints[0]["host"]
        .as_str()
        .context("an endpoint's host")?;
    let line = format!(
        "kubectl get secret skupper-site-server -o json | jq -r '.data[\"tls.crt\"]' | base64 -d | openssl x509 -noout -fingerprint; \
         openssl s_client -connect {host}:55671 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint"
    );
    wait::until("a handshake with the Secret's certificate", LIMIT, || {
        let said = space.shell(&line)?;
        let (held, presented) = said.trim().split_once('\n').context("two fingerprints")?;
        Ok((held == presented).then_some(()))
    })
}

fn chains(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "chain")?;
    let chained = |leaf: &Leaf| -> Result<Credential> {
        let middle = ground.ca.intermediate("Middle CA")?;
        let credential = middle.issue(leaf)?.trusting(ground.ca.pem());
        Ok(Credential {
            crt: credential.crt + &middle.pem(),
            ..credential
        })
    };
    let server = chained(&Leaf::server(&[&ground.host]))?;
    ground
        .west
        .replace_secret(&server.secret("skupper-site-server"))?;
    ground.west.await_only_message(
        "certificate",
        "skupper-site-server",
        "Ready",
        "Secret exists but is not controlled by skupper",
    )?;
    let leaf = Credential {
        crt: server
            .crt
            .split_inclusive("-----END CERTIFICATE-----\n")
            .next()
            .unwrap_or_default()
            .to_owned(),
        ..server
    };
    stage.await_presented(&ground.west, &ground.host, &leaf.secret(""))?;
    ground
        .east
        .apply(&chained(&Leaf::client("east"))?.secret("chained"))?;
    ground.east.link("chained", &ground.endpoints, "chained")?;
    ground.east.await_ready("link", "chained").map(drop)
}

/// By an Event on the object that uses it, and by a metric of the controller.
fn ends_soon(stage: &Stage) -> Result<()> {
    let east = stage.space("ends-soon")?;
    east.site("east", None)?;
    let brief = Leaf::client("east").dated(-Duration::hours(1), Duration::days(6));
    east.apply(&Authority::new("CA")?.issue(&brief)?.secret("brief"))?;
    east.link(
        "to-west",
        &json!([{"name": "inter-router", "host": "west.example", "port": "55671"}]),
        "brief",
    )?;
    let said = await_event(&east, "Expiring", "to-west")?;
    ensure!(
        said.contains("Secret brief, used by Link to-west") && said.contains("valid until"),
        "it says: {said}"
    );
    let series =
        r#"skupper_credential_expiration_timestamp_seconds{namespace="ends-soon",secret="brief""#;
    wait::until("the controller's metric of it", LIMIT, || {
        let pods = stage.cluster.kubectl([
            "-n",
            "skupper",
            "get",
            "pods",
            "-l",
            "application=skupper-controller",
            "-o",
            "jsonpath={.items[*].status.podIP}",
        ])?;
        let address = pods.split(' ').next().unwrap_or_default();
        let metrics = east.shell(&format!("curl -sS --fail http://{address}:9000/metrics"))?;
        ensure!(metrics.contains(series), "no {series} among {metrics}");
        Ok(Some(()))
    })
}

/// Waits for an Event with this reason about an object of this name, and returns what it says.
fn await_event(space: &Space, reason: &str, name: &str) -> Result<String> {
    let fields = format!("--field-selector=reason={reason},involvedObject.name={name}");
    wait::until(&format!("an Event {reason} of {name}"), LIMIT, || {
        let said = space.kubectl(&[
            "get",
            "events",
            &fields,
            "-o",
            "jsonpath={.items[*].type}: {.items[*].message}",
        ])?;
        Ok(said.starts_with("Warning").then_some(said))
    })
}

fn certificate_first(stage: &Stage) -> Result<()> {
    let west = stage.space("certificate-first")?;
    west.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Certificate", "metadata": {"name": "skupper-site-server"},
        "spec": {"ca": "skupper-site-ca", "server": true, "subject": "mine", "hosts": ["mine.example"]}}))?;
    west.site("west", Some("default"))?;
    west.await_message(
        "securedaccess",
        "skupper-router",
        "Configured",
        &[r#"certificate "skupper-site-server" exists but is not controlled by skupper"#],
    )?;
    // It is issued and used all the same.
    west.await_ready("certificate", "skupper-site-server")?;
    presents_its_own(&west)?;
    let names = west.shell(
        "kubectl get secret skupper-site-server -o json | jq -r '.data[\"tls.crt\"]' | base64 -d | openssl x509 -noout -ext subjectAltName",
    )?;
    ensure!(names.contains("DNS:mine.example"), "its names: {names}");
    Ok(())
}

fn sites(stage: &Stage) -> Result<()> {
    let west = stage.space("sites")?;
    west.site("west", Some("default"))?;
    west.await_ready("site", "west")?;
    west.site("another", None)?;
    west.await_message(
        "site",
        "another",
        "Configured",
        &["An active site already exists in the namespace (west)"],
    )?;
    west.kubectl(&["delete", "site", "another"])?;
    west.await_ready("site", "west")?;

    // A client Certificate of the user's outlives the Site, and follows the CA of the next.
    west.apply(&json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Certificate", "metadata": {"name": "observer"},
        "spec": {"ca": "skupper-local-ca", "client": true, "subject": "observer"}}))?;
    west.await_ready("certificate", "observer")?;
    let old = west.get("secret", "skupper-local-ca")?["data"]["tls.crt"].clone();
    west.kubectl(&["delete", "site", "west", "--wait"])?;
    // A Site that comes before the garbage collector may keep the old CA.
    wait::until("the old CA's end", LIMIT, || {
        let ask = ["get", "secret", "skupper-local-ca", "--ignore-not-found"];
        let found = west.kubectl(&ask)?;
        Ok(found.trim().is_empty().then_some(()))
    })?;
    west.site("west", Some("default"))?;
    west.await_object("secret", "skupper-local-ca", "another", |ca| {
        ca["data"]["tls.crt"].is_string() && ca["data"]["tls.crt"] != old
    })?;
    // The old CA may stay in the bundle for who still presents what it issued.
    wait::until("a client certificate of the new CA", LIMIT, || {
        west.shell(
            "d=$(mktemp -d); crt() { kubectl get secret $1 -o json | jq -r '.data[\"tls.crt\"]' | base64 -d > $d/$1; }; \
             crt skupper-local-ca; crt observer; openssl verify -CAfile $d/skupper-local-ca $d/observer; rm -r $d",
        )
        .map(Some)
    })?;
    west.await_ready("certificate", "observer")?;
    west.await_ready("site", "west").map(drop)
}
