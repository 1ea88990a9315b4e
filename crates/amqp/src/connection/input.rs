//! Frames that come.

use std::collections::btree_map::Entry;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use super::{
    CloseReason, Connection, Event, Incoming, Initiator, Life, LinkId, Release, SessionId,
    layers::Layer,
    state::{Link, Receiving, Session, Unsettled},
    trace::Direction,
};
use crate::{
    codec::Reader,
    frame::{self, Frame},
    performative::{
        Attach, Begin, Condition, Disposition, Flow, Open, Performative, Role, Transfer, names,
    },
};

/// Largest frame that is taken before the peer's open.
const MAX_FIRST_FRAME: usize = 16 * 1024;

/// Dispositions without settlement that one input may make events of.
const MAX_UNSETTLED_TOLD: usize = 100_000;

/// Highest handle that the peer may use.
pub(super) const HANDLE_MAX: u32 = 0x7fff_ffff;

pub(super) type Result<T = ()> = std::result::Result<T, Condition>;

impl Connection {
    pub(super) fn take_input(&mut self, input: &mut BytesMut, now: Duration) {
        self.last_input = now;
        self.unsettled_told = 0;
        loop {
            if self.life == Life::Closed {
                input.clear();
                return;
            }
            if self.peer.opened && self.open_owed {
                // What the peer may do is not decided yet.
                return;
            }
            let more = if self.layer == Layer::Frames {
                self.frame(input, now)
            } else {
                Ok(self.handshake(input))
            };
            match more {
                Ok(true) => {}
                Ok(false) if self.life == Life::Closed => {}
                Ok(false) => return,
                Err(condition) => self.fail(condition),
            }
        }
    }

    /// Takes one frame; false when more input is needed.
    fn frame(&mut self, input: &mut BytesMut, now: Duration) -> Result<bool> {
        let limit = if self.peer.opened {
            self.config.open.max_frame_size as usize
        } else {
            MAX_FIRST_FRAME
        };
        let frame = match Frame::peek(input, limit) {
            Ok(Some(frame)) if input.len() >= frame.size => frame,
            Ok(_) => return Ok(false),
            Err(error) => return Err(Condition::new(names::FRAMING_ERROR, error.to_string())),
        };
        if frame.kind != frame::TYPE_AMQP {
            let text = format!(
                "a frame of type 0 was expected, one of type {} came",
                frame.kind
            );
            return Err(Condition::new(names::FRAMING_ERROR, text));
        }
        if frame.size == frame.body {
            input.advance(frame.size);
            return Ok(true);
        }
        let mut reader = Reader::new(input.get(frame.body..frame.size).unwrap_or_default());
        let performative = Performative::read(&mut reader)
            .map_err(|e| Condition::new(names::DECODE_ERROR, e.to_string()))?;
        let payload = reader.rest().len();
        if self.trace.is_on() {
            let channel = frame.channel.into();
            self.trace.add(
                channel,
                Direction::In,
                format_args!("{performative} ({payload})"),
            );
        }
        if let Performative::Transfer(transfer) = performative {
            let payload = if payload == 0 {
                input.advance(frame.size);
                Bytes::new()
            } else {
                let mut whole = input.split_to(frame.size);
                whole.advance(frame.size - payload);
                whole.freeze()
            };
            self.check_opened()?;
            if self.life == Life::Active && !self.has_ended(frame.channel) {
                self.on_transfer(frame.channel, transfer, payload)?;
            }
            return Ok(true);
        }
        input.advance(frame.size);
        self.dispatch(frame.channel, performative, now)?;
        Ok(true)
    }

