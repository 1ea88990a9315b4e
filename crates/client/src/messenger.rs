//! One connection's use: a session with an anonymous sender, a receiver for replies, and one for each subscription.

use std::{collections::BTreeMap, collections::VecDeque, time::Duration};

use bytes::BytesMut;
use skupper_amqp::{
    Attach, Condition, DeliveryState, Message, Role, Terminus,
    connection::{
        Config, Connection, Event, Incoming as Transfer, LinkId, Outgoing, Output, Payload, Sent,
        SessionId,
    },
    performative::names,
};
use skupper_management::protocol::Request;
use tokio::sync::oneshot;

use crate::{
    ClientError, Endpoint, Incoming,
    command::{Subscriber, WINDOW, next_id},
};

/// Largest message that is taken; the largest answers are tables of some thousand entities.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

type Subscribers = BTreeMap<u64, Subscriber>;

/// What a round of events came to.
pub(crate) enum Step {
    /// The connection can be used now, for the first time; the router's id.
    Ready(String),
    /// Nothing to tell.
    Waits,
}

/// Something that was sent or is to be, by its number, which is also the correlation id of requests.
enum Waiter {
    Answer {
        to: String,
        reply: oneshot::Sender<Result<Message, ClientError>>,
    },
    Outcome {
        to: String,
        done: oneshot::Sender<Result<(), ClientError>>,
    },
}

/// A receiving link.
struct Receiver {
    /// The subscription; `None` for replies.
    subscription: Option<u64>,
    message: BytesMut,
}

pub(crate) struct Messenger {
    connection: Connection,
    session: Option<SessionId>,
    sender: Option<LinkId>,
    router: String,
    reply_to: Option<String>,
    ready: bool,
    receivers: BTreeMap<LinkId, Receiver>,
    waiters: BTreeMap<u64, Waiter>,
    /// What waits for credit or a window, with its number.
    outbox: VecDeque<(u64, Payload)>,
}

