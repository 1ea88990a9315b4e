//! A collector of telemetry with its connection.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use skupper_amqp::Message;
use skupper_client::{Client, Endpoint, Incoming};
use skupper_vanflow::collector::Action;
use skupper_vanflow::network_status::{NetworkStatus, network_status};
use skupper_vanflow::{Collector, Record, Update};
use tokio::sync::mpsc;

use super::PATIENCE;

/// Runs a test that awaits.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

/// A collector with its connection.
pub(crate) struct Observer {
    client: Client,
    pub(crate) collector: Collector,
    started: Instant,
    messages: mpsc::UnboundedReceiver<(String, Box<Message>)>,
    sender: mpsc::UnboundedSender<(String, Box<Message>)>,
}

impl Observer {
    pub(crate) fn new(port: u16) -> Self {
        let client =
            Client::new(Endpoint::tcp("127.0.0.1", port), "observer").with_timeout(PATIENCE);
        let (sender, messages) = mpsc::unbounded_channel();
        Observer {
            client,
            collector: Collector::new(),
            started: Instant::now(),
            messages,
            sender,
        }
    }

    fn subscribe(&self, address: String) {
        let mut subscription = self.client.subscribe(&address);
        let sender = self.sender.clone();
        tokio::spawn(async move {
            while let Some(incoming) = subscription.next().await {
                if let Incoming::Message(message) = incoming
                    && sender.send((address.clone(), message)).is_err()
                {
                    return;
                }
            }
        });
    }

    /// One step: what the collector wants, and what comes; the records of flows that came.
    async fn step(&mut self) -> Vec<Record> {
        while let Some(action) = self.collector.poll_action() {
            match action {
                Action::Subscribe(address) => {
                    if address.starts_with("mc/sfe.") && address.ends_with(":0") {
                        self.subscribe(format!("{address}.flows"));
                    }
                    self.subscribe(address);
                }
                Action::Unsubscribe(_) => {}
                Action::Send { message, .. } => {
                    let client = self.client.clone();
                    // The source may not be reachable for a moment; the next one is asked for by the collector.
                    tokio::spawn(async move { drop(client.send(*message).await) });
                }
            }
        }
        let next = tokio::time::timeout(Duration::from_millis(50), self.messages.recv()).await;
        let now = self.started.elapsed();
        let mut flows = Vec::new();
        if let Ok(Some((address, message))) = next {
            let update = Update::decode(&message).unwrap();
            match update {
                Update::Records { records, skipped } if address.ends_with(".flows") => {
                    assert_eq!(skipped, []);
                    flows = records;
                }
                update => self.collector.handle(&address, update, now),
            }
        }
        self.collector.handle_timeout(now);
        flows
    }

    pub(crate) async fn until(
        &mut self,
        what: &str,
        mut fits: impl FnMut(&NetworkStatus) -> bool,
    ) -> NetworkStatus {
        let start = Instant::now();
        loop {
            self.step().await;
            let status = network_status(self.collector.records());
            if fits(&status) {
                return status;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "no {what} within {PATIENCE:?}: {status:#?}"
            );
        }
    }

    /// A record that is none of a flow, once it fits.
    pub(crate) async fn record_until(
        &mut self,
        what: &str,
        fits: impl Fn(&Record) -> bool,
    ) -> Record {
        let start = Instant::now();
        loop {
            self.step().await;
            if let Some(record) = self.collector.records().find(|record| fits(record)) {
                return record.clone();
            }
            assert!(start.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        }
    }

    /// The records of flows, merged, until one of them fits.
    pub(crate) async fn flow_until(&mut self, fits: impl Fn(&Record) -> bool) -> Record {
        let flows = self.flows_until(|flows| flows.values().any(&fits)).await;
        flows.into_values().find(fits).unwrap()
    }

    /// The records of flows by their identities, merged, until together they fit.
    pub(crate) async fn flows_until(
        &mut self,
        fit: impl Fn(&BTreeMap<String, Record>) -> bool,
    ) -> BTreeMap<String, Record> {
        let start = Instant::now();
        let mut flows: BTreeMap<String, Record> = BTreeMap::new();
        while !fit(&flows) {
            for record in self.step().await {
                match flows.get_mut(&record.id) {
                    Some(known) => drop(known.merge(&record)),
                    None => drop(flows.insert(record.id.clone(), record)),
                }
            }
            assert!(
                start.elapsed() < PATIENCE,
                "no such flows within {PATIENCE:?}: {flows:#?}"
            );
        }
        flows
    }
}
