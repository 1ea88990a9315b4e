//! What wakes a task: the tokens of pipes that moved, and commands from elsewhere.
//!
//! One task owns an inbox and is the only one to take from it; anybody may put. However much is put before the
//! task runs, it is woken once: that is what makes a batch of small messages cost one wake-up.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// Rings the task that owns one end of a [pipe](super::pipe).
pub trait Bell: Send + Sync {
    /// The pipe known to the task as `token` moved.
    fn ring(&self, token: u32);
}

/// The inbox of one task, with commands of type `C`.
pub struct Inbox<C> {
    state: Mutex<State<C>>,
}

struct State<C> {
    ready: Vec<u32>,
    commands: Vec<C>,
    waker: Option<Waker>,
    closed: bool,
}

/// What a task took from its inbox; kept by the task so that its buffers are reused.
pub struct Taken<C> {
    /// Tokens of the pipes that moved.
    pub ready: Vec<u32>,
    /// Commands, oldest first.
    pub commands: Vec<C>,
}

impl<C> Default for Taken<C> {
    fn default() -> Self {
        Taken {
            ready: Vec::new(),
            commands: Vec::new(),
        }
    }
}

impl<C> Taken<C> {
    /// Whether nothing was there.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.commands.is_empty()
    }
}

impl<C> Default for Inbox<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Inbox<C> {
    /// An empty inbox.
    pub fn new() -> Self {
        Inbox {
            state: Mutex::new(State {
                ready: Vec::new(),
                commands: Vec::new(),
                waker: None,
                closed: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        // The state is valid between any two statements: a panic of another holder does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command; it comes back when the task has ended.
    pub fn send(&self, command: C) -> Result<(), C> {
        let mut state = self.lock();
        if state.closed {
            return Err(command);
        }
        state.commands.push(command);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Takes everything into `taken` (which must be empty) and, if there was nothing, remembers to wake `cx`.
    pub fn take(&self, taken: &mut Taken<C>, cx: &mut Context<'_>) {
        let mut state = self.lock();
        std::mem::swap(&mut state.ready, &mut taken.ready);
        std::mem::swap(&mut state.commands, &mut taken.commands);
        if taken.is_empty()
            && !state
                .waker
                .as_ref()
                .is_some_and(|w| w.will_wake(cx.waker()))
        {
            state.waker = Some(cx.waker().clone());
        }
    }

    /// Ends the inbox: later commands come back to their senders. Returns what was not taken.
    pub fn close(&self) -> Vec<C> {
        let mut state = self.lock();
        state.closed = true;
        state.waker = None;
        state.ready = Vec::new();
        std::mem::take(&mut state.commands)
    }

    /// Whether the owner has ended.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

impl<C: Send> Bell for Inbox<C> {
    fn ring(&self, token: u32) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.ready.push(token);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn many_rings_wake_once() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let inbox = Inbox::<u8>::new();
        let mut taken = Taken::default();
        inbox.take(&mut taken, &mut cx);
        assert!(taken.is_empty());
        inbox.ring(1);
        inbox.ring(2);
        assert_eq!(inbox.send(7), Ok(()));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        inbox.take(&mut taken, &mut cx);
        assert_eq!(
            (taken.ready.as_slice(), taken.commands.as_slice()),
            (&[1, 2][..], &[7][..])
        );
    }

    #[test]
    fn a_closed_inbox_gives_commands_back() {
        let inbox = Inbox::<u8>::new();
        assert_eq!(inbox.send(1), Ok(()));
        assert_eq!(inbox.close(), vec![1]);
        assert_eq!(inbox.send(2), Err(2));
    }
}
