//! Connections that a listener has accepted, by its own port or by WebSocket at an HTTP port, from there to their end.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ws::WebSocket;
use rustls::CommonState;
use skupper_management::entity::{Listener as Settings, MessageComponents, StripAnnotations};
use skupper_pki::Certificate;
use skupper_pki::certificate::user_id;
use skupper_pki::verify::Side;

use super::AmqpListener;
use crate::connection::ending::{loss, unopened, was_sent_away};
use crate::connection::handle::ConnectionHandle;
use crate::connection::open;
use crate::connection::task::{Finish, Settings as TaskSettings, Task};
use crate::connection::transport::{Agreed, Transport};
use crate::context::Context;
use crate::crowd::Member;
use crate::event::Event;
use crate::tls::{Attempt, Loaded};

/// A connection, with TLS on it where that is asked for.
pub(super) struct Came {
    pub(super) transport: Transport,
    /// What this side has presented.
    pub(super) loaded: Option<Arc<Loaded>>,
    pub(super) attempt: Attempt,
    /// Who runs it.
    pub(super) worker: usize,
}

/// Who is at the other end of a connection to an HTTP port, and what TLS has made sure of.
#[derive(Clone)]
pub(crate) struct Secured {
    peer: SocketAddr,
    agreed: Option<Agreed>,
    loaded: Option<Arc<Loaded>>,
}

impl Secured {
    /// Nothing.
    pub(crate) fn clear(peer: SocketAddr) -> Self {
        Secured {
            peer,
            agreed: None,
            loaded: None,
        }
    }

    /// Where it comes from.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether there is TLS on the connection.
    pub(crate) fn is_by_tls(&self) -> bool {
        self.agreed.is_some()
    }

    /// What a handshake has agreed on, in which this side has presented `loaded`.
    pub(crate) fn tls(peer: SocketAddr, state: &CommonState, loaded: Arc<Loaded>) -> Self {
        Secured {
            peer,
            agreed: Some(Agreed::of(state)),
            loaded: Some(loaded),
        }
    }
}

impl AmqpListener {
    /// Serves a peer that has come to the listener's HTTP port and wants AMQP there.
    pub(crate) async fn serve_web(
        self: Arc<Self>,
        socket: WebSocket,
        secured: Secured,
        worker: usize,
        context: Arc<Context>,
    ) {
        let Secured {
            peer,
            agreed,
            loaded,
        } = secured;
        let Some(_admitted) = self.admit(peer, &context) else {
            return;
        };
        let stranger = self.enter_stranger();
        let came = Came {
            transport: Transport::web(socket, agreed),
            loaded,
            attempt: Attempt {
                peer: peer.to_string(),
                endpoint: self.settings.host_port(),
                ..Attempt::default()
            },
            worker,
        };
        self.run_accepted(came, stranger, &context).await;
    }

    /// Runs a connection to its end.
    pub(super) async fn run_accepted(
        self: &Arc<Self>,
        came: Came,
        stranger: Member,
        context: &Arc<Context>,
    ) {
        let Came {
            transport,
            loaded,
            attempt,
            worker,
        } = came;
        let certificate = peer_certificate(&transport);
        let number = context.numbers.connection();
        let Settings {
            name,
            role,
            ssl_profile,
            ..
        } = &self.settings;
        let ordinal = loaded.as_ref().map(|loaded| loaded.ordinal);
        let handle =
            ConnectionHandle::new(number, worker, *role, true, name.as_str().into(), ordinal);
        let access_id = role.is_between_routers().then_some(self.record.as_str());
        let keeps = role.keeps_section();
        let router = context.dispatch.me.as_str();
        let config = open::accept(
            router,
            &self.settings,
            number,
            access_id,
            certificate.is_some(),
            context.policy.is_on(),
        );
        let strip = self.settings.strip_annotations;
        let settings = TaskSettings {
            role: *role,
            data: false,
            capacity: self.settings.credit(),
            strip_in: !keeps && matches!(strip, StripAnnotations::In | StripAnnotations::Both),
            strip_out: !keeps && matches!(strip, StripAnnotations::Out | StripAnnotations::Both),
            cost: self.settings.cost,
            address: attempt.peer.clone(),
            user: certificate.map(|certificate| {
                let user = self.user(&certificate, context);
                match &loaded {
                    Some(loaded) => loaded.display_name(user),
                    None => user,
                }
            }),
            group: None,
            policy_vhost: self.settings.policy_vhost.clone(),
            frame_size: self.settings.frame_size(),
            components: MessageComponents::parse(&self.settings.message_logging),
        };
        tracing::info!(
            target: "SERVER",
            "[C{number}] Accepted connection to {} from {}", attempt.endpoint, attempt.peer
        );
        let registered = context.connections.enter(&handle);
        if context.profiles.is_past(ssl_profile, ordinal) {
            // What closes outdated connections did not see this one yet.
            return;
        }
        let attempt = Attempt {
            ordinal: ordinal.unwrap_or(0),
            ..attempt
        };
        let task = Task::new(context.clone(), handle.clone(), settings, transport, config);
        let run = Box::pin(task.run());
        let finish = tokio::select! {
            biased;
            finish = run => Some(finish),
            () = crowded_out(handle.clone(), stranger) => None,
        };
        drop(registered);
        let Some(finish) = finish else { return };
        self.finished(context, &handle, &attempt, loaded.as_deref(), finish);
    }

    /// Who a peer is by its certificate, as the profile wants it said.
    fn user(&self, certificate: &Certificate, context: &Context) -> String {
        let profile = context.profiles.get(&self.settings.ssl_profile);
        let format = profile.map_or_else(
            |_| String::new(),
            |profile| profile.settings().uid_format.clone(),
        );
        // A format that cannot be was told of when the profile was made.
        match format.as_str() {
            "" => certificate.subject.as_user(),
            format => {
                user_id(certificate, format).unwrap_or_else(|_| certificate.subject.as_user())
            }
        }
    }

    fn finished(
        &self,
        context: &Context,
        handle: &Arc<ConnectionHandle>,
        attempt: &Attempt,
        loaded: Option<&Loaded>,
        finish: Finish,
    ) {
        let loss = loss(&finish.reason);
        if finish.established {
            tracing::info!(
                target: "SERVER",
                "[C{}] Connection from {} (to {}) closed: {loss}",
                handle.number, attempt.peer, attempt.endpoint
            );
            context
                .events
                .tell(Event::ConnectionClosed(handle.clone(), loss));
            if !was_sent_away(&finish.reason) {
                return;
            }
        }
        let ours = loaded.and_then(|loaded| loaded.identity.as_ref());
        let ours = ours.map(|identity| identity.certificate());
        if let Some(refusal) = unopened(attempt, &finish, Side::Server, ours) {
            tracing::warn!(
                target: "SERVER",
                "[C{}] Connection from {} (to {}) failed: {}",
                handle.number, attempt.peer, attempt.endpoint, refusal.message
            );
            self.refusals.add(refusal);
        }
    }
}

/// Ends when a connection that has not been opened has to make room for another.
async fn crowded_out(handle: Arc<ConnectionHandle>, stranger: Member) {
    tokio::select! {
        biased;
        () = stranger.must_go() => return,
        () = handle.established() => drop(stranger),
    }
    std::future::pending().await
}

fn peer_certificate(transport: &Transport) -> Option<Certificate> {
    let der = transport.agreed()?.certificate.as_ref()?;
    Certificate::from_der(der).ok()
}
