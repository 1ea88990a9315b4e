//! Clients with one link each that do what they like, at routers with a port for them.

use bytes::Bytes;
use serde_json::json;
use skupper_amqp::connection::{Event, Incoming, Initiator, LinkId, Outgoing, Payload, Sent};
use skupper_amqp::{Attach, DeliveryState, Message, Open, Properties, Role, Symbol, Terminus};
use skupper_router::{Options, Router};

use super::raw::Raw;
use super::{
    connect, inter_router_connector, inter_router_listener, listener_port, router_with, wait_for,
};

pub(crate) fn interior(id: &str, more: &[serde_json::Value]) -> Router {
    interior_with(id, more, Options::default())
}

pub(crate) fn interior_with(id: &str, more: &[serde_json::Value], options: Options) -> Router {
    let mut sections = vec![
        // Nobody turns all clients of a test all the time.
        json!(["listener", {"name": "clients", "host": "127.0.0.1", "port": "0", "idleTimeoutSeconds": 120}]),
        json!(["address", {"prefix": "near", "distribution": "closest"}]),
        json!(["address", {"prefix": "all", "distribution": "multicast"}]),
    ];
    sections.extend_from_slice(more);
    router_with(id, &sections, options)
}

pub(crate) fn pair() -> (Router, Router) {
    let west = interior("west", &[inter_router_listener("link")]);
    let link = inter_router_connector("link", listener_port(&west, "link"));
    let east = interior("east", &[link]);
    (west, east)
}

/// Waits until a router has so many destinations of its own for an address, and so many routers that have some.
pub(crate) fn known(router: &Router, address: &str, here: usize, there: usize) {
    let dispatch = &router.context().dispatch;
    let key = dispatch.key(address);
    wait_for("destinations", || {
        let forwarding = dispatch.forwarding.load();
        let locals = forwarding.locals.get(&key);
        let remotes = forwarding.table.remotes(&key);
        let found = (
            locals.map_or(0, |local| local.links.len()),
            remotes.map_or(0, |remotes| remotes.routers.iter().count()),
        );
        (found == (here, there)).then_some(())
    });
}

pub(crate) fn stream_to(router: &Router) -> std::net::TcpStream {
    connect(([127, 0, 0, 1], listener_port(router, "clients")).into())
}

/// A client with one link.
pub(crate) struct Client {
    pub(crate) raw: Raw,
    pub(crate) link: LinkId,
}

/// A client that consumes an address.
pub(crate) fn consumer(router: &Router, address: &str) -> Client {
    consumer_as(router, address, Open::new("consumer"))
}

/// The same that welcomes a link for each stream.
pub(crate) fn consumer_of_streams(router: &Router, address: &str) -> Client {
    let mut open = Open::new("consumer");
    open.offered_capabilities = vec![Symbol::from_static("qd.streaming-links")];
    consumer_as(router, address, open)
}

pub(crate) fn consumer_as(router: &Router, address: &str, open: Open) -> Client {
    consumer_with(router, address, open, 100)
}

pub(crate) fn consumer_with(router: &Router, address: &str, open: Open, credit: u32) -> Client {
    consumer_at(listener_port(router, "clients"), address, open, credit)
}

/// The same at another listener.
pub(crate) fn consumer_at(port: u16, address: &str, open: Open, credit: u32) -> Client {
    let mut raw = Raw::open_as(connect(([127, 0, 0, 1], port).into()), open);
    let source = Terminus::at(address);
    let session = raw.amqp.begin().unwrap();
    let attach = Attach::new("in", Role::Receiver, source, Terminus::default());
    let link = raw.amqp.attach(session, attach).unwrap();
    raw.amqp.grant(link, credit).unwrap();
    raw.wait("attach", |event| {
        matches!(event, Event::Attached { .. }).then_some(())
    });
    Client { raw, link }
}

/// A client that sends to an address and asks for something.
pub(crate) fn producer(router: &Router, address: &str, asks: &[&str]) -> Client {
    let mut raw = Raw::open(stream_to(router));
    let mut target = Terminus::at(address);
    target.capabilities = asks.iter().map(|ask| Symbol::from(*ask)).collect();
    let link = attach_sender(&mut raw, target);
    Client { raw, link }
}

