//! What the policy of virtual hosts allows on a connection (management reference §9): at its open, and at the begins, attaches and messages
//! of its peer. Where virtual hosts are not obeyed, a connection has nothing of this.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use skupper_amqp::connection::{Incoming, LinkId, SessionId, Terms};
use skupper_amqp::performative::names;
use skupper_amqp::sasl::EXTERNAL;
use skupper_amqp::{Attach, Condition, DeliveryState, Open, Role as LinkRole};
use skupper_management::entity::Role;

use super::received::Received;
use super::task::Task;
use crate::policy::{Asked, Denial, Grant, Seat, Visitor, Way};

/// Who a user is whom nobody has authenticated.
const ANONYMOUS_USER: &str = "anonymous";
/// What peers are told; why is in the log, which is not theirs.
const CONNECTION_DISALLOWED: &str = "connection disallowed by local policy";
const SESSION_DISALLOWED: &str = "session disallowed by local policy";
const LINK_DISALLOWED: &str = "link disallowed by local policy";
const OVERSIZE: &str = "Message size exceeded";

/// A peer that the policy did not let open.
#[derive(Debug, Clone)]
pub(crate) struct Denied {
    /// Who it is, and what it asked for.
    pub(crate) who: String,
    /// Why not.
    pub(crate) why: String,
}

/// What a connection was granted, and what it makes of it.
pub(super) struct Policed {
    pub(super) grant: Grant,
    /// Counts the connection; connectors are not counted.
    _seat: Option<Seat>,
    /// The host name that the peer asked for.
    hostname: String,
    /// From where the peer came.
    host: String,
    sessions: HashSet<SessionId>,
    /// What has come of the delivery that comes by each link.
    received: HashMap<usize, Received>,
    /// A message was too long: what had come already behind it is left alone.
    is_over: bool,
}

impl Policed {
    /// Whom the log speaks of.
    fn who(&self) -> String {
        let (user, host, vhost) = (&self.grant.user, &self.host, &self.hostname);
        format!("user '{user}', rhost '{host}', vhost '{vhost}'")
    }
}

impl Task {
    /// Whether the peer may open the connection. One that may not is closed.
    pub(super) fn is_admitted(&mut self, open: &Open, now: Duration) -> bool {
        let admitted = match (self.handle.incoming, self.settings.role) {
            (true, Role::InterRouter) => return true,
            (true, _) => self.admit_visitor(open),
            (false, Role::Normal | Role::RouteContainer | Role::InterNetwork) => {
                self.admit_container()
            }
            (false, _) => return true,
        };
        match admitted {
            Ok(policed) => {
                self.policed = policed.map(Box::new);
                true
            }
            Err(denied) => {
                let Denied { who, why } = &denied;
                self.tell_denial(who, format_args!("AMQP Open for {who}: {why}"));
                let condition =
                    Condition::new(names::RESOURCE_LIMIT_EXCEEDED, CONNECTION_DISALLOWED);
                self.amqp.close(Some(condition), now);
                self.denied = Some(denied);
                false
            }
        }
    }

    /// Has the log tell of a denial.
    fn tell_denial(&self, who: &str, denial: std::fmt::Arguments<'_>) {
        let denials = &self.context.policy.denials;
        denials.tell(self.handle.number, who, denial);
    }

