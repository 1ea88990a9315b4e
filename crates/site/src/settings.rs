//! What the controller was started with.

use std::collections::BTreeSet;
use std::time::Duration;

use skupper_pki::KeyAlgorithm;

use crate::access::AccessType;

/// Everything that reconciling depends on and that is not an object of the namespace: flags and environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who we are; written to `Site.status.controller` and to the router's metadata.
    pub controller: ControllerIdentity,
    /// Images of the router's pod.
    pub images: Images,
    /// How routers may be exposed.
    pub access: AccessSettings,
    /// Defaults for certificates; a Site or a Certificate may override them in its `settings`.
    pub certificates: CertificateSettings,
    /// `-disable-security-context`: leaves the security contexts out of pods.
    pub disable_security_context: bool,
}

/// The controller's name, namespace and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerIdentity {
    /// Name of the controller (its Deployment's, usually `skupper-controller`).
    pub name: String,
    /// Namespace in which it runs.
    pub namespace: String,
    /// Its version.
    pub version: String,
}

/// Images and pull policies of the router's pod (`SKUPPER_ROUTER_IMAGE` and so on).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Image of container `router`.
    pub router: String,
    /// Its pull policy.
    pub router_pull_policy: String,
    /// Image of the containers `kube-adaptor` and `config-init`.
    pub adaptor: String,
    /// Its pull policy.
    pub adaptor_pull_policy: String,
    /// Whether that adaptor is the controller's own, which reads ordinals from the ConfigMap ([`crate::profiles`]).
    /// If not, ordinals are also written to Secrets as annotation `internal.skupper.io/tls-profile-context`, the user's
    /// included, since upstream's adaptor acts on nothing else.
    pub adaptor_is_ours: bool,
}

/// How routers may be exposed, and what is known of the cluster for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessSettings {
    /// `-enabled-access-types`, in the order given.
    pub enabled: Vec<AccessType>,
    /// `-default-access-type`.
    pub default: Option<AccessType>,
    /// `-cluster-host`: the host of `nodeport` endpoints.
    pub cluster_host: Option<String>,
}

/// Lifetimes and keys of the certificates that are issued here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSettings {
    /// `tls-ca-lifetime`.
    pub ca_lifetime: Duration,
    /// `tls-server-lifetime`.
    pub server_lifetime: Duration,
    /// `tls-client-lifetime`: of credentials that are handed out to other sites.
    pub client_lifetime: Duration,
    /// `tls-key-algorithm`.
    pub algorithm: KeyAlgorithm,
    /// How long a Secret that was deleted may be put back by its user before one is issued in its place.
    pub grace: Duration,
}

/// The days before the end of a credential on which it is announced.
pub const EXPIRY_DAYS: [i64; 3] = [30, 7, 1];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for CertificateSettings {
    fn default() -> Self {
        CertificateSettings {
            ca_lifetime: 3650 * DAY,
            server_lifetime: 365 * DAY,
            client_lifetime: 1825 * DAY,
            algorithm: KeyAlgorithm::EcdsaP256,
            grace: Duration::from_secs(30),
        }
    }
}

impl Default for AccessSettings {
    fn default() -> Self {
        AccessSettings {
            enabled: vec![
                AccessType::Local,
                AccessType::LoadBalancer,
                AccessType::Route,
            ],
            default: None,
            cluster_host: None,
        }
    }
}

impl AccessSettings {
    /// The access type of a RouterAccess that names none: the configured one; else `route` where the cluster has Routes; else
    /// `loadbalancer`; else the first that is enabled (reference §5.3).
    pub fn effective_default(&self, has_routes: bool) -> Option<AccessType> {
        let enabled: BTreeSet<_> = self.enabled.iter().copied().collect();
        if self.default.is_some() {
            self.default
        } else if has_routes && enabled.contains(&AccessType::Route) {
            Some(AccessType::Route)
        } else if enabled.contains(&AccessType::LoadBalancer) {
            Some(AccessType::LoadBalancer)
        } else {
            self.enabled.first().copied()
        }
    }

    /// What is wrong with these settings, for the controller to say at its start.
    pub fn problem(&self) -> Option<String> {
        if let Some(default) = self.default
            && !self.enabled.contains(&default)
        {
            return Some(format!(
                "Default access type \"{default}\" is not in enabled list."
            ));
        }
        if self.enabled.contains(&AccessType::NodePort) && self.cluster_host.is_none() {
            return Some("Cluster host must be set to enable nodeport access type.".to_owned());
        }
        None
    }
}

/// The shortest lifetime of a certificate that can be asked for.
const SHORTEST: Duration = Duration::from_secs(60);
/// The longest.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Reads a lifetime as flags and settings have it: numbers with the units `s`, `m`, `h`, `d`, `w` and `y` (365 days), for
/// example `8760h`, `90d`, `1h30m`.
///
/// # Errors
/// What was found and what is expected, to follow the name of the setting.
pub fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let shown: String = text.chars().take(40).collect();
    let bad = || format!("is \"{shown}\", expected a time such as 90d, 8760h or 1h30m");
    let mut seconds: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|character: char| !character.is_ascii_digit())
            .ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let mut after = rest[digits..].chars();
        let unit: u64 = match after.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some('y') => 31_536_000,
            _ => return Err(bad()),
        };
        seconds = number
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(bad)?;
        rest = after.as_str();
    }
    let lifetime = Duration::from_secs(seconds);
    if !(SHORTEST..=LONGEST).contains(&lifetime) {
        return Err(format!(
            "is \"{shown}\", expected at least one minute and at most 100 years"
        ));
    }
    Ok(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_with_their_units() {
        for (text, seconds) in [
            ("8760h", 31_536_000),
            ("90d", 7_776_000),
            ("1h30m", 5_400),
            ("10y", 315_360_000),
            (" 60s ", 60),
        ] {
            assert_eq!(
                parse_lifetime(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "1",
            "d",
            "1x",
            "-1d",
            "59s",
            "101y",
            "99999999999999999999y",
            "1h 30m",
            "1dü",
        ] {
            let error = parse_lifetime(text).unwrap_err();
            assert!(error.contains("expected"), "{text}: {error}");
        }
    }

    #[test]
    fn the_default_access_type_is_what_can_work() {
        let mut settings = AccessSettings::default();
        assert_eq!(
            settings.effective_default(false),
            Some(AccessType::LoadBalancer)
        );
        assert_eq!(settings.effective_default(true), Some(AccessType::Route));
        settings.enabled = vec![AccessType::NodePort];
        assert_eq!(settings.effective_default(true), Some(AccessType::NodePort));
        assert_eq!(
            settings.problem().unwrap(),
            "Cluster host must be set to enable nodeport access type."
        );
        settings.default = Some(AccessType::Local);
        assert_eq!(
            settings.problem().unwrap(),
            "Default access type \"local\" is not in enabled list."
        );
    }
}
