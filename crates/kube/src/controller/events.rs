//! Telling people, by Events.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, PostParams};
use tracing::warn;

use super::writes::Writer;
use crate::client::text;

/// Makes Events in a namespace. One that exists already was told before; a failure is only logged.
pub(super) async fn tell(
    writer: &Writer,
    component: &str,
    namespace: &Arc<str>,
    events: Vec<skupper_site::Event>,
) {
    let api: Api<Event> = Api::namespaced(writer.client.clone(), namespace);
    stream::iter(events)
        .for_each_concurrent(4, |event| {
            let api = api.clone();
            async move {
                let Ok(_permit) = writer.permits.acquire().await else {
                    return;
                };
                let event = event_object(component, namespace, event);
                match api.create(&PostParams::default(), &event).await {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.code == 409 => {}
                    Err(error) => {
                        let reason = event.reason.as_deref().unwrap_or_default();
                        warn!(%namespace, reason, "an Event could not be made: {}", text(&error));
                    }
                }
            }
        })
        .await;
}

fn event_object(component: &str, namespace: &str, event: skupper_site::Event) -> Event {
    let now = Time(Timestamp::now());
    Event {
        metadata: ObjectMeta {
            name: Some(event.name),
            namespace: Some(namespace.to_owned()),
            ..Default::default()
        },
        involved_object: ObjectReference {
            api_version: Some(event.kind.api_version()),
            kind: Some(event.kind.kind().to_owned()),
            name: Some(event.object),
            namespace: Some(namespace.to_owned()),
            uid: Some(event.uid).filter(|uid| !uid.is_empty()),
            ..Default::default()
        },
        type_: Some(event.type_.as_str().to_owned()),
        reason: Some(event.reason.to_owned()),
        message: Some(event.message),
        source: Some(EventSource {
            component: Some(component.to_owned()),
            ..Default::default()
        }),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Default::default()
    }
}
