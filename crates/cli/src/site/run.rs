//! `skupper site`: what is done at the API server.

use skupper_api::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, Certificate, Connector,
    Listener, RouterAccess, SecuredAccess, Site,
};

use crate::act::{self, Patience};
use crate::arguments::Global;
use crate::arguments::site::{Command, Create, Delete, Generate, Status, Update};
use crate::cluster::{Cluster, Object};
use crate::document::{Format, encode};
use crate::failure::Outcome;
use crate::output::print;
use crate::validate::{self, Problems};

pub(crate) async fn run(command: Command, global: &Global) -> Outcome {
    if let Command::Generate(command) = &command {
        return generate(command, global);
    }
    let cluster = Cluster::connect(global).await?;
    match command {
        Command::Create(command) => create(&cluster, &command).await,
        Command::Update(command) => update(&cluster, &command).await,
        Command::Status(command) => status(&cluster, &command).await,
        Command::Delete(command) => delete(&cluster, &command).await,
        Command::Generate(command) => generate(&command, global),
    }
}

async fn create(cluster: &Cluster, command: &Create) -> Outcome {
    let existing = cluster.list::<Site>().await?;
    let site = super::create(command, existing.len())?;
    let patience = Patience {
        until: &command.wait,
        timeout: command.timeout,
        meanwhile: "Waiting for status...",
    };
    act::create(cluster, &site, patience).await
}

fn generate(command: &Generate, global: &Global) -> Outcome {
    let mut site = super::generate(command)?;
    site.metadata.namespace = global.namespace.clone();
    print(&format!(
        "{}\n",
        encode(&site, Format::of(&command.output))?
    ))
}

async fn update(cluster: &Cluster, command: &Update) -> Outcome {
    let sites = cluster.list::<Site>().await?;
    let (name, changes) = super::update(command, &sites)?;
    let patience = Patience {
        until: &command.wait,
        timeout: command.timeout,
        meanwhile: "Waiting for update to complete...",
    };
    act::update::<Site>(cluster, &name, &changes, patience, "updated").await
}

async fn status(cluster: &Cluster, command: &Status) -> Outcome {
    let mut problems = Problems::default();
    if !command.names.is_empty() {
        problems.add("this command does not need any arguments");
    }
    let output = command.output.output.as_str();
    if !output.is_empty() {
        problems.check(
            "output type is not valid",
            validate::option(output, &validate::OUTPUTS),
        );
    }
    problems.or(())?;
    act::show_all::<Site>(cluster, Format::asked(output), super::status).await
}

async fn delete(cluster: &Cluster, command: &Delete) -> Outcome {
    let sites = cluster.list::<Site>().await?;
    let name = super::delete(command, &sites)?;
    cluster.delete::<Site>(&name).await?;
    if command.all.0 {
        delete_all::<Connector>(cluster).await?;
        delete_all::<Listener>(cluster).await?;
        delete_all::<AccessToken>(cluster).await?;
        delete_all::<AccessGrant>(cluster).await?;
        delete_all::<RouterAccess>(cluster).await?;
        delete_all::<SecuredAccess>(cluster).await?;
        delete_all::<Certificate>(cluster).await?;
        delete_all::<AttachedConnector>(cluster).await?;
        delete_all::<AttachedConnectorBinding>(cluster).await?;
    }
    match command.wait.0 {
        true => act::gone::<Site>(cluster, &name, command.timeout, "is deleted").await,
        false => Ok(()),
    }
}

/// Removes every object of a kind. What is gone meanwhile, for instance with its owner, is no failure.
async fn delete_all<K: Object>(cluster: &Cluster) -> Outcome {
    for object in cluster.list::<K>().await? {
        let name = super::name_of(&object);
        if let Err(failure) = cluster.delete::<K>(name).await
            && cluster.get::<K>(name).await?.is_some()
        {
            return Err(failure);
        }
    }
    Ok(())
}