    fn dispatch(&mut self, channel: u16, performative: Performative, now: Duration) -> Result {
        match performative {
            Performative::Open(open) => return self.on_open(open, now),
            Performative::Close(close) => {
                self.on_close(close.error);
                return Ok(());
            }
            _ => self.check_opened()?,
        }
        if self.life != Life::Active {
            return Ok(()); // Our close is on its way: only the peer's matters.
        }
        match performative {
            Performative::Begin(begin) => self.on_begin(channel, &begin),
            Performative::End(end) => self.on_end(channel, end),
            // Our end is on its way: nothing but the peer's matters.
            _ if self.has_ended(channel) => Ok(()),
            Performative::Attach(attach) => self.on_attach(channel, attach),
            Performative::Flow(flow) => self.on_flow(channel, &flow),
            Performative::Disposition(disposition) => self.on_disposition(channel, &disposition),
            Performative::Detach(detach) => self.on_detach(channel, detach),
            Performative::Open(_) | Performative::Close(_) | Performative::Transfer(_) => Ok(()),
        }
    }

    fn has_ended(&self, channel: u16) -> bool {
        let session = self
            .channels
            .get(channel)
            .and_then(|session| self.sessions.at(session));
        session.is_some_and(|session| session.end_sent)
    }

    fn check_opened(&self) -> Result {
        if self.peer.opened {
            Ok(())
        } else {
            Err(Condition::new(
                names::FRAMING_ERROR,
                "the first frame has to be an open",
            ))
        }
    }

    fn on_open(&mut self, open: Box<Open>, now: Duration) -> Result {
        if self.peer.opened {
            return Err(Condition::new(names::FRAMING_ERROR, "a second open came"));
        }
        if open.max_frame_size < frame::MIN_MAX_FRAME_SIZE {
            let text = format!(
                "max-frame-size {} is below the least of {}",
                open.max_frame_size,
                frame::MIN_MAX_FRAME_SIZE
            );
            return Err(Condition::new(names::INVALID_FIELD, text));
        }
        self.peer.opened = true;
        self.peer.max_frame = open.max_frame_size.min(self.config.max_send_frame) as usize;
        self.peer.channel_max = open.channel_max;
        self.keep_alive(open.idle_time_out, now);
        self.events.push_back(Event::Opened(open));
        Ok(())
    }

    fn on_close(&mut self, error: Option<Condition>) {
        let reason = match std::mem::replace(&mut self.life, Life::Active) {
            Life::Closing(ours) => CloseReason::Local(ours.or(error)),
            _ => {
                self.flush();
                self.send_close(None);
                CloseReason::Remote(error)
            }
        };
        self.finish(reason);
    }

    fn on_begin(&mut self, channel: u16, begin: &Begin) -> Result {
        if self.channels.get(channel).is_some() {
            return Err(Condition::new(
                names::NOT_ALLOWED,
                format!("channel {channel} has a session already"),
            ));
        }
        if channel > self.config.open.channel_max {
            let text = format!(
                "channel {channel} is above channel-max {}",
                self.config.open.channel_max
            );
            return Err(Condition::new(names::NOT_ALLOWED, text));
        }
        let (index, by) = match begin.remote_channel {
            Some(ours) => {
                let waits = |session: &Session| session.remote_channel.is_none();
                if !self.sessions.at(ours.into()).is_some_and(waits) {
                    let text = format!("a begin answers channel {ours}, which waits for none");
                    return Err(Condition::new(names::NOT_ALLOWED, text));
                }
                (u32::from(ours), Initiator::Local)
            }
            None => {
                if self.sessions.len()
                    > usize::from(self.config.open.channel_max.min(self.peer.channel_max))
                {
                    return Err(Condition::new(
                        names::RESOURCE_LIMIT_EXCEEDED,
                        "too many sessions",
                    ));
                }
                let (index, _) = self
                    .sessions
                    .insert(Session::new(self.config.session_window));
                self.send_begin(index, Some(channel));
                (index, Initiator::Remote)
            }
        };
        self.channels.set(channel, Some(index));
        let Some(session) = self.sessions.at_mut(index) else {
            return Ok(());
        };
        session.remote_channel = Some(channel);
        session.next_incoming_id = begin.next_outgoing_id;
        session.remote_window = begin.incoming_window;
        session.handle_max = begin.handle_max;
        let blocked = std::mem::take(&mut session.blocked) && session.remote_window > 0;
        let id = self.session_id(index);
        self.events
            .push_back(Event::SessionBegun { session: id, by });
        if blocked {
            self.events.push_back(Event::Writable { session: id });
        }
        Ok(())
    }