fn attach_sender(raw: &mut Raw, target: Terminus) -> LinkId {
    let session = raw.amqp.begin().unwrap();
    let attach = Attach::new("out", Role::Sender, Terminus::default(), target);
    let link = raw.amqp.attach(session, attach).unwrap();
    raw.wait("credit", |event| match event {
        Event::Flow { credit, .. } => (*credit > 0).then_some(()),
        _ => None,
    });
    link
}

impl Client {
    /// Attaches a second link, to send to an address.
    pub(crate) fn attach_sender(&mut self, address: &str) -> LinkId {
        attach_sender(&mut self.raw, Terminus::at(address))
    }

    /// Sends octets of the delivery that is in progress, or begins one.
    pub(crate) fn send(&mut self, octets: impl Into<Bytes>, more: bool) {
        let delivery = Outgoing {
            more,
            ..Outgoing::default()
        };
        let mut payload = Payload::new();
        payload.push(octets.into());
        loop {
            match self.raw.amqp.transfer(self.link, &delivery, &mut payload) {
                Ok(Sent::All(_)) => break,
                Ok(Sent::Window(_)) => self.raw.wait("window", |event| {
                    matches!(event, Event::Writable { .. }).then_some(())
                }),
                other => panic!("{other:?}"),
            }
        }
        self.raw.turn();
    }

    /// Says what becomes of a delivery.
    pub(crate) fn tell(&mut self, of: &Incoming, state: DeliveryState, settled: bool) {
        let told = Some(state);
        self.raw
            .amqp
            .dispose(of.link, of.delivery, told, settled)
            .unwrap();
        self.raw.turn();
    }

    pub(crate) fn release(&mut self, of: &Incoming) {
        self.tell(of, DeliveryState::Released, true);
    }

    /// The next transfer that comes; links for streams are taken.
    pub(crate) fn transfer(&mut self) -> Incoming {
        wait_for("transfer", || self.look())
    }

    /// What comes until a delivery's end, and its last transfer.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Incoming) {
        let mut octets = Vec::new();
        loop {
            let came = self.transfer();
            octets.extend_from_slice(&came.payload);
            if !came.more {
                return (octets, came);
            }
        }
    }

    /// The next transfer, if it is there.
    pub(crate) fn look(&mut self) -> Option<Incoming> {
        let found = self.look_at_events();
        if found.is_some() {
            return found;
        }
        assert!(self.raw.turn());
        self.look_at_events()
    }

    pub(crate) fn look_at_events(&mut self) -> Option<Incoming> {
        while let Some(event) = self.raw.amqp.poll_event() {
            match event {
                Event::Transfer(incoming) => return Some(incoming),
                Event::Attached {
                    link,
                    by: Initiator::Remote,
                    attach,
                    ..
                } => {
                    let Attach { source, target, .. } = *attach;
                    self.raw.amqp.accept(link, source, target, 0).unwrap();
                    self.raw.amqp.grant(link, 100).unwrap();
                }
                _ => {}
            }
        }
        None
    }

    /// The state and settlement that the router tells of a delivery.
    pub(crate) fn told(&mut self) -> (Option<DeliveryState>, bool) {
        self.raw.wait("disposition", |event| match event {
            Event::Disposition { state, settled, .. } => Some((state.clone(), *settled)),
            _ => None,
        })
    }
}

/// The next transfer that comes to any of some consumers.
pub(crate) fn transfer_to(consumers: &mut [Client]) -> (usize, Incoming) {
    wait_for("transfer", || {
        let mut all = consumers.iter_mut().enumerate();
        all.find_map(|(at, consumer)| Some((at, consumer.look()?)))
    })
}

pub(crate) fn message(body: &str) -> Bytes {
    Message::with_value(Properties::default(), body).to_bytes()
}

pub(crate) const RELEASED: (Option<DeliveryState>, bool) = (Some(DeliveryState::Released), true);
pub(crate) const ACCEPTED: (Option<DeliveryState>, bool) = (Some(DeliveryState::Accepted), true);
