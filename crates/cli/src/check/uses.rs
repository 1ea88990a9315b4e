//! Which Secrets a site uses, and for what.

use skupper_api::{Certificate, Connector, Endpoint, Link, Listener, RouterAccess, Site};
use skupper_pki::Role;

use crate::site::name_of;

/// The objects of a namespace that name Secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) sites: Vec<Site>,
    pub(crate) accesses: Vec<RouterAccess>,
    pub(crate) links: Vec<Link>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) connectors: Vec<Connector>,
}

/// One use of one Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// Name of the Secret.
    pub(crate) secret: String,
    /// The role in which it is judged.
    pub(crate) role: Role,
    /// What it is for, in words.
    pub(crate) purpose: String,
    /// Names that a server certificate has to cover.
    pub(crate) names: Vec<String>,
    /// Who judges it, or whom it judges.
    pub(crate) relation: Relation,
}

/// What a credential has to do with other Secrets of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Its `ca.crt` judges sites that link to this one: it has to trust the CA that signs their credentials.
    JudgesLinks,
    /// It is handed to other sites: the `ca.crt` of this site's servers have to trust its issuer.
    HandedOut,
    /// Nothing that can be seen from here.
    None,
}

/// Every use, the most fundamental first, none twice.
pub(crate) fn uses(objects: &Objects) -> Vec<Use> {
    let mut uses = Uses::default();
    for site in &objects.sites {
        let issuer = issuer(site).to_owned();
        uses.add(
            issuer,
            Role::Ca,
            "CA that signs link credentials".to_owned(),
            Vec::new(),
            Relation::None,
        );
    }
    for certificate in objects
        .certificates
        .iter()
        .filter(|certificate| certificate.spec.signing)
    {
        let purpose = "CA of this site".to_owned();
        uses.add(
            name_of(certificate).to_owned(),
            Role::Ca,
            purpose,
            Vec::new(),
            Relation::None,
        );
    }
    for access in &objects.accesses {
        let status = access.status.as_ref();
        let endpoints: &[Endpoint] = status.map_or(&[], |status| &status.endpoints);
        let hosts = endpoints.iter().map(|endpoint| endpoint.host.clone());
        let names = hosts.chain(access.spec.subject_alternative_names.iter().cloned());
        let purpose = format!(
            "presented to sites that link here, RouterAccess {}",
            name_of(access)
        );
        let secret = access.spec.tls_credentials.clone();
        uses.add(
            secret.clone(),
            Role::Server,
            purpose,
            distinct(names),
            Relation::JudgesLinks,
        );
        if objects.sites.iter().any(|site| site.spec.ha) {
            let purpose = "presented by one router of this site to the other".to_owned();
            uses.add(
                secret,
                Role::Client,
                purpose,
                Vec::new(),
                Relation::HandedOut,
            );
        }
    }
    for link in &objects.links {
        let purpose = format!("presented by Link {}", name_of(link));
        uses.add(
            link.spec.tls_credentials.clone(),
            Role::Client,
            purpose,
            Vec::new(),
            Relation::None,
        );
    }
    for listener in &objects.listeners {
        let purpose = format!("presented to clients of Listener {}", name_of(listener));
        let names = vec![listener.spec.host.clone()];
        uses.add(
            listener.spec.tls_credentials.clone(),
            Role::Server,
            purpose,
            names,
            Relation::None,
        );
    }
    for connector in &objects.connectors {
        let spec = &connector.spec;
        let (role, what) = match spec.use_client_cert {
            true => (Role::Client, "presented"),
            false => (Role::TrustBundle, "verifies the workload"),
        };
        let purpose = format!("{what} by Connector {}", name_of(connector));
        uses.add(
            spec.tls_credentials.clone(),
            role,
            purpose,
            Vec::new(),
            Relation::None,
        );
    }
    for certificate in &objects.certificates {
        let spec = &certificate.spec;
        let name = name_of(certificate).to_owned();
        if spec.server {
            let purpose = "server certificate of this site".to_owned();
            uses.add(
                name,
                Role::Server,
                purpose,
                spec.hosts.clone(),
                Relation::None,
            );
        } else if spec.client {
            let purpose = "credential for sites that link here".to_owned();
            uses.add(name, Role::Client, purpose, Vec::new(), Relation::HandedOut);
        }
    }
    uses.0
}

/// The Secret with the CA that signs link credentials.
pub(crate) fn issuer(site: &Site) -> &str {
    let status = site
        .status
        .as_ref()
        .map_or("", |status| status.default_issuer.as_str());
    [status, site.spec.default_issuer.as_str()]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or(Site::DEFAULT_ISSUER)
}

#[derive(Default)]
struct Uses(Vec<Use>);

impl Uses {
    fn add(
        &mut self,
        secret: String,
        role: Role,
        purpose: String,
        names: Vec<String>,
        relation: Relation,
    ) {
        let known = self
            .0
            .iter()
            .any(|known| known.secret == secret && known.role == role);
        if !known && !secret.is_empty() {
            self.0.push(Use {
                secret,
                role,
                purpose,
                names,
                relation,
            });
        }
    }
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}
