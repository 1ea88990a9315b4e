//! Vanflow records: what routers and controllers tell of themselves, and how it is encoded. No I/O and no clock.
//!
//! * [`record`]: record types, attributes, records, and how changes merge.
//! * [`update`]: the messages: beacon, heartbeat, flush, records.
//! * [`source`]: who tells, and at which addresses.
//! * [`emitter`]: a source's side: makes itself known, tells what changed, answers requests for everything.
//! * [`co_records`]: what the server's side of a flow tells the client's side.
//! * [`collector`]: who listens: finds sources, asks them for everything, keeps what they tell, forgets the silent.
//! * [`network_status`]: the document that is made of a collector's records.
//!
//! Source: observability reference §§1–7.

pub mod co_records;
pub mod collector;
pub mod emitter;
pub mod network_status;
pub mod record;
pub mod source;
pub mod update;

pub use co_records::CoRecords;
pub use collector::Collector;
pub use emitter::Emitter;
pub use record::{Attribute, Datum, Record, RecordType};
pub use source::{Source, SourceKind};
pub use update::Update;