    fn admit_visitor(&self, open: &Open) -> Result<Option<Policed>, Denied> {
        let authenticated = self.amqp.mechanism() == Some(&EXTERNAL);
        let user = self
            .settings
            .user
            .as_deref()
            .filter(|_| authenticated)
            .unwrap_or(ANONYMOUS_USER);
        let address = self.settings.address.parse::<SocketAddr>();
        let host = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
            address.ip().to_canonical()
        });
        let hostname = match self.settings.policy_vhost.as_str() {
            "" => open.hostname.as_deref().unwrap_or_default(),
            configured => configured,
        };
        let visitor = Visitor {
            user,
            host,
            hostname,
        };
        match self.context.policy.admit(visitor, &self.settings.address) {
            Ok(granted) => Ok(granted.map(|(grant, seat)| Policed {
                grant,
                _seat: Some(seat),
                hostname: hostname.to_owned(),
                host: host.to_string(),
                sessions: HashSet::new(),
                received: HashMap::new(),
                is_over: false,
            })),
            Err(denial) => Err(Denied {
                who: format!("user '{user}', rhost '{host}', vhost '{hostname}'"),
                why: denial.to_string(),
            }),
        }
    }

    fn admit_container(&self) -> Result<Option<Policed>, Denied> {
        let vhost = self.settings.policy_vhost.as_str();
        if vhost.is_empty() {
            return Ok(None);
        }
        let granted = self.context.policy.connector(vhost, ANONYMOUS_USER);
        let granted = granted.map_err(|denial| {
            let (owner, place) = (&self.handle.owner, &self.settings.address);
            Denied {
                who: format!("connector '{owner}' to {place}"),
                why: denial.to_string(),
            }
        });
        Ok(granted?.map(|grant| Policed {
            grant,
            _seat: None,
            hostname: vhost.to_owned(),
            host: self.settings.address.clone(),
            sessions: HashSet::new(),
            received: HashMap::new(),
            is_over: false,
        }))
    }

    /// What of the listener's terms the peer's group has its own of.
    pub(super) fn terms(&self) -> Terms {
        let grant = self.policed.as_ref().map(|policed| &policed.grant);
        grant.map_or_else(Terms::default, |grant| Terms {
            max_frame_size: grant.frame_size(),
            channel_max: grant.channel_max(),
            session_window: grant.session_window(self.settings.frame_size),
        })
    }

    /// The peer has begun a session. One too many is ended.
    pub(super) fn on_begun(&mut self, session: SessionId) {
        let Some(policed) = &mut self.policed else {
            return;
        };
        let Err(denial) = policed.grant.begin() else {
            policed.sessions.insert(session);
            return;
        };
        let who = policed.who();
        policed
            .grant
            .vhost
            .stats
            .sessions_denied
            .fetch_add(1, Ordering::Relaxed);
        self.tell_denial(&who, format_args!("AMQP Begin Session for {who} {denial}"));
        self.context
            .policy
            .counts
            .sessions
            .fetch_add(1, Ordering::Relaxed);
        let condition = Condition::new(names::RESOURCE_LIMIT_EXCEEDED, SESSION_DISALLOWED);
        // One that is gone needs no end.
        let _ = self.amqp.end(session, Some(condition));
    }

    /// A session is gone.
    pub(super) fn on_ended(&mut self, session: SessionId) {
        if let Some(policed) = &mut self.policed
            && policed.sessions.remove(&session)
        {
            policed.grant.end();
        }
    }

    /// Whether the peer may attach a link. One that it may not is refused.
    pub(super) fn may_attach(&mut self, id: LinkId, attach: &Attach) -> bool {
        let Some(policed) = &mut self.policed else {
            return true;
        };
        if self.amqp.session_of(id).is_none() {
            // Its session was not allowed and has ended.
            return false;
        }
        let (way, terminus, name) = match attach.role {
            LinkRole::Sender => (Way::Sending, &attach.target, "sender"),
            LinkRole::Receiver => (Way::Receiving, &attach.source, "receiver"),
        };
        // One without a terminus asks for as little as one without an address.
        let terminus = terminus.as_ref();
        let asked = Asked::of(
            terminus.is_some_and(|terminus| terminus.dynamic),
            terminus.and_then(|terminus| terminus.address.as_deref()),
        );
        let Err(denial) = policed.grant.attach(id.index(), way, asked) else {
            return true;
        };
        let address = match asked {
            Asked::Named(address) => address.chars().take(256).collect(),
            Asked::Dynamic | Asked::Nothing => String::new(),
        };
        let who = policed.who();
        let stats = &policed.grant.vhost.stats;
        let counter = match way {
            Way::Sending => &stats.senders_denied,
            Way::Receiving => &stats.receivers_denied,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.context
            .policy
            .counts
            .links
            .fetch_add(1, Ordering::Relaxed);
        self.tell_denial(
            &who,
            format_args!("AMQP Attach {name} link '{address}' for {who} {denial}"),
        );
        self.refuse(id, denial.link_condition(), LINK_DISALLOWED);
        false
    }

    /// A link is gone.
    pub(super) fn leave_policy(&mut self, id: LinkId) {
        if let Some(policed) = &mut self.policed {
            policed.grant.detach(id.index());
            policed.received.remove(&id.index());
        }
    }

    /// Whether a message is longer with this transfer than it may be: then it is rejected, and the connection closed.
    pub(super) fn is_oversize(&mut self, incoming: &Incoming, now: Duration) -> bool {
        let from_edge = self.is_edge();
        let Some(policed) = &mut self.policed else {
            return false;
        };
        let most = policed.grant.max_message_size;
        if most == u64::MAX || policed.is_over {
            return policed.is_over;
        }
        let at = incoming.link.index();
        let received = policed.received.entry(at).or_default();
        if incoming.first {
            *received = Received::new(from_edge);
        }
        let too_long = received.is_too_long(&incoming.payload, incoming.more, most);
        if !incoming.more {
            policed.received.remove(&at);
        }
        if !too_long {
            return false;
        }
        policed.is_over = true;
        let who = policed.who();
        policed
            .grant
            .vhost
            .stats
            .sizes_denied
            .fetch_add(1, Ordering::Relaxed);
        self.context
            .policy
            .counts
            .sizes
            .fetch_add(1, Ordering::Relaxed);
        self.tell_denial(
            &who,
            format_args!("AMQP Transfer maxMessageSize exceeded for {who}: a message has more than {most} octets, which is maxMessageSize of its group, vhost or the policy: raise it, or send shorter ones; the connection is closed"),
        );
        let state = DeliveryState::rejected(Condition::new(names::MESSAGE_SIZE_EXCEEDED, OVERSIZE));
        // One that its sender has settled needs no answer.
        let _ = self
            .amqp
            .dispose(incoming.link, incoming.delivery, Some(state), true);
        let condition = Condition::new("amqp:connection:forced".into(), OVERSIZE);
        self.amqp.close(Some(condition), now);
        true
    }

    /// Whether the user that a message names is to be looked at.
    pub(super) fn looks_at_user(&self) -> bool {
        let policed = self.policed.as_ref();
        policed.is_some_and(|policed| policed.grant.looks_at_user())
    }

    /// Whether the peer may have the router close connections.
    pub(super) fn administers(&self) -> bool {
        let policed = self.policed.as_ref();
        policed.is_none_or(|policed| policed.grant.administers())
    }

    /// Why a message may not go on, as its sender is told. `to` is the address that it names itself; where that does not count there is
    /// none. `user` is whom it says it is from.
    pub(super) fn refuses_message<'a>(
        &self,
        to: Option<&str>,
        user: impl FnOnce() -> Option<&'a [u8]>,
    ) -> Option<DeliveryState> {
        let policed = self.policed.as_ref()?;
        let rejected = |text: &str| {
            DeliveryState::rejected(Condition::new("amqp:unauthorized-access".into(), text))
        };
        if policed.grant.looks_at_user()
            && let Some(user) = user()
            && !policed.grant.says(user)
        {
            let (who, group) = (policed.who(), &policed.grant.group);
            let user = user.escape_ascii().take(256).map(char::from);
            let user: String = user.collect();
            self.tell_denial(
                &who,
                format_args!("AMQP message for {who}: it says that it is from user '{user}' and allowUserIdProxy of group '{group}' is false"),
            );
            return Some(rejected("user_id proxy violation"));
        }
        let denial: Denial = policed.grant.message(to?).err()?;
        let who = policed.who();
        self.tell_denial(&who, format_args!("AMQP message for {who} {denial}"));
        Some(rejected("policy violation on target"))
    }

    /// Says what was made of the grant when the connection ends.
    pub(super) fn close_policy(&mut self) {
        let Some(policed) = self.policed.take() else {
            return;
        };
        let (grant, stats) = (&policed.grant, &policed.grant.vhost.stats);
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        tracing::debug!(
            target: "POLICY",
            "[C{}] Connection '{}' closed with resources n_sessions={}, n_senders={}, n_receivers={}, sessions_denied={}, senders_denied={}, receivers_denied={}, max_message_size_denied:{}",
            self.handle.number, self.settings.address, grant.sessions(), grant.count(Way::Sending), grant.count(Way::Receiving),
            count(&stats.sessions_denied), count(&stats.senders_denied), count(&stats.receivers_denied), count(&stats.sizes_denied)
        );
    }
}
