//! Messages recorded between two of the original's routers: understood, and written again octet for octet.
#![allow(clippy::unwrap_used)]

use skupper_routing::{ControlMessage, Destination, MobileChange, RouterId, Treatment};

struct Recorded {
    opcode: String,
    to: String,
    payload: Vec<u8>,
}

fn recorded() -> Vec<Recorded> {
    let lines = include_str!("data/control-messages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let (opcode, to, hex) = (
                words.next().unwrap(),
                words.next().unwrap(),
                words.next().unwrap(),
            );
            let payload = (0..hex.len())
                .step_by(2)
                .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
                .collect();
            Recorded {
                opcode,
                to,
                payload,
            }
        })
        .collect()
}

#[test]
fn every_recorded_message_is_read_and_written_alike() {
    let recorded = recorded();
    assert!(recorded.len() > 30);
    for opcode in ["HELLO", "RA", "LSR", "LSU", "MAR", "MAU"] {
        assert!(
            recorded.iter().any(|r| r.opcode == opcode),
            "no {opcode} was recorded"
        );
    }
    for r in recorded {
        let message = ControlMessage::from_payload(&r.payload).unwrap();
        assert_eq!(message.opcode(), r.opcode);
        assert_eq!(message.encode(&r.to).as_ref(), r.payload, "{message:?}");
        assert_eq!(destination(&message, &r.to).address(), r.to);
    }
}

/// Whom the original sends such a message to.
fn destination(message: &ControlMessage, to: &str) -> Destination {
    let one = || RouterId::new(to.split('/').nth(3).unwrap()).unwrap();
    match message {
        ControlMessage::Hello(_) => Destination::Neighbour,
        ControlMessage::RouterAdvertisement(_) => Destination::AllRouters,
        ControlMessage::LinkStateRequest(_) | ControlMessage::LinkStateUpdate(_) => {
            Destination::Router(one())
        }
        ControlMessage::MobileUpdate(m) if matches!(m.change, MobileChange::Difference { .. }) => {
            Destination::AllRoutersMobile
        }
        ControlMessage::MobileRequest(_) | ControlMessage::MobileUpdate(_) => {
            Destination::RouterMobile(one())
        }
    }
}

#[test]
fn what_they_say() {
    let messages: Vec<ControlMessage> = recorded()
        .iter()
        .map(|r| ControlMessage::from_payload(&r.payload).unwrap())
        .collect();
    let b = RouterId::new("B").unwrap();
    let hello = messages.iter().find_map(|m| match m {
        ControlMessage::Hello(hello) if hello.id == b && !hello.seen.is_empty() => Some(hello),
        _ => None,
    });
    assert_eq!(hello.unwrap().seen, [RouterId::new("A").unwrap()]);
    let exist = messages.iter().find_map(|m| match m {
        ControlMessage::MobileUpdate(update) if update.id == b => match &update.change {
            MobileChange::Exist(exist) => Some(exist),
            MobileChange::Difference { .. } => None,
        },
        _ => None,
    });
    let echo = exist
        .unwrap()
        .iter()
        .find(|d| d.key.as_str() == "Mecho")
        .unwrap();
    assert_eq!(echo.treatment, Some(Treatment::Balanced));
    let gone = messages.iter().find_map(|m| match m {
        ControlMessage::MobileUpdate(update) => match &update.change {
            MobileChange::Difference { add, del } => Some((add.len(), del.len())),
            MobileChange::Exist(_) => None,
        },
        _ => None,
    });
    assert_eq!(gone, Some((0, 1)));
}
