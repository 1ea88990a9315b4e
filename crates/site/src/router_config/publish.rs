//! Writing the ConfigMap, and for upstream's adaptor the annotations on Secrets that must come first.

use std::collections::BTreeMap;

use serde_json::json;
use skupper_management::RouterConfig;

use super::ordinals::{Context, contexts, next};
use super::{Current, Draft, SiteSettings};
use crate::ObjectKind;
use crate::names::{ROUTER, ROUTER_CONFIG, ROUTER_CONFIG_KEY, TLS_PROFILE_CONTEXT};
use crate::pass::{Pass, owner};
use crate::profiles::{PROFILES_KEY, Profiles};
use crate::site::Active;

/// What became of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Why it is not written.
    pub(crate) error: Option<String>,
}

/// The API server takes objects of at most about 1.5 MB, and upstream's adaptor reads the whole at each change.
const MAX_BYTES: usize = 1_000_000;

/// Wants the ConfigMap to hold the draft.
pub(crate) fn publish(
    pass: &mut Pass<'_>,
    active: &Active,
    mut draft: Draft,
    current: &Current,
    settings: &SiteSettings,
) -> Published {
    let Some(owner) = owner(ObjectKind::Site, &active.site.metadata) else {
        return Published::default();
    };
    draft.config.remove_unreferenced_profiles();
    let profiles = revisions(pass, &mut draft, current, settings);
    if !pass.settings.images.adaptor_is_ours {
        annotate(pass, &profiles);
    }
    let Ok(profiles) = serde_json::to_string_pretty(&profiles) else {
        return Published::default();
    };
    let text = text(pass, &draft.config);
    if text.len() + profiles.len() > MAX_BYTES {
        return Published {
            error: Some(format!(
                "the router's configuration would have {} bytes, more than the {MAX_BYTES} that fit into a ConfigMap: \
                 reduce the number of Listeners, Connectors and selected pods",
                text.len() + profiles.len()
            )),
        };
    }
    let wanted = json!({
        "metadata": {"name": ROUTER, "labels": {ROUTER_CONFIG: ""}, "ownerReferences": [owner]},
        "data": {ROUTER_CONFIG_KEY: text, PROFILES_KEY: profiles},
    });
    let seen = pass.observed.config_maps.get(ROUTER).map(|seen| &**seen);
    pass.want(ObjectKind::ConfigMap, seen, wanted);
    let failure = pass.failure(ObjectKind::ConfigMap, ROUTER);
    Published {
        error: failure.map(|failure| format!("ConfigMap {ROUTER} could not be written: {failure}")),
    }
}

/// Sets the ordinals in the draft; returns the profiles as they are to be published.
fn revisions(
    pass: &Pass<'_>,
    draft: &mut Draft,
    current: &Current,
    settings: &SiteSettings,
) -> Profiles {
    let mut profiles = Profiles::new();
    for (name, ssl_profile) in &mut draft.config.ssl_profiles {
        let secret_name = draft
            .secrets
            .get(name)
            .map_or(name.as_str(), String::as_str);
        let secret = pass
            .secret(secret_name)
            .filter(|_| !draft.held.contains(name));
        let profile = next(name, secret_name, secret, current, settings);
        ssl_profile.ordinal = profile.ordinal;
        ssl_profile.oldest_valid_ordinal = profile.oldest_valid_ordinal;
        profiles.insert(name.clone(), profile);
    }
    profiles
}

/// The document. One that says the same in another order stays as it is, so that what upstream's controller wrote need not
/// be written again.
fn text(pass: &Pass<'_>, config: &RouterConfig) -> String {
    let seen = pass
        .observed
        .config_maps
        .get(ROUTER)
        .and_then(|config_map| config_map.data.as_ref());
    let seen = seen.and_then(|data| data.get(ROUTER_CONFIG_KEY));
    match seen {
        Some(seen) if RouterConfig::parse(seen).is_ok_and(|seen| seen == *config) => seen.clone(),
        _ => config.to_json(),
    }
}

/// Tells upstream's adaptor by annotations which Secret backs which profile in which revision.
fn annotate(pass: &mut Pass<'_>, profiles: &Profiles) {
    let mut by_secret: BTreeMap<&str, Vec<Context>> = BTreeMap::new();
    for (name, profile) in profiles {
        let context = Context {
            profile_name: name.clone(),
            ordinal: profile.ordinal,
        };
        by_secret.entry(&profile.secret).or_default().push(context);
    }
    for (secret, wanted) in by_secret {
        let Some(known) = pass.secret(secret) else {
            continue;
        };
        if contexts(known) != wanted
            && let Ok(text) = serde_json::to_string(&wanted)
        {
            pass.annotate_secret(secret, TLS_PROFILE_CONTEXT, Some(text));
        }
    }
    let unused: Vec<String> = pass
        .observed
        .secrets
        .iter()
        .filter(|(name, secret)| {
            !contexts(secret).is_empty()
                && !profiles.values().any(|profile| profile.secret == **name)
        })
        .map(|(name, _)| name.clone())
        .collect();
    for secret in unused {
        pass.annotate_secret(&secret, TLS_PROFILE_CONTEXT, None);
    }
}
