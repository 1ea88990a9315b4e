//! Faults of the connecting site: a Link, its Secret, its endpoint.

use anyhow::Result;
use rcgen::ExtendedKeyUsagePurpose::ServerAuth;
use serde_json::{Value, json};
use time::Duration;

use crate::ground::{CA_NAME, Ground};
use crate::material::{Authority, Credential, Leaf};

/// A fault, and what must be read of it.
pub struct Fault {
    /// What is wrong.
    pub name: &'static str,
    plant: fn(&Ground) -> Result<Planted>,
    /// Which condition of the Link tells it.
    pub condition: &'static str,
    /// Pieces of the sentence.
    pub link: &'static [&'static str],
    /// Pieces of the sentence at the accepting side's RouterAccess; empty where that side never sees it.
    pub router_access: &'static [&'static str],
}

impl Fault {
    /// Plants it in a Link and a Secret of the given name.
    pub fn plant(&self, ground: &Ground, name: &str) -> Result<()> {
        let Planted { secret, endpoints } = (self.plant)(ground)?;
        if let Some(mut secret) = secret {
            secret["metadata"]["name"] = name.into();
            ground.east.apply(&secret)?;
        }
        ground.east.link(name, &endpoints, name)
    }
}

/// What some faults need besides the ground: a server behind a port that does not speak TLS.
pub fn prepare(ground: &Ground) -> Result<()> {
    ground.east.web_server("web", "not AMQP")?;
    ground.east.apply(
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080}]}}),
    )?;
    ground.east.await_pods("app=web")
}

/// What to apply: the Secret (unless there is none) and the Link's endpoints.
struct Planted {
    secret: Option<Value>,
    endpoints: Value,
}

/// The condition that tells of what happens on the wire.
pub const OPERATIONAL: &str = "Operational";
const CONFIGURED: &str = "Configured";

/// A planted credential, in a Secret to be named.
fn credential(ground: &Ground, credential: Credential) -> Result<Planted> {
    Ok(Planted {
        secret: Some(credential.secret("")),
        endpoints: ground.endpoints.clone(),
    })
}

/// A good credential, and an endpoint to be tried.
fn endpoint(ground: &Ground, host: &str, port: &str) -> Result<Planted> {
    Ok(Planted {
        secret: Some(ground.good_client()?.secret("")),
        endpoints: ground.endpoints_at(host, port),
    })
}