impl Messenger {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            connection: Connection::new(config, Duration::ZERO),
            session: None,
            sender: None,
            router: String::new(),
            reply_to: None,
            ready: false,
            receivers: BTreeMap::new(),
            waiters: BTreeMap::new(),
            outbox: VecDeque::new(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(crate) fn output(&mut self) -> &mut Output {
        self.connection.output()
    }

    pub(crate) fn input(&mut self, input: &mut BytesMut, now: Duration) {
        self.connection.handle_input(input, now);
    }

    pub(crate) fn eof(&mut self) {
        self.connection.handle_eof();
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.connection.next_timeout()
    }

    pub(crate) fn timeout(&mut self, now: Duration) {
        self.connection.handle_timeout(now);
    }

    pub(crate) fn close(&mut self, now: Duration) {
        self.connection.close(None, now);
    }

    /// Goes through the events; an error ends the connection.
    pub(crate) fn step(
        &mut self,
        endpoint: &Endpoint,
        subscribers: &mut Subscribers,
    ) -> Result<Step, ClientError> {
        let was_ready = self.ready;
        while let Some(event) = self.connection.poll_event() {
            self.event(event, endpoint, subscribers)?;
        }
        self.pump();
        Ok(if self.ready && !was_ready {
            Step::Ready(self.router.clone())
        } else {
            Step::Waits
        })
    }

    fn event(
        &mut self,
        event: Event,
        endpoint: &Endpoint,
        subscribers: &mut Subscribers,
    ) -> Result<(), ClientError> {
        match event {
            Event::Opened(open) => {
                self.router = open.container_id;
                self.begin(subscribers);
            }
            Event::Attached { link, attach, .. } => self.attached(link, *attach, subscribers),
            Event::Transfer(transfer) => self.transfer(transfer, subscribers),
            Event::Disposition {
                token,
                state,
                settled,
                ..
            } => self.disposition(token, state, settled),
            Event::Detached { link, error } => {
                return self.detached(link, error.map(|e| *e), endpoint, subscribers);
            }
            Event::Ended { error, .. } => {
                let condition = error.map_or_else(
                    || Condition::new(names::DETACH_FORCED, "the session has ended"),
                    |e| *e,
                );
                return Err(refused(endpoint, "the session", condition));
            }
            Event::Closed(reason) => {
                return Err(ClientError::Closed {
                    endpoint: endpoint.to_string(),
                    reason,
                });
            }
            // No credit is asked back here.
            Event::SessionBegun { .. }
            | Event::Flow { .. }
            | Event::GivenUp { .. }
            | Event::Writable { .. } => {}
        }
        Ok(())
    }

    fn begin(&mut self, subscribers: &Subscribers) {
        let Ok(session) = self.connection.begin() else {
            return;
        };
        self.session = Some(session);
        let sender = Attach::new(
            "sender",
            Role::Sender,
            Terminus::default(),
            Terminus::default(),
        );
        self.sender = self.connection.attach(session, sender).ok();
        let dynamic = Terminus {
            dynamic: true,
            ..Terminus::default()
        };
        self.receive(
            Attach::new("replies", Role::Receiver, dynamic, Terminus::default()),
            None,
            WINDOW,
        );
        for &id in subscribers.keys() {
            self.subscribe(id, subscribers);
        }
    }

    fn receive(&mut self, attach: Attach, subscription: Option<u64>, credit: u32) {
        let Some(session) = self.session else { return };
        if let Ok(link) = self.connection.attach(session, attach) {
            let _ = self.connection.grant(link, credit);
            self.receivers.insert(
                link,
                Receiver {
                    subscription,
                    message: BytesMut::new(),
                },
            );
        }
    }

    pub(crate) fn subscribe(&mut self, id: u64, subscribers: &Subscribers) {
        let Some(subscriber) = subscribers.get(&id) else {
            return;
        };
        let source = Terminus::at(subscriber.address.as_str());
        // Unique also after an earlier one of the same subscription.
        let name = format!("subscription-{}", next_id());
        let credit = WINDOW.saturating_sub(subscriber.unconsumed);
        self.receive(
            Attach::new(name, Role::Receiver, source, Terminus::default()),
            Some(id),
            credit,
        );
    }

    fn link_of(&self, subscription: u64) -> Option<LinkId> {
        let found = self
            .receivers
            .iter()
            .find(|(_, receiver)| receiver.subscription == Some(subscription));
        found.map(|(link, _)| *link)
    }

    pub(crate) fn consumed(&mut self, subscription: u64) {
        if let Some(link) = self.link_of(subscription) {
            let _ = self.connection.grant(link, 1);
        }
    }

    pub(crate) fn unsubscribe(&mut self, subscription: u64) {
        if let Some(link) = self.link_of(subscription) {
            let _ = self.connection.detach(link, None);
        }
    }

    fn attached(&mut self, link: LinkId, attach: Attach, subscribers: &Subscribers) {
        let Some(receiver) = self.receivers.get(&link) else {
            return;
        };
        // A source that is null is a refusal: the detach with the reason follows.
        let Some(source) = attach.source else { return };
        match receiver.subscription {
            None => {
                self.reply_to = source.address;
                self.ready = self.reply_to.is_some();
            }
            Some(id) => {
                if let Some(subscriber) = subscribers.get(&id) {
                    let _ = subscriber.sender.send(Incoming::Attached);
                }
            }
        }
    }

    fn detached(
        &mut self,
        link: LinkId,
        error: Option<Condition>,
        endpoint: &Endpoint,
        subscribers: &Subscribers,
    ) -> Result<(), ClientError> {
        let condition =
            error.unwrap_or_else(|| Condition::new(names::DETACH_FORCED, "no reason given"));
        if Some(link) == self.sender {
            return Err(refused(endpoint, "any address", condition));
        }
        let Some(receiver) = self.receivers.remove(&link) else {
            return Ok(());
        };
        match receiver.subscription {
            None => Err(refused(endpoint, "a reply address", condition)),
            // Ended by us, when nobody wants it.
            Some(id) => match subscribers.get(&id) {
                None => Ok(()),
                Some(subscriber) => Err(refused(endpoint, &subscriber.address, condition)),
            },
        }
    }

    fn transfer(&mut self, transfer: Transfer, subscribers: &mut Subscribers) {
        let Some(receiver) = self.receivers.get_mut(&transfer.link) else {
            return;
        };
        let whole = receiver.message.is_empty() && !transfer.more;
        let too_large = receiver.message.len() + transfer.payload.len() > MAX_MESSAGE;
        if !whole && !too_large {
            receiver.message.extend_from_slice(&transfer.payload);
        }
        if transfer.more {
            return;
        }
        let octets = if whole {
            transfer.payload
        } else {
            receiver.message.split().freeze()
        };
        let subscription = receiver.subscription;
        let decoded = if transfer.aborted {
            None
        } else {
            Some(Message::decode(&octets))
        };
        let state = match &decoded {
            Some(Ok(_)) if !too_large => DeliveryState::Accepted,
            Some(Err(error)) => {
                DeliveryState::rejected(Condition::new(names::DECODE_ERROR, error.to_string()))
            }
            _ => DeliveryState::rejected(Condition::new(
                names::MESSAGE_SIZE_EXCEEDED,
                "the message is too large",
            )),
        };
        if !transfer.settled {
            let _ = self
                .connection
                .dispose(transfer.link, transfer.delivery, Some(state), true);
        }
        match (decoded, subscription) {
            (Some(Ok(message)), Some(id)) if !too_large => {
                if let Some(subscriber) = subscribers.get_mut(&id) {
                    subscriber.unconsumed += 1;
                    let _ = subscriber.sender.send(Incoming::Message(Box::new(message)));
                }
            }
            (decoded, _) => {
                let _ = self.connection.grant(transfer.link, 1);
                match decoded {
                    Some(Ok(message)) if !too_large => self.answer(message),
                    Some(Err(error)) => tracing::debug!(%error, "a message cannot be read"),
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, message: Message) {
        let properties = message.properties.as_ref();
        let number =
            properties.and_then(|p| p.correlation_id.as_ref()?.as_str()?.parse::<u64>().ok());
        if let Some(Waiter::Answer { reply, .. }) =
            number.and_then(|number| self.waiters.remove(&number))
        {
            let _ = reply.send(Ok(message));
        }
    }

    fn disposition(&mut self, token: u64, state: Option<DeliveryState>, settled: bool) {
        let taken = matches!(state, Some(DeliveryState::Accepted));
        let over = settled || state.as_ref().is_some_and(DeliveryState::is_terminal);
        if !over || (taken && matches!(self.waiters.get(&token), Some(Waiter::Answer { .. }))) {
            return; // The answer is still to come.
        }
        let undeliverable = |address: String| ClientError::Undeliverable {
            address,
            state: state
                .as_ref()
                .map_or_else(|| "settled without a state".to_owned(), describe),
        };
        match self.waiters.remove(&token) {
            Some(Waiter::Outcome { done, .. }) if taken => {
                let _ = done.send(Ok(()));
            }
            Some(Waiter::Outcome { done, to }) => {
                let _ = done.send(Err(undeliverable(to)));
            }
            Some(Waiter::Answer { reply, to }) => {
                let _ = reply.send(Err(undeliverable(to)));
            }
            None => {}
        }
    }

    pub(crate) fn ask(
        &mut self,
        to: &str,
        request: &Request,
        reply: oneshot::Sender<Result<Message, ClientError>>,
    ) {
        let Some(reply_to) = &self.reply_to else {
            return;
        };
        if reply.is_closed() {
            return;
        }
        // Those whose asker has given up.
        self.waiters.retain(
            |_, waiter| !matches!(waiter, Waiter::Answer { reply, .. } if reply.is_closed()),
        );
        let number = next_id();
        let message = request.encode(to, reply_to, number.to_string());
        self.waiters.insert(
            number,
            Waiter::Answer {
                to: to.to_owned(),
                reply,
            },
        );
        self.outbox.push_back((number, message.to_bytes().into()));
        self.pump();
    }

    pub(crate) fn send(
        &mut self,
        message: &Message,
        done: oneshot::Sender<Result<(), ClientError>>,
    ) {
        let number = next_id();
        let to = message
            .properties
            .as_ref()
            .and_then(|p| p.to.clone())
            .unwrap_or_default();
        self.waiters.insert(number, Waiter::Outcome { to, done });
        self.outbox.push_back((number, message.to_bytes().into()));
        self.pump();
    }

    /// Sends what can be sent.
    fn pump(&mut self) {
        let Some(sender) = self.sender else { return };
        while let Some((number, payload)) = self.outbox.front_mut() {
            let outgoing = Outgoing {
                tag: (*number).into(),
                token: *number,
                ..Outgoing::default()
            };
            match self.connection.transfer(sender, &outgoing, payload) {
                Ok(Sent::All(_)) => {
                    self.outbox.pop_front();
                }
                Ok(Sent::Window(_) | Sent::Credit) | Err(_) => return,
            }
        }
    }

    /// The connection is lost: tells all who wait.
    pub(crate) fn abandon(&mut self, endpoint: &Endpoint, error: &ClientError) {
        let lost = || ClientError::Lost {
            endpoint: endpoint.to_string(),
            because: error.to_string(),
        };
        for waiter in std::mem::take(&mut self.waiters).into_values() {
            match waiter {
                Waiter::Answer { reply, .. } => drop(reply.send(Err(lost()))),
                Waiter::Outcome { done, .. } => drop(done.send(Err(lost()))),
            }
        }
    }
}

fn refused(endpoint: &Endpoint, address: &str, condition: Condition) -> ClientError {
    ClientError::Refused {
        endpoint: endpoint.to_string(),
        address: address.to_owned(),
        condition,
    }
}

fn describe(state: &DeliveryState) -> String {
    match state {
        DeliveryState::Rejected(Some(condition)) => format!("rejected, {condition}"),
        DeliveryState::Rejected(None) => "rejected".to_owned(),
        DeliveryState::Released => "released (no route to it)".to_owned(),
        DeliveryState::Modified { .. } => "modified (lost on the way)".to_owned(),
        DeliveryState::Accepted => "accepted".to_owned(),
        DeliveryState::Received { .. } | DeliveryState::Other(_) => format!("{state:?}"),
    }
}
