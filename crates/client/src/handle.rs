use std::time::Duration;

use skupper_amqp::Message;
use skupper_management::{
    Attributes, Kind, Value,
    protocol::{MANAGEMENT, Reply, Request},
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    ClientError, Endpoint, Subscription,
    command::{Command, next_id},
    driver::Driver,
};

/// Rows asked for at a time, as upstream's tools do.
const PAGE: i64 = 500;

/// How the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Connections made so far. Whoever mirrors a router's state has to look anew when it has risen.
    pub generation: u64,
    /// The router's id, while connected.
    pub router: Option<String>,
    /// Why there is no connection now, or why the last one ended.
    pub error: Option<String>,
}

/// A client of one router. Clones share one connection, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<State>,
    timeout: Duration,
    agent: String,
}

impl Client {
    /// A client that connects in the background. `name` identifies this program to the router (AMQP container id).
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn new(endpoint: Endpoint, name: &str) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (sender, state) = watch::channel(State::default());
        tokio::spawn(Driver::new(endpoint, name.to_owned(), receiver, sender).run());
        Self {
            commands,
            state,
            timeout: Duration::from_secs(15),
            agent: MANAGEMENT.to_owned(),
        }
    }

    /// The same connection with another limit for each call (15 s at first), waiting for the connection included.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same connection, asking the agent at another address, e.g. that of another router in the network.
    #[must_use]
    pub fn with_agent(mut self, address: impl Into<String>) -> Self {
        self.agent = address.into();
        self
    }

    /// How the connection stands, now and from now on.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Asks the agent and returns its answer, whatever its status.
    ///
    /// # Errors
    /// [`ClientError`] when there is no answer.
    pub async fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask {
            to: self.agent.clone(),
            request: Box::new(request.clone()),
            reply,
        };
        let what = || {
            format!(
                "{} of {} at {}",
                request.operation,
                request.target(),
                self.agent
            )
        };
        let message = self.wait(command, answer, what).await?;
        Ok(Reply::decode(&message)?)
    }

    /// Asks the agent for something to be done and returns the body of its answer.
    ///
    /// # Errors
    /// [`ClientError`] when there is no answer, or it says that it was not done.
    pub async fn request(&self, request: &Request) -> Result<Value, ClientError> {
        Ok(self.ask(request).await?.into_body(request)?)
    }

    /// Attributes of all entities of a type; without names, all attributes.
    ///
    /// # Errors
    /// [`ClientError`] when there is no answer, or it is not a table.
    pub async fn query(
        &self,
        kind: Kind,
        attribute_names: &[&str],
    ) -> Result<Vec<Attributes>, ClientError> {
        let mut entities = Vec::new();
        if !kind.is_paged() {
            let request = Request::query(kind, attribute_names);
            let rows = self.ask(&request).await?.into_rows(&request)?;
            return Ok(rows.entities().collect());
        }
        loop {
            let offset = i64::try_from(entities.len()).unwrap_or(i64::MAX);
            let request = Request::query(kind, attribute_names).page(offset, PAGE);
            let rows = self.ask(&request).await?.into_rows(&request)?;
            entities.extend(rows.entities());
            if (rows.results.len() as i64) < PAGE {
                return Ok(entities);
            }
        }
    }

    /// Sends a message to the address in its `to`, and waits until somebody took it.
    ///
    /// # Errors
    /// [`ClientError::Undeliverable`] when nobody did.
    pub async fn send(&self, message: Message) -> Result<(), ClientError> {
        let address = message
            .properties
            .as_ref()
            .and_then(|p| p.to.clone())
            .unwrap_or_default();
        let (done, outcome) = oneshot::channel();
        let command = Command::Send {
            message: Box::new(message),
            done,
        };
        self.wait(command, outcome, || format!("a message to {address}"))
            .await
    }

    /// Receives from an address, from the router's next [`Incoming::Attached`](crate::Incoming::Attached) on.
    #[must_use]
    pub fn subscribe(&self, address: &str) -> Subscription {
        let (sender, incoming) = mpsc::unbounded_channel();
        let id = next_id();
        let command = Command::Subscribe {
            id,
            address: address.to_owned(),
            sender,
        };
        let _ = self.commands.send(command);
        Subscription {
            id,
            incoming,
            commands: self.commands.clone(),
        }
    }

    async fn wait<T>(
        &self,
        command: Command,
        answer: oneshot::Receiver<Result<T, ClientError>>,
        what: impl Fn() -> String,
    ) -> Result<T, ClientError> {
        self.commands
            .send(command)
            .map_err(|_| ClientError::Stopped)?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ClientError::Stopped),
            Err(_) => {
                let state = self.state.borrow();
                let because = if state.router.is_none() {
                    state.error.clone()
                } else {
                    None
                };
                Err(ClientError::Timeout {
                    what: what(),
                    after: self.timeout,
                    because,
                })
            }
        }
    }
}
