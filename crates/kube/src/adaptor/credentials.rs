//! Which files a TLS profile of the router gets, and when. Decided from what is known, without doing anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;
use skupper_management::config::SslProfile;
use skupper_pki::tls::Identity;
use skupper_pki::{Credential, TrustBundle};
use skupper_site::names::{CA_CRT, TLS_CRT, TLS_KEY, TLS_PROFILE_CONTEXT};
use skupper_site::profiles::{Profile, checksum};

/// A profile may be backed by a Secret of its own name or, with this ending, of the name before it.
const PROFILE_SUFFIX: &str = "-profile";

/// Secrets by name.
pub(super) type Secrets = BTreeMap<String, Arc<Secret>>;

/// The files of a profile: those that it names, in the order in which they are written. The certificate comes last, so
/// that whoever sees the new one sees the new key too.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Files(pub(super) Vec<File>);

/// One of them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct File {
    /// `ca.crt`, `tls.key` or `tls.crt`.
    pub(super) name: &'static str,
    /// Its content.
    pub(super) content: Vec<u8>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.content.len())
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// What is to be done about a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The files are those of the configured revision.
    Current,
    /// These are to be written; then the router is told.
    Write(Files),
    /// The files stay as they are, and the router is not told of the configured revision yet.
    Keep {
        /// What is wrong, in a sentence; nothing where it is a matter of waiting for the rest of the news.
        problem: Option<String>,
    },
    /// There are no files: what uses the profile cannot be made.
    Missing {
        /// Why.
        problem: String,
    },
}

/// One entry of the annotation by which upstream's controller says which profiles a Secret backs, in which revision.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context {
    profile_name: String,
    ordinal: u64,
}

/// Names of the files that a profile has.
pub(super) fn names(profile: &SslProfile) -> impl Iterator<Item = &'static str> {
    [
        (CA_CRT, &profile.ca_cert_file),
        (TLS_KEY, &profile.private_key_file),
        (TLS_CRT, &profile.cert_file),
    ]
    .into_iter()
    .filter(|(_, path)| !path.is_empty())
    .map(|(name, _)| name)
}

/// Whether a name can be the name of a directory, which is all that stands between a ConfigMap and the file system.
pub(super) fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(parts.next(), Some(std::path::Component::Normal(part)) if part == name)
        && parts.next().is_none()
}

/// Decides about a profile. `published` is what our controller says of it, if the configuration is by our controller;
/// `on_disk` are the files that there are, if all are there.
pub(super) fn decide(
    profile: &SslProfile,
    published: Option<&Profile>,
    secrets: &Secrets,
    on_disk: Option<&Files>,
) -> Decision {
    let name = &profile.name;
    let stuck = |problem: String| match on_disk {
        Some(_) => Decision::Keep {
            problem: Some(format!("{problem}; the files written before stay in use")),
        },
        None => Decision::Missing { problem },
    };
    if !is_plain_name(name) {
        return Decision::Missing {
            problem: format!("the profile {name:?} has a name that is no file name"),
        };
    }
    let Some(secret) = backing(profile, published, secrets) else {
        let wanted = published
            .map(|published| published.secret.as_str())
            .filter(|secret| !secret.is_empty())
            .unwrap_or_else(|| name.strip_suffix(PROFILE_SUFFIX).unwrap_or(name));
        return stuck(format!(
            "profile \"{name}\" has no files, because the Secret \"{wanted}\" does not exist"
        ));
    };
    let files = match content(profile, secret) {
        Ok(files) => files,
        Err(problem) => {
            let secret = secret.metadata.name.as_deref().unwrap_or_default();
            return stuck(format!(
                "profile \"{name}\" cannot use the Secret \"{secret}\": {problem}"
            ));
        }
    };
    let same = on_disk == Some(&files);
    match published {
        // Our controller has judged exactly this content.
        Some(published) if published.checksum == checksum(secret) => {
            if same {
                Decision::Current
            } else {
                Decision::Write(files)
            }
        }
        // The Secret or the configuration is newer than the other: the rest of the news is on its way. Where there is
        // nothing yet, any credential that can be loaded is better than none.
        Some(_) if on_disk.is_some() => Decision::Keep { problem: None },
        Some(_) => Decision::Write(files),
        // Upstream's controller counts, and says which count the Secret has.
        None => match annotated_ordinal(secret, name) {
            Some(ordinal) if ordinal < profile.ordinal && on_disk.is_some() => {
                Decision::Keep { problem: None }
            }
            _ if same => Decision::Current,
            _ => Decision::Write(files),
        },
    }
}

/// The Secret behind a profile: the one that our controller names, the one that upstream's has annotated, or the one that
/// is called like it.
fn backing<'s>(
    profile: &SslProfile,
    published: Option<&Profile>,
    secrets: &'s Secrets,
) -> Option<&'s Secret> {
    let name = profile.name.as_str();
    if let Some(published) = published
        && !published.secret.is_empty()
    {
        return secrets.get(&published.secret).map(|secret| &**secret);
    }
    let names = [Some(name), name.strip_suffix(PROFILE_SUFFIX)];
    let called = names
        .into_iter()
        .flatten()
        .filter_map(|name| secrets.get(name));
    let mut called = called.map(|secret| &**secret).peekable();
    let annotated = |secret: &&Secret| annotated_ordinal(secret, name).is_some();
    let first = called.peek().copied();
    called.find(annotated).or(first)
}

/// The revision of a profile that upstream's controller says a Secret has.
fn annotated_ordinal(secret: &Secret, profile: &str) -> Option<u64> {
    let annotations = secret.metadata.annotations.as_ref()?;
    let contexts: Vec<Context> =
        serde_json::from_str(annotations.get(TLS_PROFILE_CONTEXT)?).ok()?;
    let context = contexts
        .into_iter()
        .find(|context| context.profile_name == profile)?;
    Some(context.ordinal)
}

/// The files made of a Secret, if a router can load them.
fn content(profile: &SslProfile, secret: &Secret) -> Result<Files, String> {
    let data = secret.data.as_ref();
    let element = |key: &str| {
        data.and_then(|data| data.get(key))
            .map_or(&[][..], |value| &value.0)
    };
    let mut files = Vec::new();
    for name in names(profile) {
        let content = element(name);
        if content.is_empty() {
            return Err(format!("{name} is missing in it"));
        }
        files.push(File {
            name,
            content: content.to_vec(),
        });
    }
    let has = |name: &str| files.iter().any(|file| file.name == name);
    if has(TLS_CRT) && has(TLS_KEY) {
        let credential = Credential::from_data(|key| Some(element(key)));
        Identity::load(&credential).map_err(|error| error.to_string())?;
    }
    if has(CA_CRT) {
        TrustBundle::from_pem(element(CA_CRT)).map_err(|error| error.to_string())?;
    }
    Ok(Files(files))
}

#[cfg(test)]
mod tests;