    pub(super) fn session_on(&self, channel: u16) -> Result<u32> {
        self.channels.get(channel).ok_or_else(|| {
            Condition::new(
                names::NOT_ALLOWED,
                format!("channel {channel} has no session"),
            )
        })
    }

    fn on_attach(&mut self, channel: u16, attach: Box<Attach>) -> Result {
        let session_index = self.session_on(channel)?;
        let Some(session) = self.sessions.at_mut(session_index) else {
            return Ok(());
        };
        if session.remote_handles.get(attach.handle).is_some() {
            let text = format!("handle {} has a link already", attach.handle);
            return Err(Condition::new(names::HANDLE_IN_USE, text));
        }
        if attach.handle > HANDLE_MAX {
            let text = format!("handle {} is above handle-max {HANDLE_MAX}", attach.handle);
            return Err(Condition::new(names::FRAMING_ERROR, text));
        }
        let links = &self.links;
        let answers = |&index: &u32| {
            links
                .at(index)
                .is_some_and(|link| link.role != attach.role && link.name == attach.name)
        };
        let (index, by) = match session.pending.iter().position(answers) {
            Some(at) => (
                session.pending.remove(at).unwrap_or_default(),
                Initiator::Local,
            ),
            None => {
                if self.links.len() >= self.config.max_links {
                    return Err(Condition::new(
                        names::RESOURCE_LIMIT_EXCEEDED,
                        "too many links",
                    ));
                }
                let Some(handle) = session.take_handle() else {
                    return Err(Condition::new(
                        names::RESOURCE_LIMIT_EXCEEDED,
                        "no handle is left for another link",
                    ));
                };
                session.links += 1;
                let mut link = Link::new(
                    session_index,
                    attach.role.opposite(),
                    handle,
                    attach.name.clone(),
                );
                link.modes = (attach.snd_settle_mode, attach.rcv_settle_mode);
                (self.links.insert(link).0, Initiator::Remote)
            }
        };
        session.remote_handles.set(attach.handle, index);
        let Some(link) = self.links.at_mut(index) else {
            return Ok(());
        };
        link.remote_handle = Some(attach.handle);
        if link.role == Role::Receiver {
            link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
        }
        if by == Initiator::Local {
            link.name = String::new();
            if link.detach_sent {
                return Ok(());
            }
            if link.role == Role::Receiver && (link.credit > 0 || link.drain) && !link.dirty {
                link.dirty = true;
                self.dirty_links.push(index);
            }
        }
        let (link, session) = (self.link_id(index), self.session_id(session_index));
        self.events.push_back(Event::Attached {
            link,
            session,
            by,
            attach,
        });
        Ok(())
    }

    pub(super) fn link_on(&self, session: u32, handle: u32) -> Result<u32> {
        self.sessions
            .at(session)
            .and_then(|s| s.remote_handles.get(handle))
            .ok_or_else(|| {
                Condition::new(
                    names::UNATTACHED_HANDLE,
                    format!("handle {handle} has no link on its session"),
                )
            })
    }

