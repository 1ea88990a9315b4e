//! Two sites with running pods, user's certificates on both sides, and a link between them: ready for whatever may happen.

use crate::material::{Authority, Credential, Leaf};
use crate::space::Space;
use crate::stage::Stage;
use anyhow::Result;
use serde_json::Value;

/// The ground on which faults are planted: site `west`, which accepts links, and site `east`, whose Link `good` is up.
pub struct Ground {
    /// The accepting site.
    pub west: Space,
    /// The connecting site.
    pub east: Space,
    /// The CA of both sides.
    pub ca: Authority,
    /// A CA that is not trusted.
    pub foreign: Authority,
    /// A CA of the same name as [`Ground::ca`], with another key.
    pub namesake: Authority,
    /// Endpoints of the accepting site.
    pub endpoints: Value,
    /// Their host.
    pub host: String,
}

/// Name of the CA.
pub const CA_NAME: &str = "Corporate CA";

impl Ground {
    /// Makes both, in namespaces `<name>-west` and `<name>-east`.
    pub fn new(stage: &Stage, name: &str) -> Result<Self> {
        let (west, east) = (
            stage.space(&format!("{name}-west"))?,
            stage.space(&format!("{name}-east"))?,
        );
        west.site("west", Some("default"))?;
        east.site("east", None)?;
        let endpoints = west.endpoints("west")?;
        let host = endpoints[0]["host"].as_str().unwrap_or_default().to_owned();
        let ground = Ground {
            west,
            east,
            ca: Authority::new(CA_NAME)?,
            foreign: Authority::new("Foreign CA")?,
            namesake: Authority::new(CA_NAME)?,
            endpoints,
            host,
        };
        ground
            .west
            .apply(&ground.good_server()?.secret("skupper-site-server"))?;
        ground
            .west
            .apply(&ground.ca.credential().secret("skupper-site-ca"))?;
        ground.west.await_ready("site", "west")?;
        ground.east.await_ready("site", "east")?;
        ground.east.await_pods("skupper.io/component=router")?;
        // The ground itself is good: a link comes up on it.
        ground.east.apply(&ground.good_client()?.secret("good"))?;
        ground.east.link("good", &ground.endpoints, "good")?;
        ground.east.await_ready("link", "good")?;
        Ok(ground)
    }

    /// A server certificate that works.
    pub fn good_server(&self) -> Result<Credential> {
        self.ca
            .issue(&Leaf::server(&[&self.host, "skupper-router"]))
    }

    /// A client credential that works.
    pub fn good_client(&self) -> Result<Credential> {
        self.ca.issue(&Leaf::client("east"))
    }

    /// The endpoints with another host or port.
    pub fn endpoints_at(&self, host: &str, port: &str) -> Value {
        let mut endpoints = self.endpoints.clone();
        for endpoint in endpoints.as_array_mut().into_iter().flatten() {
            endpoint["host"] = host.into();
            endpoint["port"] = port.into();
        }
        endpoints
    }
}
