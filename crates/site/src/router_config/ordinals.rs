//! Revisions of credentials: counted up when the content changes, so that the router moves to the new one (reference §4.3).

use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};

use super::{Current, SiteSettings};
use crate::names::{TLS_PRIOR_VALID_REVISIONS, TLS_PROFILE_CONTEXT};
use crate::profiles::{Profile, checksum};

/// One entry of the annotation by which upstream's adaptor learns of profiles and ordinals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Context {
    pub(super) profile_name: String,
    #[serde(default)]
    pub(super) ordinal: u64,
}

/// The entries that stand on a Secret.
pub(super) fn contexts(secret: &Secret) -> Vec<Context> {
    let text = secret
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(TLS_PROFILE_CONTEXT));
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The revision of a profile now. `secret` is `None` where it is away or cannot be loaded: then nothing changes.
pub(super) fn next(
    profile: &str,
    secret_name: &str,
    secret: Option<&Secret>,
    current: &Current,
    settings: &SiteSettings,
) -> Profile {
    // A profile whose Secret has another name by now goes on counting: for the router it is a rotation.
    let mut next = current
        .profiles
        .get(profile)
        .cloned()
        .unwrap_or_else(|| first(profile, secret, current));
    secret_name.clone_into(&mut next.secret);
    let Some(secret) = secret else { return next };
    let checksum = checksum(secret);
    if next.checksum != checksum {
        // The first content that is seen of a profile is no change of it.
        if !next.checksum.is_empty() {
            next.ordinal = next.ordinal.saturating_add(1);
        }
        next.checksum = checksum;
    }
    if let Some(oldest) = next
        .ordinal
        .checked_sub(prior_valid_revisions(secret, settings))
    {
        next.oldest_valid_ordinal = next.oldest_valid_ordinal.max(oldest);
    }
    next
}

/// A profile that has no entry of ours: upstream's controller may have counted already.
fn first(profile: &str, secret: Option<&Secret>, current: &Current) -> Profile {
    let configured = current.config.ssl_profiles.get(profile);
    let annotated = secret.and_then(|secret| {
        contexts(secret)
            .into_iter()
            .find(|context| context.profile_name == profile)
    });
    let ordinal = configured
        .map_or(0, |profile| profile.ordinal)
        .max(annotated.map_or(0, |context| context.ordinal));
    let oldest = configured.map_or(0, |profile| profile.oldest_valid_ordinal);
    Profile {
        ordinal,
        oldest_valid_ordinal: oldest.min(ordinal),
        ..Profile::default()
    }
}

fn prior_valid_revisions(secret: &Secret, settings: &SiteSettings) -> u64 {
    let annotation = secret
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(TLS_PRIOR_VALID_REVISIONS));
    annotation
        .and_then(|text| text.trim().parse().ok())
        .or(settings.prior_valid_revisions)
        .unwrap_or(SiteSettings::PRIOR_VALID_REVISIONS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skupper_management::config::SslProfile;

    use super::*;

    fn secret(key: &str, annotations: serde_json::Value) -> Secret {
        let data = json!({"tls.key": key});
        serde_json::from_value(json!({"metadata": {"name": "s", "annotations": annotations}, "stringData": {}, "data": data})).unwrap()
    }

    fn step(current: &mut Current, secret: Option<&Secret>, settings: &SiteSettings) -> (u64, u64) {
        let profile = next("p", "s", secret, current, settings);
        let revision = (profile.ordinal, profile.oldest_valid_ordinal);
        current.profiles.insert("p".to_owned(), profile);
        revision
    }

    #[test]
    fn ordinals_follow_content_and_two_earlier_revisions_stay_valid() {
        let (mut current, settings) = (Current::default(), SiteSettings::default());
        let revisions: Vec<_> = ["AAAA", "AAAA", "BBBB", "CCCC", "DDDD", "DDDD"]
            .into_iter()
            .map(|key| step(&mut current, Some(&secret(key, json!({}))), &settings))
            .collect();
        assert_eq!(revisions, [(0, 0), (0, 0), (1, 0), (2, 0), (3, 1), (3, 1)]);
        assert_eq!(step(&mut current, None, &settings), (3, 1));
    }

    #[test]
    fn the_secret_and_the_site_say_how_many_stay_valid() {
        let settings = SiteSettings {
            prior_valid_revisions: Some(0),
            ..SiteSettings::default()
        };
        let mut current = Current::default();
        step(&mut current, Some(&secret("AAAA", json!({}))), &settings);
        assert_eq!(
            step(&mut current, Some(&secret("BBBB", json!({}))), &settings),
            (1, 1)
        );
        let annotated = secret("CCCC", json!({TLS_PRIOR_VALID_REVISIONS: "1"}));
        assert_eq!(step(&mut current, Some(&annotated), &settings), (2, 1));
    }

    #[test]
    fn what_upstream_counted_is_taken_over() {
        let mut current = Current::default();
        let profile = SslProfile {
            name: "p".to_owned(),
            ordinal: 4,
            oldest_valid_ordinal: 2,
            ..SslProfile::default()
        };
        current.config.ssl_profiles.insert("p".to_owned(), profile);
        let annotated = secret(
            "AAAA",
            json!({TLS_PROFILE_CONTEXT: "[{\"profileName\":\"p\",\"ordinal\":5}]"}),
        );
        let settings = SiteSettings::default();
        assert_eq!(step(&mut current, Some(&annotated), &settings), (5, 3));
        assert_eq!(
            step(&mut current, Some(&secret("BBBB", json!({}))), &settings),
            (6, 4)
        );
    }
}
