//! Looks up the names from which users of a virtual host may come, as long as it is in force or has connections.

use std::sync::Weak;
use std::sync::mpsc;
use std::time::Duration;

use super::hosts::HostName;
use super::rules::Ruled;

/// The time between two looks.
const AGAIN: Duration = Duration::from_secs(300);
/// The same while a name has no address, or none can be found out.
const SOON: Duration = Duration::from_secs(15);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until the virtual host is gone; tells `first` of the first time.
pub(crate) async fn keep_looking(ruled: Weak<Ruled>, first: mpsc::Sender<()>) {
    let mut first = Some(first);
    loop {
        let Some(ruled) = ruled.upgrade() else { return };
        let mut wait = AGAIN;
        for host in ruled.names() {
            look(host, &ruled.vhost.hostname).await;
            if host.fault().is_some() {
                wait = SOON;
            }
        }
        drop(ruled);
        // Who waited for it may have gone on.
        first.take().map(|first| first.send(()));
        tokio::time::sleep(wait).await;
    }
}

async fn look(host: &HostName, vhost: &str) {
    let name = &host.name;
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), 0))).await;
    let news = host.learn(match found {
        Ok(Ok(found)) => Ok(found.map(|address| address.ip()).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    });
    match host.fault() {
        Some(why) if news => {
            let who = match host.has_none() {
                true => "nobody is let in from there",
                false => "who comes from an address that it had last is still let in",
            };
            tracing::warn!(
                target: "POLICY",
                "remoteHosts of vhost '{vhost}' has '{name}', which did not resolve to an IP address: {why}: {who} until it does (it is looked up every {SOON:?}); correct the name, or use addresses"
            );
        }
        None if news => {
            tracing::debug!(target: "POLICY", "'{name}' in remoteHosts of vhost '{vhost}' was resolved")
        }
        _ => {}
    }
}
