//! The adaptor as a process: its parts put together, and its end.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus_client::registry::Registry;
use skupper_client::{Client as RouterClient, Endpoint};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

use super::files::Directory;
use super::init::{self, Place};
use super::leader::Leader;
use super::options::Options;
use super::report::Reporter;
use super::store::Store;
use super::sync::Sync;
use crate::metrics::ClientMetrics;
use crate::{client, probes};

/// Runs until SIGTERM or SIGINT; with `-init`, until the router can start.
pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let client_metrics = ClientMetrics::new(&mut registry);
    let client = client::connect(options.kubeconfig.as_deref(), &client_metrics)
        .await
        .map_err(|error| anyhow!("cannot connect to an API server: {}", client::text(&error)))?;
    let named = [&options.namespace, &options.pod.pod_namespace];
    let namespace = named
        .into_iter()
        .find(|namespace| !namespace.is_empty())
        .cloned()
        .unwrap_or_else(|| client.default_namespace().to_owned());
    let certificates = Directory::new(&options.config_dir);
    let proxies = Directory::new(&options.proxy_dir);
    info!(
        namespace,
        version = env!("CARGO_PKG_VERSION"),
        config_map = options.router_config,
        init = options.init,
        "adaptor starting"
    );
    if options.init {
        let place = Place {
            client: &client,
            namespace: &namespace,
            config_map: &options.router_config,
            certificates: &certificates,
            proxies: &proxies,
        };
        return init::run(&place).await;
    }

    let stop = stop_signal()?;
    let store = Arc::new(Store::new());
    // A router of the same pod; with IPv6 alone there is no 127.0.0.1.
    let endpoint = Endpoint::tcp("localhost", options.router_port);
    let router = RouterClient::new(endpoint.clone(), "kube-adaptor");
    let pod = Some(options.pod.pod_name.clone())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("adaptor-{}", std::process::id()));
    let sync = Sync::new(
        Arc::clone(&store),
        router.clone(),
        &options.router_config,
        certificates,
        proxies,
    );
    serve(&options, registry, &router, sync.synced.subscribe()).await?;
    let reporter = Reporter {
        client: client.clone(),
        namespace: namespace.clone(),
        deployment: options.pod.router_deployment.clone(),
        pod: pod.clone(),
        router: router.clone(),
        problems: sync.problems.subscribe(),
    };
    let leader = Leader {
        client: client.clone(),
        namespace: namespace.clone(),
        deployment: options.pod.router_deployment.clone(),
        pod,
        endpoint,
    };
    tokio::select! {
        () = stop => {}
        () = store.keep(&client, &namespace, &options.router_config) => {}
        () = sync.run() => {}
        () = reporter.run() => {}
        () = leader.run() => {}
    }
    info!("stopping");
    leader.release().await;
    Ok(())
}

/// Serves probes and metrics. `/healthz` is upstream's, which the Deployment asks: it answers once the router does, and
/// from then on, since a router that restarts has a probe of its own. `/readyz` says how it is now.
async fn serve(
    options: &Options,
    registry: Registry,
    router: &RouterClient,
    synced: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let state = router.state();
    let was_up = state.clone();
    let healthz = move || {
        let up = was_up.borrow().generation > 0;
        async move {
            if up {
                (StatusCode::OK, "ok")
            } else {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the router has not been reached yet",
                )
            }
        }
    };
    let readyz = move || {
        let state = state.borrow();
        let answer = if state.router.is_none() {
            let why = state.error.clone().unwrap_or_default();
            (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("no connection to the router: {why}"),
            )
        } else if *synced.borrow() {
            (StatusCode::OK, "ok".to_owned())
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the router does not run yet what it should".to_owned(),
            )
        };
        async move { answer }
    };
    let health = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz));
    let metrics = probes::metrics(Arc::new(registry));
    let mut served = vec![(&options.health_address, health)];
    if !options.disable_metrics {
        served.push((&options.metrics_address, metrics));
    }
    for (address, routes) in served {
        let at = probes::address(address).map_err(anyhow::Error::msg)?;
        probes::serve(at, routes)
            .await
            .with_context(|| format!("cannot listen at {at}; choose another port"))?;
    }
    Ok(())
}

/// Resolves when the process is told to stop.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
