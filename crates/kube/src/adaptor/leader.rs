//! What one pod of a site does for all of them.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::Api;
use skupper_client::Endpoint;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::network::pods;
use super::network::talk::Network;
use crate::client::text;
use crate::lease::{Election, Timing};

/// The Lease of upstream's adaptors, so that both kinds of adaptor take part in the same election.
const LEASE: &str = "skupper-site-leader";
/// Pauses between attempts to read the Deployment.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// A candidate.
pub(super) struct Leader {
    pub(super) client: kube::Client,
    pub(super) namespace: String,
    /// The router's Deployment, whose owner is the Site.
    pub(super) deployment: String,
    pub(super) pod: String,
    pub(super) endpoint: Endpoint,
}

impl Leader {
    /// Takes part in the election for ever, and leads while elected.
    pub(super) async fn run(&self) {
        let leading = watch::Sender::new(false);
        let leads = leading.subscribe();
        let election = self.election();
        tokio::join!(election.run(&leading), self.follow(leads));
    }

    /// Lets another pod lead at once.
    pub(super) async fn release(&self) {
        self.election().release().await;
    }

    fn election(&self) -> Election {
        Election::new(
            self.client.clone(),
            &self.namespace,
            LEASE,
            &self.pod,
            Timing::default(),
        )
    }

    async fn follow(&self, mut leads: watch::Receiver<bool>) {
        loop {
            if leads.wait_for(|leads| *leads).await.is_err() {
                return;
            }
            info!("looking after the network's status");
            tokio::select! {
                () = self.lead() => {}
                _ = leads.wait_for(|leads| !*leads) => info!("another pod looks after the network's status"),
            }
        }
    }

    async fn lead(&self) {
        let deployment = self.deployment().await;
        let owners = deployment
            .metadata
            .owner_references
            .as_deref()
            .unwrap_or_default();
        let site: Option<&OwnerReference> = owners.first();
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let id = site.map_or_else(|| variable("SKUPPER_SITE_ID"), |site| site.uid.clone());
        let name = site.map_or_else(|| variable("SKUPPER_SITE_NAME"), |site| site.name.clone());
        if id.is_empty() {
            warn!(
                deployment = self.deployment,
                "the Deployment has no Site as its owner: nobody can be told of this site"
            );
            sleep(PAUSES.1).await;
            return;
        }
        let network = Network {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            endpoint: self.endpoint.clone(),
            site: pods::site(&deployment, &id, &name, env!("CARGO_PKG_VERSION")),
            // With two Deployments for one Site, the status must outlive either.
            owner: site.cloned().map(|site| OwnerReference {
                controller: None,
                block_owner_deletion: None,
                ..site
            }),
        };
        network.run().await;
    }

    async fn deployment(&self) -> Deployment {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut pause = PAUSES.0;
        loop {
            match api.get(&self.deployment).await {
                Ok(deployment) => return deployment,
                Err(error) => warn!(
                    deployment = self.deployment,
                    "cannot read the router's Deployment: {}",
                    text(&error)
                ),
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
