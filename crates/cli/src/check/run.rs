//! `skupper debug check`: what is asked, tried and printed.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;

use super::credentials::{Secrets, Terms, judge_all};
use super::report::Report;
use super::trial::{self, Trial};
use super::uses::{Objects, uses};
use crate::arguments::Global;
use crate::arguments::debug::{Check, Command};
use crate::cluster::Cluster;
use crate::failure::{Failure, Outcome};
use crate::output::print;

pub(crate) async fn run(command: Command, global: &Global) -> Outcome {
    let Command::Check(command) = command;
    let fail_within = match &command.fail_within {
        None => None,
        Some(text) => Some(
            skupper_site::parse_lifetime(text)
                .map_err(|error| Failure::invalid(vec![format!("--fail-within {error}")]))?,
        ),
    };
    let fail_within = fail_within.and_then(|time| SignedDuration::try_from(time).ok());
    let cluster = Cluster::connect(global).await?;
    let objects = objects(&cluster).await?;
    if objects.sites.is_empty() {
        return Err(Failure::failed(format!(
            "there is no skupper site in namespace {}",
            cluster.namespace
        ))
        .next("make one with skupper site create NAME, or choose another namespace with -n"));
    }
    let report = check(&cluster, &objects, &command, fail_within).await?;
    print(&report.to_string())?;
    match report.faults() {
        0 => Ok(()),
        1 => Err(Failure::failed("1 problem was found")),
        count => Err(Failure::failed(format!("{count} problems were found"))),
    }
}

async fn objects(cluster: &Cluster) -> Result<Objects, Failure> {
    Ok(Objects {
        sites: cluster.list().await?,
        accesses: cluster.list().await?,
        links: cluster.list().await?,
        certificates: cluster.list().await?,
        listeners: cluster.list().await?,
        connectors: cluster.list().await?,
    })
}

async fn check(
    cluster: &Cluster,
    objects: &Objects,
    command: &Check,
    fail_within: Option<SignedDuration>,
) -> Result<Report, Failure> {
    let uses = uses(objects);
    let mut secrets = Secrets::new();
    for used in &uses {
        if let Some(secret) = cluster.get::<Secret>(&used.secret).await? {
            secrets.insert(used.secret.clone(), secret);
        }
    }
    let terms = Terms {
        now: Timestamp::now(),
        fail_within,
    };
    let mut report = Report::default();
    report
        .sections
        .push(("Site", objects.sites.iter().map(trial::of_site).collect()));
    report
        .sections
        .push(("Credentials", judge_all(&uses, objects, &secrets, terms)));
    // All are tried at once: those that do not answer cost seconds.
    let links: Vec<Trial> = objects
        .links
        .iter()
        .map(|link| trial::of_link(link, objects, &secrets, command.handshake.0))
        .collect();
    let own: Vec<Trial> = objects
        .accesses
        .iter()
        .flat_map(|access| trial::of_access(access, &secrets, command.handshake.0))
        .collect();
    report
        .sections
        .push(("Links to other sites", trial::finish(links).await));
    report
        .sections
        .push(("Access for other sites", trial::finish(own).await));
    Ok(report)
}
