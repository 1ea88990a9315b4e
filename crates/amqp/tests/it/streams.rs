//! Streams over chains of connections under virtual time: octets split anywhere, small windows and frames, slow readers,
//! connections that are cut or go silent. What is taken is what was sent, from its start and in order; a stream whose sender
//! was told that it was accepted is there as a whole; one that is not was reported broken, at both ends.
//!
//! Everything is decided by a seed. `SKUPPER_HISTORIES=100000` plays that many, from `SKUPPER_FIRST` on; a failing one says
//! its seed.

use std::time::Duration;

use bytes::Bytes;
use skupper_amqp::{
    Attach, DeliveryState, Role, Terminus,
    connection::{Event, Incoming, LinkId, Outgoing, Payload, Release, Sent, SessionId},
};

use crate::support::{Pair, connector_config, listener_config};

/// Octets that a node on the way holds for a stream before it lets no more come.
const HIGH: usize = 8 * 1024;

/// Small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// The octet of a stream at an offset; streams and places differ.
fn octet(stream: usize, offset: usize) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 8) ^ stream.wrapping_mul(89)) as u8
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Whole,
    Broken,
}

/// A stream as its two ends see it.
#[derive(Default)]
struct Stream {
    length: usize,
    written: usize,
    /// What the sender was told.
    told: Option<Fate>,
    taken: usize,
    /// How it ended for the receiver.
    ended: Option<Fate>,
}

/// A stream on one of the connections.
#[derive(Default)]
struct Leg {
    waiting: Payload,
    /// How it is to end once nothing waits.
    end: Option<Fate>,
    sent: bool,
    /// Number of the delivery at the receiver, and whether it is settled there.
    delivery: Option<u32>,
    /// The receiver has seen the end.
    seen: bool,
}

/// A connection from one node to the next; each stream has a link.
struct Hop {
    pair: Pair,
    senders: Vec<LinkId>,
    receivers: Vec<LinkId>,
    session: SessionId,
    legs: Vec<Leg>,
    /// Transfers that were taken and not released yet.
    unreleased: u32,
    up: bool,
    /// Carries nothing, without a sign.
    frozen: bool,
    most: usize,
}

impl Hop {
    fn new(streams: usize, dice: &mut Dice) -> Self {
        let (mut connector, mut listener) = (connector_config(), listener_config());
        listener.open.max_frame_size = 512 + dice.below(2000) as u32;
        listener.session_window = 2 + dice.below(12) as u32;
        listener.release = Release::Manual;
        connector.open.max_frame_size = 512;
        let most = (listener.session_window * listener.open.max_frame_size) as usize;
        let mut pair = Pair::opened(connector, listener);
        let session = pair.connector.connection.begin().unwrap();
        let senders: Vec<LinkId> = (0..streams)
            .map(|stream| {
                let (from, to) = (Terminus::default(), Terminus::default());
                let attach = Attach::new(stream.to_string(), Role::Sender, from, to);
                pair.connector.connection.attach(session, attach).unwrap()
            })
            .collect();
        pair.settle();
        let mut theirs = None;
        let mut receivers = Vec::new();
        for event in pair.listener.events() {
            match event {
                Event::SessionBegun { session, .. } => theirs = Some(session),
                Event::Attached { link, attach, .. } => {
                    let connection = &mut pair.listener.connection;
                    let (from, to) = (attach.source.clone(), attach.target.clone());
                    connection.accept(link, from, to, 0).unwrap();
                    connection.grant(link, 1).unwrap();
                    receivers.push(link);
                }
                other => panic!("{other:?}"),
            }
        }
        pair.settle();
        pair.connector.events();
        Self {
            pair,
            senders,
            receivers,
            session: theirs.unwrap(),
            legs: (0..streams).map(|_| Leg::default()).collect(),
            unreleased: 0,
            up: true,
            frozen: false,
            most,
        }
    }

