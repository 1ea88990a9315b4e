//! The task that runs one AMQP connection: it owns the socket, the protocol engine, the links and their deliveries.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Wake, Poll};
use std::time::Duration;

use skupper_amqp::Condition;
use skupper_amqp::connection::{CloseReason, Connection, Event, Initiator, LinkId, SessionId};
use skupper_amqp::performative::names;
use skupper_management::entity::{MessageComponents, Role};
use skupper_pki::verify::PeerRecord;
use tokio::time::{Instant, Sleep};

use super::automatic::reason;
use super::edge::EdgeSide;
use super::handle::{Command, ConnectionHandle, Outlet};
use super::links::{Address, Current, End, Inbound, Link, Outbound, Slab};
use super::looking::Deaf;
use super::policed::{Denied, Policed};
use super::ready::Ready;
use super::resend::Kept;
use super::transport::{Read, Transport, TransportError};
use crate::clock::Moment;
use crate::context::Context;
use crate::core::CoreCommand;
use crate::transit::inbox::Taken;

/// Rounds of reading, working and writing before other tasks of the thread get their turn.
const TURNS: usize = 4;
/// Octets that wait for the socket beyond which nothing more is sent (upstream's "Q3").
pub(super) const MOST_OUTPUT: usize = 1024 * 1024;
/// Octets that wait for the socket beyond which nothing more is read: what is read makes output, too.
pub(super) const MOST_OUTPUT_TO_READ: usize = 4 * MOST_OUTPUT;
/// Output below which sending goes on.
const ENOUGH_OUTPUT: usize = MOST_OUTPUT / 2;

/// How a connection is run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The role of its listener or connector.
    pub(crate) role: Role,
    /// It is one of a connector's data connections.
    pub(crate) data: bool,
    /// Credit given on each link.
    pub(crate) capacity: u32,
    /// The routers' section of messages from the peer is ignored.
    pub(crate) strip_in: bool,
    /// Messages to the peer have no routers' section.
    pub(crate) strip_out: bool,
    /// Configured cost.
    pub(crate) cost: u32,
    /// The peer's address.
    pub(crate) address: String,
    /// Who the peer is by its certificate.
    pub(crate) user: Option<String>,
    /// A connector's correlator and the ordinal of its credential.
    pub(crate) group: Option<(Arc<str>, u64)>,
    /// The virtual host whose policy holds; empty for the one that the peer asks for.
    pub(crate) policy_vhost: String,
    /// Octets of the peer's frames.
    pub(crate) frame_size: u32,
    /// Parts of messages that are logged.
    pub(crate) components: MessageComponents,
}

