//! One engine, and what it says to what it hears.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use skupper_amqp::{Map, Value};
use skupper_routing::{
    AddressKey, Config, ControlMessage, DecodeError, Descriptor, Destination, Engine, Event, Hello,
    Link, LinkId, LinkState, LinkStateRequest, LinkStateUpdate, MobileChange, MobileRequest,
    MobileUpdate, Output, RouterAdvertisement, RouterId, Treatment,
};

const LINK: LinkId = LinkId(1);

fn id(text: &str) -> RouterId {
    RouterId::new(text).unwrap()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn said(engine: &mut Engine) -> Vec<Output> {
    std::iter::from_fn(|| engine.poll_output()).collect()
}

/// What it sends, by opcode and destination.
fn sent(engine: &mut Engine) -> Vec<(Destination, ControlMessage)> {
    let sends = said(engine).into_iter().filter_map(|output| match output {
        Output::Send { to, message, .. } => Some((to, message)),
        _ => None,
    });
    sends.collect()
}

fn opcodes(engine: &mut Engine) -> Vec<&'static str> {
    sent(engine)
        .iter()
        .map(|(_, message)| message.opcode())
        .collect()
}

fn hello(from: &str, instance: i64, seen: &[&str]) -> ControlMessage {
    ControlMessage::Hello(Hello {
        id: id(from),
        instance,
        seen: seen.iter().map(|s| id(s)).collect(),
    })
}

fn advertisement(from: &str, instance: i64, ls_seq: u64, mobile_seq: u64) -> ControlMessage {
    ControlMessage::RouterAdvertisement(RouterAdvertisement {
        id: id(from),
        instance,
        ls_seq,
        mobile_seq,
    })
}

fn link_state(from: &str, ls_seq: u64, peers: &[(&str, u32)]) -> ControlMessage {
    let peers: BTreeMap<RouterId, u32> =
        peers.iter().map(|(peer, cost)| (id(peer), *cost)).collect();
    let ls = LinkState {
        ls_seq,
        peers: Arc::new(peers),
    };
    ControlMessage::LinkStateUpdate(LinkStateUpdate {
        id: id(from),
        instance: None,
        ls,
    })
}

fn descriptor(key: &str) -> Descriptor {
    let key = AddressKey::parse(key).unwrap();
    Descriptor {
        key,
        treatment: Some(Treatment::Closest),
        producers: 0,
        sole_mesh: None,
    }
}

fn exist(from: &str, mobile_seq: u64, keys: &[&str]) -> ControlMessage {
    let change = MobileChange::Exist(keys.iter().map(|key| descriptor(key)).collect());
    ControlMessage::MobileUpdate(MobileUpdate {
        id: id(from),
        mobile_seq,
        change,
    })
}

fn difference(from: &str, mobile_seq: u64, add: &[&str], del: &[&str]) -> ControlMessage {
    let change = MobileChange::Difference {
        add: add.iter().map(|key| descriptor(key)).collect(),
        del: del
            .iter()
            .map(|key| AddressKey::parse(key).unwrap())
            .collect(),
    };
    ControlMessage::MobileUpdate(MobileUpdate {
        id: id(from),
        mobile_seq,
        change,
    })
}

/// `me`, with `peer` as a neighbour whose addresses stand at sequence 3.
fn neighbours() -> Engine {
    let mut engine = Engine::new(Config::new(id("me"), 7), ms(0));
    engine.link_up(
        Link {
            id: LINK,
            cost: 1,
            ordinal: 0,
            peer: None,
        },
        ms(0),
    );
    engine.handle_message(LINK, hello("peer", 1, &["me"]), ms(1));
    said(&mut engine);
    engine.handle_message(LINK, link_state("peer", 1, &[("me", 1)]), ms(2));
    engine.handle_message(LINK, exist("peer", 3, &["Ma", "Mb"]), ms(2));
    engine.handle_message(LINK, advertisement("peer", 1, 1, 3), ms(2));
    engine.handle_timeout(ms(100));
    said(&mut engine);
    engine
}

fn has(engine: &Engine, key: &str) -> bool {
    engine
        .table()
        .remotes(&AddressKey::parse(key).unwrap())
        .is_some()
}

