//! Will the two sites trust each other? What `link generate` prints is judged before it is printed, with both sides' eyes.
//!
//! | Side | Presents | Judged by |
//! |---|---|---|
//! | the site that links | the credential printed | `ca.crt` of each server Secret here |
//! | this site | the certificate of each server Secret | `ca.crt` of the credential printed |

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use skupper_api::{Endpoint, RouterAccess};
use skupper_pki::issue::Issuer;
use skupper_pki::judge::{Element, Severity, judge};
use skupper_pki::verify::Chain;
use skupper_pki::{Expectation, Finding, Role, TrustBundle};

use crate::failure::Failure;
use crate::secret;

/// A Secret with a certificate that this site presents to sites that link to it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// The hosts by which it is reached.
    pub(crate) hosts: BTreeSet<String>,
    /// The Secret, if it is there.
    pub(crate) secret: Option<Secret>,
}

/// The Secrets that stand behind endpoints of the site, and the hosts of those endpoints.
pub(crate) fn servers(
    accesses: &[RouterAccess],
    endpoints: &[Endpoint],
) -> BTreeMap<String, BTreeSet<String>> {
    let mut servers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for access in accesses {
        let name = &access.spec.tls_credentials;
        let Some(status) = access.status.as_ref().filter(|_| !name.is_empty()) else {
            continue;
        };
        for endpoint in status
            .endpoints
            .iter()
            .filter(|own| endpoints.contains(own))
        {
            let hosts = servers.entry(name.clone()).or_default();
            hosts.insert(endpoint.host.clone());
        }
    }
    servers
}

/// Whether what the CA in Secret `issuer_name` signs would be of use.
pub(crate) fn judge_issuer(
    issuer_name: &str,
    issuer: Option<&Secret>,
    servers: &[Server],
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(found) = issuer else {
        return Err(Failure::failed(format!(
            "no credential can be issued: there is no Secret {issuer_name}, whose CA would sign it"
        ))
        .next(format!("wait for the controller to make Secret {issuer_name}, or bring a credential of your own: put it into a Secret and give its name as --tls-credentials")));
    };
    let ca = Issuer::load(&secret::credential(found), now).map_err(|error| {
        Failure::failed(format!("no credential can be issued by the CA in Secret {issuer_name}: {error}"))
            .next(format!("repair Secret {issuer_name}, or bring a credential of your own: put it into a Secret and give its name as --tls-credentials"))
    })?;
    let signer = ca.certificate();
    for server in servers {
        let Some(bundle) = bundle_of(server) else {
            continue;
        };
        let refused = bundle.judge_issuer(signer, ca.parents(), Role::Client, now);
        if let Some(first) = worst(&refused) {
            let trusted = anchors(&bundle);
            let name = bundle.name();
            let why = match first.check() {
                "issuer" => format!("{name} trusts only {trusted}"),
                _ => first.to_string(),
            };
            return Err(Failure::failed(format!(
                "this site would refuse the credential: the CA in Secret {issuer_name} ({}, key id {}) would sign it, and {why}",
                signer.subject,
                signer.key_id(),
            ))
            .next(format!(
                "add the certificate of the CA in Secret {issuer_name} to {name}; or put a credential issued by {trusted} into a Secret and give its name as --tls-credentials",
            )));
        }
        let source = format!("Secret {issuer_name}");
        let trusts = TrustBundle::new(ca.trusted().to_vec());
        judge_server(server, &trusts, &source, now)?;
    }
    Ok(())
}