impl Settings {
    /// Whether the peer is a router.
    pub(crate) fn is_router(&self) -> bool {
        self.role == Role::InterRouter
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Reason {
    /// By the protocol.
    Amqp(CloseReason),
    /// The socket or the TLS layer failed.
    Transport(TransportError),
}

/// What is left of a connection.
#[derive(Debug)]
pub(crate) struct Finish {
    /// It had been in use.
    pub(crate) established: bool,
    /// Why it ended.
    pub(crate) reason: Reason,
    /// What the peer showed of itself, if it did not open.
    pub(crate) record: PeerRecord,
    /// Why the policy did not let it open.
    pub(crate) denied: Option<Denied>,
}

/// One connection.
pub(crate) struct Task {
    pub(super) context: Arc<Context>,
    pub(super) handle: Arc<ConnectionHandle>,
    pub(super) settings: Settings,
    pub(super) amqp: Connection,
    transport: Transport,
    started: Instant,
    /// The same on the clock that all connections share.
    epoch: Moment,
    /// The time of this turn, on that clock.
    pub(super) moment: Moment,
    /// This router as annotations name it.
    pub(super) own: String,
    taken: Taken<Command>,
    /// By index of the engine's link ids.
    pub(super) links: Vec<Option<Box<Link>>>,
    pub(super) by_number: HashMap<u64, LinkId>,
    pub(super) inbound: Slab<Inbound>,
    pub(super) outbound: Slab<Outbound>,
    pub(super) control: Control,
    pub(super) edge: EdgeSide,
    /// Links that whole messages leave by, lowest priority first.
    pub(super) data: Vec<LinkId>,
    /// Data links that messages come by.
    pub(super) data_in: u8,
    /// Streaming links without a stream.
    pub(super) pool: VecDeque<LinkId>,
    pub(super) stream_session: Option<SessionId>,
    /// The session of the links that the configuration asks for.
    pub(super) auto_session: Option<SessionId>,
    /// By the names that the peer was asked for: the links that such deliveries come by, and the addresses that they have here.
    pub(super) renamed: HashMap<String, (u64, Address)>,
    /// Links that have something to send.
    pub(super) ready: Ready,
    /// Links that wait for a session's window.
    pub(super) blocked: Vec<LinkId>,
    /// Sending stopped for the output's length.
    pub(super) starved: bool,
    /// The peer does not read.
    pub(super) deaf: Deaf,
    /// Octets of deliveries that have come.
    pub(super) came: u64,
    /// Octets of deliveries that have left.
    pub(super) went: u64,
    /// Octets of deliveries that are not passed on yet.
    pub(super) collected: usize,
    /// Octets of deliveries that may be sent to another destination.
    pub(super) kept: Kept,
    /// It is in use: see [`ConnectionHandle::established`].
    pub(super) established: bool,
    /// What the policy allows, where virtual hosts are obeyed.
    pub(super) policed: Option<Box<Policed>>,
    /// Why the policy did not let the peer open the connection.
    pub(super) denied: Option<Denied>,
    timer: Pin<Box<Sleep>>,
    due: Duration,
}

impl Drop for Task {
    fn drop(&mut self) {
        // Also where the task was cut short: nobody must wait for what never comes.
        self.lose();
    }
}

/// The control links of a connection between routers.
#[derive(Default)]
pub(super) struct Control {
    pub(super) sender: Option<LinkId>,
    pub(super) receiver: Option<LinkId>,
    /// The core knows.
    pub(super) up: bool,
}

impl Task {
    pub(crate) fn new(
        context: Arc<Context>,
        handle: Arc<ConnectionHandle>,
        settings: Settings,
        transport: Transport,
        config: skupper_amqp::connection::Config,
    ) -> Self {
        let own = context.dispatch.me.annotation();
        Task {
            amqp: Connection::new(config, Duration::ZERO),
            context,
            handle,
            settings,
            transport,
            started: Instant::now(),
            epoch: Moment::now(),
            moment: Moment::now(),
            own,
            taken: Taken::default(),
            links: Vec::new(),
            by_number: HashMap::new(),
            inbound: Slab::default(),
            outbound: Slab::default(),
            control: Control::default(),
            edge: EdgeSide::default(),
            data: Vec::new(),
            data_in: 0,
            pool: VecDeque::new(),
            stream_session: None,
            auto_session: None,
            renamed: HashMap::new(),
            ready: Ready::default(),
            blocked: Vec::new(),
            starved: false,
            deaf: Deaf::default(),
            came: 0,
            went: 0,
            collected: 0,
            kept: Kept::default(),
            established: false,
            policed: None,
            denied: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            due: Duration::ZERO,
        }
    }

    /// Runs the connection to its end.
    pub(crate) async fn run(mut self) -> Finish {
        self.watch_frames();
        let Task {
            transport, amqp, ..
        } = &mut self;
        let early = transport.give_early(&mut |input| amqp.handle_input(input, Duration::ZERO));
        let reason = match early {
            Ok(()) => std::future::poll_fn(|cx| self.poll(cx)).await,
            Err(error) => {
                let say = |cx: &mut Wake<'_>| {
                    self.transport.last_words(cx);
                    Poll::Ready(())
                };
                std::future::poll_fn(say).await;
                Reason::Transport(error)
            }
        };
        Finish {
            established: self.established,
            reason,
            record: self.transport.take_record(),
            denied: self.denied.take(),
        }
    }

    fn poll(&mut self, cx: &mut Wake<'_>) -> Poll<Reason> {
        self.watch_frames();
        for _ in 0..TURNS {
            let now = self.started.elapsed();
            self.moment = self.epoch.plus(now);
            let mut moved = self.take_inbox(now, cx);
            match self.read(now, cx) {
                Ok(read) => moved |= read,
                Err(error) => return Poll::Ready(Reason::Transport(error)),
            }
            while let Some(event) = self.amqp.poll_event() {
                if let Event::Closed(reason) = event {
                    self.look_at_end();
                    self.transport.close(self.amqp.output(), cx);
                    self.tell_frames();
                    return Poll::Ready(Reason::Amqp(reason));
                }
                self.on_event(event, now);
            }
            self.send_ready();
            match self.transport.poll_flush(self.amqp.output(), cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Reason::Transport(error)),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            self.tell_frames();
            if self.starved && self.amqp.buffered_output() < ENOUGH_OUTPUT {
                self.starved = false;
                moved = true;
            }
            if !moved && !self.timer_passed(now, cx) {
                self.count_octets();
                return Poll::Pending;
            }
        }
        self.count_octets();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Has the engine tell its frames where somebody wants to know them.
    fn watch_frames(&mut self) {
        self.amqp.set_trace(self.handle.is_traced());
    }

    fn tell_frames(&mut self) {
        let number = self.handle.number;
        while let Some(frame) = self.amqp.poll_trace() {
            match self.handle.is_traced_anyway() {
                // Asked for, whatever the module's level is.
                true => tracing::info!(target: "PROTOCOL", "[C{number}]:FRAME: {frame}"),
                false => tracing::debug!(target: "PROTOCOL", "[C{number}]:FRAME: {frame}"),
            }
        }
    }

    fn take_inbox(&mut self, now: Duration, cx: &mut Wake<'_>) -> bool {
        let mut taken = std::mem::take(&mut self.taken);
        self.handle.inbox().take(&mut taken, cx);
        let moved = !taken.is_empty();
        for command in taken.commands.drain(..) {
            self.on_command(command, now);
        }
        for token in taken.ready.drain(..) {
            // Even tokens are of deliveries that leave, odd ones of deliveries that come.
            match token % 2 {
                0 => self.attend_outbound(token / 2),
                _ => self.attend_inbound(token / 2),
            }
        }
        self.taken = taken;
        moved
    }

    fn read(&mut self, now: Duration, cx: &mut Wake<'_>) -> Result<bool, TransportError> {
        if self.amqp.buffered_output() >= MOST_OUTPUT_TO_READ {
            return Ok(false);
        }
        let Task {
            transport, amqp, ..
        } = self;
        match transport.poll_read(cx, &mut |input| amqp.handle_input(input, now)) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(Read::Some | Read::Nothing)) => Ok(true),
            Poll::Ready(Ok(Read::End)) => {
                amqp.handle_eof();
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    /// Sets the timer; true if it had passed and something was done.
    fn timer_passed(&mut self, now: Duration, cx: &mut Wake<'_>) -> bool {
        let Some(next) = self.amqp.next_timeout() else {
            return false;
        };
        // Deadlines mostly move away: the timer goes off at the old one and is set anew then.
        if next < self.due || self.timer.is_elapsed() {
            self.due = next;
            self.timer.as_mut().reset(self.started + next);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.amqp.handle_timeout(now.max(self.due));
        true
    }

    fn count_octets(&self) {
        let ConnectionHandle {
            octets_in,
            delivered_in,
            delivered_out,
            ..
        } = &*self.handle;
        octets_in.store(self.transport.octets(), Ordering::Relaxed);
        delivered_in.store(self.came, Ordering::Relaxed);
        delivered_out.store(self.went, Ordering::Relaxed);
    }

    fn on_command(&mut self, command: Command, now: Duration) {
        match command {
            Command::Deliver(consumer, outlet) => {
                let link = match outlet {
                    Outlet::Control => self.control.sender,
                    Outlet::Priority(priority) => self.data_link(priority),
                    Outlet::Stream | Outlet::StreamFor(_) => self.stream_link(),
                    Outlet::Link(number) => self.by_number.get(&number).copied(),
                };
                let external = match outlet {
                    Outlet::StreamFor(number) => self.external_address(number),
                    _ => None,
                };
                match link {
                    Some(link) => self.enqueue(link, consumer, external.as_deref()),
                    // Dropping it answers its sender.
                    None => drop(consumer),
                }
            }
            Command::Reachable { link, reachable } => self.on_reachable(link, reachable),
            Command::Retire => {
                for link in [self.control.sender, self.control.receiver]
                    .into_iter()
                    .flatten()
                {
                    // A link that is gone is detached.
                    let _ = self.amqp.detach(link, None);
                }
            }
            Command::Close {
                condition,
                description,
            } => {
                let condition = Condition::new(condition.into(), description);
                self.amqp.close(Some(condition), now);
            }
            Command::Attach { link, purpose } => self.attach_edge_link(link, purpose),
            Command::AutoLink(auto) => self.attach_auto_link(auto),
            Command::Detach { link } => self.detach_number(link),
            Command::Links(answer) => {
                // Who asked may have gone.
                let _ = answer.try_send(self.link_rows());
            }
            #[cfg(test)]
            Command::Left(answer) => {
                let [coming, leaving] = [self.inbound.iter().count(), self.outbound.iter().count()];
                let _ = answer.try_send([coming, leaving, self.collected]);
            }
            Command::LookForStuck => self.look_for_stuck(),
        }
    }

    fn on_event(&mut self, event: Event, now: Duration) {
        match event {
            Event::Opened(open) => {
                self.on_opened(&open, now);
                self.take_rest(now);
            }
            Event::Attached {
                link, by, attach, ..
            } => {
                self.on_attached(link, by, *attach, now);
            }
            Event::Flow { link, drain, .. } => self.on_flow(link, drain),
            Event::GivenUp { link, credit } => self.on_given_up(link, credit),
            Event::Writable { session } => {
                let mut blocked = std::mem::take(&mut self.blocked);
                blocked.retain(|link| {
                    let writable = self.amqp.session_of(*link).is_none_or(|of| of == session);
                    if writable {
                        self.unblock(*link);
                    }
                    !writable
                });
                self.blocked.append(&mut blocked);
            }
            Event::Transfer(incoming) => {
                if self.policed.is_none() || !self.is_oversize(&incoming, now) {
                    self.on_transfer(incoming);
                }
            }
            Event::Disposition {
                link,
                delivery,
                token,
                role,
                settled,
                state,
            } => match role {
                skupper_amqp::Role::Sender => {
                    self.on_outcome(token as u32, (link, delivery), state, settled);
                }
                skupper_amqp::Role::Receiver => {
                    self.on_sender_settled(token as u32, (link, delivery), settled);
                }
            },
            Event::Detached { link, error } => {
                self.leave_policy(link);
                self.on_detached(link, error.as_deref());
            }
            Event::SessionBegun {
                session,
                by: Initiator::Remote,
            } => self.on_begun(session),
            Event::Ended { session, .. } => {
                self.on_ended(session);
                let own = [&mut self.stream_session, &mut self.auto_session];
                for known in own.into_iter().filter(|known| **known == Some(session)) {
                    *known = None;
                }
                self.forget_edge_session(session);
            }
            Event::SessionBegun { .. } | Event::Closed(_) => {}
        }
    }

    /// Takes what the peer has sent behind its open.
    fn take_rest(&mut self, now: Duration) {
        let Task {
            transport, amqp, ..
        } = self;
        transport.give_rest(&mut |input| amqp.handle_input(input, now));
    }

    /// The transport, for what is said of it when the connection opens.
    pub(super) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    /// A link by the engine's id.
    pub(super) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links
            .get_mut(id.index())?
            .as_deref_mut()
            .filter(|link| link.id == id)
    }

    pub(super) fn put_link(&mut self, link: Link) {
        let at = link.id.index();
        if at >= self.links.len() {
            self.links.resize_with(at + 1, || None);
        }
        self.by_number.insert(link.number, link.id);
        let id = link.id;
        self.links[at] = Some(Box::new(link));
        self.note_credit(id);
    }

    /// A link is gone: its deliveries are lost, each in its way.
    fn on_detached(&mut self, id: LinkId, error: Option<&Condition>) {
        let Some(link) = self
            .links
            .get_mut(id.index())
            .and_then(|slot| slot.take_if(|link| link.id == id))
        else {
            return;
        };
        self.by_number.remove(&link.number);
        if self.by_number.len() < self.by_number.capacity() / 8 {
            self.by_number.shrink_to_fit();
        }
        if let Some(error) = error {
            tracing::debug!(
                target: "ROUTER_CORE",
                "[C{}] link {} was detached: {error}", self.handle.number, link.name
            );
        }
        let number = link.number;
        let auto = link.auto.clone();
        self.lose_link(*link);
        if let Some(auto) = auto {
            self.lose_auto_link(number, auto, reason(error));
        }
        if self.is_edge() {
            self.on_edge_detached(id, number);
        }
        if self.control.sender == Some(id) || self.control.receiver == Some(id) {
            self.control = Control {
                sender: self.control.sender.filter(|control| *control != id),
                receiver: self.control.receiver.filter(|control| *control != id),
                up: false,
            };
            self.context
                .core
                .tell(CoreCommand::ControlDown(self.handle.number));
        }
        self.data.retain(|data| *data != id);
        self.pool.retain(|pooled| *pooled != id);
    }

    fn lose_link(&mut self, link: Link) {
        self.context.past_links.add(&self.row(&link, 0));
        match link.end {
            End::Sender(sender) => {
                if sender.destination.is_some()
                    && let Some(address) = link.address
                {
                    self.context
                        .core
                        .remove_destination(address.key, link.number);
                }
                if sender.streaming {
                    self.handle.stream_ended();
                }
                for token in self.outbound.numbers(|outbound| outbound.link == link.id) {
                    if let Some(outbound) = self.outbound.remove(token) {
                        outbound.lose();
                    }
                }
            }
            End::Receiver(receiver) => {
                if let Current::Collecting(collecting) = receiver.current {
                    self.collected -= collecting.octets.as_slice().len();
                }
                for token in self.inbound.numbers(|inbound| inbound.link == link.id) {
                    if let Some(mut inbound) = self.inbound.remove(token) {
                        self.kept.forget(inbound.resend.take());
                        inbound.lose();
                    }
                }
            }
        }
    }

    /// The connection is over.
    fn lose(&mut self) {
        for command in self.handle.inbox().close() {
            // Deliveries among them answer their senders by being dropped.
            drop(command);
        }
        for outbound in self.outbound.drain() {
            outbound.lose();
        }
        self.inbound.drain().for_each(Inbound::lose);
        for link in std::mem::take(&mut self.links).into_iter().flatten() {
            self.lose_link(*link);
        }
        self.leave_auto_links();
        self.close_policy();
        if self.handle.peer.get().is_some() && (self.settings.is_router() || self.is_edge()) {
            self.context
                .core
                .tell(CoreCommand::Closed(self.handle.number));
        }
        self.count_octets();
    }

    /// Detaches a link of which nothing more is wanted.
    pub(super) fn refuse(&mut self, link: LinkId, condition: &'static str, description: &str) {
        // A link that is gone needs no refusal.
        let _ = self
            .amqp
            .refuse(link, Condition::new(condition.into(), description));
    }

    pub(super) fn not_allowed(&mut self, text: &str, now: Duration) {
        self.amqp
            .close(Some(Condition::new(names::NOT_ALLOWED, text)), now);
    }
}