/// All of them.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "foreign-ca-trusted",
        plant: |g| credential(g, g.good_client()?.trusting(g.foreign.pem())),
        condition: OPERATIONAL,
        link: &[
            "the server was refused here",
            CA_NAME,
            "Foreign CA",
            "ca.crt",
        ],
        router_access: &[],
    },
    Fault {
        name: "namesake-ca-trusted",
        plant: |g| credential(g, g.good_client()?.trusting(g.namesake.pem())),
        condition: OPERATIONAL,
        link: &[
            "the server was refused here",
            CA_NAME,
            "same name, different key",
            "ca.crt",
        ],
        router_access: &[],
    },
    Fault {
        name: "client-of-foreign-ca",
        plant: |g| {
            credential(
                g,
                g.foreign
                    .issue(&Leaf::client("stranger"))?
                    .trusting(g.ca.pem()),
            )
        },
        condition: OPERATIONAL,
        link: &[
            "the server refused our certificate",
            "stranger",
            "Foreign CA",
            "unknown_ca",
        ],
        router_access: &["stranger", "Foreign CA", CA_NAME, "ca.crt"],
    },
    Fault {
        name: "client-of-namesake-ca",
        plant: |g| {
            credential(
                g,
                g.namesake
                    .issue(&Leaf::client("double"))?
                    .trusting(g.ca.pem()),
            )
        },
        condition: OPERATIONAL,
        link: &["the server refused our certificate", "double", CA_NAME],
        router_access: &["double", CA_NAME, "same name, different key"],
    },
    Fault {
        name: "client-expired",
        plant: |g| {
            credential(
                g,
                g.ca.issue(&Leaf::client("late").dated(-Duration::days(9), -Duration::days(2)))?,
            )
        },
        condition: OPERATIONAL,
        link: &["late", "expired"],
        router_access: &["late", "expired"],
    },
    Fault {
        name: "client-not-yet-valid",
        plant: |g| {
            credential(
                g,
                g.ca.issue(&Leaf::client("early").dated(Duration::days(2), Duration::days(9)))?,
            )
        },
        condition: OPERATIONAL,
        link: &["early", "not yet valid"],
        router_access: &["early", "not yet valid"],
    },
    Fault {
        name: "client-without-client-auth",
        plant: |g| credential(g, g.ca.issue(&Leaf::client("unused").used(&[ServerAuth]))?),
        condition: OPERATIONAL,
        link: &["unused", "clientAuth"],
        router_access: &["unused", "clientAuth"],
    },
    Fault {
        name: "ca-as-client",
        plant: |g| credential(g, g.ca.credential()),
        condition: OPERATIONAL,
        link: &[CA_NAME, "CA"],
        router_access: &[],
    },
    Fault {
        name: "client-intermediate-missing",
        plant: |g| {
            let middle = g.ca.intermediate("Middle CA")?;
            credential(
                g,
                middle.issue(&Leaf::client("orphan"))?.trusting(g.ca.pem()),
            )
        },
        condition: OPERATIONAL,
        link: &["orphan", "Middle CA"],
        router_access: &["orphan", "Middle CA", CA_NAME],
    },
    Fault {
        name: "key-of-another",
        plant: |g| {
            let (one, other) = (g.good_client()?, g.good_client()?);
            credential(
                g,
                Credential {
                    key: other.key,
                    ..one
                },
            )
        },
        condition: CONFIGURED,
        link: &["tls.key", "tls.crt"],
        router_access: &[],
    },
    Fault {
        name: "garbled-certificate",
        plant: |g| {
            credential(
                g,
                Credential {
                    crt: garbled(&g.good_client()?.crt),
                    ..g.good_client()?
                },
            )
        },
        condition: CONFIGURED,
        link: &["tls.crt", "line"],
        router_access: &[],
    },
    Fault {
        name: "garbled-key",
        plant: |g| {
            credential(
                g,
                Credential {
                    key: garbled(&g.good_client()?.key),
                    ..g.good_client()?
                },
            )
        },
        condition: CONFIGURED,
        link: &["tls.key"],
        router_access: &[],
    },
    Fault {
        name: "garbled-ca",
        plant: |g| credential(g, g.good_client()?.trusting(garbled(&g.ca.pem()))),
        condition: CONFIGURED,
        link: &["ca.crt", "line"],
        router_access: &[],
    },
    Fault {
        name: "encrypted-key",
        plant: |g| {
            let key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned();
            credential(
                g,
                Credential {
                    key,
                    ..g.good_client()?
                },
            )
        },
        condition: CONFIGURED,
        link: &["tls.key", "encrypted"],
        router_access: &[],
    },
    Fault {
        name: "ca-missing",
        plant: |g| credential(g, g.good_client()?.trusting("")),
        condition: CONFIGURED,
        link: &["ca.crt"],
        router_access: &[],
    },
    Fault {
        name: "key-missing",
        plant: |g| {
            credential(
                g,
                Credential {
                    key: String::new(),
                    ..g.good_client()?
                },
            )
        },
        condition: CONFIGURED,
        link: &["tls.key"],
        router_access: &[],
    },
    Fault {
        name: "certificate-missing",
        plant: |g| {
            credential(
                g,
                Credential {
                    crt: String::new(),
                    ..g.good_client()?
                },
            )
        },
        condition: CONFIGURED,
        link: &["tls.crt"],
        router_access: &[],
    },
    Fault {
        name: "wrong-secret-type",
        plant: |g| {
            let mut planted = credential(g, g.good_client()?)?;
            if let Some(secret) = &mut planted.secret {
                secret["type"] = "example.com/credential".into();
            }
            Ok(planted)
        },
        condition: CONFIGURED,
        link: &["type", "example.com/credential", "kubernetes.io/tls"],
        router_access: &[],
    },
    Fault {
        name: "secret-missing",
        plant: |g| {
            Ok(Planted {
                secret: None,
                endpoints: g.endpoints.clone(),
            })
        },
        condition: CONFIGURED,
        link: &["TLS credentials secret", "secret-missing", "not found"],
        router_access: &[],
    },
    Fault {
        name: "trusted-ca-expired",
        plant: |g| {
            let old = Authority::dated(CA_NAME, -Duration::days(20), -Duration::days(1))?;
            credential(g, g.good_client()?.trusting(old.pem()))
        },
        condition: OPERATIONAL,
        link: &["ca.crt", "expired"],
        router_access: &[],
    },
    Fault {
        name: "leaf-as-ca",
        plant: |g| credential(g, g.good_client()?.trusting(g.good_server()?.crt)),
        condition: OPERATIONAL,
        link: &["ca.crt", "CA"],
        router_access: &[],
    },
    Fault {
        name: "host-not-covered",
        plant: |g| {
            let service = g.west.get("service", "skupper-router")?;
            let address = service["spec"]["clusterIP"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            endpoint(g, &address, "55671")
        },
        condition: OPERATIONAL,
        link: &["name", "skupper-router"],
        router_access: &[],
    },
    Fault {
        name: "nothing-listens",
        plant: |g| endpoint(g, &g.host, "55999"),
        condition: OPERATIONAL,
        link: &["55999"],
        router_access: &[],
    },
    Fault {
        name: "name-does-not-resolve",
        plant: |g| endpoint(g, "no-such-host.invalid", "55671"),
        condition: OPERATIONAL,
        link: &["no-such-host.invalid", "resolve"],
        router_access: &[],
    },
    Fault {
        name: "plain-tcp-behind-the-port",
        plant: |g| endpoint(g, "web", "8080"),
        condition: OPERATIONAL,
        link: &["does not speak TLS"],
        router_access: &[],
    },
    Fault {
        name: "edge-port",
        plant: |g| endpoint(g, &g.host, "45671"),
        condition: OPERATIONAL,
        link: &["this port is for edge routers", "inter-router port"],
        router_access: &["this port is for edge routers"],
    },
];

/// PEM whose first line of content is no base64.
fn garbled(pem: &str) -> String {
    let mut lines: Vec<_> = pem.lines().map(str::to_owned).collect();
    if let Some(line) = lines.get_mut(1) {
        *line = "!!! not base64 !!!".into();
    }
    lines.join("\n") + "\n"
}
