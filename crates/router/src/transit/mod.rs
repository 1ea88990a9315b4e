//! Deliveries in transit: the pipes they move through and what wakes the tasks at their ends.

pub mod block;
pub mod inbox;
pub mod load;
pub mod message;
pub mod pipe;