/// Whether a credential that exists is of use. The outcome lists what is worth a warning.
pub(crate) fn judge_credential(
    name: &str,
    found: &Secret,
    servers: &[Server],
    now: Timestamp,
) -> Result<(), Failure> {
    let remedy = "to print the Link without it: --generate-credential=false";
    if let Some(problem) = secret::type_problem(found) {
        return Err(Failure::failed(format!("Secret {name} {problem}"))
            .next(format!("make it with one of these types; {remedy}")));
    }
    let credential = secret::credential(found);
    let alone = judge(&credential, &Expectation::new(Role::Client, now));
    if let Some(first) = worst(&alone) {
        return Err(unusable(name, &alone).next(format!("{}; {remedy}", first.remedy())));
    }
    for server in servers {
        let Some(bundle) = bundle_of(server) else {
            continue;
        };
        let expectation = Expectation::new(Role::Client, now).trusted_by(&bundle);
        let findings = judge(&credential, &expectation);
        if let Some(first) = worst(&findings) {
            return Err(Failure::failed(format!(
                "this site would refuse the credential in Secret {name}: {first}"
            ))
            .next(format!("{}; {remedy}", first.remedy())));
        }
        if let Ok(trusts) = TrustBundle::from_pem(&credential.ca_crt) {
            judge_server(server, &trusts, &format!("ca.crt of Secret {name}"), now)?;
        }
    }
    Ok(())
}

/// Whether a holder of the credential would accept this site.
fn judge_server(
    server: &Server,
    trusts: &TrustBundle,
    source: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(chain) = server
        .secret
        .as_ref()
        .and_then(|found| secret::credential(found).chain().ok())
    else {
        return Ok(());
    };
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Ok(());
    };
    let element = Element::TlsCrt;
    let chain = Chain {
        leaf,
        intermediates,
        element,
    };
    let Err(refusal) = trusts.verify(&chain, Role::Server, None, now) else {
        return Ok(());
    };
    let name = &server.name;
    let Some(first) = refusal.findings.first() else {
        return Ok(());
    };
    if first.check() != "issuer" {
        return Err(Failure::failed(format!(
            "the other site would refuse this one: Secret {name}: {first}"
        ))
        .next(format!("{} (Secret {name})", first.remedy())));
    }
    Err(Failure::failed(format!(
        "the other site would refuse this one: Secret {name} presents {} issued by {}, and the credential would trust only what {source} holds: {}",
        leaf.subject,
        leaf.issuer,
        anchors(trusts),
    ))
    .next(format!(
        "put a credential whose ca.crt holds {} into a Secret and give its name as --tls-credentials; or put that CA, with its key, into the Secret from which credentials are issued",
        leaf.issuer,
    )))
}

/// Endpoint hosts that the certificates here do not cover: the other site will refuse to connect by them.
pub(crate) fn uncovered(servers: &[Server]) -> Vec<String> {
    let mut warnings = Vec::new();
    for server in servers {
        let leaf = server
            .secret
            .as_ref()
            .and_then(|found| secret::credential(found).leaf());
        let Some(leaf) = leaf else { continue };
        let missing = server
            .hosts
            .iter()
            .filter(|host| !skupper_pki::verify::covers(&leaf, host));
        for host in missing {
            let names = leaf.names();
            let covered = if names.is_empty() {
                "no name".to_owned()
            } else {
                names.join(", ")
            };
            warnings.push(format!(
                "the certificate in Secret {} ({}) does not cover {host}, by which the other site will connect: it covers {covered}",
                server.name, leaf.subject
            ));
        }
    }
    warnings
}

fn bundle_of(server: &Server) -> Option<TrustBundle> {
    let found = server.secret.as_ref()?;
    let bundle = TrustBundle::from_pem(&secret::credential(found).ca_crt).ok()?;
    Some(bundle.named(format!("ca.crt of Secret {}", server.name)))
}

fn anchors(bundle: &TrustBundle) -> String {
    let anchors: Vec<String> = bundle.anchors().iter().map(ToString::to_string).collect();
    anchors.join(", ")
}

fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings
        .iter()
        .find(|finding| finding.severity > Severity::Note)
}

fn unusable(name: &str, findings: &[Finding]) -> Failure {
    let faults = findings
        .iter()
        .filter(|finding| finding.severity > Severity::Note);
    let sentences: Vec<String> = faults.map(ToString::to_string).collect();
    Failure::failed(format!(
        "Secret {name} cannot be used as a link credential: {}",
        sentences.join("; ")
    ))
}

#[cfg(test)]
mod tests;
