//! `skupper debug check`: what is asked, tried and printed.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use rustls::ClientConfig;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use skupper_api::{Endpoint, Link, RouterAccess};
use skupper_pki::tls::{ClientOptions, Identity, Versions, client_config};
use skupper_pki::{Certificate, TrustBundle};

use super::credentials::{Secrets, Terms, judge_all};
use super::dial::{Outcome as Dialled, dial};
use super::report::{Advice, Item, Report};
use super::uses::{Objects, uses};
use crate::arguments::Global;
use crate::arguments::debug::{Check, Command};
use crate::cluster::Cluster;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::secret::credential;
use crate::site::{name_of, summary};

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
    report.sections.push((
        "Site",
        objects
            .sites
            .iter()
            .map(|site| state("Site", site))
            .collect(),
    ));
    report
        .sections
        .push(("Credentials", judge_all(&uses, objects, &secrets, terms)));
    let mut links = Vec::new();
    for link in &objects.links {
        links.push(check_link(link, objects, &secrets, command.handshake.0).await);
    }
    report.sections.push(("Links to other sites", links));
    let mut own = Vec::new();
    for access in &objects.accesses {
        own.extend(check_access(access, &secrets, command.handshake.0).await);
    }
    report.sections.push(("Access for other sites", own));
    Ok(report)
}

/// What the controller says of an object.
fn state(kind: &str, object: &impl skupper_api::Kind) -> Item {
    let (status, message) = summary(object);
    let word = if status.is_empty() {
        "no status yet"
    } else {
        status
    };
    let mut item = Item {
        title: format!("{kind} {}: {word}", name_of(object)),
        ..Item::default()
    };
    if status != "Ready" {
        let sentence = match message {
            "" => "nothing is said of it: no controller has looked at it".to_owned(),
            message => message.to_owned(),
        };
        item.faults.push(Advice::new(sentence, ""));
    }
    item
}

async fn check_link(link: &Link, objects: &Objects, secrets: &Secrets, handshake: bool) -> Item {
    let mut item = state("Link", link);
    let edge = objects.sites.iter().any(|site| site.spec.edge);
    let role = if edge {
        Endpoint::EDGE
    } else {
        Endpoint::INTER_ROUTER
    };
    let Some(endpoint) = link.spec.endpoint(role) else {
        item.faults.push(Advice::new(
            format!("it has no endpoint for the role {role}"),
            format!("add the {role} endpoint of the other site to spec.endpoints"),
        ));
        return item;
    };
    item.title = format!("{}, to {endpoint}", item.title);
    let Some(secret) = secrets
        .get(&link.spec.tls_credentials)
        .filter(|_| handshake)
    else {
        return item;
    };
    if link.spec.settings.contains_key("proxy-configuration") {
        item.notes.push(Advice::new(
            "it connects through a proxy and was not tried from here",
            "",
        ));
        return item;
    }
    let credential = credential(secret);
    let (Ok(identity), Ok(servers)) = (
        Identity::load(&credential),
        TrustBundle::from_pem(&credential.ca_crt),
    ) else {
        // Said of the Secret already.
        return item;
    };
    let servers = servers.named(format!("ca.crt of Secret {}", link.spec.tls_credentials));
    let ours = identity.certificate().clone();
    match config(Some(identity), servers) {
        Err(advice) => item.faults.push(advice),
        Ok(config) => {
            let (outcome, record) = dial(endpoint, config, Some(&ours)).await;
            let presented = record.presented.first();
            describe(&mut item, &outcome, presented);
        }
    }
    item
}

/// Tells what came of a connection for a Link.
fn describe(item: &mut Item, outcome: &Dialled, presented: Option<&Certificate>) {
    match outcome {
        Dialled::Accepted(accepted) => {
            let server = presented.map_or_else(String::new, |server| {
                format!(", presents {} issued by {}", server.subject, server.issuer)
            });
            item.title = format!("{}: {}{server}", item.title, accepted.agreed);
        }
        Dialled::Refused(failure) => {
            item.faults
                .push(Advice::new(failure.to_string(), failure.remedy()));
        }
        Dialled::NoRouter(why) => {
            item.faults.push(Advice::new(
                why.clone(),
                "check host and port, and the log of the router there",
            ));
        }
        // The router may well reach what this machine does not.
        Dialled::Unreached(advice) => item.notes.push(advice.clone()),
    }
}

async fn check_access(access: &RouterAccess, secrets: &Secrets, handshake: bool) -> Vec<Item> {
    let mut items = vec![state("RouterAccess", access)];
    let endpoints: &[Endpoint] = access
        .status
        .as_ref()
        .map_or(&[], |status| &status.endpoints);
    let name = &access.spec.tls_credentials;
    let expected = secrets
        .get(name)
        .and_then(|secret| credential(secret).leaf());
    let Some(expected) = expected.filter(|_| handshake) else {
        return items;
    };
    for endpoint in endpoints {
        let mut item = Item {
            title: format!("{} at {endpoint}", endpoint.name),
            ..Item::default()
        };
        // Nobody is trusted: all that is wanted is to see what is presented.
        match config(None, TrustBundle::new(Vec::new())) {
            Err(advice) => item.faults.push(advice),
            Ok(config) => {
                let (outcome, record) = dial(endpoint, config, None).await;
                match (record.presented.first(), outcome) {
                    (Some(presented), _) => {
                        compare(&mut item, presented, &expected, name, endpoint)
                    }
                    (None, Dialled::Unreached(advice)) => item.notes.push(advice),
                    (None, Dialled::Refused(failure)) => {
                        item.faults
                            .push(Advice::new(failure.to_string(), failure.remedy()));
                    }
                    (None, _) => item
                        .notes
                        .push(Advice::new("it presents no certificate", "")),
                }
            }
        }
        items.push(item);
    }
    items
}

/// Compares what is presented with what should be.
fn compare(
    item: &mut Item,
    presented: &Certificate,
    expected: &Certificate,
    secret: &str,
    endpoint: &Endpoint,
) {
    item.title = format!(
        "{} presents {} issued by {}",
        item.title, presented.subject, presented.issuer
    );
    if presented.fingerprint() != expected.fingerprint() {
        item.faults.push(Advice::new(
            format!(
                "it is another certificate than that of Secret {secret}: presented SHA-256 {}, expected {} ({})",
                presented.fingerprint(),
                expected.fingerprint(),
                expected.subject
            ),
            "if the Secret changed just now, wait a moment; else look at the log of the adaptor, and check that nothing between terminates TLS",
        ));
    } else if !skupper_pki::verify::covers(presented, &endpoint.host) {
        item.notes.push(Advice::new(
            format!(
                "it does not cover {}, by which other sites connect",
                endpoint.host
            ),
            format!("issue the certificate in Secret {secret} with that name"),
        ));
    }
}

fn config(identity: Option<Identity>, servers: TrustBundle) -> Result<ClientConfig, Advice> {
    let clock: Arc<dyn TimeProvider> = Arc::new(DefaultTimeProvider);
    let options = ClientOptions {
        identity,
        servers,
        verify_name: true,
        alpn: Vec::new(),
        versions: Versions::default(),
        clock,
    };
    client_config(options).map_err(|error| Advice::new(error.to_string(), ""))
}
