//! What is measured, under upstream's names where upstream measures it too.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Requests to the API server.
#[derive(Clone, Debug)]
pub struct ClientMetrics {
    duration: Family<Endpoint, Histogram>,
    requests: Family<Outcome, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoint {
    method: String,
    endpoint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    method: String,
    status_code: String,
}

fn request_histogram() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

impl ClientMetrics {
    /// Measures into `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = ClientMetrics {
            duration: Family::new_with_constructor(request_histogram),
            requests: Family::default(),
        };
        registry.register_with_unit(
            "skupper_kubernetes_client_http_request_duration",
            "How long the API server took to answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "skupper_kubernetes_client_http_requests",
            "Requests to the API server",
            metrics.requests.clone(),
        );
        metrics
    }

    /// A request was answered, or failed (status `<error>`).
    pub(crate) fn request(&self, method: &str, endpoint: &str, status: &str, duration: Duration) {
        let labels = Endpoint {
            method: method.to_owned(),
            endpoint: endpoint.to_owned(),
        };
        self.duration
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
        let labels = Outcome {
            method: method.to_owned(),
            status_code: status.to_owned(),
        };
        self.requests.get_or_create(&labels).inc();
    }
}

/// A work queue. The label `kind` says what its items are.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    adds: Family<Kind, Counter>,
    depth: Family<Kind, Gauge>,
    delay: Family<Kind, Histogram>,
    duration: Family<Kind, Histogram>,
    retries: Family<Kind, Counter>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

fn queue_histogram() -> Histogram {
    Histogram::new((0..12).map(|power| 1e-9 * 10f64.powi(power)))
}

impl QueueMetrics {
    /// Measures the queue of `kind` (`<group/version> <Kind>`) into `registry`.
    pub fn new(registry: &mut Registry, kind: &'static str) -> Self {
        let metrics = QueueMetrics {
            adds: Family::default(),
            depth: Family::default(),
            delay: Family::new_with_constructor(queue_histogram),
            duration: Family::new_with_constructor(queue_histogram),
            retries: Family::default(),
            kind: Kind { kind },
        };
        registry.register(
            "skupper_workqueue_adds",
            "Items added",
            metrics.adds.clone(),
        );
        registry.register(
            "skupper_workqueue_depth",
            "Items that wait",
            metrics.depth.clone(),
        );
        let seconds =
            |registry: &mut Registry, name: &str, help: &str, family: &Family<Kind, Histogram>| {
                registry.register_with_unit(name, help, Unit::Seconds, family.clone());
            };
        seconds(
            registry,
            "skupper_workqueue_delay",
            "How long items waited",
            &metrics.delay,
        );
        seconds(
            registry,
            "skupper_workqueue_duration",
            "How long items took",
            &metrics.duration,
        );
        registry.register(
            "skupper_workqueue_retries",
            "Items that failed and are tried again",
            metrics.retries.clone(),
        );
        metrics
    }

    /// An item was added.
    pub(crate) fn added(&self) {
        self.adds.get_or_create(&self.kind).inc();
    }

    /// So many items wait now.
    pub(crate) fn waiting(&self, items: usize) {
        self.depth
            .get_or_create(&self.kind)
            .set(i64::try_from(items).unwrap_or(i64::MAX));
    }

    /// An item was taken, so long after it was due.
    pub(crate) fn taken(&self, delay: Duration) {
        self.delay
            .get_or_create(&self.kind)
            .observe(delay.as_secs_f64());
    }

    /// An item was worked on for so long.
    pub(crate) fn worked(&self, duration: Duration) {
        self.duration
            .get_or_create(&self.kind)
            .observe(duration.as_secs_f64());
    }

    /// An item failed and will be tried again.
    pub(crate) fn retried(&self) {
        self.retries.get_or_create(&self.kind).inc();
    }
}