#[test]
fn a_new_connection_is_greeted_at_once_and_its_known_peer_listed() {
    let mut engine = Engine::new(Config::new(id("me"), 7), ms(0));
    engine.link_up(
        Link {
            id: LINK,
            cost: 1,
            ordinal: 0,
            peer: Some(id("peer")),
        },
        ms(0),
    );
    let sent = sent(&mut engine);
    let [(Destination::Neighbour, ControlMessage::Hello(greeting))] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(
        (greeting.instance, greeting.seen.as_slice()),
        (7, [id("peer")].as_slice())
    );
}

#[test]
fn who_confirms_becomes_a_neighbour_and_hears_everything() {
    let mut engine = Engine::new(Config::new(id("me"), 7), ms(0));
    engine.address_up(AddressKey::mobile("mine"), Treatment::Balanced, None, ms(0));
    engine.handle_timeout(ms(10));
    engine.link_up(
        Link {
            id: LINK,
            cost: 4,
            ordinal: 0,
            peer: None,
        },
        ms(10),
    );
    assert_eq!(opcodes(&mut engine), ["HELLO"]);
    engine.handle_message(LINK, hello("peer", 1, &[]), ms(20));
    assert_eq!(opcodes(&mut engine), ["HELLO"], "it is listed, no more");
    engine.handle_message(LINK, hello("peer", 1, &["me"]), ms(30));
    let said = sent(&mut engine);
    let said: Vec<_> = said.iter().map(|(_, message)| message.opcode()).collect();
    assert_eq!(said, ["LSR", "LSU", "MAU", "MAR", "RA"]);
    let (_, route) = engine.table().router("peer").unwrap();
    assert!(route.is_neighbour());
    assert_eq!((route.link, route.cost), (Some(LINK), 4));
}

#[test]
fn changes_of_addresses_are_told_before_they_are_advertised() {
    let mut engine = neighbours();
    engine.address_up(AddressKey::mobile("x"), Treatment::Balanced, None, ms(200));
    engine.address_up(
        AddressKey::mobile("gone at once"),
        Treatment::Balanced,
        None,
        ms(201),
    );
    engine.address_down(AddressKey::mobile("gone at once"), ms(202));
    engine.handle_timeout(ms(210));
    let sent = sent(&mut engine);
    let [
        (_, ControlMessage::MobileUpdate(update)),
        (_, ControlMessage::RouterAdvertisement(ra)),
    ] = sent.as_slice()
    else {
        panic!("{sent:?}")
    };
    assert_eq!((update.mobile_seq, ra.mobile_seq), (1, 1));
    let MobileChange::Difference { add, del } = &update.change else {
        panic!("{update:?}")
    };
    assert_eq!((add.len(), del.len(), add[0].key.as_str()), (1, 0, "Mx"));
}

#[test]
fn keys_that_are_not_synchronised_stay_here() {
    let mut engine = neighbours();
    engine.address_up(
        AddressKey::parse("Llocal").unwrap(),
        Treatment::Balanced,
        None,
        ms(200),
    );
    engine.handle_timeout(ms(300));
    assert_eq!(opcodes(&mut engine), [""; 0]);
    engine.handle_message(LINK, difference("peer", 4, &["Lother", "Mc"], &[]), ms(310));
    said(&mut engine);
    assert!(has(&engine, "Mc") && !has(&engine, "Lother"));
}

#[test]
fn a_missed_difference_is_asked_for_until_it_is_answered() {
    let mut engine = neighbours();
    assert!(has(&engine, "Ma") && has(&engine, "Mb"));
    engine.handle_message(LINK, difference("peer", 4, &["Mc"], &["Ma"]), ms(200));
    said(&mut engine);
    assert!(!has(&engine, "Ma") && has(&engine, "Mc"));
    engine.handle_message(LINK, difference("peer", 6, &["Md"], &[]), ms(300));
    let asked = sent(&mut engine);
    assert!(
        matches!(
            asked.as_slice(),
            [(
                _,
                ControlMessage::MobileRequest(MobileRequest { have_seq: 4, .. })
            )]
        ),
        "{asked:?}"
    );
    assert!(!has(&engine, "Md"));
    engine.handle_message(LINK, difference("peer", 7, &["Me"], &[]), ms(310));
    assert_eq!(opcodes(&mut engine), [""; 0], "it has been asked");
    engine.handle_timeout(ms(800));
    assert_eq!(opcodes(&mut engine), ["MAR"]);
    engine.handle_message(LINK, exist("peer", 7, &["Mb", "Md", "Me"]), ms(900));
    said(&mut engine);
    assert!(has(&engine, "Md") && !has(&engine, "Mc"));
    // Overtaken on its way.
    engine.handle_message(LINK, exist("peer", 5, &["Mz"]), ms(910));
    said(&mut engine);
    assert!(has(&engine, "Md") && !has(&engine, "Mz"));
}

