//! What a client says before the server's end has answered.

use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use skupper_observe::Side;
use tokio::time::Instant;

use super::observation::Observed;
use super::pump::FlowOctets;
use super::socket::{Socket, next_chunk};

/// Octets that are read of a client so soon: a request, but not a whole upload, which would lie at a router whose server cannot
/// be reached.
const MOST: usize = 16 * 1024;
/// In so many pieces.
const MOST_PIECES: usize = 64;
/// Octets of a client, from its first one on.
pub(crate) struct Early {
    /// Who reads along.
    pub(crate) observed: Observed,
    /// The octets: kept until the server's end has answered, since they may have to be sent again.
    pub(crate) said: Vec<Bytes>,
    /// How many those are.
    pub(crate) octets: usize,
    /// The client has come to its end.
    pub(crate) ended: bool,
    /// When the first of them were read.
    pub(crate) asked: Option<Instant>,
}

impl Early {
    /// Of a client of which nothing has been read.
    pub(crate) fn new(observed: Observed) -> Self {
        Early {
            observed,
            said: Vec::new(),
            octets: 0,
            ended: false,
            asked: None,
        }
    }

    /// Reads what there is, as long as it is little, and hands it on.
    pub(crate) fn read(
        &mut self,
        socket: &mut Socket,
        octets: &FlowOctets,
        cx: &mut Context<'_>,
        mut give: impl FnMut(Bytes),
    ) -> io::Result<()> {
        while !self.ended && self.octets < MOST && self.said.len() < MOST_PIECES {
            match next_chunk(socket, MOST - self.octets, cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                // What it means for the opposite direction is known when that exists.
                Poll::Ready(Ok(chunk)) if chunk.is_empty() => self.ended = true,
                Poll::Ready(Ok(chunk)) => {
                    // A slice would keep the whole block that it was read into, for as long as the server's end takes to answer.
                    let chunk = Bytes::copy_from_slice(&chunk);
                    give(chunk.clone());
                    self.add(chunk, octets);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, chunk: Bytes, octets: &FlowOctets) {
        self.asked.get_or_insert_with(Instant::now);
        self.octets += chunk.len();
        octets.outward.store(self.octets as u64, Ordering::Relaxed);
        octets.moved(true, false);
        self.observed.feed(Side::Client, &chunk);
        self.said.push(chunk);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn sockets() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        (client, Socket::clear(accepted.into()))
    }

    /// Reads until `enough`; what was handed on.
    async fn read_until(
        early: &mut Early,
        socket: &mut Socket,
        enough: impl Fn(&Early) -> bool,
    ) -> Vec<u8> {
        let octets = FlowOctets::default();
        let mut given = Vec::new();
        poll_fn(|cx| {
            let give = |chunk: Bytes| given.extend_from_slice(&chunk);
            early.read(socket, &octets, cx, give).unwrap();
            match enough(early) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        given
    }

    #[tokio::test]
    async fn a_request_and_its_end_are_read() {
        let (mut client, mut socket) = sockets().await;
        client.write_all(b"request").await.unwrap();
        client.shutdown().await.unwrap();
        let mut early = Early::new(Observed::default());
        let given = read_until(&mut early, &mut socket, |early| early.ended).await;
        assert_eq!(given, b"request");
        assert_eq!(early.said.concat(), b"request");
        assert!(early.asked.is_some());
    }

    #[tokio::test]
    async fn an_upload_waits_for_the_server() {
        let (mut client, mut socket) = sockets().await;
        let upload = tokio::spawn(async move { client.write_all(&[7; 4 << 20]).await });
        let mut early = Early::new(Observed::default());
        read_until(&mut early, &mut socket, |early| early.octets >= MOST).await;
        socket.tcp().readable().await.unwrap();
        read_until(&mut early, &mut socket, |_| true).await;
        assert_eq!(early.octets, MOST);
        upload.abort();
    }

    #[tokio::test]
    async fn a_client_that_says_one_octet_at_a_time_is_not_listened_to_for_ever() {
        let (mut client, mut socket) = sockets().await;
        let mut early = Early::new(Observed::default());
        for said in 1..=MOST_PIECES + 1 {
            client.write_all(b"x").await.unwrap();
            socket.tcp().readable().await.unwrap();
            let most = said.min(MOST_PIECES);
            read_until(&mut early, &mut socket, |early| early.said.len() == most).await;
        }
        assert_eq!(early.octets, MOST_PIECES);
    }
}
