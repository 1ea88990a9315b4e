//! Requests that come to `$management`, and their answers.

use std::sync::Arc;

use skupper_amqp::Message;
use skupper_management::Kind;
use skupper_management::agent::handle;
use skupper_management::protocol::{MANAGEMENT, Request};
use tokio::task::JoinHandle;

use super::Shared;
use crate::core::{Received, Subscription};

/// Answers at the addresses of this router's agent, one request after another at each, so that a client sees its own
/// requests done in their order. The tasks end when they are aborted.
pub(super) fn answer_at_management(shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    // As clients of this router name the agent, and as others do, by `_topo/0/<id>/$management`.
    let addresses = [MANAGEMENT.to_owned(), format!("_local/{MANAGEMENT}")];
    addresses
        .into_iter()
        .map(|address| {
            tracing::info!(target: "AGENT", "Activating management agent on {address}");
            let subscription = shared.context.subscribe(&address);
            shared
                .runtime
                .spawn(answer_all(subscription, shared.clone()))
        })
        .collect()
}

async fn answer_all(mut requests: Subscription, shared: Arc<Shared>) {
    while let Some(received) = requests.next().await {
        let shared = shared.clone();
        // Credentials are read from files and links are asked for their counters: nothing for the core's thread.
        let answered = tokio::task::spawn_blocking(move || answer(&received, &shared)).await;
        if let Err(error) = answered {
            tracing::error!(target: "AGENT", "a management request was not answered: {error}");
        }
    }
}

/// Answers one request. One that says not where to is left alone.
fn answer(received: &Received, shared: &Arc<Shared>) {
    let request = match Message::decode(&received.payload) {
        Ok(message) => Request::decode(&message),
        Err(error) => {
            tracing::warn!(target: "AGENT", "a management request cannot be read: {error}");
            return;
        }
    };
    let Some(reply_to) = request.reply_to.clone() else {
        return;
    };
    tracing::debug!(target: "AGENT", "{} of {} from {reply_to}", request.spelled(), request.target());
    let mut view = shared.view().administered_by(received.administers);
    let reply = handle(&request, &mut view);
    drop(view);
    if !reply.status.is_success() {
        let (status, description) = (reply.status, &reply.description);
        tracing::error!(
            target: "AGENT",
            "Error performing {} of {}: {status} {description}", request.operation, request.target()
        );
        if request.operation.eq_ignore_ascii_case("CREATE") {
            tell_unmade(&request, description);
        }
    }
    let payload = reply.encode(&request).to_bytes();
    if shared
        .context
        .dispatch
        .send_message(&reply_to, payload)
        .is_err()
    {
        tracing::debug!(target: "AGENT", "nobody waits any more for the answer at {reply_to}");
    }
}

/// Says what was not made, and why, in the module that upstream's router says it in, and in its words.
fn tell_unmade(request: &Request, why: &str) {
    let name = request.name.as_deref().unwrap_or_default();
    match request.kind.as_deref().and_then(Kind::named) {
        Some(Kind::Listener) => {
            tracing::error!(target: "CONN_MGR", "Unable to create listener: {why}");
        }
        Some(Kind::Connector) => {
            tracing::error!(target: "CONN_MGR", "Unable to create connector: {why}");
        }
        Some(Kind::TcpListener) => {
            tracing::error!(target: "TCP_ADAPTOR", "Unable to create tcp listener: {why}");
        }
        Some(Kind::TcpConnector) => {
            tracing::error!(target: "TCP_ADAPTOR", "Unable to create tcp connector: {why}");
        }
        Some(Kind::ListenerAddress) => {
            tracing::error!(target: "TCP_ADAPTOR", "Unable to create tcp listener address: {why}");
        }
        Some(kind @ (Kind::SslProfile | Kind::ProxyProfile)) => {
            tracing::error!(target: "AGENT", "Unable to create {kind} '{name}': {why}");
        }
        _ => {}
    }
}
