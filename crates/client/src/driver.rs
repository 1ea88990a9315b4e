use std::{
    collections::{BTreeMap, VecDeque},
    io,
    time::Duration,
};

use bytes::{Buf, BytesMut};
use skupper_amqp::connection::{Config, Mechanism};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use crate::{
    ClientError, Endpoint, State,
    command::{Command, Subscriber},
    endpoint::Stream,
    messenger::{Messenger, Step},
};

/// Waiting times between attempts: from the first to the last, doubled each time.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The task behind a client: one connection after the other.
pub(crate) struct Driver {
    endpoint: Endpoint,
    name: String,
    commands: mpsc::UnboundedReceiver<Command>,
    state: watch::Sender<State>,
    subscribers: BTreeMap<u64, Subscriber>,
    /// Asked while there is no connection.
    waiting: VecDeque<Command>,
}

/// Why the task goes on, or does not.
enum End {
    Lost(ClientError),
    /// The last handle is gone.
    Unwanted,
}

impl Driver {
    pub(crate) fn new(
        endpoint: Endpoint,
        name: String,
        commands: mpsc::UnboundedReceiver<Command>,
        state: watch::Sender<State>,
    ) -> Self {
        Self {
            endpoint,
            name,
            commands,
            state,
            subscribers: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        let mut pause = BACK_OFF.0;
        loop {
            let before = self.state.borrow().generation;
            let End::Lost(error) = self.attempt().await else {
                return;
            };
            tracing::debug!(endpoint = %self.endpoint, %error, "no connection");
            self.state.send_modify(|state| {
                state.router = None;
                state.error = Some(error.to_string());
            });
            if self.state.borrow().generation > before {
                pause = BACK_OFF.0;
            }
            let until = Instant::now() + pause;
            pause = (pause * 2).min(BACK_OFF.1);
            if !self.keep_waiting(until).await {
                return;
            }
        }
    }

    /// Takes commands for later; false when nobody wants the client any more.
    async fn keep_waiting(&mut self, until: Instant) -> bool {
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                command = self.commands.recv() => match command {
                    Some(command) => self.later(command),
                    None => return false,
                },
            }
        }
    }

    fn later(&mut self, command: Command) {
        match command {
            Command::Subscribe {
                id,
                address,
                sender,
            } => {
                self.subscribers.insert(
                    id,
                    Subscriber {
                        address,
                        sender,
                        unconsumed: 0,
                    },
                );
            }
            Command::Unsubscribe(id) => {
                self.subscribers.remove(&id);
            }
            Command::Consumed(id) => {
                if let Some(subscriber) = self.subscribers.get_mut(&id) {
                    subscriber.unconsumed = subscriber.unconsumed.saturating_sub(1);
                }
            }
            // Those whose asker has given up would only gather here.
            command @ (Command::Ask { .. } | Command::Send { .. }) => {
                self.waiting.retain(|command| !is_abandoned(command));
                self.waiting.push_back(command);
            }
        }
    }

    async fn attempt(&mut self) -> End {
        let deadline = Instant::now() + self.endpoint.connect_timeout;
        let endpoint = self.endpoint.clone();
        let connect = timeout_at(deadline, async move { endpoint.connect().await });
        tokio::pin!(connect);
        loop {
            tokio::select! {
                stream = &mut connect => return match stream {
                    Ok(Ok(stream)) => self.converse(stream, deadline).await,
                    Ok(Err(error)) => End::Lost(error),
                    Err(_) => End::Lost(self.late()),
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.later(command),
                    None => return End::Unwanted,
                },
            }
        }
    }

    fn late(&self) -> ClientError {
        ClientError::Timeout {
            what: format!("connecting to {}", self.endpoint),
            after: self.endpoint.connect_timeout,
            because: None,
        }
    }

    fn config(&self) -> Config {
        let mut open = skupper_amqp::Open::new(self.name.as_str());
        open.hostname = Some(self.endpoint.host.clone());
        open.max_frame_size = 64 * 1024;
        let mut mechanisms = vec![Mechanism::Anonymous(self.name.clone())];
        if self
            .endpoint
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_certificate)
        {
            mechanisms.insert(0, Mechanism::External);
        }
        Config::connector(open, mechanisms)
    }

    /// Uses a connection until it ends; whoever waits for an answer then is told so.
    async fn converse(&mut self, stream: Box<dyn Stream>, deadline: Instant) -> End {
        let mut messenger = Messenger::new(self.config());
        let end = self.talk(stream, deadline, &mut messenger).await;
        if let End::Lost(error) = &end {
            messenger.abandon(&self.endpoint, error);
        }
        end
    }

    async fn talk(
        &mut self,
        stream: Box<dyn Stream>,
        deadline: Instant,
        messenger: &mut Messenger,
    ) -> End {
        let start = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut input = BytesMut::new();
        let mut unflushed = false;
        loop {
            match messenger.step(&self.endpoint, &mut self.subscribers) {
                Ok(Step::Waits) => {}
                Ok(Step::Ready(router)) => {
                    self.state.send_modify(|state| {
                        *state = State {
                            generation: state.generation + 1,
                            router: Some(router),
                            error: None,
                        };
                    });
                    for command in std::mem::take(&mut self.waiting) {
                        self.now(messenger, command);
                    }
                }
                Err(error) => {
                    // What is left, the reason for closing above all, is worth one attempt.
                    last_words(&mut writer, messenger).await;
                    return End::Lost(error);
                }
            }
            input.reserve(16 * 1024);
            let due = messenger.next_timeout().map(|at| start + at);
            let handshake = (!messenger.is_ready()).then_some(deadline);
            let wake = [due, handshake].into_iter().flatten().min();
            let output = messenger.output();
            let writes = output.has_remaining();
            tokio::select! {
                read = reader.read_buf(&mut input) => match read {
                    Ok(0) => messenger.eof(),
                    Ok(_) => messenger.input(&mut input, start.elapsed()),
                    Err(source) => return self.broken(source),
                },
                written = async {
                    if writes { writer.write_buf(output).await.map(|_| true) } else { writer.flush().await.map(|()| false) }
                }, if writes || unflushed => match written {
                    Ok(written) => unflushed = written,
                    Err(source) => return self.broken(source),
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.now(messenger, command),
                    None => {
                        messenger.close(start.elapsed());
                        last_words(&mut writer, messenger).await;
                        return End::Unwanted;
                    }
                },
                () = sleep_until(wake.unwrap_or(start)), if wake.is_some() => {
                    if handshake.is_some_and(|at| at <= Instant::now()) {
                        return End::Lost(self.late());
                    }
                    messenger.timeout(start.elapsed());
                }
            }
        }
    }

    /// Does what was asked, or keeps it until the connection can be used.
    fn now(&mut self, messenger: &mut Messenger, command: Command) {
        match command {
            Command::Ask { .. } | Command::Send { .. } if !messenger.is_ready() => {
                self.later(command)
            }
            Command::Ask { to, request, reply } => messenger.ask(&to, &request, reply),
            Command::Send { message, done } => messenger.send(&message, done),
            Command::Subscribe { id, .. } => {
                self.later(command);
                messenger.subscribe(id, &self.subscribers);
            }
            Command::Consumed(id) => {
                self.later(command);
                messenger.consumed(id);
            }
            Command::Unsubscribe(id) => {
                self.later(command);
                messenger.unsubscribe(id);
            }
        }
    }

    fn broken(&self, source: io::Error) -> End {
        End::Lost(ClientError::Broken {
            endpoint: self.endpoint.to_string(),
            source,
        })
    }
}

async fn last_words(writer: &mut (impl AsyncWriteExt + Unpin), messenger: &mut Messenger) {
    let write = async {
        writer.write_all_buf(messenger.output()).await?;
        writer.shutdown().await
    };
    // It does not matter any more whether they arrive.
    let _ = timeout(Duration::from_millis(500), write).await;
}

fn is_abandoned(command: &Command) -> bool {
    match command {
        Command::Ask { reply, .. } => reply.is_closed(),
        Command::Send { done, .. } => done.is_closed(),
        _ => false,
    }
}
