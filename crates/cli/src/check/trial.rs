//! Links and access: what the controller says of them, and what a handshake from here shows.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use skupper_api::{Endpoint, Kind, Link, RouterAccess, Site};
use skupper_pki::tls::{Ciphers, ClientOptions, Identity, Versions, client_config};
use skupper_pki::verify::PeerRecord;
use skupper_pki::{Certificate, TrustBundle};
use tokio::task::JoinHandle;

use super::credentials::Secrets;
use super::dial::{Outcome, dial};
use super::report::{Advice, Item};
use super::uses::Objects;
use crate::secret::credential;
use crate::site::{name_of, summary};

/// Something looked at, with a handshake under way if there is one to try.
pub(crate) struct Trial {
    item: Item,
    /// What the controller says, if it is not that all is well: a fault of its own only where nothing else explains it.
    complaint: Option<Advice>,
    attempt: Option<Attempt>,
}

struct Attempt {
    dialling: JoinHandle<(Outcome, PeerRecord)>,
    /// For an endpoint of this site: what it should present.
    expected: Option<Expected>,
}

struct Expected {
    certificate: Certificate,
    secret: String,
    host: String,
}

/// What the controller says of the Site.
pub(crate) fn of_site(site: &Site) -> Item {
    let trial = said("Site", site);
    settle(trial.item, trial.complaint)
}

/// Starts to try a Link as the router does: with its credential, to the endpoint of the router's role.
pub(crate) fn of_link(link: &Link, objects: &Objects, secrets: &Secrets, handshake: bool) -> Trial {
    let mut trial = said("Link", link);
    let edge = objects.sites.iter().any(|site| site.spec.edge);
    let role = if edge {
        Endpoint::EDGE
    } else {
        Endpoint::INTER_ROUTER
    };
    let Some(endpoint) = link.spec.endpoint(role) else {
        trial.item.faults.push(Advice::new(
            format!("it has no endpoint for the role {role}"),
            format!("add the {role} endpoint of the other site to spec.endpoints"),
        ));
        return trial;
    };
    trial.item.title = format!("{}, to {endpoint}", trial.item.title);
    let name = &link.spec.tls_credentials;
    let Some(secret) = secrets.get(name).filter(|_| handshake) else {
        return trial;
    };
    if link.spec.settings.contains_key("proxy-configuration") {
        let note = "it connects through a proxy and was not tried from here";
        trial.item.notes.push(Advice::new(note, ""));
        return trial;
    }
    let credential = credential(secret);
    // What cannot be loaded has been said of the Secret.
    if let (Ok(identity), Ok(servers)) = (
        Identity::load(&credential),
        TrustBundle::from_pem(&credential.ca_crt),
    ) {
        let ours = identity.certificate().clone();
        let servers = servers.named(format!("ca.crt of Secret {name}"));
        start(
            &mut trial,
            endpoint,
            Some(identity),
            servers,
            Some(ours),
            None,
        );
    }
    trial
}

/// Starts to try the endpoints of a RouterAccess, to see what is presented there.
pub(crate) fn of_access(access: &RouterAccess, secrets: &Secrets, handshake: bool) -> Vec<Trial> {
    let mut trials = vec![said("RouterAccess", access)];
    let endpoints: &[Endpoint] = access
        .status
        .as_ref()
        .map_or(&[], |status| &status.endpoints);
    let name = &access.spec.tls_credentials;
    let certificate = secrets
        .get(name)
        .and_then(|secret| credential(secret).leaf());
    let Some(certificate) = certificate.filter(|_| handshake) else {
        return trials;
    };
    for endpoint in endpoints {
        let item = Item {
            title: format!("{} at {endpoint}", endpoint.name),
            ..Item::default()
        };
        let mut trial = Trial {
            item,
            complaint: None,
            attempt: None,
        };
        let expected = Expected {
            certificate: certificate.clone(),
            secret: name.clone(),
            host: endpoint.host.clone(),
        };
        // Nobody is trusted: all that is wanted is to see what is presented.
        let nobody = TrustBundle::new(Vec::new());
        start(&mut trial, endpoint, None, nobody, None, Some(expected));
        trials.push(trial);
    }
    trials
}

/// Waits for the handshakes.
pub(crate) async fn finish(trials: Vec<Trial>) -> Vec<Item> {
    let mut items = Vec::new();
    for Trial {
        mut item,
        complaint,
        attempt,
    } in trials
    {
        if let Some(Attempt { dialling, expected }) = attempt {
            match (dialling.await, expected) {
                (Ok((outcome, record)), None) => linked(&mut item, outcome, &record),
                (Ok((outcome, record)), Some(expected)) => {
                    presented(&mut item, outcome, &record, &expected)
                }
                (Err(error), _) => item
                    .notes
                    .push(Advice::new(format!("it could not be tried: {error}"), "")),
            }
        }
        items.push(settle(item, complaint));
    }
    items
}

