//! What the commands `skstat` and `skmanage` ask and print (reference §7.2, §7.3), without the asking.
//!
//! Titles, columns, their order and the layout of tables are interface: scripts cut them apart.

pub mod manage;
pub mod stat;
mod table;

pub use table::{Format, Table};
