//! Says why: planted faults, each applied with kubectl to two Sites with running pods, each sentence read back with kubectl.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use skupper_tests::faults::{client, server};
use skupper_tests::ground::Ground;
use skupper_tests::space::condition_of;
use skupper_tests::stage::Stage;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("says_why_of_faults_at_the_connecting_site", connecting_site),
    Scenario::shared("says_why_of_faults_at_the_accepting_site", accepting_site),
];

/// What the Certificate says of every user's Secret.
const SENTENCE: &str = "Secret exists but is not controlled by skupper";

fn connecting_site(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "fault-client")?;
    client::prepare(&ground)?;
    let mut wrong = String::new();
    for fault in client::FAULTS {
        if let Err(error) = at_the_connecting_site(&ground, fault) {
            writeln!(wrong, "{}: {error:#}", fault.name)?;
        }
        forget(&ground, fault.name)?;
    }
    ensure!(
        wrong.is_empty(),
        "of {} faults these are not told as they should be:\n{wrong}",
        client::FAULTS.len()
    );
    // None of it touched the good link, nor what the accepting side says of itself.
    ground.east.await_ready("link", "good")?;
    ground.west.await_ready("routeraccess", "skupper-router")?;
    Ok(())
}

fn at_the_connecting_site(ground: &Ground, fault: &client::Fault) -> Result<()> {
    fault.plant(ground, fault.name)?;
    let said = ground
        .east
        .await_message("link", fault.name, fault.condition, fault.link)?;
    println!("{}: Link: {said}", fault.name);
    if fault.condition == client::OPERATIONAL {
        tried_in_vain(ground, fault.name)?;
    }
    if !fault.router_access.is_empty() {
        let said =
            ground
                .west
                .await_any_message("routeraccess", "skupper-router", fault.router_access)?;
        println!("{}: RouterAccess: {said}", fault.name);
    }
    Ok(())
}

/// Rows 6 and 7 of the acceptance checks: such a Link is configured, not operational, and pending.
fn tried_in_vain(ground: &Ground, link: &str) -> Result<()> {
    let link = ground.east.get("link", link)?;
    let status = |condition: &str| condition_of(&link, condition)["status"].clone();
    ensure!(
        status("Configured") == "True"
            && status("Operational") == "False"
            && link["status"]["status"] == "Pending",
        "its status: {}",
        link["status"]
    );
    Ok(())
}

fn accepting_site(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "fault-server")?;
    let mut wrong = String::new();
    for fault in server::FAULTS {
        if let Err(error) = at_the_accepting_site(stage, &ground, fault) {
            writeln!(wrong, "{}: {error:#}", fault.name)?;
        }
        forget(&ground, fault.name)?;
    }
    ensure!(
        wrong.is_empty(),
        "of {} faults these are not told as they should be:\n{wrong}",
        server::FAULTS.len()
    );
    // Mended, everything is well again, and says so.
    ground
        .west
        .replace_secret(&ground.good_server()?.secret("skupper-site-server"))?;
    ground.west.await_ready("routeraccess", "skupper-router")?;
    ground.east.link("mended", &ground.endpoints, "good")?;
    ground.east.await_ready("link", "mended")?;
    Ok(())
}

fn at_the_accepting_site(stage: &Stage, ground: &Ground, fault: &server::Fault) -> Result<()> {
    if fault.link.is_empty() {
        // What cannot be loaded leaves the earlier one in use: that has to be a good one first.
        let good = ground.good_server()?.secret("skupper-site-server");
        ground.west.replace_secret(&good)?;
        stage.await_presented(&ground.west, &ground.host, &good)?;
    }
    fault.plant(ground)?;
    let west = &ground.west;
    let said = if fault.certificate.is_empty() {
        // It may say for a moment what it said of the Secret before.
        west.await_only_message("certificate", "skupper-site-server", "Ready", SENTENCE)?
    } else {
        let pieces: Vec<_> = std::iter::once(SENTENCE)
            .chain(fault.certificate.iter().copied())
            .collect();
        west.await_message("certificate", "skupper-site-server", "Ready", &pieces)?
    };
    println!("{}: Certificate: {said}", fault.name);
    if !fault.router_access.is_empty() {
        let said =
            ground
                .west
                .await_any_message("routeraccess", "skupper-router", fault.router_access)?;
        println!("{}: RouterAccess: {said}", fault.name);
    }
    ground.east.link(fault.name, &ground.endpoints, "good")?;
    if fault.link.is_empty() {
        ground.east.await_ready("link", fault.name)?;
    } else {
        let said =
            ground
                .east
                .await_message("link", fault.name, client::OPERATIONAL, fault.link)?;
        println!("{}: Link: {said}", fault.name);
        tried_in_vain(ground, fault.name)?;
    }
    Ok(())
}

fn forget(ground: &Ground, link: &str) -> Result<()> {
    ground
        .east
        .kubectl(&["delete", "link", link, "--wait=false", "--ignore-not-found"])
        .map(drop)
}
