//! What is looked at from outside: the router's entities, what its listeners present, the documents of the namespace.

use anyhow::{Context as _, Result};
use serde_json::Value;
use skupper_client::{Client, Endpoint};
use skupper_management::{Attributes, Kind};
use skupper_pki::Credential;
use xtask::wait;

use super::MANAGEMENT;
use super::pod::Pod;
use crate::stage::LIMIT;

impl Pod<'_> {
    /// Entities of the router.
    fn query(&self, kind: Kind) -> Result<Vec<Attributes>> {
        self.stage.cluster.enter()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let client = Client::new(Endpoint::tcp("127.0.0.1", MANAGEMENT), "test");
            Ok(client.query(kind, &[]).await?)
        })
    }

    /// Waits until the names of a router's entities are these.
    pub fn until_names(&self, kind: Kind, wanted: &[&str]) -> Result<()> {
        let mut last = Vec::new();
        wait::until(
            &format!("the {kind:?}s of the router to be {wanted:?}"),
            LIMIT,
            || {
                let name =
                    |entity: &Attributes| entity["name"].as_str().unwrap_or_default().to_owned();
                last = self.query(kind)?.iter().map(name).collect();
                last.sort();
                Ok((last == wanted).then_some(()))
            },
        )
        .with_context(|| format!("last seen: {last:?}"))
    }

    /// Waits until an attribute of an entity reads so.
    pub fn until_attribute(
        &self,
        kind: Kind,
        name: &str,
        attribute: &str,
        wanted: &Value,
    ) -> Result<()> {
        let mut last = Value::Null;
        wait::until(
            &format!("{attribute} of {name} to be {wanted}"),
            LIMIT,
            || {
                let entities = self.query(kind)?;
                let entity = entities.iter().find(|entity| entity["name"] == name);
                last = entity
                    .and_then(|entity| entity.get(attribute))
                    .cloned()
                    .unwrap_or_default();
                Ok((last == *wanted).then_some(()))
            },
        )
        .with_context(|| format!("last seen: {last}"))
    }

    /// Waits until a listener presents this credential in a handshake.
    pub fn until_presented(&self, port: u16, wanted: &Credential) -> Result<()> {
        let wanted = wanted.leaf_fingerprint();
        wait::until("the certificate to be presented", LIMIT, || {
            let mut command = self.stage.cluster.command("openssl")?;
            let handshake = command
                .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
                .stdin(std::process::Stdio::null())
                .output()?;
            let presented = Credential {
                tls_crt: handshake.stdout,
                ..Credential::default()
            };
            let presented = presented.leaf_fingerprint();
            Ok((presented.is_some() && presented == wanted).then_some(()))
        })
    }

    /// The text at a key of a ConfigMap, read as JSON, once it is as wanted.
    pub fn until_document(
        &self,
        (config_map, key): (&str, &str),
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let mut last = Value::Null;
        wait::until(&format!("{config_map} {what}"), LIMIT, || {
            let object = self.stage.get(&self.namespace, "configmap", config_map)?;
            last = serde_json::from_str(object["data"][key].as_str().unwrap_or("null"))?;
            Ok(wanted(&last).then(|| last.clone()))
        })
        .with_context(|| format!("last seen: {last}"))
    }

    /// The owner of a ConfigMap.
    pub fn owner(&self, config_map: &str) -> Result<Value> {
        let object = self.stage.get(&self.namespace, "configmap", config_map)?;
        Ok(object["metadata"]["ownerReferences"][0].clone())
    }
}
