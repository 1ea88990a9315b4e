//! Memory.

use super::super::Table;
use super::cells::{number, octets, text, with_commas};
use super::{Answers, Options, first, rows};
use crate::{Kind, Value};

pub(super) const COLUMNS: &[&str] = &[
    "identity",
    "typeSize",
    "transferBatchSize",
    "localFreeListMax",
    "totalAllocFromHeap",
    "totalFreeToHeap",
    "heldByThreads",
    "batchesRebalancedToThreads",
    "batchesRebalancedToGlobal",
];

pub(super) fn memory(answers: &Answers, options: Options) -> String {
    let heads = [
        "type",
        "size",
        "batch",
        "thread-max",
        "total",
        "in-threads",
        "rebal-in",
        "rebal-out",
    ];
    let mut table = Table::new("Memory Pools", &heads);
    let mut pooled = 0;
    for pool in rows(answers, Kind::Allocator) {
        let allocated = number(pool, "totalAllocFromHeap");
        if allocated == 0 {
            continue;
        }
        let held = allocated - number(pool, "totalFreeToHeap");
        pooled += held * number(pool, "typeSize");
        let identity = text(pool, "identity");
        let name = identity
            .split_once('/')
            .map_or(identity.as_str(), |(_, name)| name);
        let commas = |attribute: &str| with_commas(number(pool, attribute));
        table.rows.push(vec![
            name.to_owned(),
            commas("typeSize"),
            text(pool, "transferBatchSize"),
            commas("localFreeListMax"),
            with_commas(held),
            commas("heldByThreads"),
            commas("batchesRebalancedToThreads"),
            commas("batchesRebalancedToGlobal"),
        ]);
    }
    if table.rows.is_empty() {
        return "No memory statistics available\n".to_owned();
    }
    table.sort_by("type");
    table.render(options.format) + &summary(answers, pooled).render(options.format)
}

fn summary(answers: &Answers, pooled: i64) -> Table {
    let mut table = Table::new("\nMemory Summary", &[]);
    let mut row = Vec::new();
    for (head, attribute) in [("VmSize", "memoryUsage"), ("RSS", "residentMemoryUsage")] {
        let metrics = first(answers, Kind::RouterMetrics);
        if let Some(value) = metrics
            .and_then(|metrics| metrics.get(attribute))
            .and_then(Value::as_i64)
        {
            table.heads.push(head);
            row.push(octets(value));
        }
    }
    table.heads.push("Pooled");
    row.push(octets(pooled));
    table.rows.push(row);
    table
}