    /// Sends what waits of a stream, and its end.
    fn send(&mut self, stream: usize) {
        let (leg, sender) = (&mut self.legs[stream], self.senders[stream]);
        let connection = &mut self.pair.connector.connection;
        if leg.sent || !self.up {
            return;
        }
        if leg.end == Some(Fate::Broken) {
            leg.waiting.clear();
            connection.abort(sender).unwrap();
            leg.sent = true;
        } else if leg.end.is_some() || !leg.waiting.is_empty() {
            let delivery = Outgoing {
                tag: (stream as u64).into(),
                settled: false,
                more: leg.end.is_none(),
                token: stream as u64,
            };
            let sent = connection
                .transfer(sender, &delivery, &mut leg.waiting)
                .unwrap();
            leg.sent = matches!(sent, Sent::All(_)) && leg.end.is_some();
        }
    }

    /// Tells the sender what became of a stream.
    fn answer(&mut self, stream: usize, state: DeliveryState) {
        if let Some(delivery) = self.legs[stream].delivery.take()
            && self.up
        {
            let (connection, link) = (&mut self.pair.listener.connection, self.receivers[stream]);
            connection
                .dispose(link, delivery, Some(state), true)
                .unwrap();
        }
    }
}

struct Chain {
    hops: Vec<Hop>,
    streams: Vec<Stream>,
    now: Duration,
    dice: Dice,
}

