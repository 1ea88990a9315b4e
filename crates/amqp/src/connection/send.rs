//! Frames that go.

use bytes::BufMut;

use super::{
    Connection, Event, Life, Outgoing, Payload, Sent,
    input::HANDLE_MAX,
    state::{Link, PendingDisposition, Sending, Session, Unsettled},
    trace::Direction,
};
use crate::{
    codec::Reader,
    frame::{self, HEADER},
    performative::{
        Attach, Begin, Close, Condition, DeliveryState, DeliveryTag, Detach, Disposition, Flow,
        LinkFlow, Performative, Role, Terminus, Transfer,
    },
};

/// Most octets that a transfer's frame takes before its payload: header 8, descriptor 3, list 3, handle 5, delivery-id 5, tag 34,
/// format 1, settled 1, more 1.
const TRANSFER_HEAD: usize = 64;

impl Connection {
    pub(super) fn write(&mut self, channel: u32, performative: &Performative) {
        if self.trace.is_on() {
            self.trace
                .add(channel, Direction::Out, format_args!("{performative}"));
        }
        // A session's index is kept within 16 bits where sessions are made.
        self.output
            .append(|buf| frame::write_performative(buf, channel as u16, performative));
    }

    /// The peer broke the protocol: tells it, and is over.
    pub(super) fn fail(&mut self, condition: Condition) {
        if self.life == Life::Active {
            self.send_close(Some(condition.clone()));
        }
        self.finish(super::CloseReason::Violation(condition));
    }

    pub(super) fn send_close(&mut self, error: Option<Condition>) {
        self.send_owed_open();
        self.write(0, &Performative::Close(Close { error }));
    }

    pub(super) fn send_begin(&mut self, session: u32, remote_channel: Option<u16>) {
        let incoming_window = self
            .sessions
            .at(session)
            .map_or(0, |session| session.incoming);
        let begin = Begin {
            remote_channel,
            next_outgoing_id: 0,
            incoming_window,
            outgoing_window: 0x7fff_ffff,
            handle_max: HANDLE_MAX,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: crate::Map::new(),
        };
        self.write(session, &Performative::Begin(begin));
    }

    /// Answers the peer's attach.
    pub(super) fn send_answer(
        &mut self,
        index: u32,
        source: Option<Terminus>,
        target: Option<Terminus>,
        max: u64,
    ) {
        let Some(link) = self.links.at_mut(index) else {
            return;
        };
        link.attach_sent = true;
        let attach = Attach {
            name: std::mem::take(&mut link.name),
            handle: link.handle,
            role: link.role,
            snd_settle_mode: link.modes.0,
            rcv_settle_mode: link.modes.1,
            source,
            target,
            initial_delivery_count: Some(0),
            max_message_size: max,
            offered_capabilities: Vec::new(),
            desired_capabilities: Vec::new(),
            properties: crate::Map::new(),
        };
        let session = link.session;
        let granted = link.role == Role::Receiver && link.credit > 0;
        self.write(session, &Performative::Attach(Box::new(attach)));
        if granted {
            self.mark_link(index);
        }
    }

    /// Detaches, after an answer without termini where none was given yet.
    pub(super) fn send_detach(&mut self, index: u32, error: Option<Condition>) {
        if self.links.at(index).is_some_and(|link| !link.attach_sent) {
            self.send_answer(index, None, None, 0);
        }
        let Some(link) = self.links.at_mut(index) else {
            return;
        };
        link.detach_sent = true;
        let (session, handle) = (link.session, link.handle);
        if link.sending.take().is_some_and(|sending| sending.aborting)
            && let Some(session) = self.sessions.at_mut(session)
        {
            // The detach ends the delivery, too.
            session.aborts.retain(|&aborting| aborting != index);
        }
        self.write(
            session,
            &Performative::Detach(Detach {
                handle,
                closed: true,
                error,
            }),
        );
    }

    pub(super) fn mark_link(&mut self, index: u32) {
        if let Some(link) = self.links.at_mut(index)
            && !std::mem::replace(&mut link.dirty, true)
        {
            self.dirty_links.push(index);
        }
    }

    pub(super) fn mark_session(&mut self, index: u32) {
        if let Some(session) = self.sessions.at_mut(index)
            && !std::mem::replace(&mut session.dirty, true)
        {
            self.dirty_sessions.push(index);
        }
    }

