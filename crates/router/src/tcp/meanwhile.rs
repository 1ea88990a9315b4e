//! A flow whose socket is being made ready: it may be over before that.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;

use super::ending::{Ending, Fault};
use super::pump::{FlowCommand, FlowInbox};
use crate::transit::inbox::Taken;
use crate::transit::pipe::{Consumer, End};

/// The opposite stream, of which the head has been read.
pub(super) struct Incoming {
    pub(super) consumer: Consumer,
    /// Octets of it that were taken and go to the socket.
    pub(super) octets: VecDeque<Bytes>,
}

impl Incoming {
    /// Takes what came; whether the stream has broken off, which is what becomes of a client's when that has left.
    fn is_lost(&mut self) -> bool {
        let octets = &mut self.octets;
        let arrival = self.consumer.take(|chunk| octets.push_back(chunk));
        arrival.end == Some(End::Aborted)
    }
}

/// Waits for a socket that is connected to or secured, unless the flow ends before: it is closed, or the opposite stream, if
/// there is one already, breaks off.
pub(super) async fn unless_over<T>(
    ready: impl Future<Output = Result<T, Fault>>,
    inbox: &FlowInbox,
    mut incoming: Option<&mut Incoming>,
) -> Result<T, Ending> {
    let mut ready = pin!(ready);
    let mut taken = Taken::default();
    // What came with the head rings no more.
    let mut look = true;
    poll_fn(|cx| {
        loop {
            if look && incoming.as_mut().is_some_and(|stream| stream.is_lost()) {
                return Poll::Ready(Err(Ending::Lost));
            }
            inbox.take(&mut taken, cx);
            if taken.is_empty() {
                break;
            }
            look = !taken.ready.is_empty();
            taken.ready.clear();
            for command in taken.commands.drain(..) {
                match command {
                    FlowCommand::Close(by) => return Poll::Ready(Err(Ending::Closed(by))),
                    // Nobody has been asked for one; it is given back by dropping it.
                    FlowCommand::Stream(extra) => drop(extra),
                }
            }
        }
        look = false;
        ready.as_mut().poll(cx).map_err(Ending::Socket)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;

    use super::*;
    use crate::tcp::ending::By;
    use crate::transit::inbox::{Bell, Inbox};
    use crate::transit::message::Message;
    use crate::transit::pipe::{Producer, pipe};

    fn flow() -> (Producer, Incoming, Arc<FlowInbox>) {
        let (producer, consumer) = pipe(Message::tcp_stream());
        let (incoming, inbox) = flow_of(consumer);
        (producer, incoming, inbox)
    }

    fn flow_of(consumer: Consumer) -> (Incoming, Arc<FlowInbox>) {
        let inbox = Arc::new(Inbox::new());
        consumer.bind(inbox.clone() as Arc<dyn Bell>, 1);
        let octets = VecDeque::new();
        (Incoming { consumer, octets }, inbox)
    }

    /// Waits for a socket that never comes, while `happens` happens.
    async fn wait(
        incoming: Option<&mut Incoming>,
        inbox: &FlowInbox,
        happens: impl FnOnce(),
    ) -> Ending {
        let socket = pending::<Result<(), Fault>>();
        let mut waits = pin!(unless_over(socket, inbox, incoming));
        tokio::select! {
            biased;
            _ = &mut waits => panic!("nothing has happened yet"),
            () = tokio::task::yield_now() => {}
        }
        happens();
        waits.await.unwrap_err()
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_not_connected_for_any_more() {
        let (producer, mut incoming, inbox) = flow();
        let ending = wait(Some(&mut incoming), &inbox, || drop(producer)).await;
        assert!(matches!(ending, Ending::Lost), "{ending:?}");
    }

    #[tokio::test]
    async fn a_stream_that_has_broken_off_with_its_head_does_not_ring() {
        let (producer, consumer) = pipe(Message::tcp_stream());
        drop(producer);
        let (mut incoming, inbox) = flow_of(consumer);
        let socket = pending::<Result<(), Fault>>();
        let ending = unless_over(socket, &inbox, Some(&mut incoming)).await;
        assert!(matches!(ending, Err(Ending::Lost)));
    }

    #[tokio::test]
    async fn a_flow_that_is_closed_does_not_wait_for_its_socket() {
        for with_stream in [true, false] {
            let (_producer, mut incoming, inbox) = flow();
            let close = || assert!(inbox.send(FlowCommand::Close(By::Parent)).is_ok());
            let incoming = with_stream.then_some(&mut incoming);
            let ending = wait(incoming, &inbox, close).await;
            assert!(matches!(ending, Ending::Closed(By::Parent)), "{ending:?}");
        }
    }

    #[tokio::test]
    async fn what_a_client_says_meanwhile_is_kept_and_its_end_is_none_of_the_flow() {
        let (producer, mut incoming, inbox) = flow();
        producer.push(Bytes::from_static(b"request"));
        producer.complete(false);
        let socket = ready(Ok(7));
        let socket = unless_over(socket, &inbox, Some(&mut incoming)).await;
        assert_eq!(socket.unwrap(), 7);
        assert_eq!(incoming.octets, [&b"request"[..]]);
    }
}