impl Chain {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (hops, streams) = (1 + dice.below(3), 1 + dice.below(4));
        Self {
            hops: (0..hops).map(|_| Hop::new(streams, &mut dice)).collect(),
            streams: (0..streams)
                .map(|_| Stream {
                    length: dice.below(40_000),
                    ..Stream::default()
                })
                .collect(),
            now: Duration::ZERO,
            dice,
        }
    }

    fn write(&mut self, stream: usize) {
        let (of, leg) = (&mut self.streams[stream], &mut self.hops[0].legs[stream]);
        if of.told.is_some() || leg.end.is_some() || leg.waiting.len() >= HIGH {
            return;
        }
        let to = of.length.min(of.written + self.dice.below(3000));
        let octets: Vec<u8> = (of.written..to).map(|at| octet(stream, at)).collect();
        leg.waiting.push(octets.into());
        of.written = to;
        if to == of.length {
            leg.end = Some(Fate::Whole);
        }
    }

    /// Carries some octets one way, and has the node there look at what came.
    fn carry(&mut self, hop: usize, there: bool, most: usize) -> bool {
        let Hop {
            pair, frozen, up, ..
        } = &mut self.hops[hop];
        let (from, to) = if there {
            (&mut pair.connector, &mut pair.listener)
        } else {
            (&mut pair.listener, &mut pair.connector)
        };
        if !*up {
            return false;
        }
        let octets = from.take(most);
        if *frozen {
            return false;
        }
        to.give(&octets, self.now);
        self.look(hop);
        !octets.is_empty()
    }

    /// Lets the node at the end of a connection take more, if what it holds has gone on; the last one is a slow reader.
    fn release(&mut self, hop: usize) -> bool {
        let onward = self.hops.get(hop + 1);
        let full = onward.is_some_and(|on| on.legs.iter().any(|leg| leg.waiting.len() >= HIGH));
        let at = &mut self.hops[hop];
        let count = if full {
            0
        } else {
            std::mem::take(&mut at.unreleased)
        };
        at.pair.listener.connection.release(at.session, count);
        count > 0
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for hop in 0..self.hops.len() {
            let pair = &mut self.hops[hop].pair;
            pair.now = self.now;
            pair.connector.connection.handle_timeout(self.now);
            pair.listener.connection.handle_timeout(self.now);
            self.look(hop);
        }
    }

    /// The connection breaks; what is under way on it is lost.
    fn cut(&mut self, hop: usize) {
        let pair = &mut self.hops[hop].pair;
        pair.connector.connection.handle_eof();
        pair.listener.connection.handle_eof();
        self.look(hop);
    }

    fn look(&mut self, hop: usize) {
        let pair = &mut self.hops[hop].pair;
        let (here, there) = (pair.connector.events(), pair.listener.events());
        for event in here {
            match event {
                Event::Disposition { token, state, .. } => {
                    let accepted = state == Some(DeliveryState::Accepted);
                    self.told(hop, token as usize, accepted);
                }
                Event::Closed(_) => self.closed(hop),
                _ => {}
            }
        }
        for event in there {
            match event {
                Event::Transfer(transfer) => self.came(hop, transfer),
                Event::Closed(_) => self.closed(hop),
                _ => {}
            }
        }
    }

    /// Octets of a stream, or its end, came over a connection.
    fn came(&mut self, hop: usize, transfer: Incoming) {
        let receivers = &self.hops[hop].receivers;
        let stream = receivers.iter().position(|link| *link == transfer.link);
        let stream = stream.unwrap();
        let at = &mut self.hops[hop];
        at.unreleased += 1;
        let leg = &mut at.legs[stream];
        assert!(!leg.seen, "stream {stream}: something after its end");
        if transfer.first {
            leg.delivery = Some(transfer.delivery);
        }
        leg.seen = !transfer.more || transfer.aborted;
        let end = match transfer {
            Incoming { aborted: true, .. } => Some(Fate::Broken),
            Incoming { more: true, .. } => None,
            _ => Some(Fate::Whole),
        };
        self.onward(hop, stream, transfer.payload, end);
    }

    fn onward(&mut self, hop: usize, stream: usize, octets: Bytes, end: Option<Fate>) {
        let most = self.hops[hop].most;
        if let Some(next) = self.hops.get_mut(hop + 1) {
            if !next.up {
                self.hops[hop].answer(stream, DeliveryState::Released);
                return;
            }
            let leg = &mut next.legs[stream];
            if leg.end.is_none() {
                leg.waiting.push(octets);
                leg.end = end;
            }
            assert!(leg.waiting.len() <= HIGH + most, "a window holds no sender");
            return;
        }
        let of = &mut self.streams[stream];
        for octet_here in octets {
            let expected = octet(stream, of.taken);
            assert_eq!(octet_here, expected, "stream {stream} at {}", of.taken);
            of.taken += 1;
        }
        assert_eq!(of.ended, None, "stream {stream} ends twice");
        of.ended = end;
        if end == Some(Fate::Whole) {
            assert_eq!(of.taken, of.length, "stream {stream} is cut short");
            self.hops[hop].answer(stream, DeliveryState::Accepted);
        }
    }

    /// The next node has said what became of a stream.
    fn told(&mut self, hop: usize, stream: usize, accepted: bool) {
        if !accepted {
            let leg = &mut self.hops[hop].legs[stream];
            leg.end = Some(Fate::Broken);
        }
        if hop == 0 {
            let fate = if accepted { Fate::Whole } else { Fate::Broken };
            assert_eq!(self.streams[stream].told.replace(fate), None);
        } else {
            let state = if accepted {
                DeliveryState::Accepted
            } else {
                DeliveryState::Released
            };
            self.hops[hop - 1].answer(stream, state);
        }
    }

    /// A connection is gone: both its nodes tell of the streams that were not over.
    fn closed(&mut self, hop: usize) {
        if !std::mem::replace(&mut self.hops[hop].up, false) {
            return;
        }
        // What came before the break counts at either end.
        let pair = &mut self.hops[hop].pair;
        pair.connector.connection.handle_eof();
        pair.listener.connection.handle_eof();
        self.look(hop);
        for stream in 0..self.streams.len() {
            if hop > 0 {
                self.hops[hop - 1].answer(stream, DeliveryState::Released);
            } else if self.streams[stream].told.is_none() {
                self.streams[stream].told = Some(Fate::Broken);
            }
            self.hops[hop].legs[stream].waiting.clear();
            if !self.hops[hop].legs[stream].seen {
                self.hops[hop].legs[stream].seen = true;
                self.onward_end(hop, stream);
            }
        }
    }

    fn onward_end(&mut self, hop: usize, stream: usize) {
        match self.hops.get_mut(hop + 1) {
            Some(next) => next.legs[stream].end = Some(Fate::Broken),
            None => self.streams[stream].ended = Some(Fate::Broken),
        }
    }

    fn step(&mut self) {
        let hop = self.dice.below(self.hops.len());
        let stream = self.dice.below(self.streams.len());
        match self.dice.below(10) {
            0..=2 => self.write(stream),
            3 | 4 => self.hops[hop].send(stream),
            5 | 6 => drop(self.carry(hop, true, self.hops[hop].most.min(1 + stream * 97))),
            7 => {
                let (there, most) = (self.dice.chance(70), 1 + self.dice.below(4000));
                self.carry(hop, there, most);
            }
            8 => drop(self.release(hop)),
            _ => {
                let time = self.dice.below(200) as u64;
                self.pass(Duration::from_millis(time));
            }
        }
    }

    /// Everybody does what there is to do, until nothing more happens and all patience has run out.
    fn finish(&mut self) {
        for _ in 0..60 {
            while self.act() {}
            self.pass(Duration::from_secs(1));
        }
    }

    /// Whether anything happened.
    fn act(&mut self) -> bool {
        let mut moved = false;
        for stream in 0..self.streams.len() {
            let before = self.streams[stream].written;
            self.write(stream);
            moved |= self.streams[stream].written > before;
            self.hops.iter_mut().for_each(|hop| hop.send(stream));
        }
        for hop in 0..self.hops.len() {
            moved |= self.carry(hop, true, usize::MAX) | self.release(hop);
            moved |= self.carry(hop, false, usize::MAX);
        }
        moved
    }
}

