//! What a handshake showed about the peer.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls_pki_types::CertificateDer;

use super::refusal::Refusal;
use crate::certificate::{Certificate, Name};

/// Most certificates and CA names of a peer that are kept.
const MAX_KEPT: usize = 16;

thread_local! {
    /// rustls calls verifiers and resolvers on the thread that feeds the connection, without saying for which connection.
    static WATCHING: RefCell<Option<PeerRecord>> = const { RefCell::new(None) };
}

/// What a peer showed of itself in a handshake, and why it was refused, if it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerRecord {
    /// The certificates that the peer presented, own one first; empty when it presented none, or when the session was
    /// resumed.
    pub presented: Vec<Certificate>,
    /// The CAs of which a server says that it accepts certificates; empty when it says nothing.
    pub accepted_issuers: Vec<Name>,
    /// Why we refused the peer.
    pub refusal: Option<Refusal>,
}

impl PeerRecord {
    /// Runs a step of a handshake, such as `connection.process_new_packets()`, and keeps what it shows.
    pub fn watch<T>(&mut self, step: impl FnOnce() -> T) -> T {
        // Nested watches see their own handshake only.
        let outer = WATCHING.with_borrow_mut(|watching| watching.replace(std::mem::take(self)));
        let result = step();
        *self = WATCHING
            .with_borrow_mut(|watching| std::mem::replace(watching, outer))
            .unwrap_or_default();
        result
    }
}

/// A handshake under watch: see [`watch`].
#[derive(Debug)]
pub struct Watched<F> {
    handshake: Pin<Box<F>>,
    record: PeerRecord,
}

/// Watches a handshake that is a future, such as that of a `tokio_rustls` connector, and gives its outcome together with
/// what it showed.
pub fn watch<F: Future>(handshake: F) -> Watched<F> {
    Watched {
        handshake: Box::pin(handshake),
        record: PeerRecord::default(),
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = (F::Output, PeerRecord);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Watched { handshake, record } = this;
        match record.watch(|| handshake.as_mut().poll(context)) {
            Poll::Ready(outcome) => Poll::Ready((outcome, std::mem::take(record))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Notes what the peer presented.
pub(super) fn presented(chain: &[Certificate]) {
    note(|record| record.presented = chain.iter().take(MAX_KEPT).cloned().collect());
}

/// Notes why the peer was refused.
pub(super) fn refused(refusal: &Refusal) {
    note(|record| record.refusal = Some(refusal.clone()));
}

/// Notes which CAs a server accepts.
pub(crate) fn accepted_issuers(names: &[&[u8]]) {
    note(|record| {
        let names = names.iter().filter_map(|name| Name::from_der(name));
        record.accepted_issuers = names.take(MAX_KEPT).collect();
    });
}

fn note(write: impl FnOnce(&mut PeerRecord)) {
    WATCHING.with_borrow_mut(|watching| {
        if let Some(record) = watching {
            write(record);
        }
    });
}

/// Reads a presented chain; the error is the position (from 1) and the reason of the first that cannot be read.
pub(super) fn read_chain(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<Vec<Certificate>, (usize, String)> {
    std::iter::once(end_entity)
        .chain(intermediates)
        .take(MAX_KEPT)
        .enumerate()
        .map(|(index, der)| {
            Certificate::from_der(der).map_err(|error| (index + 1, error.to_string()))
        })
        .collect()
}
