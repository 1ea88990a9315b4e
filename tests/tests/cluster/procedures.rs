//! The custom-certificate procedures that a user follows, typed as they stand in the documentation.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use skupper_tests::material::{Authority, Leaf};
use skupper_tests::space::{LIMIT, Space};
use skupper_tests::stage::Stage;
use xtask::wait;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared(
        "procedure_server_certificate_before_the_site",
        server_certificate_before_the_site,
    ),
    Scenario::shared(
        "procedure_server_certificate_over_the_managed_one",
        server_certificate_over_the_managed_one,
    ),
    Scenario::shared(
        "procedure_link_everything_generated",
        link_everything_generated,
    ),
    Scenario::shared(
        "procedure_link_with_an_existing_secret",
        link_with_an_existing_secret,
    ),
    Scenario::shared("procedure_link_by_hand", link_by_hand),
];

/// What the documentation promises for each certificate that is the user's.
const SENTENCE: &str = "Secret exists but is not controlled by skupper\n";
const ASK_HOST: &str = "kubectl get site -o json | jq -r .items[].status.endpoints[0].host";
const ASK_SERVER: &str =
    "kubectl get certificate skupper-site-server -o json | jq -r .status.conditions[].message";
const CLIENT_CERTIFICATE: &str = "kubectl create -f - <<EOT
apiVersion: skupper.io/v2alpha1
kind: Certificate
metadata:
  name: skupper-link
spec:
  ca: skupper-site-ca
  client: true
  subject: skupper.public.host
EOT
";

/// Type and elements of the client credential, and whom it names (row 10 of the acceptance checks).
const ASK_CLIENT: &str = "kubectl get secret skupper-link -o json | jq -r '[.type, (.data | keys[])] | join(\" \")'; \
    kubectl get secret skupper-link -o json | jq -r '.data[\"tls.crt\"]' | base64 -d | openssl x509 -noout -subject";

fn server_certificate_before_the_site(stage: &Stage) -> Result<()> {
    let west = stage.space("proc-before")?;
    let ca = Authority::new("the user's CA")?;
    let secret = ca
        .issue(&Leaf::server(&["skupper.example", "proc-before.example"]))?
        .secret("skupper-site-server");
    west.feed(&["create", "-f", "-"], &secret.to_string())?;
    west.site("west", Some("default"))?;
    west.await_object("certificate", "skupper-site-server", "a condition", |c| {
        c["status"]["conditions"]
            .as_array()
            .is_some_and(|c| !c.is_empty())
    })?;
    await_sentence(&west)?;
    west.await_ready("site", "west")?;
    await_sentence(&west)?;
    untouched(&west.get("secret", "skupper-site-server")?, &secret)?;
    let host = west.shell(ASK_HOST)?;
    stage.await_presented(&west, host.trim(), &secret)
}

fn server_certificate_over_the_managed_one(stage: &Stage) -> Result<()> {
    let west = stage.space("proc-over")?;
    west.site("west", Some("default"))?;
    west.await_ready("site", "west")?;
    let host = west.shell(ASK_HOST)?.trim().to_owned();
    let ca = Authority::new("the user's CA")?;
    let server = || {
        ca.issue(&Leaf::server(&[&host, "skupper-router"]))
            .map(|c| c.secret("skupper-site-server"))
    };
    let kept = |secret: &Value, verb: &str| -> Result<()> {
        await_sentence(&west).with_context(|| format!("after {verb}"))?;
        untouched(&west.get("secret", "skupper-site-server")?, secret)
    };

    // The API server itself refuses these two, and nothing changes.
    let secret = server()?;
    ensure!(
        west.feed(&["create", "-f", "-"], &secret.to_string())
            .is_err(),
        "create over an existing Secret"
    );
    ensure!(
        west.feed(&["replace", "-f", "-"], &secret.to_string())
            .is_err(),
        "replace that changes the type"
    );

    west.feed(&["apply", "-f", "-"], &secret.to_string())?;
    kept(&secret, "apply")?;

    let mut secret = server()?;
    secret["type"] = "kubernetes.io/tls".into();
    west.feed(&["replace", "-f", "-"], &secret.to_string())?;
    kept(&secret, "replace")?;

    let secret = server()?;
    west.feed(&["replace", "--force", "-f", "-"], &secret.to_string())?;
    kept(&secret, "replace --force")?;

    west.kubectl(&["delete", "secret", "skupper-site-server"])?;
    let secret = server()?;
    west.feed(&["create", "-f", "-"], &secret.to_string())?;
    kept(&secret, "delete and create")?;
    stage.await_presented(&west, &host, &secret)
}

