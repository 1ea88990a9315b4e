//! Worker threads: each runs the connections and flows it owns on a single-threaded runtime.
//!
//! A task that is spawned on a worker never leaves it, so what two tasks of one worker share needs no wake-up
//! across threads. Tasks are `Send` all the same: they may be *created* anywhere.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

thread_local! {
    static CURRENT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The worker that runs the calling code, if one does.
pub fn current() -> Option<usize> {
    CURRENT.with(Cell::get)
}

/// The workers of a router. Dropping the last reference ends them and every task they own.
pub struct Workers {
    workers: Vec<Worker>,
    next: AtomicUsize,
}

struct Worker {
    handle: Handle,
    /// In a simulation all tasks are on one thread.
    #[cfg(test)]
    simulated: Option<crate::simulation::Tasks>,
    flows: AtomicUsize,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts `count` (at least one) threads.
    pub fn start(count: usize) -> io::Result<Arc<Self>> {
        let workers = (0..count.max(1))
            .map(Worker::start)
            .collect::<io::Result<_>>()?;
        Ok(Arc::new(Workers {
            workers,
            next: AtomicUsize::new(0),
        }))
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Runs a task on one worker.
    pub fn spawn(&self, worker: usize, task: impl Future<Output = ()> + Send + 'static) {
        let index = worker % self.workers.len();
        let worker = &self.workers[index];
        #[cfg(test)]
        if let Some(tasks) = &worker.simulated {
            return tasks.spawn(simulated::on(index, task));
        }
        drop(worker.handle.spawn(task));
    }

    /// The next worker in turn: for what is long-lived and few, such as inter-router connections.
    pub fn in_turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len()
    }

    /// The worker for a new flow: the calling one unless another has clearly fewer flows.
    pub fn for_flow(&self) -> usize {
        let load = |index: usize| self.workers[index].flows.load(Ordering::Relaxed);
        let here = current().unwrap_or_else(|| self.in_turn());
        (0..self.workers.len()).fold(here, |best, other| {
            // Staying saves a wake-up, so a difference of one or two is not worth moving for.
            if load(other) + if best == here { 2 } else { 0 } < load(best) {
                other
            } else {
                best
            }
        })
    }

    /// Ends the threads and every task they own.
    pub fn stop(&self) {
        self.workers.iter().for_each(Worker::stop);
    }

    /// Flows that run.
    pub fn flows(&self) -> usize {
        let flows = |worker: &Worker| worker.flows.load(Ordering::Relaxed);
        self.workers.iter().map(flows).sum()
    }

    /// Counts a flow on a worker until the guard is dropped.
    pub fn count_flow(self: &Arc<Self>, worker: usize) -> FlowOnWorker {
        self.workers[worker].flows.fetch_add(1, Ordering::Relaxed);
        FlowOnWorker {
            workers: self.clone(),
            worker,
        }
    }
}

/// A flow counted on a worker.
pub struct FlowOnWorker {
    workers: Arc<Workers>,
    worker: usize,
}

impl Drop for FlowOnWorker {
    fn drop(&mut self) {
        self.workers.workers[self.worker]
            .flows
            .fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                CURRENT.with(|current| current.set(Some(index)));
                // An error means that the sender was dropped, which says the same.
                let _ = runtime.block_on(stopped);
            })?;
        let running = Mutex::new(Some(Running { stop, thread }));
        Ok(Worker {
            handle,
            #[cfg(test)]
            simulated: None,
            flows: AtomicUsize::new(0),
            running,
        })
    }

    fn stop(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(Running { stop, thread }) = running else {
            return;
        };
        drop(stop);
        // The last reference may be dropped by a task of this very worker: a thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            // It ends at once; that it had panicked changes nothing.
            let _ = thread.join();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod simulated {
    use super::*;
    use crate::simulation::Tasks;

    impl Workers {
        /// Workers that are tasks of the calling thread's runtime.
        pub(crate) fn simulated(count: usize, tasks: &Tasks) -> Arc<Self> {
            let worker = |_| Worker {
                handle: Handle::current(),
                simulated: Some(tasks.clone()),
                flows: AtomicUsize::new(0),
                running: Mutex::default(),
            };
            Arc::new(Workers {
                workers: (0..count).map(worker).collect(),
                next: AtomicUsize::new(0),
            })
        }
    }

    /// Runs a task as if a worker did.
    pub(super) async fn on(worker: usize, task: impl Future<Output = ()>) {
        let mut task = std::pin::pin!(task);
        std::future::poll_fn(|cx| {
            CURRENT.set(Some(worker));
            let polled = task.as_mut().poll(cx);
            CURRENT.set(None);
            polled
        })
        .await;
    }
}
