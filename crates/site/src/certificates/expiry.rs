//! Credentials that end soon: a gauge for each, and Events 30, 7 and 1 days before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use skupper_pki::plan::ExpiryWarning;

use crate::ObjectKind;
use crate::credentials::{self, Use};
use crate::pass::Pass;
use crate::plan::{EventType, Expiration};

/// A Secret in use.
struct InUse<'a> {
    kind: ObjectKind,
    meta: &'a ObjectMeta,
    managed: bool,
    /// It is issued anew before it ends.
    renewed: bool,
    not_after: Option<Timestamp>,
}

/// Takes note of when each credential of the namespace ends, and warns.
pub(crate) fn warn(pass: &mut Pass<'_>) {
    let mut in_use: BTreeMap<&str, InUse<'_>> = BTreeMap::new();
    let observed = pass.observed;
    for (name, certificate) in &observed.certificates {
        let verdict = pass.memo.verdicts.get(name);
        let not_after = verdict.and_then(|verdict| verdict.expiration);
        let managed = verdict.is_some_and(|verdict| verdict.managed);
        let renewed = managed && verdict.is_some_and(|verdict| Some(verdict.until) < not_after);
        let meta = &certificate.metadata;
        in_use.insert(
            name,
            InUse {
                kind: ObjectKind::Certificate,
                meta,
                managed,
                renewed,
                not_after,
            },
        );
    }
    let links = observed
        .links
        .values()
        .map(|link| (ObjectKind::Link, &link.metadata, &link.spec.tls_credentials));
    let accesses = observed.router_accesses.values().map(|access| {
        (
            ObjectKind::RouterAccess,
            &access.metadata,
            &access.spec.tls_credentials,
        )
    });
    let listeners = observed.listeners.values().map(|listener| {
        (
            ObjectKind::Listener,
            &listener.metadata,
            &listener.spec.tls_credentials,
        )
    });
    let connectors = observed.connectors.values().map(|connector| {
        (
            ObjectKind::Connector,
            &connector.metadata,
            &connector.spec.tls_credentials,
        )
    });
    for (kind, meta, secret) in links.chain(accesses).chain(listeners).chain(connectors) {
        if secret.is_empty()
            || in_use.contains_key(secret.as_str())
            || !observed.secrets.contains_key(secret)
        {
            continue;
        }
        let used = if kind == ObjectKind::Connector {
            Use::Trust
        } else {
            Use::LinkClient
        };
        let not_after = credentials::look(pass, secret, &used).not_after;
        in_use.insert(
            secret,
            InUse {
                kind,
                meta,
                managed: false,
                renewed: false,
                not_after,
            },
        );
    }
    for (secret, used) in in_use {
        let Some(not_after) = used.not_after else {
            continue;
        };
        pass.plan.expirations.push(Expiration {
            secret: secret.to_owned(),
            used_by: used.kind,
            managed: used.managed,
            not_after,
        });
        if !used.renewed {
            warn_of(pass, secret, &used, not_after);
        }
    }
}

fn warn_of(pass: &mut Pass<'_>, secret: &str, used: &InUse<'_>, not_after: Timestamp) {
    if let Some(next) = ExpiryWarning::next(not_after, pass.now) {
        pass.plan.wake(next);
    }
    let Some(warning) = ExpiryWarning::due(not_after, pass.now) else {
        return;
    };
    let name = used.meta.name.as_deref().unwrap_or_default();
    let reason = if warning == ExpiryWarning::Ended {
        "Expired"
    } else {
        "Expiring"
    };
    let message = format!(
        "the certificate in Secret {secret}, used by {} {name}, {warning}: it is valid until {not_after}. Put a new one into the \
         Secret; routers take it without a restart",
        used.kind
    );
    let occurrence = format!("{secret} {not_after} {warning:?}");
    pass.tell(
        used.kind,
        used.meta,
        EventType::Warning,
        reason,
        &occurrence,
        message,
    );
}
