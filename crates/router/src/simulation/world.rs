//! What is beside the routers: wires between them, workloads, what has gone wrong so far, and what has been seen.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use skupper_management::entity::Role;
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::flow::{self, Side};
use super::node::{Node, Plan};
use super::reach::Fault;
use super::socket::{TcpStream, nowhere};
use super::stream::{self, Shared, Terms, Told};

/// Who connects to a machine that does not answer gives up after this.
const UNANSWERED: Duration = Duration::from_secs(10);

thread_local! {
    static WORLD: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// A way between two routers: connections of one connector.
pub(super) struct Wire {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) role: Role,
    pub(super) terms: Terms,
    pub(super) up: bool,
    pub(super) stalled: bool,
    /// The longest time that it takes to connect, beside the way there and back.
    pub(super) slowness: Duration,
}

/// A connection that was made.
struct Open {
    /// The routers at its ends, where there are such.
    nodes: [Option<usize>; 2],
    wire: Option<usize>,
    shared: Weak<Mutex<Shared>>,
}

/// One history's.
pub(super) struct World {
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) plans: Vec<Plan>,
    pub(super) nodes: Vec<Option<Arc<Node>>>,
    /// By how much each machine's clock is wrong.
    pub(super) clocks: Vec<Duration>,
    pub(super) wires: Vec<Wire>,
    open: Vec<Open>,
    pub(super) sides: Vec<Side>,
    pub(super) faults: Vec<Fault>,
    /// What must not be.
    pub(super) wrong: Vec<String>,
    digest: u64,
    told: bool,
    start: Instant,
}

/// A history is under way on this thread.
pub(super) struct Current;

impl Drop for Current {
    fn drop(&mut self) {
        WORLD.set(None);
    }
}

/// Connects to a place of the history that is under way on this thread, if one is.
pub(crate) async fn dial(host: &str, _service: &str) -> Option<io::Result<TcpStream>> {
    let world = WORLD.with_borrow(Clone::clone)?;
    let (kind, number) = host.rsplit_once('-')?;
    let number = number.parse().ok()?;
    Some(match kind {
        "wire" => world.dial_wire(number).await,
        _ => world.dial_server(number).await,
    })
}

impl World {
    pub(super) fn new(seed: u64, told: bool) -> Arc<Self> {
        let state = State {
            dice: Dice::new(seed),
            plans: Vec::new(),
            nodes: Vec::new(),
            clocks: Vec::new(),
            wires: Vec::new(),
            open: Vec::new(),
            sides: Vec::new(),
            faults: Vec::new(),
            wrong: Vec::new(),
            digest: 0xcbf2_9ce4_8422_2325,
            told,
            start: Instant::now(),
        };
        Arc::new(World {
            state: Mutex::new(state),
        })
    }

