//! One connection of a connector, from an attempt to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use skupper_management::entity::{
    Connector as Settings, FailoverItem, MessageComponents, Role, StripAnnotations,
};
use skupper_management::report::{Refusal, Refuser};
use skupper_pki::verify::Side;

use super::members::Member;
use super::reach::{connect, secure};
use super::{AmqpConnector, Status};
use crate::connection::ending::{loss, unopened};
use crate::connection::failover;
use crate::connection::handle::ConnectionHandle;
use crate::connection::open::{self, Group, HANDSHAKE};
use crate::connection::task::{Settings as TaskSettings, Task};
use crate::connection::transport::Transport;
use crate::context::Context;
use crate::event::{Event, Loss};
use crate::tls::{Attempt, Loaded};

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The connection had been open.
    Opened,
    /// One side refused the other.
    Refused,
    /// Nobody was there.
    Unheard,
}

/// What a connection is made of when its peer has been reached.
struct Made {
    transport: Transport,
    loaded: Option<Arc<Loaded>>,
    /// The settings for the place that was reached.
    place: Settings,
    /// Of the connector's user.
    password: Option<String>,
}

/// One of the connections that are in use, until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Counted(open)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AmqpConnector {
    /// Makes one connection and runs it to its end.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        member: &Member,
        context: &Arc<Context>,
    ) -> Outcome {
        if member.index == 0 {
            self.set_status(Status::Connecting, None);
        }
        let place = self.in_place();
        let mut attempt = Attempt {
            peer: place.host_port(),
            endpoint: place.host_port(),
            ordinal: member.revision.map_or(0, |revision| revision.ordinal),
            ..Attempt::default()
        };
        // Who is to come with a password does not come without one.
        let password = match open::password(&place) {
            Ok(password) => password,
            Err(error) => {
                let text = format!("saslPassword: {error}");
                let refusal = attempt.protocol(Refuser::Us, "credential", text);
                return self.refused(member, refusal, context);
            }
        };
        let stream = match connect(&place, &attempt, context).await {
            Ok(stream) => stream,
            Err(refusal) => return self.refused(member, *refusal, context),
        };
        if let Ok(address) = stream.peer_addr() {
            attempt.peer = address.to_string();
        }
        let secured =
            tokio::time::timeout(HANDSHAKE, secure(&place, stream, context, &mut attempt)).await;
        let (transport, loaded) = match secured {
            Ok(Ok(secured)) => secured,
            Ok(Err(refusal)) => return self.refused(member, *refusal, context),
            Err(_) => {
                let refusal = attempt.timeout(Side::Client, HANDSHAKE.as_secs());
                return self.refused(member, refusal, context);
            }
        };
        let made = Made {
            transport,
            loaded,
            place,
            password,
        };
        self.run_connection(member, context, made, &attempt).await
    }

    async fn run_connection(
        self: &Arc<Self>,
        member: &Member,
        context: &Arc<Context>,
        made: Made,
        attempt: &Attempt,
    ) -> Outcome {
        let Made {
            transport,
            loaded,
            place,
            password,
        } = made;
        let Settings {
            name,
            role,
            strip_annotations: strip,
            ..
        } = &self.settings;
        let number = context.numbers.connection();
        let ordinal = loaded.as_ref().map(|loaded| loaded.ordinal);
        let data = member.index > 0;
        let is_router = *role == Role::InterRouter;
        let keeps = role.keeps_section();
        let correlator = self.correlator.clone();
        let group = is_router.then_some(Group {
            correlator,
            ordinal,
            data,
        });
        let external = loaded
            .as_ref()
            .is_some_and(|loaded| loaded.identity.is_some());
        let router = context.dispatch.me.as_str();
        let config = open::connect(router, &place, number, group.as_ref(), external, password);
        let settings = TaskSettings {
            role: *role,
            data,
            capacity: self.settings.credit(),
            strip_in: !keeps && matches!(strip, StripAnnotations::In | StripAnnotations::Both),
            strip_out: !keeps && matches!(strip, StripAnnotations::Out | StripAnnotations::Both),
            cost: self.settings.cost,
            address: place.host_port(),
            user: None,
            group: group.map(|group| (group.correlator, ordinal.unwrap_or(0))),
            policy_vhost: self.settings.policy_vhost.clone(),
            frame_size: self.settings.frame_size(),
            components: MessageComponents::parse(&self.settings.message_logging),
        };
        let handle = ConnectionHandle::new(
            number,
            member.worker,
            *role,
            false,
            name.as_str().into(),
            ordinal,
        );
        let registered = context.connections.enter(&handle);
        if self.is_outdated(member, context) {
            // The credential was renewed meanwhile: the connections with it are those of another set, which this one must not
            // anticipate.
            return Outcome::Refused;
        }
        let task = Task::new(context.clone(), handle.clone(), settings, transport, config);
        let opened = self.clone().follow(handle.clone(), member.clone());
        let run = Box::pin(task.run());
        let finish = tokio::select! {
            biased;
            finish = run => finish,
            // Never ends before the connection does.
            never = opened => match never {},
        };
        drop(registered);
        let loss = loss(&finish.reason);
        if finish.established {
            tracing::info!(
                target: "SERVER",
                "[C{number}] Connection to {} lost: {loss}", attempt.endpoint
            );
            if member.index == 0 {
                self.set_status(Status::Failed, Some(loss.description.clone()));
            }
            context.events.tell(Event::ConnectionClosed(handle, loss));
            return Outcome::Opened;
        }
        let ours = loaded.as_ref().and_then(|loaded| loaded.identity.as_ref());
        let ours = ours.map(|identity| identity.certificate());
        match unopened(attempt, &finish, Side::Client, ours) {
            Some(refusal) => self.refused(member, refusal, context),
            None => Outcome::Refused,
        }
    }

    /// Notes when the connection is in use, and counts it while it is.
    async fn follow(
        self: Arc<Self>,
        handle: Arc<ConnectionHandle>,
        member: Member,
    ) -> std::convert::Infallible {
        handle.established().await;
        let _counted = Counted::new(&self.open);
        if member.index == 0 {
            let peer = handle.peer.get();
            self.places()
                .opened(peer.and_then(|peer| failover::read(&peer.properties)));
            self.set_status(Status::Success, peer.map(|peer| peer.opening(&handle)));
            self.control.opened(member.set);
        }
        std::future::pending().await
    }

    /// Notes a failed attempt, and says what became of it.
    pub(super) fn refused(
        self: &Arc<Self>,
        member: &Member,
        refusal: Refusal,
        context: &Context,
    ) -> Outcome {
        let outcome = match refusal.by {
            Refuser::Nobody => Outcome::Unheard,
            Refuser::Us | Refuser::Peer => Outcome::Refused,
        };
        let message = refusal.message.clone();
        let place = refusal.endpoint.clone();
        let data = member.index > 0;
        let news = self.places().is_news(data, &place, &message);
        let loss = Loss {
            condition: Some(condition(&refusal).to_owned()),
            description: message.clone(),
        };
        if news {
            tracing::error!(target: "SERVER", "Connection to {place} failed: {loss}");
        }
        self.refusals.add(refusal);
        if !data {
            self.set_status(Status::Failed, Some(message));
            if news {
                let failed = Event::ConnectorFailed(self.clone(), loss);
                context.events.tell(failed);
            }
        }
        outcome
    }

    /// The settings for the place in use.
    fn in_place(&self) -> Settings {
        let FailoverItem { host, port, .. } = self.places().current();
        Settings {
            host,
            port,
            ..self.settings.clone()
        }
    }
}

/// What upstream's router calls such a failure.
fn condition(refusal: &Refusal) -> &'static str {
    match (refusal.by, refusal.check.as_str()) {
        // Who was not reached has not sent anything wrong.
        (Refuser::Nobody, _) => "proton:io",
        // Nothing is wrong with what was sent: one has nothing to show who it is, or the other does not take it.
        (_, "credential" | "sasl") => "amqp:unauthorized-access",
        _ => "amqp:connection:framing-error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_called_what_it_is() {
        let attempt = Attempt::default();
        let called = |by, check| condition(&attempt.protocol(by, check, String::new()));
        assert_eq!(called(Refuser::Nobody, "connect"), "proton:io");
        for check in ["credential", "sasl"] {
            assert_eq!(called(Refuser::Us, check), "amqp:unauthorized-access");
        }
        for by in [Refuser::Us, Refuser::Peer] {
            assert_eq!(called(by, "issuer"), "amqp:connection:framing-error");
        }
    }
}
