//! The API server, as the commands need it.

use std::fmt::Debug;

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arguments::Global;
use crate::failure::{Failure, INVALID};

/// Who writes, for the managed fields of objects.
const FIELD_MANAGER: &str = "skupper";

/// A namespace of a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    /// The namespace.
    pub(crate) namespace: String,
}

/// What the commands ask of a kind: it lives in a namespace, and its type is known.
pub(crate) trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
{
}

impl Cluster {
    /// Finds cluster and namespace: `--kubeconfig` alone if given, else `KUBECONFIG`, `~/.kube/config`, or the pod's own
    /// service account.
    pub(crate) async fn connect(global: &Global) -> Result<Self, Failure> {
        let options = KubeConfigOptions {
            context: global.context.clone(),
            ..KubeConfigOptions::default()
        };
        let failed = |error: &dyn std::error::Error| {
            Failure::failed(format!("no usable kubeconfig: {}", with_sources(error)))
                .next("set KUBECONFIG, or give --kubeconfig FILE and, if need be, --context NAME")
        };
        let config = match &global.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|error| failed(&error))?;
                Config::from_custom_kubeconfig(file, &options).await
            }
            None => match Config::from_kubeconfig(&options).await {
                Err(_) if global.context.is_none() && std::env::var_os("KUBECONFIG").is_none() => {
                    match Config::incluster() {
                        Ok(config) => Ok(config),
                        Err(_) => Config::from_kubeconfig(&options).await,
                    }
                }
                config => config,
            },
        };
        let config = config.map_err(|error| failed(&error))?;
        let namespace = match &global.namespace {
            Some(namespace) if !namespace.is_empty() => namespace.clone(),
            _ => config.default_namespace.clone(),
        };
        let client = Client::try_from(config).map_err(|error| failed(&error))?;
        Ok(Self { client, namespace })
    }

    fn api<K: Object>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn list<K: Object>(&self) -> Result<Vec<K>, Failure> {
        self.list_labelled("").await
    }

    pub(crate) async fn list_labelled<K: Object>(&self, labels: &str) -> Result<Vec<K>, Failure> {
        let params = ListParams::default().labels(labels);
        let list = self
            .api::<K>()
            .list(&params)
            .await
            .map_err(|e| explain(&e))?;
        Ok(list.items)
    }

    /// `None` where there is no such object; every other error is one.
    pub(crate) async fn get<K: Object>(&self, name: &str) -> Result<Option<K>, Failure> {
        self.api::<K>().get_opt(name).await.map_err(|e| explain(&e))
    }

    pub(crate) async fn create<K: Object>(&self, object: &K) -> Result<(), Failure> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let created = self.api::<K>().create(&params, object).await;
        created.map(|_| ()).map_err(|e| explain(&e))
    }

    /// Changes the fields given (RFC 7386), so that nothing else of the object is touched.
    pub(crate) async fn patch<K: Object>(
        &self,
        name: &str,
        changes: &Value,
    ) -> Result<(), Failure> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = self
            .api::<K>()
            .patch(name, &params, &Patch::Merge(changes))
            .await;
        patched.map(|_| ()).map_err(|e| explain(&e))
    }

    pub(crate) async fn delete<K: Object>(&self, name: &str) -> Result<(), Failure> {
        let deleted = self.api::<K>().delete(name, &DeleteParams::default()).await;
        deleted.map(|_| ()).map_err(|e| explain(&e))
    }
}

/// What the API server said, with its remedy where one is known.
fn explain(error: &kube::Error) -> Failure {
    let kube::Error::Api(status) = error else {
        return Failure::failed(format!(
            "the API server cannot be reached: {}",
            with_sources(error)
        ))
        .next("check that the cluster runs and that the kubeconfig context is the right one");
    };
    let missing_kind = status.code == 404
        && (status
            .message
            .starts_with("the server could not find the requested resource")
            || status.message.starts_with("404 page not found"));
    if missing_kind {
        return Failure {
            code: INVALID,
            messages: vec![
                "The Skupper CRDs are not yet installed. To install them, run\n\"kubectl apply -f https://skupper.io/v2/install.yaml\"".to_owned(),
            ],
            next: None,
        };
    }
    let failure = Failure::failed(if status.message.is_empty() {
        format!("the API server answers {} ({})", status.reason, status.code)
    } else {
        status.message.clone()
    });
    match status.code {
        401 => failure.next("log in to the cluster again"),
        403 => failure.next("ask for the right that is named above, in this namespace"),
        _ => failure,
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
