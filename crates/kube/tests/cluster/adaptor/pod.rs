//! A site's namespace as a controller leaves it, and its pod's directory.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use skupper_pki::issue::{CaRequest, Issued, Issuer, LeafRequest, issue_ca};
use skupper_pki::{Credential, KeyAlgorithm};
use skupper_site::access::AccessType;
use skupper_site::profiles::{Profile, Profiles, checksum};
use skupper_site::{
    AccessSettings, CertificateSettings, ControllerIdentity, Images, Memo, ObjectKind, Observed,
    Settings, Write,
};

use super::MANAGEMENT;
use crate::stage::Stage;

/// A namespace with what a controller makes for a router's pod, and that pod's directory.
pub struct Pod<'s> {
    pub stage: &'s Stage,
    pub namespace: String,
    pub folder: tempfile::TempDir,
    pub kubeconfig: PathBuf,
    ca: Issued,
}

/// What our controller says of a profile: its name, its Secret, ordinal and checksum.
pub type Said<'p> = (&'p str, &'p str, u64, &'p str);

impl<'s> Pod<'s> {
    pub fn new(stage: &'s Stage, namespace: &str) -> Result<Self> {
        stage.namespace(namespace)?;
        let site = json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Site", "metadata": {"name": "west"}, "spec": {}});
        let lifetime = jiff::SignedDuration::from_hours(24);
        let request = CaRequest {
            subject: "ca".to_owned(),
            lifetime,
            algorithm: KeyAlgorithm::default(),
        };
        let mut pod = Self {
            stage,
            namespace: namespace.to_owned(),
            folder: tempfile::tempdir()?,
            kubeconfig: PathBuf::new(),
            ca: issue_ca(&request, jiff::Timestamp::now())?,
        };
        pod.apply(&site)?;
        let site = stage.get(namespace, "sites.skupper.io", "west")?;
        // The account of the router's pod is that of the model, to the last verb.
        for object in accounts(namespace, &site)? {
            pod.apply(&object)?;
        }
        let owner = json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Site", "name": "west", "uid": site["metadata"]["uid"]});
        let labels = json!({"skupper.io/component": "router"});
        pod.apply(&json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "skupper-router", "ownerReferences": [owner]},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "router", "image": "localhost/none:none"}]}}}}))?;
        pod.kubeconfig = stage.kubeconfig(namespace, "skupper-router")?;
        Ok(pod)
    }

    pub fn apply(&self, object: &Value) -> Result<()> {
        self.stage
            .feed(
                &["-n", &self.namespace, "apply", "-f", "-"],
                &object.to_string(),
            )
            .map(drop)
    }

    /// The directory that router and adaptor share.
    pub fn certificates(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    pub fn file(&self, path: &str) -> Result<Vec<u8>> {
        let path = self.certificates().join(path);
        std::fs::read(&path).with_context(|| path.display().to_string())
    }

    /// A credential of the site's CA.
    pub fn issue(&self) -> Result<Credential> {
        let request = LeafRequest {
            subject: "server".to_owned(),
            hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            server: true,
            client: true,
            lifetime: jiff::SignedDuration::from_hours(1),
            algorithm: KeyAlgorithm::default(),
        };
        Ok(Issuer::of(&self.ca)
            .issue(&request, jiff::Timestamp::now())?
            .credential())
    }

    /// Applies a TLS Secret; its checksum.
    pub fn secret(&self, name: &str, credential: &Credential) -> Result<String> {
        let data: serde_json::Map<String, Value> = credential
            .data()
            .map(|(key, bytes)| (key.to_owned(), String::from_utf8_lossy(bytes).into()))
            .collect();
        self.apply(
            &json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name}, "stringData": data}),
        )?;
        let secret = self.stage.get(&self.namespace, "secret", name)?;
        Ok(checksum(&serde_json::from_value(secret)?))
    }

    /// A section for a profile with all files.
    pub fn profile(&self, name: &str, ordinal: u64) -> Value {
        let folder = self.certificates().join(name);
        let path = |file: &str| folder.join(file).display().to_string();
        json!(["sslProfile", {"name": name, "certFile": path("tls.crt"), "privateKeyFile": path("tls.key"),
            "caCertFile": path("ca.crt"), "ordinal": ordinal}])
    }

    /// Applies the router's ConfigMap: the router itself, its own listeners, and these sections.
    pub fn configure(&self, sections: &[Value], profiles: &[Said<'_>]) -> Result<()> {
        let mut all = vec![
            json!(["router", {"id": "west-pod", "mode": "interior", "helloMaxAgeSeconds": "3"}]),
            json!(["listener", {"name": "amqp", "host": "localhost", "port": MANAGEMENT}]),
            json!(["address", {"prefix": "mc", "distribution": "multicast"}]),
        ];
        all.extend_from_slice(sections);
        self.write_config(&serde_json::to_string_pretty(&all)?, profiles)
    }

    /// Applies the router's ConfigMap with any text in the place of a configuration.
    pub fn write_config(&self, text: &str, profiles: &[Said<'_>]) -> Result<()> {
        let mut data = serde_json::Map::new();
        data.insert("skrouterd.json".to_owned(), text.into());
        if !profiles.is_empty() {
            let profile = |(name, secret, ordinal, checksum): &Said<'_>| {
                let profile = Profile {
                    secret: (*secret).to_owned(),
                    ordinal: *ordinal,
                    checksum: (*checksum).to_owned(),
                    ..Profile::default()
                };
                ((*name).to_owned(), profile)
            };
            let profiles: Profiles = profiles.iter().map(profile).collect();
            data.insert(
                "tls-profiles.json".to_owned(),
                serde_json::to_string(&profiles)?.into(),
            );
        }
        self.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "skupper-router"}, "data": data}))
    }
}

/// ServiceAccount, Role and RoleBinding, as the model of a site wants them.
fn accounts(namespace: &str, site: &Value) -> Result<Vec<Value>> {
    let mut observed = Observed {
        namespace: namespace.to_owned(),
        ..Observed::default()
    };
    observed.sites.insert(
        "west".to_owned(),
        std::sync::Arc::new(serde_json::from_value(site.clone())?),
    );
    let settings = Settings {
        controller: ControllerIdentity {
            name: "skupper-controller".to_owned(),
            namespace: "skupper".to_owned(),
            version: "test".to_owned(),
        },
        images: Images {
            router: String::new(),
            router_pull_policy: String::new(),
            adaptor: String::new(),
            adaptor_pull_policy: String::new(),
            adaptor_is_ours: true,
        },
        access: AccessSettings {
            enabled: vec![AccessType::Local],
            default: None,
            cluster_host: None,
        },
        certificates: CertificateSettings::default(),
        disable_security_context: false,
    };
    let now = jiff::Timestamp::now();
    let plan = skupper_site::reconcile(&observed, &settings, now, &mut Memo::default());
    let account = |write: Write| match write {
        Write::Create { kind, body, .. } | Write::Apply { kind, body, .. } => [
            ObjectKind::ServiceAccount,
            ObjectKind::Role,
            ObjectKind::RoleBinding,
        ]
        .contains(&kind)
        .then_some(body),
        _ => None,
    };
    let accounts: Vec<Value> = plan.writes.into_iter().filter_map(account).collect();
    anyhow::ensure!(accounts.len() == 3, "{accounts:?}");
    Ok(accounts)
}
