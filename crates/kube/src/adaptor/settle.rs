//! The files of all profiles brought in line with the ConfigMap and the Secrets.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use skupper_management::config::ProxyProfile;

use super::credentials::{Decision, Secrets, decide, is_plain_name};
use super::desired::{Desired, Held};
use super::files::Directory;

/// The files of a proxy's Secret.
const PASSWORD: &str = "password.txt";

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Profiles that the router cannot have as wanted.
    pub(super) held: Held,
    /// Profiles whose files were written now.
    pub(super) written: BTreeSet<String>,
    /// What is wrong, in sentences.
    pub(super) problems: Vec<String>,
}

/// Writes the files that are to be written.
pub(super) fn settle(
    desired: &Desired,
    secrets: &Secrets,
    certificates: &Directory,
    proxies: &Directory,
) -> Settled {
    let mut settled = Settled::default();
    for (name, profile) in &desired.config.ssl_profiles {
        let on_disk = certificates.read(profile);
        match decide(
            profile,
            desired.published(profile),
            secrets,
            on_disk.as_ref(),
        ) {
            Decision::Current => {}
            Decision::Write(files) => match certificates.write(name, &files) {
                Ok(()) => {
                    settled.written.insert(name.clone());
                }
                Err(error) => {
                    let held = &mut settled.held;
                    let held = if on_disk.is_some() {
                        &mut held.behind
                    } else {
                        &mut held.missing
                    };
                    held.insert(name.clone());
                    settled.problems.push(error.to_string());
                }
            },
            Decision::Keep { problem } => {
                settled.held.behind.insert(name.clone());
                settled.problems.extend(problem);
            }
            Decision::Missing { problem } => {
                settled.held.missing.insert(name.clone());
                settled.problems.push(problem);
            }
        }
    }
    for proxy in desired.config.proxy_profiles.values() {
        settled
            .problems
            .extend(password(proxy, secrets, proxies).err());
    }
    settled
}

/// Writes the password of a proxy, where the profile wants it from a file.
fn password(proxy: &ProxyProfile, secrets: &Secrets, proxies: &Directory) -> Result<(), String> {
    let name = &proxy.name;
    if !proxy.password.starts_with("file:") {
        return Ok(());
    }
    if !is_plain_name(name) {
        return Err(format!(
            "the proxy profile {name:?} has a name that is no file name"
        ));
    }
    let secret: Option<&Secret> = secrets.get(name).map(|secret| &**secret);
    let data = secret.and_then(|secret| secret.data.as_ref());
    let password = data.and_then(|data| data.get("password")).ok_or_else(|| {
        let what = if secret.is_some() {
            "has no password"
        } else {
            "does not exist"
        };
        format!("proxy profile \"{name}\" has no password, because the Secret \"{name}\" {what}")
    })?;
    proxies
        .write_secret(name, PASSWORD, &password.0)
        .map_err(|error| error.to_string())
}
