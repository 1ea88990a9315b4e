//! How connections to and from edge routers come, carry and go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use skupper_routing::edge::{Beyond, Side, Tracking};

use super::super::ms;
use super::node::{End, Handle, Theirs, number};
use super::ways::Hop;
use super::world::{Cable, Conn, IDLE, Message, State, What, World};

impl World {
    pub(super) fn try_soon(&mut self, cable: usize) {
        let wait = 50 + self.net.dice.below(700) as u64;
        self.at(self.now() + ms(wait), What::Try(cable));
    }

    pub(super) fn attempt(&mut self, cable: usize) {
        let Cable {
            ends,
            up,
            frozen,
            conn,
            delay,
            ..
        } = self.cables[cable];
        if !self.is_alive(ends[0]) || conn.is_some() {
            return;
        }
        if !up || frozen || !self.is_alive(ends[1]) {
            return self.try_soon(cable);
        }
        let number = number(&self.numbers);
        let conn = Conn {
            cable,
            states: [State::Opening; 2],
            broken: false,
            last: [self.now(); 2],
        };
        self.conns.insert(number, conn);
        self.cables[cable].conn = Some(number);
        self.at(self.now() + delay, What::Opened(number, 1));
        self.at(self.now() + 2 * delay, What::Opened(number, 0));
    }

    pub(super) fn opened(&mut self, number: u64, end: usize) {
        let Some(conn) = self.conns.get_mut(&number) else {
            return;
        };
        if conn.broken || conn.states[end] != State::Opening {
            return;
        }
        conn.states[end] = State::Open;
        let cable = &self.cables[conn.cable];
        let (node, other, ordinal) = (cable.ends[end], cable.ends[1 - end], cable.ordinal);
        let side = match (self.is_edge(node), self.is_edge(other)) {
            (true, true) => Side::Peer,
            (true, false) => Side::Interior,
            _ => Side::Edge,
        };
        self.tell(
            node,
            format_args!("has [C{number}] to {}", self.nodes[other].id),
        );
        let beyond = Beyond {
            connection: number,
            side,
        };
        let end = End {
            handle: Rc::new(Handle {
                beyond,
                mesh: RefCell::default(),
            }),
            theirs: BTreeMap::new(),
            tracking: Tracking::default(),
        };
        self.nodes[node].ends.insert(number, end);
        let peer = self.nodes[other].id.to_string();
        if let Some(edge) = &mut self.nodes[node].edge {
            match side {
                Side::Peer => edge.peer_opened(number, &peer),
                _ => edge.opened(number, ordinal),
            }
        }
        self.settle(node);
    }

    /// The wire between the two ends is gone; each hears of it in its own time.
    pub(super) fn break_off(&mut self, number: u64) {
        if let Some(conn) = self.conns.get_mut(&number)
            && !std::mem::replace(&mut conn.broken, true)
        {
            for end in 0..2 {
                let wait = match self.net.dice.below(10) {
                    0 => IDLE,
                    n => ms(n as u64 * 10),
                };
                self.at(self.now() + wait, What::Closed(number, end));
            }
        }
    }

    pub(super) fn closed(&mut self, number: u64, end: usize) {
        let Some(conn) = self.conns.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut conn.states[end], State::Closed);
        let cable = conn.cable;
        let node = self.cables[cable].ends[end];
        if conn.states == [State::Closed; 2] {
            self.conns.remove(&number);
        }
        if end == 0 && self.cables[cable].conn == Some(number) {
            self.cables[cable].conn = None;
            self.try_soon(cable);
        }
        if before != State::Open {
            return;
        }
        self.tell(node, format_args!("has lost [C{number}]"));
        if let Some(gone) = self.nodes[node].ends.remove(&number) {
            for theirs in gone.theirs.into_values() {
                if let Theirs::Destination(key, id) = theirs {
                    self.remove(node, &key, id);
                }
            }
        }
        if let Some(edge) = &mut self.nodes[node].edge {
            edge.closed(number);
        }
        self.hop_lost(node, &Hop::Edge(number));
        self.settle(node);
    }

    pub(super) fn silent(&mut self, cable: usize, stamp: u64) {
        let c = &self.cables[cable];
        let stopped = c
            .ends
            .iter()
            .any(|node| self.nodes[*node].stopped_until > self.now());
        let is_silent = (c.frozen && c.stamp == stamp) || stopped;
        if let Some(number) = c.conn.filter(|_| is_silent) {
            self.break_off(number);
        }
    }

    pub(super) fn send(&mut self, node: usize, number: u64, message: Message) {
        let Some(conn) = self.conns.get(&number) else {
            return;
        };
        let cable = &self.cables[conn.cable];
        let end = usize::from(cable.ends[1] == node);
        if conn.broken || conn.states[end] != State::Open {
            return;
        }
        let jitter = Duration::from_micros(self.net.dice.below(300) as u64);
        // The other end may not have it open yet.
        let at = (self.now() + cable.delay + jitter).max(conn.last[end]);
        self.conns.get_mut(&number).unwrap().last[end] = at;
        self.at(at, What::Parcel(number, 1 - end, message));
    }

    pub(super) fn parcel(&mut self, number: u64, end: usize, message: Message) {
        let Some(conn) = self.conns.get_mut(&number) else {
            return;
        };
        if conn.broken || conn.states[end] == State::Closed {
            return;
        }
        assert_eq!(
            conn.states[end],
            State::Open,
            "it was sent before it opened"
        );
        let node = self.cables[conn.cable].ends[end];
        if !matches!(message, Message::Flow(_)) {
            self.tell(node, format_args!("[C{number}] hears {message:?}"));
        }
        self.hear(node, number, message);
        if self.is_alive(node) {
            self.settle(node);
        }
    }
}
