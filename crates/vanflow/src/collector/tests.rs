use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn actions(collector: &mut Collector) -> Vec<String> {
    std::iter::from_fn(|| collector.poll_action())
        .map(|action| match action {
            Action::Subscribe(address) => format!("+{address}"),
            Action::Unsubscribe(address) => format!("-{address}"),
            Action::Send { address, .. } => format!("!{address}"),
        })
        .collect()
}

fn started() -> Collector {
    let mut collector = Collector::new();
    assert_eq!(actions(&mut collector), ["+mc/sfe.all"]);
    collector
}

#[test]
fn a_source_is_found_asked_heard_and_forgotten() {
    let mut collector = started();
    collector.handle(
        BEACONS,
        Update::Beacon(Source::new(SourceKind::Controller, "s")),
        at(0),
    );
    assert_eq!(
        actions(&mut collector),
        ["+mc/sfe.s", "+mc/sfe.s.heartbeats"]
    );
    collector.handle(
        "mc/sfe.s.heartbeats",
        Update::Heartbeat {
            source: "s".into(),
            now: 0,
        },
        at(2),
    );
    assert_eq!(actions(&mut collector), ["!sfe.s"]);
    let record = Record::new(RecordType::Site, "s").with(Attribute::NAME, "west");
    collector.handle("mc/sfe.s", Update::records(vec![record.clone()]), at(3));
    assert!(collector.take_changed());
    collector.handle("mc/sfe.s", Update::records(vec![record]), at(40));
    assert!(!collector.take_changed());
    assert_eq!(collector.next_timeout(), Some(at(70)));
    collector.handle_timeout(at(70));
    assert!(collector.take_changed());
    assert_eq!(collector.records().count(), 0);
    assert_eq!(
        actions(&mut collector),
        ["-mc/sfe.s", "-mc/sfe.s.heartbeats"]
    );
}

#[test]
fn a_source_that_says_nothing_is_asked_after_five_seconds_and_forgotten_after_a_minute() {
    let mut collector = started();
    collector.handle(
        BEACONS,
        Update::Beacon(Source::new(SourceKind::Router, "r:0")),
        at(0),
    );
    actions(&mut collector);
    assert_eq!(collector.next_timeout(), Some(at(5)));
    collector.handle_timeout(at(5));
    assert_eq!(actions(&mut collector), ["!sfe.r:0"]);
    assert_eq!(collector.next_timeout(), Some(at(60)));
    collector.handle_timeout(at(60));
    assert_eq!(collector.sources().count(), 0);
}

#[test]
fn an_ended_record_goes_and_records_of_unknown_sources_are_not_taken() {
    let mut collector = started();
    collector.handle(
        BEACONS,
        Update::Beacon(Source::new(SourceKind::Router, "r:0")),
        at(0),
    );
    let link = Record::new(RecordType::Link, "r:1");
    collector.handle("mc/sfe.other", Update::records(vec![link.clone()]), at(1));
    assert_eq!(collector.records().count(), 0);
    collector.handle("mc/sfe.r:0", Update::records(vec![link.clone()]), at(1));
    assert_eq!(collector.records().count(), 1);
    collector.handle(
        "mc/sfe.r:0",
        Update::records(vec![link.with(Attribute::END_TIME, 2_000_000)]),
        at(1),
    );
    assert_eq!(collector.records().count(), 0);
}

#[test]
fn a_router_that_starts_anew_is_told_of_anew() {
    let mut collector = started();
    let beacon = || Update::Beacon(Source::new(SourceKind::Router, "r:0"));
    let router =
        |start: u64| Record::new(RecordType::Router, "r:0").with(Attribute::START_TIME, start);
    let link = Record::new(RecordType::Link, "r:1").with(Attribute::PEER, "x:1");
    collector.handle(BEACONS, beacon(), at(0));
    collector.handle(
        "mc/sfe.r:0",
        Update::records(vec![router(1000), link]),
        at(1),
    );
    actions(&mut collector);
    collector.handle("mc/sfe.r:0", Update::records(vec![router(1000)]), at(2));
    assert_eq!(actions(&mut collector), [""; 0]);
    collector.handle("mc/sfe.r:0", Update::records(vec![router(2000)]), at(3));
    assert_eq!(actions(&mut collector), ["!sfe.r:0"]);
    assert_eq!(collector.records().collect::<Vec<_>>(), [&router(2000)]);
}

#[test]
fn after_a_reconnection_everything_is_asked_anew_and_kept_meanwhile() {
    let mut collector = started();
    collector.handle(
        BEACONS,
        Update::Beacon(Source::new(SourceKind::Router, "r:0")),
        at(0),
    );
    collector.handle(
        "mc/sfe.r:0",
        Update::records(vec![Record::new(RecordType::Link, "r:1")]),
        at(1),
    );
    actions(&mut collector);
    collector.reconnected(at(100));
    assert_eq!(actions(&mut collector), ["+mc/sfe.all", "+mc/sfe.r:0"]);
    assert_eq!(collector.records().count(), 1);
    collector.handle(
        BEACONS,
        Update::Beacon(Source::new(SourceKind::Router, "r:0")),
        at(101),
    );
    collector.handle_timeout(at(105));
    assert_eq!(actions(&mut collector), ["!sfe.r:0"]);
}
