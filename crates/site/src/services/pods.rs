//! Which pods a Connector's selector picks (reference §3.12).

use k8s_openapi::api::core::v1::Pod;

use crate::Objects;
use crate::selector::Selector;

/// A pod that is picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picked {
    pub(super) name: String,
    pub(super) ip: String,
    pub(super) uid: String,
}

/// The pods that run (and are ready, unless those that are not are wanted too), by name.
pub(super) fn pick(
    pods: &Objects<Pod>,
    selector: &Selector,
    include_not_ready: bool,
) -> Vec<Picked> {
    let matching = pods
        .iter()
        .filter(|(_, pod)| selector.matches(pod.metadata.labels.as_ref()));
    matching
        .filter(|(_, pod)| runs(pod) && (include_not_ready || is_ready(pod)))
        .filter_map(|(name, pod)| {
            let ip = pod
                .status
                .as_ref()?
                .pod_ip
                .clone()
                .filter(|ip| !ip.is_empty())?;
            Some(Picked {
                name: name.clone(),
                ip,
                uid: pod.metadata.uid.clone().unwrap_or_default(),
            })
        })
        .collect()
}

/// Whether a pod runs and is not about to end.
pub(crate) fn runs(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

/// Whether a pod's readiness probes succeed.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
