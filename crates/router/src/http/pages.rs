//! What an HTTP port serves.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::{files, metrics};
use crate::agent::Shared;
use crate::connection::listener::{AmqpListener, Secured};
use crate::context::Context;
use crate::descriptors::Room;

/// How long the core may take to show that it lives.
const PATIENCE: Duration = Duration::from_secs(5);
const PLAIN: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain");

/// The most octets of a message of a WebSocket; it holds frames of AMQP.
const MOST_MESSAGE: usize = 1024 * 1024;
/// Octets that are read of a WebSocket at once: whoever has not opened yet has such a buffer, too.
const READ_BUFFER: usize = 16 * 1024;
/// The names of AMQP as a subprotocol; the second is of clients that were made for proxies.
const SUBPROTOCOLS: [&str; 2] = ["amqp", "binary"];

/// Where AMQP goes.
#[derive(Clone)]
struct Door {
    listener: Arc<AmqpListener>,
    context: Arc<Context>,
}

/// The pages of a listener: files beneath `httpRootDir`, if there is such a directory, at what is nothing else's.
pub(super) fn pages(listener: &Arc<AmqpListener>, shared: &Arc<Shared>) -> Router {
    let settings = &listener.settings;
    let mut pages = Router::new();
    if settings.healthz {
        let shared = shared.clone();
        pages = pages.route("/healthz", get(move || healthz(shared.clone())));
    }
    if settings.metrics {
        let shared = shared.clone();
        pages = pages.route("/metrics", get(move || metrics(shared.clone())));
    }
    if !settings.http_root_dir.is_empty() {
        pages = pages.fallback_service(files::beneath(&settings.http_root_dir));
    }
    let door = Door {
        listener: listener.clone(),
        context: shared.context.clone(),
    };
    pages.layer(from_fn_with_state(door, web_socket))
}

/// Takes requests for a WebSocket, whatever the page; others go on.
async fn web_socket(
    State(Door { listener, context }): State<Door>,
    Extension(secured): Extension<Secured>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
    next: Next,
) -> Response {
    if !asks_for_web_socket(request.headers()) {
        return next.run(request).await;
    }
    let refused = |status: StatusCode, text: &'static str| (status, [PLAIN], text).into_response();
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if listener.has_ended() {
        // A connection that was made before is served for a while.
        let text = "cannot-upgrade: this listener has been deleted\n";
        return refused(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    if !listener.settings.websockets {
        let text = "cannot-upgrade: this listener has websockets: false\n";
        return refused(StatusCode::FORBIDDEN, text);
    }
    if !listener.settings.role.keeps_section() && context.descriptors.room() > Room::Clients {
        context.descriptors.tell(format_args!(
            "clients by WebSocket of {} are refused",
            listener.settings.name
        ));
        let text = "cannot-upgrade: the router has too few file descriptors left\n";
        return refused(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    if listener.settings.needs_tls() && !secured.is_by_tls() {
        let text = "cannot-upgrade: this listener takes AMQP with TLS alone (requireSsl, requireEncryption): connect with TLS, and name an sslProfile in it if it has none\n";
        return refused(StatusCode::FORBIDDEN, text);
    }
    let upgrade = upgrade
        .max_message_size(MOST_MESSAGE)
        .max_frame_size(MOST_MESSAGE)
        .read_buffer_size(READ_BUFFER)
        .protocols(SUBPROTOCOLS);
    if upgrade.selected_protocol().is_none() {
        let text = "cannot-upgrade: ask for the subprotocol amqp\n";
        return refused(StatusCode::BAD_REQUEST, text);
    }
    upgrade
        .on_failed_upgrade(|error| tracing::debug!(target: "HTTP", "no WebSocket: {error}"))
        .on_upgrade(async move |socket| {
            let workers = context.workers.clone();
            let worker = workers.in_turn();
            workers.spawn(worker, listener.serve_web(socket, secured, worker, context));
        })
}

fn asks_for_web_socket(headers: &HeaderMap) -> bool {
    let asked = headers.get(header::UPGRADE);
    asked.is_some_and(|asked| asked.as_bytes().eq_ignore_ascii_case(b"websocket"))
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
