//! From a workload to the labels of its pods.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::WorkloadLabels;
use crate::cluster::{Cluster, Object};
use crate::validate::{self, WorkloadKind};

/// Looks the workload up. `None` where none was named, or no such thing can be named.
pub(crate) async fn labels(cluster: &Cluster, workload: Option<&str>) -> WorkloadLabels {
    let (kind, name) = validate::workload(workload?).ok()?;
    Some(match kind {
        WorkloadKind::Deployment => find::<Deployment>(cluster, "Deployment", name)
            .await
            .and_then(|found| match_labels(found.spec.map(|spec| spec.selector))),
        WorkloadKind::DaemonSet => find::<DaemonSet>(cluster, "DaemonSet", name)
            .await
            .and_then(|found| match_labels(found.spec.map(|spec| spec.selector))),
        WorkloadKind::StatefulSet => find::<StatefulSet>(cluster, "StatefulSet", name)
            .await
            .and_then(|found| match_labels(found.spec.map(|spec| spec.selector))),
        WorkloadKind::Service => {
            find::<Service>(cluster, "Service", name)
                .await
                .and_then(|found| {
                    let labels = found.spec.and_then(|spec| spec.selector);
                    some(labels, "workload, no selector labels found")
                })
        }
    })
}

async fn find<K: Object>(cluster: &Cluster, kind: &str, name: &str) -> Result<K, String> {
    let failed = |why: &str| format!("failed trying to get {kind} specified by workload: {why}");
    match cluster.get::<K>(name).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(failed(&format!(
            "there is no {kind} {name} in namespace {}",
            cluster.namespace
        ))),
        Err(failure) => Err(failed(&failure.messages.join("; "))),
    }
}

fn match_labels(selector: Option<LabelSelector>) -> Result<BTreeMap<String, String>, String> {
    let labels = selector.and_then(|selector| selector.match_labels);
    some(labels, "workload, no selector Matchlabels found")
}

fn some(
    labels: Option<BTreeMap<String, String>>,
    otherwise: &str,
) -> Result<BTreeMap<String, String>, String> {
    labels
        .filter(|labels| !labels.is_empty())
        .ok_or_else(|| otherwise.to_owned())
}
