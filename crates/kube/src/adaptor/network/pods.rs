//! Records of a site and its pods.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use skupper_vanflow::{Attribute, Record, RecordType};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::debug;

/// Labels that name the group of a pod, the first that it has counts.
const GROUPS: [&str; 3] = [
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
];
/// Values of the first of them that are Skupper's own.
const OWN: [&str; 2] = ["skupper", "skupper-network-observer"];

/// The SITE record, of the router's Deployment: its owner is the Site.
pub(crate) fn site(
    deployment: &Deployment,
    site_id: &str,
    site_name: &str,
    version: &str,
) -> Record {
    let namespace = deployment.namespace().unwrap_or_default();
    Record::new(RecordType::Site, site_id)
        .with(
            Attribute::START_TIME,
            microseconds(deployment.metadata.creation_timestamp.as_ref()),
        )
        .with_text(Attribute::NAME, site_name)
        .with_text(Attribute::NAMESPACE, &namespace)
        .with(Attribute::PLATFORM, "kubernetes")
        .with(Attribute::PROVIDER, "kubernetes")
        .with_text(Attribute::BUILD_VERSION, version)
}

/// The PROCESS record of a pod.
pub(super) fn process(pod: &Pod, site_id: &str) -> Option<Record> {
    let uid = pod.uid()?;
    let image = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.containers.first()?.image.as_deref())
        .unwrap_or_default();
    let label = |key: &str| {
        pod.labels()
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    let internal = label(GROUPS[0]).is_some_and(|part_of| OWN.contains(&part_of));
    let group = GROUPS
        .iter()
        .find_map(|key| label(key))
        .unwrap_or_else(|| base_name(image));
    let status = pod.status.as_ref();
    let host = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let record = Record::new(RecordType::Process, uid)
        .with(Attribute::PARENT, site_id)
        .with(
            Attribute::START_TIME,
            microseconds(pod.metadata.creation_timestamp.as_ref()),
        )
        .with_text(Attribute::NAME, &pod.name_any())
        .with_text(
            Attribute::SOURCE_HOST,
            status
                .and_then(|status| status.pod_ip.as_deref())
                .unwrap_or_default(),
        )
        .with_text(Attribute::IMAGE_NAME, image)
        .with_text(Attribute::HOSTNAME, host.unwrap_or_default())
        .with(
            Attribute::MODE,
            if internal { "internal" } else { "external" },
        )
        .with_text(Attribute::GROUP, group);
    Some(record)
}

/// The last part of an image's name, without tag and digest.
fn base_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or_default();
    let end = last.find(['@', ':']).unwrap_or(last.len());
    last.get(..end).unwrap_or_default()
}

/// Microseconds since the epoch; 0 where there is no time.
fn microseconds(time: Option<&Time>) -> u64 {
    time.and_then(|time| u64::try_from(time.0.as_microsecond()).ok())
        .unwrap_or(0)
}

/// What the watch of pods tells.
#[derive(Debug)]
pub(super) enum News {
    /// A pod as it is now.
    Is(Box<Record>),
    /// A pod is gone.
    Gone(String),
    /// All pods that there are have been told since the last time; whoever was not is gone.
    All(Vec<String>),
}

/// Tells of the pods of a namespace until nobody listens.
pub(super) async fn watch(
    client: &Client,
    namespace: &str,
    site_id: &str,
    news: &mpsc::Sender<News>,
) {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut events = pin!(watcher(api, watcher::Config::default().page_size(250)));
    let mut listing: Vec<String> = Vec::new();
    while let Some(event) = events.next().await {
        let told = match event {
            Ok(Event::Init) => {
                listing.clear();
                continue;
            }
            Ok(Event::InitApply(pod)) => {
                listing.extend(pod.uid());
                process(&pod, site_id).map(|record| News::Is(Box::new(record)))
            }
            Ok(Event::InitDone) => Some(News::All(std::mem::take(&mut listing))),
            Ok(Event::Apply(pod)) => {
                process(&pod, site_id).map(|record| News::Is(Box::new(record)))
            }
            Ok(Event::Delete(pod)) => pod.uid().map(News::Gone),
            Err(error) => {
                debug!("cannot watch pods: {error}");
                sleep(Duration::from_secs(2)).await;
                continue;
            }
        };
        if let Some(told) = told
            && news.send(told).await.is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(labels: serde_json::Value, image: &str) -> Record {
        let pod = json!({
            "metadata": {"name": "backend-1", "uid": "u", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "node", "containers": [{"name": "c", "image": image}, {"name": "d", "image": "other"}]},
            "status": {"podIP": "10.0.0.7"},
        });
        process(&serde_json::from_value(pod).unwrap(), "site").unwrap()
    }

    #[test]
    fn a_pod_is_a_process() {
        let record = pod(
            json!({"app.kubernetes.io/name": "shop"}),
            "quay.io/x/backend:1",
        );
        assert_eq!(record.id, "u");
        let texts = [
            (Attribute::PARENT, "site"),
            (Attribute::NAME, "backend-1"),
            (Attribute::SOURCE_HOST, "10.0.0.7"),
            (Attribute::IMAGE_NAME, "quay.io/x/backend:1"),
            (Attribute::HOSTNAME, "node"),
            (Attribute::MODE, "external"),
            (Attribute::GROUP, "shop"),
        ];
        for (attribute, expected) in texts {
            assert_eq!(record.text(attribute), expected, "{attribute:?}");
        }
        assert_eq!(record.number(Attribute::START_TIME), 1_767_225_600_000_000);
    }

    #[test]
    fn groups_and_modes_follow_the_labels() {
        let router = pod(
            json!({"app.kubernetes.io/part-of": "skupper", "app.kubernetes.io/name": "skupper-router"}),
            "r",
        );
        assert_eq!(
            (router.text(Attribute::MODE), router.text(Attribute::GROUP)),
            ("internal", "skupper")
        );
        for (image, group) in [
            ("localhost:5000/a/backend:2.1", "backend"),
            ("backend@sha256:abc", "backend"),
            ("backend", "backend"),
            ("", ""),
        ] {
            assert_eq!(
                pod(json!({}), image).text(Attribute::GROUP),
                group,
                "{image}"
            );
        }
    }
}
