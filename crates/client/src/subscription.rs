use tokio::sync::mpsc;

use crate::command::{Command, Incoming};

/// Receives from an address until it is dropped. A subscriber that does not read holds the router back, not the memory.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) id: u64,
    pub(crate) incoming: mpsc::UnboundedReceiver<Incoming>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
}

impl Subscription {
    /// What comes next; `None` once every [`Client`](crate::Client) is gone.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        let incoming = self.incoming.recv().await?;
        if matches!(incoming, Incoming::Message(_)) {
            let _ = self.commands.send(Command::Consumed(self.id));
        }
        Some(incoming)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Unsubscribe(self.id));
    }
}