fn said(kind: &str, object: &impl Kind) -> Trial {
    let (status, message) = summary(object);
    let word = if status.is_empty() {
        "no status yet"
    } else {
        status
    };
    let complaint = (status != "Ready").then(|| match message {
        "" => Advice::new(
            "no controller has looked at it",
            "check that a Skupper controller runs and serves this namespace",
        ),
        message => Advice::new(message, ""),
    });
    Trial {
        item: Item {
            title: format!("{kind} {}: {word}", name_of(object)),
            ..Item::default()
        },
        complaint,
        attempt: None,
    }
}

/// A complaint that is explained by what was found is only quoted.
fn settle(mut item: Item, complaint: Option<Advice>) -> Item {
    if let Some(complaint) = complaint {
        if item.faults.is_empty() {
            item.faults.push(complaint);
        } else {
            // What comes after the colon are the details, which have just been seen from here.
            let gist = complaint.sentence.split(':').next().unwrap_or_default();
            item.title = format!("{} ({gist})", item.title);
        }
    }
    item
}

fn start(
    trial: &mut Trial,
    endpoint: &Endpoint,
    identity: Option<Identity>,
    servers: TrustBundle,
    ours: Option<Certificate>,
    expected: Option<Expected>,
) {
    match config(identity, servers) {
        Err(advice) => trial.item.faults.push(advice),
        Ok(config) => {
            let endpoint = endpoint.clone();
            let dialling =
                tokio::spawn(async move { dial(&endpoint, config, ours.as_ref()).await });
            trial.attempt = Some(Attempt { dialling, expected });
        }
    }
}

fn config(identity: Option<Identity>, servers: TrustBundle) -> Result<ClientConfig, Advice> {
    let clock: Arc<dyn TimeProvider> = Arc::new(DefaultTimeProvider);
    let options = ClientOptions {
        identity,
        servers,
        verify_name: true,
        alpn: Vec::new(),
        versions: Versions::default(),
        ciphers: Ciphers::default(),
        clock,
    };
    client_config(options).map_err(|error| Advice::new(error.to_string(), ""))
}

/// What came of a connection for a Link.
fn linked(item: &mut Item, outcome: Outcome, record: &PeerRecord) {
    match outcome {
        Outcome::Accepted(accepted) => {
            let server = record.presented.first().map_or_else(String::new, |server| {
                format!(", presents {} issued by {}", server.subject, server.issuer)
            });
            item.title = format!("{}: {}{server}", item.title, accepted.agreed);
        }
        Outcome::Refused(failure) => {
            item.faults
                .push(Advice::new(failure.to_string(), failure.remedy()));
        }
        Outcome::NoRouter(why) => {
            item.faults.push(Advice::new(
                why,
                "check host and port, and the log of the router there",
            ));
        }
        // The router may well reach what this machine does not.
        Outcome::Unreached(advice) => item.notes.push(advice),
    }
}

/// What came of a connection to an endpoint of this site.
fn presented(item: &mut Item, outcome: Outcome, record: &PeerRecord, expected: &Expected) {
    let Some(found) = record.presented.first() else {
        match outcome {
            Outcome::Unreached(advice) => item.notes.push(advice),
            Outcome::Refused(failure) => {
                item.faults
                    .push(Advice::new(failure.to_string(), failure.remedy()));
            }
            _ => item
                .notes
                .push(Advice::new("it presents no certificate", "")),
        }
        return;
    };
    item.title = format!(
        "{} presents {} issued by {}",
        item.title, found.subject, found.issuer
    );
    let Expected {
        certificate,
        secret,
        host,
    } = expected;
    if found.fingerprint() != certificate.fingerprint() {
        item.faults.push(Advice::new(
            format!(
                "it is another certificate than that of Secret {secret}: presented SHA-256 {}, expected {} ({})",
                found.fingerprint(),
                certificate.fingerprint(),
                certificate.subject
            ),
            "if the Secret changed just now, wait a moment; else look at the log of the adaptor, and check that nothing between terminates TLS",
        ));
    } else if !skupper_pki::verify::covers(found, host) {
        item.notes.push(Advice::new(
            format!("it does not cover {host}, by which other sites connect"),
            format!("issue the certificate in Secret {secret} with that name"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_a_fault_only_where_nothing_explains_it() {
        let item = || Item {
            title: "Link x: Pending".to_owned(),
            ..Item::default()
        };
        let complaint = || Some(Advice::new("Not operational: refused", ""));
        assert_eq!(
            settle(item(), complaint()).faults,
            [Advice::new("Not operational: refused", "")]
        );
        let mut explained = item();
        explained.faults.push(Advice::new("refused", "mend it"));
        let explained = settle(explained, complaint());
        assert_eq!(explained.faults.len(), 1);
        assert_eq!(explained.title, "Link x: Pending (Not operational)");
    }
}
