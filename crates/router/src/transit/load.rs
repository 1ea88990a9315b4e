//! How much is under way to a destination: what *balanced* and capacity decide by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Unsettled deliveries of one destination.
pub type Outstanding = Arc<AtomicUsize>;

/// One delivery's share in an [`Outstanding`] count; given back when dropped.
#[derive(Debug)]
pub struct Load(Outstanding);

impl Load {
    /// Counts one more delivery.
    pub fn on(outstanding: &Outstanding) -> Self {
        outstanding.fetch_add(1, Ordering::Relaxed);
        Load(outstanding.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
