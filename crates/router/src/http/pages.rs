//! What an HTTP port serves.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use skupper_management::entity::Listener;

use super::metrics;
use crate::agent::Shared;

/// How long the core may take to show that it lives.
const PATIENCE: Duration = Duration::from_secs(5);
const PLAIN: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain");

/// The pages of a listener. There are no static files, whatever `httpRootDir` says.
pub(super) fn pages(listener: &Listener, shared: &Arc<Shared>) -> Router {
    let mut pages = Router::new();
    if listener.healthz {
        let shared = shared.clone();
        pages = pages.route("/healthz", get(move || healthz(shared.clone())));
    }
    if listener.metrics {
        let shared = shared.clone();
        pages = pages.route("/metrics", get(move || metrics(shared.clone())));
    }
    pages
}

/// Well once the core has answered: a router whose core is stuck is not.
async fn healthz(shared: Arc<Shared>) -> Response {
    match tokio::time::timeout(PATIENCE, shared.context.core.look(|_| ())).await {
        Ok(Some(())) => ([PLAIN], "OK\n").into_response(),
        Ok(None) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [PLAIN],
            "the router is ending\n",
        )
            .into_response(),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [PLAIN],
            "the router's core does not answer\n",
        )
            .into_response(),
    }
}

async fn metrics(shared: Arc<Shared>) -> Response {
    // Links are asked for their counters, which takes a moment.
    let text = tokio::task::spawn_blocking(move || metrics::text(&shared.view())).await;
    match text {
        Ok(text) => ([PLAIN, (header::CONNECTION, "close")], text).into_response(),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [PLAIN],
            format!("{error}\n"),
        )
            .into_response(),
    }
}
