//! Neighbours that send anything that can be read, at any time, while connections come and go.
//!
//! The input is a list of steps: an octet that says what, one that says which connection, and what the step needs.

use std::time::Duration;

use skupper_amqp::Message;
use skupper_routing::address::Naming;
use skupper_routing::{
    AddressKey, Config, ControlMessage, Engine, Link, LinkId, Output, RouterId, Treatment, control,
};

/// Outputs to one input: more would be a flood.
const MOST_OUTPUT: usize = 2_000;

pub(crate) fn run(octets: &[u8]) {
    let Some(me) = RouterId::new("A") else { return };
    let naming = Naming::new("A", "");
    let mut now = Duration::from_secs(1);
    let mut engine = Engine::new(Config::new(me, 7), now);
    let mut rest = octets;
    while let [what, which, after @ ..] = rest {
        rest = after;
        let link = LinkId(u64::from(which % 4));
        match what % 8 {
            0 => {
                let peer = ["B", "C", "D"].get(usize::from(which / 64));
                let peer = peer.and_then(|id| RouterId::new(*id));
                let (id, cost, ordinal) = (link, u32::from(which % 16), 0);
                engine.link_up(
                    Link {
                        id,
                        cost,
                        ordinal,
                        peer,
                    },
                    now,
                );
            }
            1 => engine.link_down(link, now),
            2 => now += Duration::from_millis(u64::from(*which) * 20),
            3 => engine.address_up(key(*which), Treatment::Balanced, None, now),
            4 => engine.address_down(key(*which), now),
            5 => now += Duration::from_secs(u64::from(*which)),
            _ => {
                let [long, short, after @ ..] = rest else {
                    return;
                };
                let length = usize::from(u16::from_be_bytes([*long, *short])).min(after.len());
                let (payload, after) = after.split_at(length);
                rest = after;
                hear(&mut engine, &naming, link, payload, now);
            }
        }
        settle(&mut engine, now);
    }
}

fn hear(engine: &mut Engine, naming: &Naming, link: LinkId, payload: &[u8], now: Duration) {
    let Ok(message) = ControlMessage::from_payload(payload) else {
        return;
    };
    let to = Message::decode(payload)
        .ok()
        .and_then(|message| message.properties?.to);
    let to = to.unwrap_or_default();
    let ingress = message.sender().annotation();
    let table = engine.table().clone();
    control::forward(&table, naming, &to, Some(&ingress), [ingress.as_str()]);
    engine.passes_on(&message, now);
    engine.handle_message(link, message, now);
}

fn settle(engine: &mut Engine, now: Duration) {
    engine.handle_timeout(now);
    let mut outputs = 0;
    while let Some(output) = engine.poll_output() {
        outputs += 1;
        assert!(outputs < MOST_OUTPUT, "never content");
        if let Output::Send { to, message, links } = output {
            assert!(!links.is_empty());
            let written = message.encode(&to.address());
            let again = ControlMessage::from_payload(&written);
            assert_eq!(again.as_ref().ok(), Some(&message), "{again:?}");
        }
    }
    assert!(engine.next_timeout() > now, "never content");
}

fn key(which: u8) -> AddressKey {
    AddressKey::mobile(&format!("address-{}", which % 8))
}
