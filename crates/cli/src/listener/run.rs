//! `skupper listener`: what is done at the API server.

use skupper_api::Listener;

use super::WORD;
use crate::act::{self, Patience};
use crate::arguments::listener::Command;
use crate::arguments::{Global, Shown};
use crate::cluster::Cluster;
use crate::document::{Format, encode};
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::service::Known;

pub(crate) async fn run(command: Command, global: &Global) -> Outcome {
    if let Command::Generate(command) = &command {
        let mut listener = super::generate(command)?;
        listener.metadata.namespace = global.namespace.clone();
        let text = encode(&listener, Format::of(&command.output))?;
        return print(&format!("{text}\n"));
    }
    let cluster = Cluster::connect(global).await?;
    match command {
        Command::Create(command) => {
            let credentials = command.shape.tls_credentials.as_ref();
            let known = known(&cluster, command.arguments.first(), credentials).await?;
            let listener = super::create(&command, &known)?;
            let patience = Patience {
                until: &command.wait,
                timeout: command.timeout,
                meanwhile: "Waiting for create to complete...",
            };
            act::create(&cluster, &listener, patience).await
        }
        Command::Update(command) => {
            let credentials = command.shape.tls_credentials.as_ref();
            let known = known(&cluster, command.names.first(), credentials).await?;
            let (name, changes) = super::update(&command, &known)?;
            let patience = Patience {
                until: &command.wait,
                timeout: command.timeout,
                meanwhile: "Waiting for update to complete...",
            };
            act::update::<Listener>(&cluster, &name, &changes, patience, "updated").await
        }
        Command::Status(command) => status(&cluster, &command).await,
        Command::Delete(command) => {
            let known = known(&cluster, command.names.first(), None).await?;
            let name = WORD.delete(&command, &known)?;
            act::delete::<Listener>(&cluster, &name, &command, "deleted").await
        }
        Command::Generate(_) => Ok(()),
    }
}

async fn known<'a>(
    cluster: &'a Cluster,
    name: Option<&String>,
    secret: Option<&String>,
) -> Result<Known<'a>, Failure> {
    Ok(Known {
        namespace: &cluster.namespace,
        exists: act::exists::<Listener>(cluster, name).await?,
        secret_exists: act::secret_exists(cluster, secret).await?,
    })
}

async fn status(cluster: &Cluster, command: &Shown) -> Outcome {
    let known = known(cluster, command.names.first(), None).await?;
    let format = Format::asked(&command.output.output);
    match WORD.shown(command, &known)? {
        Some(name) => act::show::<Listener>(cluster, name, format, super::details).await,
        None => act::show_all::<Listener>(cluster, format, super::list).await,
    }
}
