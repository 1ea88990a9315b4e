//! What the router reports of refusals and credentials, put where the controller reads it: the ConfigMap
//! `skupper-router-report`, owned by the router's Deployment.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Api, PostParams};
use kube::{Resource as _, ResourceExt as _};
use skupper_client::{Client as Router, ClientError};
use skupper_management::{Attributes, Kind, Value};
use skupper_site::names::{ROUTER_REPORT, ROUTER_REPORT_KEY};
use skupper_site::refusals::{Report, RouterReport};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::store::router_pods;
use crate::client::text;

/// How often the router is asked.
const ASK: Duration = Duration::from_secs(1);
/// What strangers cause is written no more often than this.
const STRANGERS: Duration = Duration::from_secs(10);
/// Pause after trouble with the API server.
const TROUBLE: Duration = Duration::from_secs(5);
/// Attempts at a write that others were quicker with.
const CONFLICTS: usize = 5;

/// Kinds of entities that a report is made of.
const KINDS: [Kind; 4] = [
    Kind::Connector,
    Kind::Listener,
    Kind::SslProfile,
    Kind::TcpListener,
];

/// Who reports, and to where.
pub(super) struct Reporter {
    pub(super) client: kube::Client,
    pub(super) namespace: String,
    pub(super) deployment: String,
    pub(super) pod: String,
    pub(super) router: Router,
    pub(super) problems: watch::Receiver<Vec<String>>,
}

/// What was written last.
struct Written {
    report: RouterReport,
    at: Instant,
}

impl Reporter {
    /// Reports for ever.
    pub(super) async fn run(mut self) {
        let mut written: Option<Written> = None;
        let mut said = false;
        loop {
            let report = match self.ask().await {
                Ok(report) => report,
                Err(error) => {
                    debug!("the router does not say how it is: {error}");
                    // What it said last is old; what the adaptor has to say is not.
                    let last = written.as_ref().map(|written| written.report.clone());
                    RouterReport {
                        problems: self.problems.borrow().clone(),
                        ..last.unwrap_or_default()
                    }
                }
            };
            let due = match &written {
                None => true,
                Some(written) => is_due(&written.report, &report, written.at.elapsed()),
            };
            if due {
                match self.write(&report).await {
                    Ok(()) => {
                        written = Some(Written {
                            report,
                            at: Instant::now(),
                        });
                        said = false;
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut said, true) {
                            warn!(
                                "the router's report cannot be written to ConfigMap \"{ROUTER_REPORT}\": {}",
                                text(&error)
                            );
                        }
                        sleep(TROUBLE).await;
                    }
                }
            }
            tokio::select! {
                () = sleep(ASK) => {}
                changed = self.problems.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn ask(&self) -> Result<RouterReport, ClientError> {
        let mut report = RouterReport {
            problems: self.problems.borrow().clone(),
            ..RouterReport::default()
        };
        for kind in KINDS {
            for entity in self.router.query(kind, &[]).await? {
                if let Some(name) = entity.get("name").and_then(Value::as_str) {
                    report.add(kind, name, &entity);
                }
            }
        }
        Ok(report)
    }

    /// Writes this pod's entry; those of pods that are gone go.
    async fn write(&self, report: &RouterReport) -> Result<(), kube::Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let pods = router_pods(&self.client, &self.namespace).await?;
        for attempt in 1.. {
            let existing = api.get_opt(ROUTER_REPORT).await?;
            let mut all = existing.as_ref().map(Report::of).unwrap_or_default();
            all.routers.retain(|pod, _| pods.contains(pod));
            all.routers.insert(self.pod.clone(), report.clone());
            let wanted = all.to_json();
            let outcome = match existing {
                Some(existing) if data(&existing) == Some(&wanted) => return Ok(()),
                Some(mut existing) => {
                    existing
                        .data
                        .get_or_insert_default()
                        .insert(ROUTER_REPORT_KEY.to_owned(), wanted);
                    api.replace(ROUTER_REPORT, &PostParams::default(), &existing)
                        .await
                }
                None => {
                    let config_map = ConfigMap {
                        metadata: ObjectMeta {
                            name: Some(ROUTER_REPORT.to_owned()),
                            owner_references: self.owner().await?.map(|owner| vec![owner]),
                            ..ObjectMeta::default()
                        },
                        data: Some([(ROUTER_REPORT_KEY.to_owned(), wanted)].into()),
                        ..ConfigMap::default()
                    };
                    api.create(&PostParams::default(), &config_map).await
                }
            };
            match outcome {
                // Another pod was quicker.
                Err(kube::Error::Api(status)) if status.code == 409 && attempt < CONFLICTS => {}
                other => return other.map(|_| ()),
            }
        }
        Ok(())
    }

    async fn owner(&self) -> Result<Option<OwnerReference>, kube::Error> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let deployment = api.get_opt(&self.deployment).await?;
        Ok(deployment.map(|deployment| OwnerReference {
            api_version: Deployment::api_version(&()).into_owned(),
            kind: Deployment::kind(&()).into_owned(),
            name: deployment.name_any(),
            uid: deployment.uid().unwrap_or_default(),
            ..OwnerReference::default()
        }))
    }
}

