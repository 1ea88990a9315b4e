//! `skupper connector`: what is done at the API server.

use k8s_openapi::api::core::v1::Secret;
use skupper_api::Connector;

use super::workload;
use crate::arguments::Global;
use crate::arguments::connector::{Command, Status};
use crate::cluster::Cluster;
use crate::document::{Format, encode};
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::service::{Known, typed};
use crate::validate::{self, Problems};
use crate::wait::{self, Until};

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
            let name = command.arguments.first();
            let credentials = command.shape.tls_credentials.as_ref();
            let (exists, secret_exists) = look(&cluster, name, credentials).await?;
            let namespace = &cluster.namespace;
            let labels = workload::labels(&cluster, command.shape.workload.as_deref()).await;
            let known = Known {
                namespace,
                exists,
                secret_exists,
            };
            let connector = super::create(&command, &known, &labels)?;
            let name = crate::site::name_of(&connector);
            cluster.create(&connector).await?;
            let until = Until::of(&command.wait);
            wait::until::<Connector>(
                &cluster,
                name,
                until,
                command.timeout,
                "Waiting for create to complete...",
            )
            .await?;
            match until {
                Until::None => Ok(()),
                _ => print(&format!("Connector \"{name}\" is {}.\n", until.word())),
            }
        }
        Command::Update(command) => {
            let credentials = command.shape.tls_credentials.as_ref();
            let (exists, secret_exists) =
                look(&cluster, command.names.first(), credentials).await?;
            let namespace = &cluster.namespace;
            let labels = workload::labels(&cluster, command.shape.workload.as_deref()).await;
            let known = Known {
                namespace,
                exists,
                secret_exists,
            };
            let (name, changes) = super::update(&command, &known, &labels)?;
            cluster.patch::<Connector>(&name, &changes).await?;
            let until = Until::of(&command.wait);
            wait::until::<Connector>(
                &cluster,
                &name,
                until,
                command.timeout,
                "Waiting for update to complete...",
            )
            .await?;
            match until {
                Until::None => Ok(()),
                _ => print(&format!("Connector \"{name}\" is {}.\n", until.word())),
            }
        }
        Command::Status(command) => status(&cluster, &command).await,
        Command::Delete(command) => {
            let (exists, secret_exists) = look(&cluster, command.names.first(), None).await?;
            let namespace = &cluster.namespace;
            let name = super::delete(
                &command,
                &Known {
                    namespace,
                    exists,
                    secret_exists,
                },
            )?;
            cluster.delete::<Connector>(&name).await?;
            if !command.wait.0 {
                return Ok(());
            }
            match wait::gone::<Connector>(&cluster, &name, command.timeout).await? {
                true => print(&format!("Connector \"{name}\" deleted\n")),
                false => Err(Failure::failed(format!(
                    "Connector \"{name}\" not deleted yet, check the status for more information"
                ))),
            }
        }
        Command::Generate(_) => Ok(()),
    }
}

/// Whether Connector and Secret of these names exist.
async fn look(
    cluster: &Cluster,
    name: Option<&String>,
    secret: Option<&String>,
) -> Result<(bool, bool), Failure> {
    let exists = match typed(name) {
        Some(name) if validate::resource_name(name).is_ok() => {
            cluster.get::<Connector>(name).await?.is_some()
        }
        _ => false,
    };
    let secret_exists = match typed(secret) {
        Some(name) => cluster.get::<Secret>(name).await?.is_some(),
        None => true,
    };
    Ok((exists, secret_exists))
}

async fn status(cluster: &Cluster, command: &Status) -> Outcome {
    let mut problems = Problems::default();
    let output = command.output.output.as_str();
    if command.names.len() > 1 {
        problems.add("only one argument is allowed for this command");
    }
    let name = command.names.first();
    let found = match typed(name) {
        Some(name) => {
            let found = cluster.get::<Connector>(name).await?;
            if found.is_none() {
                let namespace = &cluster.namespace;
                problems.add(format!(
                    "connector {name} does not exist in namespace {namespace}"
                ));
            }
            found
        }
        None => None,
    };
    if name.is_some_and(String::is_empty) {
        problems.add("connector name must not be empty");
    }
    if !output.is_empty() {
        problems.check(
            "output type is not valid",
            validate::option(output, &validate::OUTPUTS),
        );
    }
    problems.or(())?;
    let format = Format::asked(output);
    if let Some(connector) = &found {
        return match format {
            Some(format) => print(&format!("{}\n", encode(connector, format)?)),
            None => print(&super::details(connector)),
        };
    }
    let all = cluster.list::<Connector>().await?;
    match format {
        Some(format) if !all.is_empty() => {
            for connector in &all {
                print(&format!("{}\n", encode(connector, format)?))?;
            }
            Ok(())
        }
        _ => print(&super::list(&all)),
    }
}