    /// Writes what was held back.
    pub(super) fn flush(&mut self) {
        self.flush_disposition();
        if self.dirty_links.is_empty() && self.dirty_sessions.is_empty() {
            return;
        }
        let mut links = std::mem::take(&mut self.dirty_links);
        for index in links.drain(..) {
            let Some(link) = self.links.at_mut(index) else {
                continue;
            };
            if !std::mem::take(&mut link.dirty)
                || link.detach_sent
                || !link.attach_sent
                || link.remote_handle.is_none()
            {
                continue;
            }
            let flow = LinkFlow {
                handle: link.handle,
                delivery_count: Some(link.delivery_count),
                link_credit: Some(link.credit),
                available: None,
                drain: link.drain,
            };
            let session = link.session;
            self.send_flow(session, Some(flow));
        }
        self.dirty_links = links;
        let mut sessions = std::mem::take(&mut self.dirty_sessions);
        for index in sessions.drain(..) {
            // A link's flow may have told it already.
            if self.sessions.at(index).is_some_and(|session| session.dirty) {
                self.send_flow(index, None);
            }
        }
        self.dirty_sessions = sessions;
    }

    fn send_flow(&mut self, index: u32, link: Option<LinkFlow>) {
        let Some(session) = self.sessions.at_mut(index) else {
            return;
        };
        session.dirty = false;
        if session.end_sent {
            return;
        }
        let flow = Flow {
            next_incoming_id: session.remote_channel.map(|_| session.next_incoming_id),
            incoming_window: session.open_window(),
            next_outgoing_id: session.next_outgoing_id,
            outgoing_window: 0x7fff_ffff,
            link,
            echo: false,
        };
        self.write(index, &Performative::Flow(flow));
    }

    pub(super) fn flush_disposition(&mut self) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        if self
            .sessions
            .at(pending.session)
            .is_none_or(|session| session.end_sent)
        {
            return;
        }
        let disposition = Disposition {
            role: pending.role,
            first: pending.first,
            last: (pending.last != pending.first).then_some(pending.last),
            settled: pending.settled,
            state: pending.state,
            batchable: false,
        };
        self.write(pending.session, &Performative::Disposition(disposition));
    }

    pub(super) fn send_disposition(
        &mut self,
        index: u32,
        role: Role,
        delivery: u32,
        state: Option<DeliveryState>,
        settled: bool,
    ) {
        if let Some(pending) = &mut self.pending
            && (pending.session, pending.role, pending.settled) == (index, role, settled)
            && delivery == pending.last.wrapping_add(1)
            && pending.state == state
        {
            pending.last = delivery;
            return;
        }
        self.flush_disposition();
        self.pending = Some(PendingDisposition {
            session: index,
            role,
            first: delivery,
            last: delivery,
            state,
            settled,
        });
    }

    pub(super) fn send_transfer(
        &mut self,
        index: u32,
        delivery: &Outgoing,
        payload: &mut Payload,
    ) -> Sent {
        self.flush_disposition();
        let Some(link) = self.links.at_mut(index) else {
            return Sent::Credit;
        };
        let Some(session) = self.sessions.at_mut(link.session) else {
            return Sent::Credit;
        };
        let begins = link.sending.is_none();
        let id = match link.sending {
            // A flow event follows when the abort has gone.
            Some(sending) if sending.aborting => return Sent::Credit,
            Some(sending) => sending.id,
            None if link.credit == 0 => return Sent::Credit,
            None if session.remote_window == 0 => {
                session.blocked = true;
                return Sent::Window(None);
            }
            None => begin_delivery(index, link, session, delivery),
        };
        if delivery.settled && !begins && session.sent.remove(&id).is_some() {
            link.unsettled -= 1;
        }
        let channel = link.session as u16;
        let mut first = begins;
        loop {
            if payload.is_empty() && delivery.more && !first {
                return Sent::All(id);
            }
            if session.remote_window == 0 {
                session.blocked = true;
                return Sent::Window(Some(id));
            }
            let mut head = [0; TRANSFER_HEAD];
            // `more` adds one octet; whether it is needed depends on the room, so room is measured with it.
            let with_more = transfer_head(&mut head, channel, link.handle, id, delivery, true);
            let room = self.peer.max_frame.saturating_sub(with_more);
            let taken = room.min(payload.len());
            let last = taken == payload.len();
            let more = delivery.more || !last;
            let len = transfer_head(&mut head, channel, link.handle, id, delivery, more);
            head[..4].copy_from_slice(&((len + taken) as u32).to_be_bytes());
            self.output.append(|buf| buf.put_slice(&head[..len]));
            let mut left = taken;
            while left > 0 {
                let Some(slice) = payload.pop(left) else {
                    break;
                };
                left -= slice.len();
                self.output.payload(slice);
            }
            if self.trace.is_on() {
                let written = head.get(HEADER..len).unwrap_or_default();
                if let Ok(transfer) = Performative::read(&mut Reader::new(written)) {
                    let what = format_args!("{transfer} ({taken})");
                    self.trace.add(channel.into(), Direction::Out, what);
                }
            }
            session.sent_transfer();
            first = false;
            if last {
                if !more {
                    link.sending = None;
                }
                return Sent::All(id);
            }
        }
    }

    pub(super) fn send_abort(&mut self, index: u32) {
        self.flush_disposition();
        let Some(link) = self.links.at_mut(index) else {
            return;
        };
        let Some(sending) = &mut link.sending else {
            return;
        };
        let Some(session) = self.sessions.at_mut(link.session) else {
            return;
        };
        let id = sending.id;
        // Whatever the peer still says of it, nobody waits for that.
        if session.sent.remove(&id).is_some() {
            link.unsettled -= 1;
        }
        if session.remote_window == 0 {
            if !std::mem::replace(&mut sending.aborting, true) {
                session.aborts.push_back(index);
            }
            return;
        }
        link.sending = None;
        session.sent_transfer();
        let transfer = Transfer {
            handle: link.handle,
            delivery_id: Some(id),
            settled: Some(true),
            aborted: true,
            ..Transfer::default()
        };
        let channel = link.session;
        self.write(channel, &Performative::Transfer(transfer));
    }

    /// Aborts that waited for a window.
    pub(super) fn flush_aborts(&mut self, session: u32) {
        while let Some(entry) = self.sessions.at_mut(session)
            && entry.remote_window > 0
            && let Some(link) = entry.aborts.pop_front()
        {
            self.send_abort(link);
            // The link can begin its next delivery.
            if let Some(&Link { credit, drain, .. }) = self.links.at(link) {
                self.events.push_back(Event::Flow {
                    link: self.link_id(link),
                    credit,
                    drain,
                });
            }
        }
    }
}

