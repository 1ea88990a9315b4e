//! Certificates that Site and SecuredAccesses want (reference §2.5).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Map, Value, json};
use skupper_api::{Certificate, CertificateSpec};

use super::{Purpose, Wanted};
use crate::ObjectKind;
use crate::names::{CERTIFICATE, CONTROLLED, HOSTS_OF};
use crate::pass::Pass;

/// What became of the wishes.
#[derive(Debug, Default)]
pub(crate) struct Ensured {
    /// The specs as they are wanted, by name of the Certificate.
    pub(crate) specs: BTreeMap<String, CertificateSpec>,
    /// Why a Certificate cannot be had, by its name.
    pub(crate) errors: BTreeMap<String, String>,
}

/// Wants Certificates to be there. Several owners may want the same one: then its hosts are those of all.
pub(crate) fn ensure(pass: &mut Pass<'_>, wanted: Vec<Wanted>) -> Ensured {
    let mut by_name: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
    for one in wanted {
        by_name.entry(one.name.clone()).or_default().push(one);
    }
    let mut ensured = Ensured::default();
    for (name, wishes) in by_name {
        let seen = pass.observed.certificates.get(&name);
        if seen.is_some_and(|seen| !is_controlled(seen)) {
            ensured.errors.insert(
                name.clone(),
                format!("certificate \"{name}\" exists but is not controlled by skupper"),
            );
            continue;
        }
        if let Some(failure) = pass.failure(ObjectKind::Certificate, &name) {
            ensured.errors.insert(name.clone(), failure.to_owned());
        }
        let (body, spec) = merge(&name, &wishes, seen.map(|seen| &**seen));
        pass.want_exactly(ObjectKind::Certificate, seen.map(|seen| &**seen), body);
        ensured.specs.insert(name, spec);
    }
    ensured
}

/// Whether a Certificate is one that the controller made.
pub(super) fn is_controlled(certificate: &Certificate) -> bool {
    certificate
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(CONTROLLED))
}

/// The Certificate that all wishes come to, given what there is.
fn merge(name: &str, wishes: &[Wanted], seen: Option<&Certificate>) -> (Value, CertificateSpec) {
    let mut owners: Vec<OwnerReference> = seen
        .and_then(|seen| seen.metadata.owner_references.clone())
        .unwrap_or_default();
    let mut hosts: BTreeMap<String, BTreeSet<String>> =
        seen.map(hosts_by_owner).unwrap_or_default();
    for wish in wishes {
        if !owners.iter().any(|owner| owner.uid == wish.owner.uid) {
            owners.push(wish.owner.clone());
        }
        let own = wish
            .hosts
            .iter()
            .map(|host| host.trim().to_owned())
            .filter(|host| !host.is_empty());
        hosts.insert(wish.owner.uid.clone(), own.collect());
    }
    let mut annotations = Map::new();
    annotations.insert(CONTROLLED.to_owned(), "true".into());
    let known = |uid: &str| owners.iter().any(|owner| owner.uid == uid);
    for (uid, hosts) in &hosts {
        let text = hosts
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(",");
        // Hosts of an owner that is gone go with it.
        annotations.insert(
            format!("{HOSTS_OF}{uid}"),
            if known(uid) { text.into() } else { Value::Null },
        );
    }
    let all: BTreeSet<String> = hosts
        .into_iter()
        .filter(|(uid, _)| known(uid))
        .flat_map(|(_, hosts)| hosts)
        .collect();
    let (first, subject) = (&wishes[0], &wishes[0].subject);
    let spec = CertificateSpec {
        ca: first.ca.clone(),
        // With several owners the first one's subject stays, else they would take turns.
        subject: seen
            .filter(|_| owners.len() > 1)
            .map_or(subject, |seen| &seen.spec.subject)
            .clone(),
        hosts: all.into_iter().collect(),
        signing: first.purpose == Purpose::Signing,
        server: first.purpose == Purpose::Server,
        client: false,
        settings: seen
            .map(|seen| seen.spec.settings.clone())
            .unwrap_or_default(),
    };
    let body = json!({
        "metadata": {
            "name": name,
            "labels": {CERTIFICATE: "true"},
            "annotations": annotations,
            "ownerReferences": owners,
        },
        "spec": spec,
    });
    (body, spec)
}

fn hosts_by_owner(certificate: &Certificate) -> BTreeMap<String, BTreeSet<String>> {
    let annotations = certificate.metadata.annotations.iter().flatten();
    annotations
        .filter_map(|(key, hosts)| {
            let hosts = hosts
                .split(',')
                .filter(|host| !host.is_empty())
                .map(str::to_owned)
                .collect();
            Some((key.strip_prefix(HOSTS_OF)?.to_owned(), hosts))
        })
        .collect()
}
