//! The life of controllers: restarts, replicas, sudden ends, an API server that goes away.

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::cluster::Component;
use xtask::wait;

use super::process::{Controller, Start};
use crate::Scenario;
use crate::stage::{LIMIT, Stage, until_logged};

pub const SCENARIOS: &[Scenario] = &[
    ("a restart writes nothing", a_restart_writes_nothing),
    (
        "two replicas, of which one acts",
        two_replicas_of_which_one_acts,
    ),
    ("killed at any moment", killed_at_any_moment),
    (
        "the api server goes and comes back",
        the_api_server_goes_and_comes_back,
    ),
];

fn certificate(stage: &Stage, namespace: &str, name: &str) -> Result<()> {
    stage.apply(&format!(
        "{{apiVersion: skupper.io/v2alpha1, kind: Certificate, metadata: {{name: {name}, namespace: {namespace}}}, \
         spec: {{ca: skupper-site-ca, client: true, subject: {name}}}}}"
    ))
}

fn until_issued(stage: &Stage, namespace: &str, name: &str) -> Result<Value> {
    stage.until(
        namespace,
        "certificates.skupper.io",
        name,
        "is issued",
        |object| object["status"]["status"] == "Ready",
    )
}

/// Versions of all objects in the namespaces where sites are.
fn versions(stage: &Stage) -> Result<Vec<String>> {
    let kinds = "sites,links,listeners,routeraccesses,securedaccesses,certificates.skupper.io,secrets,configmaps,services,\
                 roles,rolebindings,serviceaccounts";
    let mut all = Vec::new();
    for namespace in ["lb", "links", "refused"] {
        let format = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{'\\n'}{end}";
        let text = stage.kubectl(&["-n", namespace, "get", kinds, "-o", format])?;
        all.extend(text.lines().map(|line| format!("{namespace} {line}")));
    }
    Ok(all)
}

/// Waits until a controller has done all there is to do: nothing is written for the time of several turns.
fn until_idle(controller: &Controller<'_>) -> Result<()> {
    let mut writes = controller.writes()?;
    wait::until("the controller to have nothing to write", LIMIT, || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let before = std::mem::replace(&mut writes, controller.writes()?);
        Ok((before == writes).then_some(()))
    })
}

fn a_restart_writes_nothing(stage: &Stage) -> Result<()> {
    let first = Controller::ready(stage, Start::default())?;
    certificate(stage, "links", "before")?;
    until_issued(stage, "links", "before")?;
    // What earlier scenarios deleted would give the second controller something to do.
    stage.until_tidy()?;
    until_idle(&first)?;
    first.stop()?;
    let before = versions(stage)?;

    let second = Controller::ready(stage, Start::default())?;
    wait::until("the second controller to lead", LIMIT, || {
        Ok(second.leads()?.then_some(()))
    })?;
    // Every namespace has had its turn when one that came up later has.
    certificate(stage, "links", "after")?;
    until_issued(stage, "links", "after")?;
    ensure!(
        second.writes()? == 2.0,
        "{} writes: a Secret and a status were expected; {}",
        second.writes()?,
        second.log()
    );
    let after: Vec<String> = versions(stage)?
        .into_iter()
        .filter(|line| !line.contains("/after "))
        .collect();
    ensure!(before == after, "{before:#?} {after:#?}");
    second.stop()
}

fn two_replicas_of_which_one_acts(stage: &Stage) -> Result<()> {
    let one = Controller::ready(stage, Start::default())?;
    wait::until("the first to lead", LIMIT, || {
        Ok(one.leads()?.then_some(()))
    })?;
    let two = Controller::ready(
        stage,
        Start {
            host: "two",
            ports: (19193, 19003),
            ..Start::default()
        },
    )?;
    certificate(stage, "lb", "by-the-first")?;
    until_issued(stage, "lb", "by-the-first")?;
    ensure!(!two.leads()? && two.writes()? == 0.0, "{}", two.log());
    until_logged(|| two.log(), &["standing by"])?;

    one.kill()?;
    certificate(stage, "lb", "by-the-second")?;
    until_issued(stage, "lb", "by-the-second")?;
    ensure!(two.leads()?, "{}", two.log());
    two.stop()?;
    let lease = stage.get("skupper", "lease", "skupper-controller")?;
    ensure!(
        lease["spec"]["holderIdentity"]
            .as_str()
            .unwrap_or_default()
            .is_empty(),
        "{lease}"
    );
    Ok(())
}

/// Whenever it is killed, the next one goes on: everything is issued in the end, and nothing twice.
fn killed_at_any_moment(stage: &Stage) -> Result<()> {
    let documents: String = (0..40)
        .map(|number| {
            format!(
                "---\n{{apiVersion: skupper.io/v2alpha1, kind: Certificate, metadata: {{name: k{number}, namespace: links}}, \
                 spec: {{ca: skupper-site-ca, client: true, subject: k{number}}}}}\n"
            )
        })
        .collect();
    let count = |what: &str| -> Result<usize> {
        Ok(stage
            .kubectl(&["-n", "links", "get", what, "-o", "name"])?
            .lines()
            .filter(|line| line.contains("/k"))
            .count())
    };
    // Ended at different stages of the same work: the pause is part of the disturbance, nothing depends on it.
    for pause in [0, 20, 60, 150] {
        let controller = Controller::start(stage, Start::default())?;
        if pause == 0 {
            stage.apply(&documents)?;
        }
        controller.await_ready()?;
        std::thread::sleep(std::time::Duration::from_millis(pause));
        controller.kill()?;
    }
    let controller = Controller::ready(stage, Start::default())?;
    wait::until("all to be issued", LIMIT, || {
        Ok((count("secrets")? == 40).then_some(()))
    })?;
    for number in 0..40 {
        let name = format!("k{number}");
        until_issued(stage, "links", &name)?;
        let secret = stage.get("links", "secret", &name)?;
        let owners = secret["metadata"]["ownerReferences"]
            .as_array()
            .map(Vec::len);
        ensure!(owners == Some(1), "{secret}");
    }
    controller.stop()
}

fn the_api_server_goes_and_comes_back(stage: &Stage) -> Result<()> {
    if !stage.cluster.is_own() {
        // Somebody else's API server is not to be stopped.
        return Ok(());
    }
    let controller = Controller::ready(stage, Start::default())?;
    wait::until("it to lead", LIMIT, || {
        Ok(controller.leads()?.then_some(()))
    })?;
    until_idle(&controller)?;
    let before = versions(stage)?;
    // Work for it that it may or may not get done before.
    certificate(stage, "lb", "meanwhile")?;
    stage.cluster.kill(Component::ApiServer)?;
    wait::until("it to notice", LIMIT, || {
        Ok((!controller.leads()?).then_some(()))
    })?;
    stage.cluster.start(Component::ApiServer)?;
    wait::until("the API server to answer", LIMIT, || {
        stage.kubectl(&["get", "--raw", "/readyz"]).map(Some)
    })?;
    // Ready, it may not yet serve what is defined by CRDs.
    wait::until("a Certificate to be admitted", LIMIT, || {
        certificate(stage, "lb", "afterwards").map(Some)
    })?;
    until_issued(stage, "lb", "afterwards")?;
    until_issued(stage, "lb", "meanwhile")?;
    ensure!(controller.leads()?, "{}", controller.log());
    let after: Vec<String> = versions(stage)?
        .into_iter()
        .filter(|line| !line.contains("/afterwards ") && !line.contains("/meanwhile "))
        .collect();
    ensure!(before == after, "{before:#?} {after:#?}");
    controller.stop()
}