/// One history; whether a connection was lost in it.
fn play(seed: u64) -> bool {
    let mut chain = Chain::new(seed);
    let calm = seed.is_multiple_of(3);
    for _ in 0..chain.dice.below(1500) {
        chain.step();
        if !calm && chain.dice.below(1000) == 0 {
            let hop = chain.dice.below(chain.hops.len());
            if chain.dice.chance(50) {
                chain.cut(hop);
            } else {
                chain.hops[hop].frozen = true;
            }
        }
    }
    chain.finish();
    let lost = chain.hops.iter().any(|hop| !hop.up);
    assert!(!(calm && lost), "a connection broke by itself");
    for (number, stream) in chain.streams.iter().enumerate() {
        let (told, ended) = (stream.told, stream.ended);
        assert!(told.is_some(), "stream {number}: its sender waits for ever");
        match ended {
            Some(Fate::Whole) => assert_eq!(stream.taken, stream.length),
            // One that never began on its last connection has no receiver to be told.
            _ => assert_eq!(told, Some(Fate::Broken), "stream {number}: {ended:?}"),
        }
        let begun = stream.taken > 0;
        assert!(!begun || ended.is_some(), "stream {number} is left open");
        assert!(
            lost || told == Some(Fate::Whole),
            "stream {number} was given up"
        );
    }
    lost
}

#[test]
fn no_octet_is_lost_doubled_or_moved_in_a_stream_that_was_not_reported_broken() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap())
    };
    let first = number("SKUPPER_FIRST").unwrap_or(0);
    // One takes Miri minutes.
    let usual = if cfg!(miri) { 1 } else { 300 };
    let count = number("SKUPPER_HISTORIES").unwrap_or(usual);
    let mut lost = 0;
    for seed in first..first + count {
        let played = std::panic::catch_unwind(|| play(seed));
        match played {
            Ok(broke) => lost += u64::from(broke),
            Err(_) => panic!(
                "again by: SKUPPER_FIRST={seed} SKUPPER_HISTORIES=1 cargo test -p skupper-amqp --test it streams"
            ),
        }
    }
    assert!(
        count < 100 || (lost > 0 && lost < count),
        "{lost} of {count}"
    );
}
