//! Telemetry that other routers and controllers send: to a source, to one who collects, to one who keeps a flow's record.
//!
//! The input is a list of messages: an octet that says to whom and how much later, two of length, the message.

use std::time::Duration;

use skupper_amqp::Message;
use skupper_vanflow::emitter::Class;
use skupper_vanflow::network_status::network_status;
use skupper_vanflow::{CoRecords, Collector, Emitter, Source, SourceKind, Update};

pub(crate) fn run(octets: &[u8]) {
    let mut now = Duration::from_secs(1);
    let mut collector = Collector::new();
    let mut emitter = Emitter::new(Source::new(SourceKind::Router, "abcde:0"));
    let mut co_records = CoRecords::default();
    for class in [Class::Records, Class::Flows, Class::Logs] {
        emitter.watched(class, true, now);
    }
    let mut rest = octets;
    while let [how, long, short, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*long, *short])).min(after.len());
        let (payload, after) = after.split_at(length);
        rest = after;
        now += Duration::from_millis(u64::from(how & 0x3f) * 200);
        let Ok(message) = Message::decode(payload) else {
            continue;
        };
        let Ok(update) = Update::decode(&message) else {
            continue;
        };
        let to = message.properties.and_then(|properties| properties.to);
        let to = to.unwrap_or_default();
        let again = update.encode(&to);
        assert!(Update::decode(&again).is_ok(), "{again:?}");
        if let Update::Records { records, .. } = &update {
            for record in records {
                co_records.tell(record.clone(), now);
                match how >> 6 {
                    1 => emitter.set(record.clone(), now),
                    2 => emitter.end(&record.id, 5, now),
                    _ => drop(emitter.complete(record, now)),
                }
            }
        }
        emitter.handle(&update, now);
        collector.handle(&to, update, now);
        collector.handle_timeout(now);
        emitter.handle_timeout(now, 7);
        co_records.handle_timeout(now);
        while collector.poll_action().is_some() {}
        while let Some((_, message)) = emitter.poll_message() {
            assert!(Update::decode(&message).is_ok(), "{message:?}");
        }
        while co_records.poll_message().is_some() {}
    }
    let status = network_status(collector.records());
    drop(format!("{status:?}"));
}
