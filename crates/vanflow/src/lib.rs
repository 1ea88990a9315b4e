//! Vanflow records: what routers and controllers tell of themselves, and how it is encoded. No I/O and no clock.
