//! The end of a router that is told to stop: those who can go elsewhere are sent there first.
//!
//! 1. Its destinations are withdrawn. What other routers send by older news is still taken.
//! 2. When the news is everywhere, its ports are closed, and who has come to them is taken.
//! 3. Flows under way have time to end. A second signal cuts them short.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::CommandError;
use crate::router::Router;

/// The news that an address is withdrawn has come to every router by then, and what was sent before it has come here.
const NEWS: Duration = Duration::from_secs(1);
/// How often it is looked whether flows have ended.
const LOOK: Duration = Duration::from_millis(50);

/// The signals that end a router.
struct Signals {
    term: Signal,
    quit: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one. A hang-up means nothing: there is no reload, changes come by management.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.quit.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {}
            }
        }
    }
}

/// Returns when the router has been told to stop and is drained, for at most `most`; at once if that is zero.
pub(super) fn until_stopped(router: &Router, most: Duration) -> Result<(), CommandError> {
    let system = |error: std::io::Error| {
        CommandError::System(format!("signals cannot be waited for: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(system)?;
        signals.stop().await;
        if !most.is_zero() {
            tokio::select! {
                () = drain(router, most) => {}
                () = signals.stop() => {}
            }
        }
        Ok(())
    })
}

async fn drain(router: &Router, most: Duration) {
    let deadline = Instant::now() + most;
    if router.has_neighbours() {
        tracing::info!(target: "ROUTER", "Stopping: addresses are withdrawn");
        router.withdraw();
        sleep(NEWS.min(most)).await;
    }
    if timeout_at(deadline, router.close_ports()).await.is_err() {
        tracing::warn!(target: "ROUTER", "Stopping: ports are closed while clients are still coming");
    }
    let streams = router.streams();
    if streams == 0 {
        return;
    }
    tracing::info!(target: "ROUTER", "Stopping: {streams} streams are under way, they have {most:?} to end");
    tokio::select! {
        () = sleep_until(deadline) => {
            tracing::warn!(target: "ROUTER", "Stopping: {} streams are cut", router.streams());
        }
        () = ended(router) => {}
    }
}

async fn ended(router: &Router) {
    while router.streams() > 0 {
        sleep(LOOK).await;
    }
}
