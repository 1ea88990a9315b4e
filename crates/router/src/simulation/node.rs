//! A whole router of a history: everything that a configuration starts but the threads, the ports and what only tells of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use skupper_management::document::{Dialect, Document, LoadedEntity, load};
use skupper_management::entity::{Network, Record, Role};
use skupper_management::{Attributes, Kind};
use skupper_routing::RouterId;
use tokio::task::JoinSet;

use crate::connection::connector::AmqpConnector;
use crate::connection::listener::AmqpListener;
use crate::context::Context;
use crate::router::{Options, assemble};
use crate::tcp::{TcpConnector, TcpListener};
use crate::worker::Workers;

/// The tasks of one router.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap();
        tasks.spawn(task);
        while let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
    }

    /// Ends all of them, wherever they are.
    async fn abort(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap());
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                assert!(error.is_cancelled(), "{error}");
            }
        }
    }
}

/// What a router is to be, each time that it starts.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) edge: bool,
    pub(super) workers: usize,
    pub(super) data_connections: usize,
    /// The wires that it connects by.
    pub(super) wires: Vec<(usize, Role)>,
    /// The services of which it has a server.
    pub(super) servers: Vec<usize>,
    /// The services that clients reach by it.
    pub(super) services: usize,
}

/// A router that runs.
pub(super) struct Node {
    pub(super) context: Arc<Context>,
    tasks: Tasks,
    /// For routers, and for edge routers.
    links: Vec<Arc<AmqpListener>>,
    /// By service.
    pub(super) listeners: Vec<Arc<TcpListener>>,
    pub(super) connectors: Vec<Arc<TcpConnector>>,
}

/// The address of a service.
fn service(number: usize) -> String {
    format!("service-{number}")
}

impl Plan {
    fn document(&self, id: &str) -> String {
        let mut sections = vec![json!(["router", {
            "id": id,
            "mode": if self.edge { "edge" } else { "interior" },
            "workerThreads": self.workers,
            "dataConnectionCount": self.data_connections.to_string(),
        }])];
        let links = [("routers", Role::InterRouter), ("edges", Role::Edge)];
        // Nobody connects to an edge router here.
        for (name, role) in links.into_iter().filter(|_| !self.edge) {
            sections.push(json!(["listener", {"name": name, "role": role.as_str(), "port": "1"}]));
        }
        for (wire, role) in &self.wires {
            let host = format!("wire-{wire}");
            let connector = json!({"name": host, "role": role.as_str(), "host": host, "port": "1"});
            sections.push(json!(["connector", connector]));
        }
        for number in &self.servers {
            let host = format!("server-{number}");
            let connector =
                json!({"name": host, "address": service(*number), "host": host, "port": "1"});
            sections.push(json!(["tcpConnector", connector]));
        }
        for number in 0..self.services {
            let listener =
                json!({"name": service(number), "address": service(number), "port": "1"});
            sections.push(json!(["tcpListener", listener]));
        }
        Value::Array(sections).to_string()
    }
}

fn read<R: Record>(attributes: &Attributes) -> R {
    R::from_attributes(attributes).unwrap()
}

impl Node {
    /// Starts a router; `clock` is what its machine takes the time to be.
    pub(super) fn start(id: &str, plan: &Plan, clock: Duration) -> Self {
        let document = Document::parse(&plan.document(id), Dialect::Json).unwrap();
        let loaded = load(&document);
        assert!(loaded.faults.is_empty(), "{:?}", loaded.faults);
        let of = |kind| {
            let entities = loaded.entities.iter();
            entities.filter(move |entity: &&LoadedEntity| entity.kind == kind)
        };
        let settings = read(&of(Kind::Router).next().unwrap().attributes);
        let tasks = Tasks::default();
        let (context, core) = assemble(
            RouterId::new(id).unwrap(),
            settings,
            &Network::default(),
            Options::default(),
            Workers::simulated(plan.workers, &tasks),
            SystemTime::UNIX_EPOCH + clock,
        )
        .unwrap();
        tasks.spawn(core);
        let links = of(Kind::Listener)
            .map(|one| AmqpListener::without_port(read(&one.attributes), &context));
        let connectors =
            of(Kind::TcpConnector).map(|one| TcpConnector::start(read(&one.attributes), &context));
        let listeners =
            of(Kind::TcpListener).map(|one| TcpListener::new(read(&one.attributes), &context));
        let (links, connectors, listeners) =
            (links.collect(), connectors.collect(), listeners.collect());
        for connector in of(Kind::Connector) {
            AmqpConnector::start(read(&connector.attributes), &context);
        }
        Node {
            context,
            tasks,
            links,
            listeners,
            connectors,
        }
    }

    /// Who takes connections of a role in.
    pub(super) fn link(&self, role: Role) -> Arc<AmqpListener> {
        self.links[usize::from(role == Role::Edge)].clone()
    }

    /// Ends it as a machine that fails ends it: it says nothing more to anybody.
    pub(super) async fn stop(&self) {
        self.tasks.abort().await;
    }
}