    fn on_flow(&mut self, channel: u16, flow: &Flow) -> Result {
        let index = self.session_on(channel)?;
        let id = self.session_id(index);
        let Some(session) = self.sessions.at_mut(index) else {
            return Ok(());
        };
        // What the peer takes, less what it had not seen when it said so.
        let edge = flow
            .next_incoming_id
            .unwrap_or(0)
            .wrapping_add(flow.incoming_window);
        let window = edge.wrapping_sub(session.next_outgoing_id);
        session.remote_window = if window > flow.incoming_window {
            0
        } else {
            window
        };
        self.flush_aborts(index);
        if let Some(session) = self.sessions.at_mut(index)
            && session.remote_window > 0
            && std::mem::take(&mut session.blocked)
        {
            self.events.push_back(Event::Writable { session: id });
        }
        let Some(flow_link) = &flow.link else {
            if flow.echo {
                self.mark_session(index);
            }
            return Ok(());
        };
        let link_index = self.link_on(index, flow_link.handle)?;
        let Some(link) = self.links.at_mut(link_index) else {
            return Ok(());
        };
        let mut given_up = 0;
        match link.role {
            Role::Sender => {
                let limit = flow_link
                    .delivery_count
                    .unwrap_or(0)
                    .wrapping_add(flow_link.link_credit.unwrap_or(0));
                let credit = limit.wrapping_sub(link.delivery_count);
                // A negative credit is one that was taken back while deliveries were on their way.
                link.credit = if credit > i32::MAX as u32 { 0 } else { credit };
                link.drain = flow_link.drain;
            }
            Role::Receiver => {
                if let Some(count) = flow_link.delivery_count {
                    let advanced = count.wrapping_sub(link.delivery_count);
                    if advanced <= link.credit {
                        link.credit -= advanced;
                        link.delivery_count = count;
                        given_up = advanced;
                    }
                }
                if link.credit == 0 {
                    link.drain = false;
                }
            }
        }
        if link.detach_sent {
            return Ok(());
        }
        let (credit, drain) = (link.credit, flow_link.drain);
        if flow.echo {
            self.mark_link(link_index);
        }
        if given_up > 0 {
            self.events.push_back(Event::GivenUp {
                link: self.link_id(link_index),
                credit: given_up,
            });
        }
        self.events.push_back(Event::Flow {
            link: self.link_id(link_index),
            credit,
            drain,
        });
        Ok(())
    }

    fn on_transfer(&mut self, channel: u16, transfer: Transfer, payload: Bytes) -> Result {
        let session_index = self.session_on(channel)?;
        let link_index = self.link_on(session_index, transfer.handle)?;
        let (link_id, session_id) = (self.link_id(link_index), self.session_id(session_index));
        let (Some(session), Some(link)) = (
            self.sessions.at_mut(session_index),
            self.links.at_mut(link_index),
        ) else {
            return Ok(());
        };
        if session.incoming == 0 {
            return Err(Condition::new(
                names::WINDOW_VIOLATION,
                "a transfer came beyond the session's window",
            ));
        }
        session.incoming -= 1;
        session.next_incoming_id = session.next_incoming_id.wrapping_add(1);
        if link.role == Role::Sender {
            return Err(Condition::new(
                names::NOT_ALLOWED,
                "a transfer came from the receiver of a link",
            ));
        }
        let dropped = link.detach_sent;
        if self.config.release == Release::Manual && !dropped {
            session.unreleased += 1;
        }
        if session.is_low() && !session.dirty {
            session.dirty = true;
            self.dirty_sessions.push(session_index);
        }
        if dropped {
            return Ok(());
        }
        let first = link.receiving.is_none();
        if first {
            let missing = |field| {
                Condition::new(
                    names::INVALID_FIELD,
                    format!("the first transfer of a delivery has no {field}"),
                )
            };
            let id = transfer.delivery_id.ok_or_else(|| missing("delivery-id"))?;
            let tag = transfer
                .delivery_tag
                .ok_or_else(|| missing("delivery-tag"))?;
            if link.credit == 0 {
                let text = "a delivery came without credit";
                return Err(Condition::new(names::TRANSFER_LIMIT_EXCEEDED, text));
            }
            link.credit -= 1;
            link.delivery_count = link.delivery_count.wrapping_add(1);
            if session.received.contains_key(&id) {
                let text = format!("delivery {id} is there already and not settled");
                return Err(Condition::new(names::NOT_ALLOWED, text));
            }
            let settled = transfer.settled == Some(true);
            if !settled && !transfer.aborted {
                let unsettled = Unsettled {
                    link: link_index,
                    token: 0,
                };
                session.received.insert(id, unsettled);
                link.unsettled += 1;
            }
            let message_format = transfer.message_format.unwrap_or(0);
            link.receiving = Some(Receiving {
                id,
                tag,
                token: 0,
                message_format,
                settled,
            });
        }
        let Some(receiving) = &mut link.receiving else {
            return Ok(());
        };
        if transfer.delivery_id.is_some_and(|id| id != receiving.id) {
            let text = format!(
                "delivery {} began before delivery {} of its link ended",
                transfer.delivery_id.unwrap_or(0),
                receiving.id
            );
            return Err(Condition::new(names::NOT_ALLOWED, text));
        }
        receiving.settled |= transfer.settled == Some(true) || transfer.aborted;
        if receiving.settled
            && let Entry::Occupied(unsettled) = session.received.entry(receiving.id)
            && unsettled.get().link == link_index
        {
            unsettled.remove();
            link.unsettled -= 1;
        }
        let incoming = Incoming {
            link: link_id,
            session: session_id,
            delivery: receiving.id,
            token: receiving.token,
            first,
            tag: receiving.tag,
            message_format: receiving.message_format,
            settled: receiving.settled,
            more: transfer.more && !transfer.aborted,
            aborted: transfer.aborted,
            state: transfer.state,
            payload,
        };
        if !incoming.more {
            link.receiving = None;
        }
        self.events.push_back(Event::Transfer(incoming));
        Ok(())
    }