    /// Has the routers of this thread connect in this world.
    pub(super) fn enter(self: &Arc<Self>) -> Current {
        WORLD.set(Some(self.clone()));
        Current
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes something that was seen.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        let text = self.lock().note(what());
        if let Some(text) = text {
            println!("{text}");
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.lock().digest
    }

    async fn dial_wire(&self, number: usize) -> io::Result<TcpStream> {
        let (delay, stalled) = {
            let state = &mut *self.lock();
            let wire = &state.wires[number];
            let most = wire.slowness.as_millis() as usize;
            (wire.terms.delay * 2 + state.dice.ms(0, most), wire.stalled)
        };
        sleep(delay).await;
        if stalled {
            sleep(UNANSWERED).await;
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut state = self.lock();
        let wire = &state.wires[number];
        let (from, to, role, terms) = (wire.from, wire.to, wire.role, wire.terms);
        let (up, stalled) = (wire.up, wire.stalled);
        let Some(node) = state.nodes[to].clone().filter(|_| up && !stalled) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (near, far) = state.connect(terms, [Some(from), Some(to)], Some(number));
        drop(state);
        self.note(|| format!("connection by wire {number}, {from} to {to}"));
        let link = node.link(role);
        link.begin(TcpStream::Simulated(far), nowhere(), &node.context);
        Ok(TcpStream::Simulated(near))
    }

    async fn dial_server(self: &Arc<Self>, number: usize) -> io::Result<TcpStream> {
        let (delay, node) = {
            let state = &mut *self.lock();
            let at = |plan: &Plan| plan.servers.contains(&number);
            (state.dice.ms(0, 20), state.plans.iter().position(at))
        };
        sleep(delay).await;
        let mut state = self.lock();
        let terms = state.workload();
        let (near, far) = state.connect(terms, [node, None], None);
        flow::begin(
            self,
            &mut state,
            far,
            number,
            false,
            node.unwrap_or_default(),
        );
        Ok(TcpStream::Simulated(near))
    }

    /// Has a client connect to a service at a router; false if nobody listens there.
    pub(super) fn dial_service(self: &Arc<Self>, at: usize, service: usize) -> bool {
        let mut state = self.lock();
        let Some(node) = state.nodes[at].clone() else {
            return false;
        };
        let listener = &node.listeners[service];
        if !listener.is_reachable() {
            return false;
        }
        let terms = state.workload();
        let (near, far) = state.connect(terms, [None, Some(at)], None);
        flow::begin(self, &mut state, near, service, true, at);
        drop(state);
        listener.begin(TcpStream::Simulated(far), nowhere(), &node.context);
        true
    }

    /// Starts a router.
    pub(super) fn start(&self, at: usize) {
        let state = &mut *self.lock();
        let clock = Duration::from_secs(1_000_000) + state.clocks[at] + state.start.elapsed();
        state.nodes[at] = Some(Arc::new(Node::start(&id(at), &state.plans[at], clock)));
    }

    /// A router's machine fails.
    pub(super) async fn crash(&self, at: usize, told: Told) {
        let Some(node) = self.lock().nodes[at].take() else {
            return;
        };
        let ends = self.lock().ends_of(at, told);
        for (shared, end, is_wire) in ends {
            let Some(connection) = shared.upgrade() else {
                continue;
            };
            // Workloads are on the same machine or see it reset.
            let told = if is_wire { told } else { Told::Reset };
            stream::die(&connection, end, told);
        }
        node.stop().await;
    }

    /// Cuts the connections of a wire: all, or one.
    pub(super) fn cut(&self, wire: usize, all: bool) {
        let mut state = self.lock();
        let mut cut = state.take_open(|open| open.wire == Some(wire));
        if !all && !cut.is_empty() {
            let chosen = state.dice.below(cut.len());
            let one = cut.swap_remove(chosen);
            state.open.append(&mut cut);
            cut.push(one);
        }
        drop(state);
        for open in cut {
            if let Some(connection) = open.shared.upgrade() {
                stream::cut(&connection);
            }
        }
    }

    /// Has a wire stall or go on.
    pub(super) fn stall(&self, wire: usize, stalled: bool) {
        let mut state = self.lock();
        state.wires[wire].stalled = stalled;
        let of_wire = state.open.iter().filter(|open| open.wire == Some(wire));
        let connections: Vec<_> = of_wire.filter_map(|open| open.shared.upgrade()).collect();
        drop(state);
        connections
            .iter()
            .for_each(|connection| stream::stall(connection, stalled));
    }
}

impl State {
    /// Notes something that was seen; the line that tells it, if that is wanted.
    #[must_use]
    pub(super) fn note(&mut self, what: String) -> Option<String> {
        let at = self.start.elapsed();
        let line = format!("{:9.3} {what}", at.as_secs_f64());
        for octet in line.bytes() {
            self.digest = (self.digest ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
        self.told.then_some(line)
    }

    /// What must not be.
    pub(super) fn accuse(&mut self, what: String) {
        let at = self.start.elapsed().as_secs_f64();
        self.wrong.push(format!("after {at:.3} s: {what}"));
    }

    /// Seconds since the beginning.
    pub(super) fn when(&self, at: Instant) -> f64 {
        at.duration_since(self.start).as_secs_f64()
    }

    fn workload(&mut self) -> Terms {
        let dice = &mut self.dice;
        Terms {
            delay: dice.ms(0, 2),
            room: dice.between(1_000, 200_000),
            piece: dice.between(100, 65_536),
            rate: 0,
        }
    }

    fn connect(
        &mut self,
        terms: Terms,
        nodes: [Option<usize>; 2],
        wire: Option<usize>,
    ) -> (stream::Stream, stream::Stream) {
        let dice = self.dice.fork();
        let (near, far, connection) = stream::connect(terms, dice);
        self.open.retain(|open| open.shared.strong_count() > 0);
        self.open.push(Open {
            nodes,
            wire,
            shared: Arc::downgrade(&connection),
        });
        (near, far)
    }

    /// The ends of connections that a router has, and whether each is of a wire.
    fn ends_of(&mut self, at: usize, told: Told) -> Vec<(Weak<Mutex<Shared>>, usize, bool)> {
        let mut ends = Vec::new();
        self.open.retain(|open| {
            let own = [0, 1]
                .into_iter()
                .filter(|end| open.nodes[*end] == Some(at));
            let before = ends.len();
            ends.extend(own.map(|end| (open.shared.clone(), end, open.wire.is_some())));
            // What nobody hears of stalls for ever.
            ends.len() == before || !matches!(told, Told::Nothing)
        });
        ends
    }

    fn take_open(&mut self, which: impl Fn(&Open) -> bool) -> Vec<Open> {
        let open = std::mem::take(&mut self.open);
        let (taken, left) = open.into_iter().partition(|open| which(open));
        self.open = left;
        taken
    }
}

/// A router's id.
pub(super) fn id(at: usize) -> String {
    format!("R{at}")
}