fn data(config_map: &ConfigMap) -> Option<&String> {
    config_map.data.as_ref()?.get(ROUTER_REPORT_KEY)
}

/// Whether a report is to be written, so long after the last one. News of links, credentials and services are, at once; what
/// strangers cause at listeners, and counts that went up, only now and then.
fn is_due(written: &RouterReport, now: &RouterReport, since: Duration) -> bool {
    if written == now {
        return false;
    }
    since >= STRANGERS || own(written) != own(now)
}

/// A report without what strangers cause and without counts and times.
fn own(report: &RouterReport) -> RouterReport {
    let mut report = report.clone();
    report.listeners.clear();
    for connector in report.connectors.values_mut() {
        uncounted(connector);
    }
    report
}

fn uncounted(attributes: &mut Attributes) {
    attributes.remove("refusalCount");
    // `connectionStatus` goes back and forth with every attempt; whether it is connected is what matters.
    let connected = attributes.get("connectionStatus").and_then(Value::as_str) == Some("SUCCESS");
    attributes.insert("connectionStatus".to_owned(), connected.into());
    let Some(Value::Array(refusals)) = attributes.get_mut("refusals") else {
        return;
    };
    for refusal in refusals {
        if let Value::Object(refusal) = refusal {
            for changing in ["count", "firstSeconds", "lastSeconds"] {
                refusal.remove(changing);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(value: Value) -> RouterReport {
        serde_json::from_value(value).unwrap()
    }

    fn connector(status: &str, message: &str, count: u64) -> Value {
        let refusal = json!({"by": "us", "check": "name", "message": message, "count": count, "lastSeconds": count});
        json!({"connectors": {"link": {"connectionStatus": status, "refusals": [refusal], "refusalCount": count}}})
    }

    #[test]
    fn news_are_told_at_once_and_counts_now_and_then() {
        let at_once = Duration::from_millis(1);
        let one = report(connector("FAILED", "name not covered", 1));
        assert!(is_due(&RouterReport::default(), &one, at_once));
        assert!(!is_due(&one, &one, STRANGERS));
        let more = report(connector("CONNECTING", "name not covered", 7));
        assert!(!is_due(&one, &more, at_once), "the same again");
        assert!(is_due(&one, &more, STRANGERS));
        assert!(
            is_due(&one, &report(connector("FAILED", "expired", 1)), at_once),
            "another reason"
        );
        assert!(
            is_due(
                &one,
                &report(connector("SUCCESS", "name not covered", 1)),
                at_once
            ),
            "connected"
        );
    }

    #[test]
    fn strangers_cause_a_write_in_ten_seconds_at_most() {
        let listener = |count: u64| {
            let refusal = json!({"by": "us", "check": "tls", "peer": format!("10.0.0.{count}:1"), "count": 1});
            report(
                json!({"listeners": {"inter-router": {"refusals": [refusal], "refusalCount": count}}}),
            )
        };
        assert!(!is_due(&listener(1), &listener(2), Duration::from_secs(9)));
        assert!(is_due(&listener(1), &listener(2), STRANGERS));
        // After quiet, at once.
        assert!(is_due(&RouterReport::default(), &listener(1), STRANGERS));
    }

    #[test]
    fn problems_of_the_adaptor_are_told_at_once() {
        let problem = report(json!({"problems": ["no Secret"]}));
        assert!(is_due(&RouterReport::default(), &problem, Duration::ZERO));
        assert!(is_due(&problem, &RouterReport::default(), Duration::ZERO));
    }
}