#[test]
fn a_copy_from_a_former_run_is_put_right() {
    let mut engine = neighbours();
    // Long after that copy was taken the router says it stands lower.
    for second in 1..=8 {
        engine.handle_message(LINK, hello("peer", 1, &["me"]), ms(second * 1000));
        said(&mut engine);
    }
    engine.handle_message(LINK, advertisement("peer", 1, 1, 1), ms(8100));
    assert_eq!(opcodes(&mut engine), ["MAR"]);
    engine.handle_message(LINK, exist("peer", 1, &["Mnew"]), ms(8200));
    said(&mut engine);
    assert!(has(&engine, "Mnew") && !has(&engine, "Ma"));
}

#[test]
fn an_answer_of_a_former_run_that_is_late_does_not_stand() {
    let mut engine = neighbours();
    engine.handle_message(LINK, hello("peer", 2, &["me"]), ms(1000));
    said(&mut engine);
    // Both runs stand at the same sequence, and what comes first is the former one's.
    engine.handle_message(LINK, exist("peer", 1, &["Mold"]), ms(1010));
    engine.handle_message(LINK, advertisement("peer", 2, 1, 1), ms(1020));
    said(&mut engine);
    let mut asked = Vec::new();
    for second in 2..=14 {
        engine.handle_message(LINK, hello("peer", 2, &["me"]), ms(second * 1000));
        engine.handle_message(LINK, advertisement("peer", 2, 1, 1), ms(second * 1000));
        engine.handle_timeout(ms(second * 1000));
        if opcodes(&mut engine).contains(&"MAR") {
            asked.push(second);
            let answer = exist("peer", 1, &["Mnew"]);
            engine.handle_message(LINK, answer, ms(second * 1000 + 10));
            said(&mut engine);
        }
    }
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(has(&engine, "Mnew") && !has(&engine, "Mold"));
}

#[test]
fn addresses_of_a_run_that_was_never_named_are_asked_for_anew() {
    let mut engine = neighbours();
    engine.handle_message(
        LINK,
        link_state("peer", 2, &[("me", 1), ("far", 1)]),
        ms(200),
    );
    engine.handle_timeout(ms(250));
    assert!(opcodes(&mut engine).contains(&"MAR"));
    // The answer of a run that ends before anything names it; the next one stands lower.
    engine.handle_message(LINK, exist("far", 2, &["Mold"]), ms(300));
    said(&mut engine);
    engine.handle_message(LINK, advertisement("far", 9, 1, 1), ms(1300));
    assert!(opcodes(&mut engine).contains(&"MAR"));
    // The answer to that is lost, and the difference that follows would be taken for one that is there already.
    engine.handle_message(LINK, difference("far", 2, &["Mnew"], &[]), ms(1400));
    engine.handle_message(LINK, advertisement("far", 9, 1, 2), ms(1400));
    said(&mut engine);
    engine.handle_timeout(ms(2000));
    let asked = sent(&mut engine).into_iter().any(|(_, message)| {
        matches!(
            message,
            ControlMessage::MobileRequest(MobileRequest { have_seq: 0, .. })
        )
    });
    assert!(asked);
    engine.handle_message(LINK, exist("far", 2, &["Mnew"]), ms(2100));
    said(&mut engine);
    assert!(has(&engine, "Mnew") && !has(&engine, "Mold"));
}

