//! What commands do at the API server, whatever the kind: make, change, remove, wait for it, and say so.

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use skupper_api::Kind;

use crate::arguments::{GoDuration, Removed};
use crate::cluster::{Cluster, Object};
use crate::document::{Format, encode};
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::service::typed;
use crate::site::name_of;
use crate::validate;
use crate::wait::{self, Until};

/// What to wait for, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience<'a> {
    /// As typed, and validated: ready, configured or none.
    pub(crate) until: &'a str,
    pub(crate) timeout: GoDuration,
    /// Said on a terminal meanwhile.
    pub(crate) meanwhile: &'static str,
}

/// Makes an object.
pub(crate) async fn create<K: Object + Kind>(
    cluster: &Cluster,
    object: &K,
    patience: Patience<'_>,
) -> Outcome {
    cluster.create(object).await?;
    let name = name_of(object);
    let word = Until::of(patience.until).word();
    let done = format!("{} \"{name}\" is {word}.\n", K::KIND);
    wait_and_say::<K>(cluster, name, patience, &done).await
}

/// Changes an object, and says so with these words behind its name.
pub(crate) async fn update<K: Object + Kind>(
    cluster: &Cluster,
    name: &str,
    changes: &Value,
    patience: Patience<'_>,
    done: &str,
) -> Outcome {
    cluster.patch::<K>(name, changes).await?;
    let done = format!("{} \"{name}\" is {done}\n", K::KIND);
    wait_and_say::<K>(cluster, name, patience, &done).await
}

async fn wait_and_say<K: Object + Kind>(
    cluster: &Cluster,
    name: &str,
    patience: Patience<'_>,
    done: &str,
) -> Outcome {
    let until = Until::of(patience.until);
    wait::until::<K>(cluster, name, until, patience.timeout, patience.meanwhile).await?;
    match until {
        Until::None => Ok(()),
        _ => print(done),
    }
}

/// Removes an object and, unless that is not wanted, waits until it is gone and says so with these words behind its name.
pub(crate) async fn delete<K: Object + Kind>(
    cluster: &Cluster,
    name: &str,
    command: &Removed,
    done: &str,
) -> Outcome {
    cluster.delete::<K>(name).await?;
    match command.wait.0 {
        true => gone::<K>(cluster, name, command.timeout, done).await,
        false => Ok(()),
    }
}

/// Waits until an object that was deleted is gone, and says so with these words behind its name.
pub(crate) async fn gone<K: Object + Kind>(
    cluster: &Cluster,
    name: &str,
    timeout: GoDuration,
    done: &str,
) -> Outcome {
    let kind = K::KIND;
    match wait::gone::<K>(cluster, name, timeout).await? {
        true => print(&format!("{kind} \"{name}\" {done}\n")),
        false => Err(Failure::failed(format!(
            "{kind} \"{name}\" not deleted yet, check the status for more information"
        ))
        .next(format!(
            "kubectl get {} {name} -o yaml shows which finalizers hold it",
            kind.to_ascii_lowercase()
        ))),
    }
}

/// Whether there is an object of the name that was typed; what cannot be a name is none.
pub(crate) async fn exists<K: Object>(
    cluster: &Cluster,
    name: Option<&String>,
) -> Result<bool, Failure> {
    match typed(name) {
        Some(name) if validate::resource_name(name).is_ok() => {
            Ok(cluster.get::<K>(name).await?.is_some())
        }
        _ => Ok(false),
    }
}

/// Whether there is a Secret of the name that was typed; `true` where none was.
pub(crate) async fn secret_exists(
    cluster: &Cluster,
    name: Option<&String>,
) -> Result<bool, Failure> {
    match typed(name) {
        Some(name) => Ok(cluster.get::<Secret>(name).await?.is_some()),
        None => Ok(true),
    }
}

/// Prints one object: as a document where a format was asked for, else in words.
pub(crate) async fn show<K: Object>(
    cluster: &Cluster,
    name: &str,
    format: Option<Format>,
    words: impl Fn(&K) -> String,
) -> Outcome {
    let Some(object) = cluster.get::<K>(name).await? else {
        let (kinds, kind) = (K::plural(&()), K::kind(&()).to_ascii_lowercase());
        return Err(
            Failure::failed(format!("{kinds}.skupper.io \"{name}\" not found"))
                .next(format!("skupper {kind} status lists what there is")),
        );
    };
    match format {
        Some(format) => print(&format!("{}\n", encode(&object, format)?)),
        None => print(&words(&object)),
    }
}

/// Prints all objects: as documents where a format was asked for and there are any, else as a table.
pub(crate) async fn show_all<K: Object>(
    cluster: &Cluster,
    format: Option<Format>,
    table: impl Fn(&[K]) -> String,
) -> Outcome {
    let all = cluster.list::<K>().await?;
    match format {
        Some(format) if !all.is_empty() => {
            for object in &all {
                print(&format!("{}\n", encode(object, format)?))?;
            }
            Ok(())
        }
        _ => print(&table(&all)),
    }
}
