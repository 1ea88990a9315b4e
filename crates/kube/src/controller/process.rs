//! The controller as a process: its parts put together, and its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::Router;
use k8s_openapi::api::core::v1::ConfigMap;
use prometheus_client::registry::Registry;
use skupper_site::ControllerIdentity;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::control::Control;
use super::gauges::Gauges;
use super::identity;
use super::options::Options;
use super::queue::Queue;
use super::turn::{Context, Reconcile};
use super::watch::Watches;
use super::world::World;
use super::writes::{IN_ALL, Writer};
use crate::lease::{Election, Timing};
use crate::logging::LogLevel;
use crate::metrics::{ClientMetrics, QueueMetrics};
use crate::{client, probes};

/// Namespaces that are worked on at the same time at most.
const TURNS: usize = 16;
/// How long turns under way may take to end when the controller is told to stop.
const LAST_TURNS: Duration = Duration::from_secs(5);

/// Runs the controller until SIGTERM or SIGINT.
pub(super) async fn run(
    options: Options,
    reconcile: Reconcile,
    log_level: Option<LogLevel>,
) -> anyhow::Result<()> {
    let mut registry = Registry::default();
    let client_metrics = ClientMetrics::new(&mut registry);
    let queue_metrics = QueueMetrics::new(&mut registry, "v1 Namespace");
    let gauges = Gauges::new(&mut registry);
    let world = Arc::new(World::new(Queue::new(queue_metrics)));
    serve(&options, registry, &world).await?;

    let client = client::connect(options.kubeconfig.as_deref(), &client_metrics)
        .await
        .map_err(|error| anyhow!("cannot connect to an API server: {}", client::text(&error)))?;
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let namespace = identity::namespace(&options, &client);
    let name = identity::name(&options, &client, &namespace, &host).await;
    let controller = ControllerIdentity {
        name: name.clone(),
        namespace: namespace.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let only = Some(options.watch_namespace.clone()).filter(|namespace| !namespace.is_empty());
    let control = Control::new(
        &controller,
        options.require_explicit_control || only.is_some(),
    );
    info!(
        name,
        namespace,
        version = controller.version,
        scope = only.as_deref().unwrap_or("all namespaces"),
        "controller starting"
    );
    let settings = identity::settings(&options, controller).map_err(anyhow::Error::msg)?;

    let mut watches = Watches::new(client.clone(), Arc::clone(&world), only.clone());
    watches.start();
    if only.is_some_and(|only| only != namespace) {
        // Sizings, templates and the log level stand in the controller's own namespace.
        watches.kind_in::<ConfigMap>(Some(namespace.clone()));
    }

    let (leading, leads) = watch::channel(!options.leader_election);
    let identity = if host.is_empty() {
        format!("{name}-{}", std::process::id())
    } else {
        host
    };
    let election = Election::new(
        client.clone(),
        &namespace,
        &name,
        &identity,
        Timing::default(),
    );
    let context = Arc::new(Context {
        writer: Writer {
            client,
            world: Arc::clone(&world),
            permits: Arc::new(Semaphore::new(IN_ALL)),
            leading: leads.clone(),
        },
        world: Arc::clone(&world),
        settings: Arc::new(settings),
        reconcile,
        control,
        leading: leads.clone(),
        gauges: gauges.clone(),
        log_level,
    });

    let mut turns = JoinSet::new();
    let stop = stop_signal()?;
    tokio::select! {
        () = stop => {}
        () = campaign(&election, &leading, options.leader_election) => {}
        () = follow(&world, leads, &gauges) => {}
        () = work(&context, &mut turns) => {}
    }
    info!("stopping");
    let ended = timeout(LAST_TURNS, async {
        while turns.join_next().await.is_some() {}
    })
    .await;
    if ended.is_err() {
        warn!("some turns did not end in time; the next leader takes them up");
        turns.abort_all();
    }
    if options.leader_election {
        leading.send_replace(false);
        election.release().await;
    }
    Ok(())
}

/// Takes part in the election, where there is one.
async fn campaign(election: &Election, leading: &watch::Sender<bool>, elections: bool) {
    if elections {
        election.run(leading).await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// When this replica becomes the leader, every namespace is looked at.
async fn follow(world: &World, mut leading: watch::Receiver<bool>, gauges: &Gauges) {
    loop {
        let leads = *leading.borrow_and_update();
        gauges.leading(leads);
        if leads {
            world.wake_all();
        }
        if leading.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Gives namespaces their turns.
async fn work(context: &Arc<Context>, turns: &mut JoinSet<()>) {
    loop {
        while turns.len() >= TURNS {
            turns.join_next().await;
        }
        let name = context.world.queue.next().await;
        while turns.try_join_next().is_some() {}
        let context = Arc::clone(context);
        turns.spawn(async move {
            let turn = Turn {
                queue: &context.world.queue,
                name: &name,
                began: Instant::now(),
            };
            Box::pin(context.turn(Arc::clone(&name))).await;
            drop(turn);
        });
    }
}

/// A turn under way. However it ends, the namespace goes back to the queue.
struct Turn<'t> {
    queue: &'t Queue,
    name: &'t Arc<str>,
    began: Instant,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.metrics().worked(self.began.elapsed());
        self.queue.done(self.name);
    }
}

/// Serves probes and metrics.
async fn serve(options: &Options, registry: Registry, world: &Arc<World>) -> anyhow::Result<()> {
    let world = Arc::clone(world);
    let readiness: probes::Readiness = Arc::new(move || {
        if world.is_synced() {
            Ok(())
        } else {
            Err(format!("not known yet: {}", world.missing().join("; ")))
        }
    });
    let health = probes::health(readiness);
    let metrics = probes::metrics(Arc::new(registry));
    let mut served: Vec<(&str, Router)> = vec![(&options.health_address, health)];
    if !options.disable_metrics {
        if options.metrics_address == options.health_address {
            served = served
                .into_iter()
                .map(|(address, routes)| (address, routes.merge(metrics.clone())))
                .collect();
        } else {
            served.push((&options.metrics_address, metrics));
        }
    }
    for (address, routes) in served {
        let at = probes::address(address).map_err(anyhow::Error::msg)?;
        probes::serve(at, routes)
            .await
            .with_context(|| format!("cannot listen at {at}; choose another port"))?;
    }
    Ok(())
}

/// Resolves when the process is told to stop. A second time ends it at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    let (sender, mut receiver) = watch::channel(false);
    tokio::spawn(async move {
        for times in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if times > 0 {
                std::process::exit(1);
            }
            sender.send_replace(true);
        }
    });
    Ok(async move {
        // The sender lives as long as the process.
        let _ = receiver.wait_for(|stop| *stop).await;
    })
}