#[test]
fn whoever_is_behind_or_ahead_gets_all_addresses() {
    let mut engine = neighbours();
    engine.address_up(AddressKey::mobile("x"), Treatment::Balanced, None, ms(200));
    engine.handle_timeout(ms(210));
    said(&mut engine);
    let ask = |have_seq| {
        ControlMessage::MobileRequest(MobileRequest {
            id: id("peer"),
            have_seq,
        })
    };
    for (have, answers) in [(0, 1), (1, 0), (9, 1)] {
        engine.handle_message(LINK, ask(have), ms(300));
        assert_eq!(opcodes(&mut engine).len(), answers, "who has {have}");
    }
    engine.handle_message(
        LINK,
        ControlMessage::LinkStateRequest(LinkStateRequest { id: id("peer") }),
        ms(400),
    );
    assert_eq!(opcodes(&mut engine), ["LSU"]);
}

#[test]
fn a_restart_forgets_and_late_messages_of_the_run_before_do_not_bring_it_back() {
    let mut engine = neighbours();
    engine.handle_message(LINK, hello("peer", 2, &["me"]), ms(200));
    let restarted =
        |output: &Output| matches!(output, Output::Event(Event::RouterRestarted { .. }));
    assert!(said(&mut engine).iter().any(restarted));
    assert!(!has(&engine, "Ma"));
    engine.handle_message(LINK, advertisement("peer", 1, 1, 3), ms(300));
    assert!(!said(&mut engine).iter().any(restarted));
}

#[test]
fn a_run_in_between_that_is_heard_of_late_is_not_believed_for_long() {
    let mut engine = neighbours();
    // `far` is behind the neighbour; runs 5, 6 and 7 of it followed each other, and 7 was heard of first.
    let of_run = |instance: i64, ls_seq: u64| {
        let ControlMessage::LinkStateUpdate(mut update) = link_state("far", ls_seq, &[("peer", 1)])
        else {
            panic!("a link state")
        };
        update.instance = Some(instance);
        ControlMessage::LinkStateUpdate(update)
    };
    engine.handle_message(
        LINK,
        link_state("peer", 2, &[("me", 1), ("far", 1)]),
        ms(200),
    );
    engine.handle_message(LINK, of_run(5, 3), ms(210));
    said(&mut engine);
    engine.handle_message(LINK, of_run(7, 1), ms(220));
    engine.handle_message(LINK, exist("far", 1, &["Mfar"]), ms(230));
    engine.handle_timeout(ms(300));
    said(&mut engine);
    assert!(has(&engine, "Mfar"));
    engine.handle_message(LINK, advertisement("far", 6, 1, 1), ms(310));
    assert_eq!(opcodes(&mut engine), ["LSR", "MAR"]);
    assert!(!has(&engine, "Mfar"));
    // What comes at once may be late itself. What it answers a moment later is not.
    engine.handle_message(LINK, of_run(7, 2), ms(320));
    engine.handle_timeout(ms(900));
    assert_eq!(opcodes(&mut engine), ["LSR", "MAR"], "it is asked again");
    engine.handle_message(LINK, of_run(7, 2), ms(1400));
    assert!(opcodes(&mut engine).contains(&"MAR"));
    engine.handle_message(LINK, exist("far", 1, &["Mfar"]), ms(1410));
    engine.handle_timeout(ms(1500));
    said(&mut engine);
    assert!(has(&engine, "Mfar"));
    // From now on the run in between is the late one.
    engine.handle_message(LINK, advertisement("far", 6, 1, 1), ms(1510));
    said(&mut engine);
    assert!(has(&engine, "Mfar"));
}

#[test]
fn silence_loses_a_neighbour_and_its_addresses_after_a_moment() {
    let mut engine = neighbours();
    engine.handle_timeout(ms(2900));
    said(&mut engine);
    engine.link_alive(LINK, ms(2900));
    engine.handle_timeout(ms(5800));
    said(&mut engine);
    assert!(
        engine.table().router("peer").unwrap().1.is_reachable(),
        "other traffic is a sign of life"
    );
    engine.handle_timeout(ms(6000));
    assert!(
        said(&mut engine)
            .iter()
            .any(|o| matches!(o, Output::Event(Event::NeighbourDown { .. })))
    );
    assert!(!engine.table().router("peer").unwrap().1.is_reachable());
    assert!(has(&engine, "Ma"));
    engine.handle_timeout(ms(7100));
    said(&mut engine);
    assert!(!has(&engine, "Ma"));
    // Nobody mentions it any more.
    for second in 8..80 {
        engine.handle_timeout(ms(second * 1000));
        said(&mut engine);
    }
    assert!(engine.table().router("peer").is_none());
}

