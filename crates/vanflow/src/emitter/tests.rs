use super::*;
use crate::collector::{Action, Collector};
use crate::source::SourceKind;

const MICROS: u64 = 1_795_000_000_000_000;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn sent(emitter: &mut Emitter) -> Vec<(String, Update)> {
    std::iter::from_fn(|| emitter.poll_message())
        .map(|(address, message)| (address, Update::decode(&message).unwrap()))
        .collect()
}

fn router() -> Emitter {
    Emitter::new(Source::new(SourceKind::Router, "r:0"))
}

fn listen(emitter: &mut Emitter) {
    emitter.watched(Class::Beacons, true, at(0));
    emitter.watched(Class::Records, true, at(0));
}

#[test]
fn nothing_is_sent_while_nobody_listens() {
    let mut emitter = router();
    emitter.set(Record::new(RecordType::Router, "r:0"), at(0));
    emitter.handle_timeout(at(100), MICROS);
    assert_eq!(sent(&mut emitter), []);
    assert_eq!(emitter.next_timeout(), None);
}

#[test]
fn a_beacon_comes_at_once_and_then_every_ten_seconds_heartbeats_every_two() {
    let mut emitter = router();
    listen(&mut emitter);
    assert!(
        matches!(sent(&mut emitter).as_slice(), [(address, Update::Beacon(_))] if address == BEACONS)
    );
    let (mut beacons, mut beats) = (0, 0);
    for second in 1..=20 {
        emitter.handle_timeout(at(second * 1000), MICROS);
        for (_, update) in sent(&mut emitter) {
            match update {
                Update::Beacon(_) => beacons += 1,
                Update::Heartbeat { .. } => beats += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((beacons, beats), (2, 10));
}

#[test]
fn only_what_changed_is_told_and_an_end_is_told_once() {
    let mut emitter = router();
    listen(&mut emitter);
    let link = Record::new(RecordType::Link, "r:1")
        .with(Attribute::NAME, "l")
        .with(Attribute::OPER_STATUS, "down");
    emitter.set(link.clone(), at(0));
    emitter.handle_timeout(at(100), MICROS);
    sent(&mut emitter);
    emitter.set(link.clone(), at(200));
    assert_eq!(emitter.next_timeout(), Some(at(2100)), "nothing changed");
    let up = Record::new(RecordType::Link, "r:1").with(Attribute::OPER_STATUS, "up");
    emitter.set(up.clone(), at(200));
    emitter.handle_timeout(at(300), MICROS);
    assert_eq!(
        sent(&mut emitter),
        [("mc/sfe.r:0".to_owned(), Update::records(vec![up]))]
    );
    emitter.end("r:1", MICROS, at(400));
    emitter.handle_timeout(at(500), MICROS);
    assert_eq!(sent(&mut emitter).len(), 1);
    emitter.handle(&Update::Flush, at(600));
    emitter.handle_timeout(at(700), MICROS);
    assert_eq!(sent(&mut emitter), []);
}

#[test]
fn a_flow_waits_for_its_other_side_before_it_ends() {
    let mut emitter = router();
    emitter.watched(Class::Flows, true, at(0));
    let flow = Record::new(RecordType::BiflowTport, "r:7").with(Attribute::PARENT, "r:3");
    emitter.set(flow, at(0));
    emitter.handle_timeout(at(100), MICROS);
    assert_eq!(sent(&mut emitter)[0].0, "mc/sfe.r:0.flows");
    emitter.end("r:7", MICROS, at(1000));
    let other_side = Record::new(RecordType::BiflowTport, "r:7")
        .with(Attribute::CONNECTOR, "s:4")
        .with(Attribute::PROCESS_LATENCY, 12)
        .with(Attribute::PARENT, "r:666")
        .with(Attribute::PROXY_PORT, 80);
    assert!(emitter.complete(&other_side, at(2000)));
    assert!(!emitter.complete(&Record::new(RecordType::BiflowTport, "r:8"), at(2000)));
    emitter.handle_timeout(at(2100), MICROS);
    let told = Record::new(RecordType::BiflowTport, "r:7")
        .with(Attribute::CONNECTOR, "s:4")
        .with(Attribute::PROCESS_LATENCY, 12);
    assert_eq!(
        sent(&mut emitter),
        [("mc/sfe.r:0.flows".to_owned(), Update::records(vec![told]))]
    );
    assert_eq!(
        (emitter.next_timeout(), emitter.flows()),
        (Some(at(6000)), 1)
    );
    emitter.handle_timeout(at(6000), MICROS);
    emitter.handle_timeout(at(6100), MICROS);
    let ended = Record::new(RecordType::BiflowTport, "r:7").with(Attribute::END_TIME, MICROS);
    assert_eq!(
        sent(&mut emitter),
        [("mc/sfe.r:0.flows".to_owned(), Update::records(vec![ended]))]
    );
    assert_eq!((emitter.flows(), emitter.get("r:7")), (0, None));
}

#[test]
fn flows_that_nobody_wants_are_forgotten_and_have_a_limit() {
    let mut emitter = router();
    for n in 0..MAX_FLOWS + 10 {
        emitter.set(
            Record::new(RecordType::BiflowTport, format!("r:{n}")),
            at(0),
        );
    }
    assert_eq!(emitter.flows(), MAX_FLOWS);
    for n in 0..MAX_FLOWS + 10 {
        emitter.end(&format!("r:{n}"), MICROS, at(100));
    }
    emitter.handle_timeout(at(5100), MICROS);
    emitter.handle_timeout(at(5200), MICROS);
    assert_eq!((emitter.flows(), sent(&mut emitter).len()), (0, 0));
}

#[test]
fn all_flows_are_forgotten_together() {
    let mut emitter = router();
    emitter.watched(Class::Flows, true, at(0));
    emitter.set(Record::new(RecordType::Router, "r:0"), at(0));
    emitter.set(Record::new(RecordType::BiflowTport, "r:7"), at(0));
    emitter.end("r:7", MICROS, at(0));
    emitter.watched(Class::Flows, false, at(50));
    emitter.forget_flows();
    assert_eq!((emitter.flows(), emitter.get("r:7")), (0, None));
    assert!(emitter.get("r:0").is_some());
    emitter.handle_timeout(at(100), MICROS);
    assert_eq!(emitter.next_timeout(), None);
}

#[test]
fn whoever_comes_later_gets_a_beacon_too() {
    let mut emitter = router();
    emitter.announce();
    assert_eq!(sent(&mut emitter), []);
    listen(&mut emitter);
    sent(&mut emitter);
    emitter.announce();
    assert!(matches!(
        sent(&mut emitter).as_slice(),
        [(_, Update::Beacon(_))]
    ));
}

#[test]
fn a_collector_that_comes_late_learns_everything() {
    let mut emitter = router();
    for n in 0..120 {
        emitter.set(
            Record::new(RecordType::Link, format!("r:{n}")).with(Attribute::NAME, format!("l{n}")),
            at(0),
        );
    }
    emitter.handle_timeout(at(100), MICROS);
    let mut collector = Collector::new();
    listen(&mut emitter);
    for step in 0..100 {
        let now = at(200 + step * 100);
        while let Some(action) = collector.poll_action() {
            if let Action::Send { address, message } = action {
                assert_eq!(address, "sfe.r:0");
                emitter.handle(&Update::decode(&message).unwrap(), now);
            }
        }
        emitter.handle_timeout(now, MICROS);
        for (address, update) in sent(&mut emitter) {
            collector.handle(&address, update, now);
        }
        collector.handle_timeout(now);
    }
    assert_eq!(collector.records().count(), 120);
}
