//! Who this controller is, and what it was started with, as the model of a site wants to know it.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::Api;
use skupper_site::access::AccessType;
use skupper_site::{AccessSettings, CertificateSettings, ControllerIdentity, Images, Settings};
use tracing::{info, warn};

use super::options::{self, Options};
use crate::client::text;

/// Name of a controller that cannot find out its own.
const NAME: &str = "skupper-controller";

/// The controller's own namespace.
pub(super) fn namespace(options: &Options, client: &Client) -> String {
    if options.namespace.is_empty() {
        client.default_namespace().to_owned()
    } else {
        options.namespace.clone()
    }
}

/// The controller's name: as given, or that of the Deployment whose pod this is (reference §7.1).
pub(super) async fn name(
    options: &Options,
    client: &Client,
    namespace: &str,
    host: &str,
) -> String {
    if !options.name.is_empty() {
        return options.name.clone();
    }
    if let Some(deployment) = deployment_of(host) {
        match Api::<Deployment>::namespaced(client.clone(), namespace)
            .get_opt(deployment)
            .await
        {
            Ok(Some(_)) => return deployment.to_owned(),
            Ok(None) => {}
            Err(error) => warn!(
                deployment,
                "cannot tell whether this Deployment is the controller's: {}",
                text(&error)
            ),
        }
    }
    if host.is_empty() {
        NAME.to_owned()
    } else {
        host.to_owned()
    }
}

/// The Deployment that a pod's name speaks of: `<deployment>-<9 or 10 characters>-<5 characters>`.
fn deployment_of(pod: &str) -> Option<&str> {
    let word = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let (rest, suffix) = pod.rsplit_once('-')?;
    let (deployment, hash) = rest.rsplit_once('-')?;
    let fits = suffix.len() == 5 && (9..=10).contains(&hash.len()) && word(suffix) && word(hash);
    (fits && !deployment.is_empty()).then_some(deployment)
}

/// What the model of a site is told of flags, environment and cluster.
///
/// # Errors
///
/// Flags that contradict each other, in a sentence.
pub(super) fn settings(
    options: &Options,
    controller: ControllerIdentity,
) -> Result<Settings, String> {
    let (enabled, unknown) = options.enabled_access_types();
    if !unknown.is_empty() {
        warn!(
            types = unknown.join(","),
            "access types that this controller does not have; it has local,loadbalancer,nodeport,route"
        );
    }
    let default = match options.default_access_type.trim() {
        "" => None,
        word if unknown.iter().any(|unknown| unknown == word) => None,
        word => Some(word.parse::<AccessType>().map_err(|_| {
            // Upstream's words.
            format!("Default access type \"{word}\" is not in enabled list.")
        })?),
    };
    let access = AccessSettings {
        enabled,
        default,
        cluster_host: Some(options.cluster_host.clone()).filter(|host| !host.is_empty()),
    };
    if let Some(problem) = access.problem() {
        return Err(problem);
    }
    for flag in options.without_effect.given() {
        info!(
            flag,
            "accepted without effect: this controller does not serve what it is for yet"
        );
    }
    Ok(Settings {
        controller,
        images: images(&options.images),
        access,
        certificates: CertificateSettings {
            ca_lifetime: options.tls_ca_lifetime,
            server_lifetime: options.tls_server_lifetime,
            client_lifetime: options.tls_client_lifetime,
            algorithm: options.tls_key_algorithm,
            ..CertificateSettings::default()
        },
        disable_security_context: options.disable_security_context,
    })
}

/// The images of the router's pod; upstream's where none are named.
fn images(options: &options::Images) -> Images {
    let or = |given: &str, default: &str| {
        if given.is_empty() {
            format!("{}/{default}", options.image_registry)
        } else {
            given.to_owned()
        }
    };
    let adaptor = or(&options.kube_adaptor_image, "kube-adaptor:v2-dev");
    Images {
        router: or(&options.router_image, "skupper-router:main"),
        router_pull_policy: options.router_image_pull_policy.clone(),
        adaptor_pull_policy: options.kube_adaptor_image_pull_policy.clone(),
        adaptor_is_ours: same_build(&options.controller_image, &adaptor),
        adaptor,
    }
}

/// Whether two images are of one build: from the same place, with the same tag.
fn same_build(this: &str, other: &str) -> bool {
    fn place_and_tag(image: &str) -> (&str, &str) {
        let (place, name) = image.rsplit_once('/').unwrap_or(("", image));
        (place, name.split_once(':').map_or("", |(_, tag)| tag))
    }
    !this.is_empty() && place_and_tag(this) == place_and_tag(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployment_in_a_pods_name() {
        assert_eq!(
            deployment_of("skupper-controller-6d8f9c7b54-x2x4z"),
            Some("skupper-controller")
        );
        assert_eq!(deployment_of("my-own-6d8f9c7b5-abcde"), Some("my-own"));
        for other in [
            "",
            "laptop",
            "a-b-c",
            "skupper-controller",
            "x-6d8f9c7b54-x2x4zz",
            "-6d8f9c7b54-x2x4z",
        ] {
            assert_eq!(deployment_of(other), None, "{other}");
        }
    }

    #[test]
    fn images_of_one_build() {
        assert!(same_build(
            "r.example:5000/s/skupper-controller:1",
            "r.example:5000/s/skupper-adaptor:1"
        ));
        assert!(!same_build(
            "r/s/skupper-controller:1",
            "r/s/skupper-adaptor:2"
        ));
        assert!(!same_build(
            "r/s/skupper-controller:1",
            "quay.io/skupper/kube-adaptor:1"
        ));
        assert!(!same_build("", "kube-adaptor:1"));
    }
}