#[test]
fn a_router_of_the_same_id_is_reported_once() {
    let mut engine = neighbours();
    engine.handle_message(LINK, hello("me", 8, &[]), ms(200));
    engine.handle_message(LINK, hello("me", 8, &[]), ms(300));
    let events = said(&mut engine);
    let reports = events
        .iter()
        .filter(|o| matches!(o, Output::Event(Event::DuplicateId { link: LINK })));
    assert_eq!(reports.count(), 1);
    // Its own, come back by a loop.
    engine.handle_message(LINK, hello("me", 7, &[]), ms(400));
    engine.handle_message(LINK, advertisement("me", 7, 99, 99), ms(400));
    assert_eq!(opcodes(&mut engine), [""; 0]);
}

#[test]
fn what_peers_make_it_remember_has_limits() {
    let config = Config {
        max_routers: 3,
        max_addresses: 2,
        ..Config::new(id("me"), 7)
    };
    let mut engine = Engine::new(config, ms(0));
    engine.link_up(
        Link {
            id: LINK,
            cost: 1,
            ordinal: 0,
            peer: None,
        },
        ms(0),
    );
    engine.handle_message(LINK, hello("peer", 1, &["me"]), ms(1));
    engine.handle_message(
        LINK,
        link_state(
            "peer",
            1,
            &[("me", 1), ("a", 1), ("b", 1), ("c", 1), ("d", 1)],
        ),
        ms(2),
    );
    engine.handle_message(LINK, exist("peer", 3, &["Ma", "Mb", "Mc"]), ms(2));
    engine.handle_timeout(ms(100));
    let events = said(&mut engine);
    assert!(
        events
            .iter()
            .any(|o| matches!(o, Output::Event(Event::TooManyRouters { .. })))
    );
    assert!(
        events
            .iter()
            .any(|o| matches!(o, Output::Event(Event::TooManyAddresses { .. })))
    );
    assert_eq!(
        (
            engine.table().routers().count(),
            engine.table().addresses().count()
        ),
        (3, 0)
    );
}

fn map(pairs: &[(&str, Value)]) -> Map {
    pairs
        .iter()
        .map(|(key, value)| (Value::from(*key), value.clone()))
        .collect()
}

#[test]
fn what_cannot_be_understood_is_said() {
    let decode = |opcode: &str, body: Map| {
        ControlMessage::from_sections(&map(&[("opcode", opcode.into())]), &Value::Map(body))
            .unwrap_err()
    };
    let no_seen = decode("HELLO", map(&[("id", "x".into())]));
    assert_eq!(
        no_seen.to_string(),
        "HELLO field 'seen': expected a list, found nothing"
    );
    let newer = decode(
        "MAR",
        map(&[
            ("id", "x".into()),
            ("pv", 3i64.into()),
            ("have_seq", 0i64.into()),
        ]),
    );
    assert!(
        matches!(
            newer,
            DecodeError::Version {
                version: 3,
                supported: 2,
                ..
            }
        ),
        "{newer}"
    );
    let negative = decode(
        "RA",
        map(&[
            ("id", "x".into()),
            ("ls_seq", (-1i32).into()),
            ("mobile_seq", 0i32.into()),
        ]),
    );
    assert_eq!(
        negative.to_string(),
        "RA field 'ls_seq': expected a sequence number, found int"
    );
    let both = map(&[
        ("id", "x".into()),
        ("mobile_seq", 1i64.into()),
        ("exist", Value::List(vec![])),
        ("add", Value::List(vec![])),
    ]);
    assert!(matches!(
        decode("MAU", both),
        DecodeError::Field { field: "exist", .. }
    ));
    let short_mesh = Value::List(vec![
        "Mx".into(),
        2i32.into(),
        0i32.into(),
        Value::Null,
        "short".into(),
    ]);
    let mesh = map(&[
        ("id", "x".into()),
        ("mobile_seq", 1i64.into()),
        ("exist", Value::List(vec![short_mesh])),
    ]);
    assert!(matches!(
        decode("MAU", mesh),
        DecodeError::Field { field: "exist", .. }
    ));
    let ls = Value::Map(map(&[
        ("id", "another".into()),
        ("ls_seq", 1i32.into()),
        ("peers", Value::Map(Map::new())),
    ]));
    assert!(matches!(
        decode("LSU", map(&[("id", "x".into()), ("ls", ls)])),
        DecodeError::Field { field: "id", .. }
    ));
    assert!(matches!(decode("XYZ", Map::new()), DecodeError::Opcode(_)));
    assert!(matches!(
        decode("LSR", map(&[("id", "".into())])),
        DecodeError::Field { field: "id", .. }
    ));
}

