//! `skupper connector`: what is done at the API server.

use skupper_api::Connector;

use super::{WORD, workload};
use crate::act::{self, Patience};
use crate::arguments::connector::Command;
use crate::arguments::{Global, Shown};
use crate::cluster::Cluster;
use crate::document::{Format, encode};
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::service::{Known, typed};
use crate::wait::Until;

pub(crate) async fn run(command: Command, global: &Global) -> Outcome {
    if let Command::Generate(command) = &command {
        // Only a workload has to be asked for.
        let labels = match typed(command.shape.workload.as_ref()) {
            None => None,
            Some(named) => workload::labels(&Cluster::connect(global).await?, Some(named)).await,
        };
        let mut connector = super::generate(command, &labels)?;
        connector.metadata.namespace = global.namespace.clone();
        let text = encode(&connector, Format::of(&command.output))?;
        return print(&format!("{text}\n"));
    }
    let cluster = Cluster::connect(global).await?;
    match command {
        Command::Create(command) => {
            let credentials = command.shape.tls_credentials.as_ref();
            let known = known(&cluster, command.arguments.first(), credentials).await?;
            let labels = workload::labels(&cluster, command.shape.workload.as_deref()).await;
            let connector = super::create(&command, &known, &labels)?;
            let patience = Patience {
                until: &command.wait,
                timeout: command.timeout,
                meanwhile: "Waiting for create to complete...",
            };
            act::create(&cluster, &connector, patience).await
        }
        Command::Update(command) => {
            let credentials = command.shape.tls_credentials.as_ref();
            let known = known(&cluster, command.names.first(), credentials).await?;
            let labels = workload::labels(&cluster, command.shape.workload.as_deref()).await;
            let (name, changes) = super::update(&command, &known, &labels)?;
            let patience = Patience {
                until: &command.wait,
                timeout: command.timeout,
                meanwhile: "Waiting for update to complete...",
            };
            // As upstream words it, unlike the other kinds.
            let done = format!("{}.", Until::of(&command.wait).word());
            act::update::<Connector>(&cluster, &name, &changes, patience, &done).await
        }
        Command::Status(command) => status(&cluster, &command).await,
        Command::Delete(command) => {
            let known = known(&cluster, command.names.first(), None).await?;
            let name = WORD.delete(&command, &known)?;
            act::delete::<Connector>(&cluster, &name, &command, "deleted").await
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
        exists: act::exists::<Connector>(cluster, name).await?,
        secret_exists: act::secret_exists(cluster, secret).await?,
    })
}

async fn status(cluster: &Cluster, command: &Shown) -> Outcome {
    let known = known(cluster, command.names.first(), None).await?;
    let format = Format::asked(&command.output.output);
    match WORD.shown(command, &known)? {
        Some(name) => act::show::<Connector>(cluster, name, format, super::details).await,
        None => act::show_all::<Connector>(cluster, format, super::list).await,
    }
}