    fn on_disposition(&mut self, channel: u16, disposition: &Disposition) -> Result {
        let index = self.session_on(channel)?;
        let Some(session) = self.sessions.at_mut(index) else {
            return Ok(());
        };
        let role = disposition.role.opposite();
        let (first, last) = (
            disposition.first,
            disposition.last.unwrap_or(disposition.first),
        );
        let known = session.unsettled(role);
        let mut ids = std::mem::take(&mut self.scratch);
        if first == last {
            ids.push(first);
        } else if first < last {
            ids.extend(known.range(first..=last).map(|(id, _)| *id));
        } else if last.wrapping_sub(first) < 1 << 31 {
            // The numbers wrapped round.
            ids.extend(
                known
                    .range(first..)
                    .chain(known.range(..=last))
                    .map(|(id, _)| *id),
            );
        }
        for &delivery in &ids {
            let Some(session) = self.sessions.at_mut(index) else {
                break;
            };
            let known = session.unsettled(role);
            let Some(unsettled) = known.get(&delivery) else {
                continue;
            };
            let (link, token) = (unsettled.link, unsettled.token);
            if disposition.settled {
                known.remove(&delivery);
            }
            let Some(entry) = self.links.at_mut(link) else {
                continue;
            };
            if disposition.settled {
                entry.unsettled = entry.unsettled.saturating_sub(1);
            }
            if entry.detach_sent {
                continue;
            }
            // What is settled can be told once only; the rest could be told again and again.
            if !disposition.settled {
                self.unsettled_told += 1;
                if self.unsettled_told > MAX_UNSETTLED_TOLD {
                    let text = "the same deliveries are told of over and over";
                    return Err(Condition::new(names::RESOURCE_LIMIT_EXCEEDED, text));
                }
            }
            self.events.push_back(Event::Disposition {
                link: self.link_id(link),
                delivery,
                token,
                role,
                settled: disposition.settled,
                state: disposition.state.clone(),
            });
        }
        ids.clear();
        self.scratch = ids;
        Ok(())
    }

    pub(super) fn link_id(&self, index: u32) -> LinkId {
        LinkId {
            index,
            generation: self.links.generation(index),
        }
    }

    pub(super) fn session_id(&self, index: u32) -> SessionId {
        SessionId {
            index,
            generation: self.sessions.generation(index),
        }
    }
}
