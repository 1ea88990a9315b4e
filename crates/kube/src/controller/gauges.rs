//! What the controller measures of the sites.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use skupper_site::Expiration;

/// When credentials end, and whether this replica leads.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    expirations: Family<Credential, Gauge>,
    leading: Gauge,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Credential {
    namespace: String,
    secret: String,
    used_by: &'static str,
    managed: &'static str,
}

impl Gauges {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let gauges = Gauges::default();
        registry.register(
            "skupper_credential_expiration_timestamp_seconds",
            "When a credential of a site ends, in seconds since 1970",
            gauges.expirations.clone(),
        );
        registry.register(
            "skupper_controller_leading",
            "1 while this replica acts",
            gauges.leading.clone(),
        );
        gauges
    }

    /// This replica acts, or does not.
    pub(super) fn leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// The credentials of a namespace; `shown` are those shown so far.
    pub(super) fn show(
        &self,
        namespace: &str,
        expirations: &[Expiration],
        shown: &mut Vec<Credential>,
    ) {
        let now: Vec<Credential> = expirations
            .iter()
            .map(|expiration| {
                let credential = Credential {
                    namespace: namespace.to_owned(),
                    secret: expiration.secret.clone(),
                    used_by: expiration.used_by.kind(),
                    managed: if expiration.managed { "true" } else { "false" },
                };
                self.expirations
                    .get_or_create(&credential)
                    .set(expiration.not_after.as_second());
                credential
            })
            .collect();
        for ended in shown.iter().filter(|credential| !now.contains(credential)) {
            self.expirations.remove(ended);
        }
        *shown = now;
    }
}
