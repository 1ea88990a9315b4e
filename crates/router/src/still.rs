//! Flows whose receivers take nothing of what waits for them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;
use crate::entities::Entities;
use crate::tcp::Flow;

/// A flow whose receiver stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Still<T> {
    pub(crate) flow: T,
    /// Octets that wait for it.
    pub(crate) waiting: u64,
}

/// Those that have taken nothing for so long though something waits. Management may hold the entities for a while: not to be
/// called where others wait.
pub(crate) fn flows(entities: &Mutex<Entities>, patience: Duration) -> Vec<Still<Flow>> {
    let now = Moment::now();
    let mut still = Vec::new();
    let entities = entities.lock().unwrap_or_else(PoisonError::into_inner);
    entities.each_flow(|flow| {
        let waiting = flow.octets.waiting();
        let taken = flow.octets.idle(now)[1].unwrap_or_else(|| flow.began.elapsed());
        if waiting > 0 && taken >= patience {
            let flow = flow.clone();
            still.push(Still { flow, waiting });
        }
    });
    still
}

/// What the log says of them: of the one for which most waits by name. Nothing where there are none.
pub(crate) fn sentence(still: &[Still<Flow>], patience: Duration) -> Option<String> {
    let most = still.iter().max_by_key(|still| still.waiting)?;
    let address = &most.flow.address;
    let whom = match most.flow.peer {
        Some(client) => format!("the client {client} of {address}"),
        None => format!("a server of {address}"),
    };
    let waiting: u64 = still.iter().map(|still| still.waiting).sum();
    Some(format!(
        "{} flows stand still: their receivers have taken nothing for {} seconds while {waiting} octets wait for them here, most of them for {whom}. Their senders are held back; see why these clients or servers do not read",
        still.len(),
        patience.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::transit::inbox::Inbox;

    #[test]
    fn whoever_lets_most_wait_is_named() {
        let still = |peer: Option<&str>, waiting| Still {
            flow: Flow::new(
                Arc::new(Inbox::new()),
                peer.map(|peer| peer.parse().unwrap()),
                "echo".into(),
                Arc::default(),
            ),
            waiting,
        };
        let age = Duration::from_secs(10);
        assert_eq!(sentence(&[], age), None);
        let two = [still(None, 3), still(Some("127.0.0.1:9"), 4)];
        let begins = "2 flows stand still: their receivers have taken nothing for 10 seconds while 7 octets wait for them here, most of them for the client 127.0.0.1:9 of echo.";
        assert!(sentence(&two, age).unwrap().starts_with(begins));
        let server = sentence(&two[..1], age).unwrap();
        assert!(server.contains("for a server of echo"), "{server}");
    }
}