fn begin_delivery(index: u32, link: &mut Link, session: &mut Session, delivery: &Outgoing) -> u32 {
    let id = session.next_delivery_id;
    session.next_delivery_id = id.wrapping_add(1);
    link.credit -= 1;
    link.delivery_count = link.delivery_count.wrapping_add(1);
    link.sending = Some(Sending {
        id,
        aborting: false,
    });
    if !delivery.settled {
        session.sent.insert(
            id,
            Unsettled {
                link: index,
                token: delivery.token,
            },
        );
        link.unsettled += 1;
    }
    id
}

/// Writes a transfer's frame up to its payload, the size left open; returns its octets.
fn transfer_head(
    head: &mut [u8; TRANSFER_HEAD],
    channel: u16,
    handle: u32,
    id: u32,
    delivery: &Outgoing,
    more: bool,
) -> usize {
    let tag: &DeliveryTag = &delivery.tag;
    let mut at = HEADER + 6;
    let put = |head: &mut [u8; TRANSFER_HEAD], at: &mut usize, octets: &[u8]| {
        head[*at..*at + octets.len()].copy_from_slice(octets);
        *at += octets.len();
    };
    for number in [handle, id] {
        match number {
            0 => put(head, &mut at, &[0x43]),
            1..=0xff => put(head, &mut at, &[0x52, number as u8]),
            _ => {
                put(head, &mut at, &[0x70]);
                put(head, &mut at, &number.to_be_bytes());
            }
        }
    }
    put(head, &mut at, &[0xa0, tag.as_slice().len() as u8]);
    put(head, &mut at, tag.as_slice());
    put(head, &mut at, &[0x43]); // message-format 0
    let fields = match (delivery.settled, more) {
        (false, false) => 4,
        (true, false) => {
            put(head, &mut at, &[0x41]);
            5
        }
        (settled, true) => {
            put(head, &mut at, &[if settled { 0x41 } else { 0x40 }, 0x41]);
            6
        }
    };
    let list = (at - HEADER - 5) as u8;
    head[4..HEADER].copy_from_slice(&[2, frame::TYPE_AMQP, (channel >> 8) as u8, channel as u8]);
    head[HEADER..HEADER + 6].copy_from_slice(&[0x00, 0x53, 0x14, 0xc0, list, fields]);
    at
}
