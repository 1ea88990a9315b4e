//! `skupper link`: what is done at the API server.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use skupper_api::{Certificate, Link, RouterAccess, Site};

use super::Known;
use super::generate::{Request, request};
use super::issue::{Source, not_issued, source};
use super::trust::{self, Server};
use crate::act::{self, Patience};
use crate::arguments::link::{Command, Generate, Update};
use crate::arguments::{Global, Removed, Shown};
use crate::cluster::Cluster;
use crate::document::Format;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::wait;

pub(crate) async fn run(command: Command, global: &Global) -> Outcome {
    let cluster = Cluster::connect(global).await?;
    match command {
        Command::Generate(command) => generate(&cluster, &command).await,
        Command::Status(command) => status(&cluster, &command).await,
        Command::Update(command) => update(&cluster, &command).await,
        Command::Delete(command) => delete(&cluster, &command).await,
    }
}

async fn generate(cluster: &Cluster, command: &Generate) -> Outcome {
    let request = request(command, &cluster.list::<Site>().await?)?;
    let links = request.links()?;
    if !request.with_secret {
        return print(&request.documents(&links, None)?);
    }
    let servers = servers(cluster, &request).await?;
    let name = &request.credentials;
    let known = cluster.get::<Secret>(name).await?;
    let certificate = cluster.get::<Certificate>(name).await?;
    let secret = match (source(known.as_ref(), certificate.as_ref()), known) {
        (Source::Existing, Some(secret)) => secret,
        (Source::Issue, _) => {
            let issuer = cluster.get::<Secret>(request.issuer()).await?;
            trust::judge_issuer(
                request.issuer(),
                issuer.as_ref(),
                &servers,
                Timestamp::now(),
            )?;
            cluster.create(&request.certificate()).await?;
            issued(cluster, name, command).await?
        }
        _ => issued(cluster, name, command).await?,
    };
    trust::judge_credential(name, &secret, &servers, Timestamp::now())?;
    for warning in trust::uncovered(&servers) {
        eprintln!("Warning: {warning}");
    }
    print(&request.documents(&links, Some(&secret))?)
}

/// The Secrets behind the endpoints of the site.
async fn servers(cluster: &Cluster, request: &Request) -> Result<Vec<Server>, Failure> {
    let accesses = cluster.list::<RouterAccess>().await?;
    let mut servers = Vec::new();
    for (name, hosts) in trust::servers(&accesses, request.endpoints()) {
        let secret = cluster.get::<Secret>(&name).await?;
        servers.push(Server {
            name,
            hosts,
            secret,
        });
    }
    Ok(servers)
}

async fn issued(cluster: &Cluster, name: &str, command: &Generate) -> Result<Secret, Failure> {
    let mut secret = None;
    wait::poll(command.timeout, "", async || {
        secret = cluster.get::<Secret>(name).await.ok().flatten();
        secret.is_some()
    })
    .await;
    if let Some(secret) = secret {
        return Ok(secret);
    }
    let certificate = cluster.get::<Certificate>(name).await.ok().flatten();
    Err(Failure::failed(format!(
        "TLS secret \"{name}\" not ready yet, check the status for more information"
    ))
    .next(not_issued(name, certificate.as_ref())))
}

async fn status(cluster: &Cluster, command: &Shown) -> Outcome {
    let has_site = !cluster.list::<Site>().await?.is_empty();
    let format = Format::asked(&command.output.output);
    match super::status(command, has_site)? {
        Some(name) => act::show::<Link>(cluster, name, format, super::details).await,
        None => act::show_all::<Link>(cluster, format, super::list).await,
    }
}

async fn update(cluster: &Cluster, command: &Update) -> Outcome {
    let known = known(cluster, &command.names, command.tls_credentials.as_ref()).await?;
    let (name, changes) = super::update(command, known)?;
    let patience = Patience {
        until: &command.wait,
        timeout: command.timeout,
        meanwhile: "Waiting for update to complete...",
    };
    act::update::<Link>(cluster, &name, &changes, patience, "updated").await
}

async fn delete(cluster: &Cluster, command: &Removed) -> Outcome {
    let known = known(cluster, &command.names, None).await?;
    let name = super::delete(command, known)?;
    act::delete::<Link>(cluster, &name, command, "is deleted").await
}

async fn known(
    cluster: &Cluster,
    names: &[String],
    secret: Option<&String>,
) -> Result<Known, Failure> {
    let site = !cluster.list::<Site>().await?.is_empty();
    Ok(Known {
        site,
        link: act::exists::<Link>(cluster, names.first()).await?,
        secret: act::secret_exists(cluster, secret).await?,
    })
}