fn any_message() -> impl Strategy<Value = ControlMessage> {
    let name = || prop::sample::select(vec!["me", "peer", "a", "b", "c", "d"]);
    let seq = || prop_oneof![0u64..6, Just(i64::MAX as u64)];
    let keys = || {
        prop::collection::vec(
            prop::sample::select(vec!["Ma", "Mb", "Hc", "Nd", "Le"]),
            0..4,
        )
    };
    let peers =
        || prop::collection::vec((name(), prop_oneof![1u32..4, Just(i32::MAX as u32)]), 0..5);
    prop_oneof![
        (name(), -1i64..3, prop::collection::vec(name(), 0..3))
            .prop_map(|(n, i, seen)| hello(n, i, &seen)),
        (name(), -1i64..3, seq(), seq()).prop_map(|(n, i, l, m)| advertisement(n, i, l, m)),
        name().prop_map(|n| ControlMessage::LinkStateRequest(LinkStateRequest { id: id(n) })),
        (name(), seq(), peers()).prop_map(|(n, s, p)| link_state(n, s, &p)),
        (name(), seq()).prop_map(
            |(n, have_seq)| ControlMessage::MobileRequest(MobileRequest {
                id: id(n),
                have_seq
            })
        ),
        (name(), seq(), keys()).prop_map(|(n, s, k)| exist(n, s, &k)),
        (name(), seq(), keys(), keys()).prop_map(|(n, s, a, d)| difference(n, s, &a, &d)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn octets_from_strangers_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(ControlMessage::from_payload(&octets));
    }

    #[test]
    fn a_recorded_message_damaged_does_no_harm(
        which in 0usize..32, at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let line = include_str!("data/control-messages.txt").lines().nth(1 + which).unwrap();
        let hex = line.split(' ').nth(2).unwrap();
        let mut payload: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let place = at.index(payload.len());
        payload[place] = octet;
        drop(ControlMessage::from_payload(&payload));
        drop(ControlMessage::from_payload(&payload[..cut.index(payload.len())]));
    }

    #[test]
    fn messages_read_back_as_they_were_written(message in any_message()) {
        let octets = message.encode("amqp:/_topo/0/all/qdrouter");
        prop_assert_eq!(ControlMessage::from_payload(&octets).unwrap(), message);
    }

    /// Whatever peers say, in whatever order: it comes to rest, asks for time to come, and its table leads over its links.
    #[test]
    fn no_message_upsets_it(
        steps in prop::collection::vec((any_message(), 1u64..3, 0u64..2000, any::<bool>()), 1..60),
    ) {
        let mut engine = Engine::new(Config::new(id("me"), 7), ms(0));
        let mut now = ms(0);
        let mut up = std::collections::BTreeSet::new();
        for (message, link, pause, toggle) in steps {
            now += ms(pause);
            let link = LinkId(link);
            if toggle && up.remove(&link) {
                engine.link_down(link, now);
            } else if toggle {
                up.insert(link);
                engine.link_up(Link { id: link, cost: 1, ordinal: 0, peer: None }, now);
            }
            if engine.passes_on(&message, now) {
                said(&mut engine);
            }
            engine.handle_message(link, message, now);
            for output in said(&mut engine) {
                if let Output::Send { links, .. } = output {
                    prop_assert!(!links.is_empty() && links.iter().all(|link| up.contains(link)));
                }
            }
            prop_assert!(engine.next_timeout() > now);
            for (_, route) in engine.table().routers() {
                prop_assert!(route.link.is_none_or(|link| up.contains(&link)));
                prop_assert!(route.link.is_some() == route.next_hop.is_some());
            }
        }
    }
}