/// Asks as the documentation does, until the answer is the sentence and nothing else.
fn await_sentence(west: &Space) -> Result<()> {
    let mut said = String::new();
    wait::until("the sentence of the Certificate", LIMIT, || {
        said = west.shell(ASK_SERVER)?;
        Ok((said == SENTENCE).then_some(()))
    })
    .with_context(|| format!("it says: {said:?}"))
}

fn link_everything_generated(stage: &Stage) -> Result<()> {
    let (west, east) = two_sites(stage, "proc-auto")?;
    east.apply_text(&west.shell("skupper link generate")?)?;
    linked(&east, "link-west-skupper-router")
}

fn link_with_an_existing_secret(stage: &Stage) -> Result<()> {
    let (west, east) = two_sites(stage, "proc-cred")?;
    west.shell(CLIENT_CERTIFICATE)?;
    west.await_ready("certificate", "skupper-link")?;
    ensure!(
        west.shell(ASK_CLIENT)?
            == "kubernetes.io/tls ca.crt tls.crt tls.key\nsubject=CN = skupper.public.host\n",
        "got: {}",
        west.shell(ASK_CLIENT)?
    );
    let document = west.shell("skupper link generate --tls-credentials skupper-link")?;
    ensure!(
        document.contains("tls.crt"),
        "the Secret is part of it: {document}"
    );

    let bare = west.shell(
        "skupper link generate --generate-credential=false --tls-credentials=skupper-link",
    )?;
    ensure!(
        !bare.contains("tls.crt"),
        "the Secret is the user's affair: {bare}"
    );

    east.apply_text(&document)?;
    linked(&east, "link-west-skupper-router")
}

fn link_by_hand(stage: &Stage) -> Result<()> {
    let (west, east) = two_sites(stage, "proc-hand")?;
    west.shell(CLIENT_CERTIFICATE)?;
    west.await_ready("certificate", "skupper-link")?;
    let endpoints = west.endpoints("west")?;
    let document = west.shell(
        "kubectl get secret skupper-link -o json | jq '{apiVersion, kind, type, data, metadata: {name: .metadata.name}}'",
    )?;
    east.link("by-hand", &endpoints, "skupper-link")?;
    east.await_message(
        "link",
        "by-hand",
        "Configured",
        &[r#"TLS credentials secret "skupper-link" not found"#],
    )?;
    east.apply_text(&document)?;
    linked(&east, "by-hand")
}

/// Site `west` with link access, Ready; site `east` without.
fn two_sites(stage: &Stage, name: &str) -> Result<(Space, Space)> {
    let west = stage.space(&format!("{name}-west"))?;
    let east = stage.space(&format!("{name}-east"))?;
    west.site("west", Some("default"))?;
    east.site("east", None)?;
    west.await_ready("site", "west")?;
    east.await_ready("site", "east")?;
    Ok((west, east))
}

fn linked(east: &Space, link: &str) -> Result<()> {
    let link = east.await_ready("link", link)?;
    ensure!(
        link["status"]["message"] == "OK",
        "message: {}",
        link["status"]["message"]
    );
    ensure!(
        link["status"]["remoteSiteName"] == "west",
        "remote site: {}",
        link["status"]
    );
    Ok(())
}

/// The user's Secret is as the user wrote it: no annotation, no owner, every byte.
fn untouched(found: &Value, written: &Value) -> Result<()> {
    ensure!(
        found["data"] == written["data"],
        "the data of the user's Secret changed"
    );
    ensure!(
        found["metadata"]["ownerReferences"].is_null(),
        "owner: {}",
        found["metadata"]["ownerReferences"]
    );
    let annotations = found["metadata"]["annotations"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let ours: Vec<_> = annotations
        .keys()
        .filter(|k| k.contains("skupper.io"))
        .collect();
    ensure!(ours.is_empty(), "annotations: {ours:?}");
    Ok(())
}
