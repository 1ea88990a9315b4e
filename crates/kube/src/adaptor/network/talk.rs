//! Messages between the router and what decides about them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use skupper_client::{Client as Router, Endpoint, Incoming};
use skupper_vanflow::collector::Action;
use skupper_vanflow::network_status::{NetworkStatus, network_status};
use skupper_vanflow::source::BEACONS;
use skupper_vanflow::{Collector, Record, Update};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, trace};

use super::pods::{self, News};
use super::status::write_all;
use super::teller::{Outgoing, Teller};

/// The document is made anew no more often than this.
const APART: Duration = Duration::from_millis(500);
/// Messages that wait to be sent at most; what does not fit is told again when somebody asks.
const QUEUE: usize = 1000;
/// How long a message may take until somebody has it.
const SEND: Duration = Duration::from_secs(2);

/// A site whose network is looked after.
pub(crate) struct Network {
    pub(crate) client: kube::Client,
    pub(crate) namespace: String,
    /// Its router.
    pub(crate) endpoint: Endpoint,
    /// The SITE record.
    pub(crate) site: Record,
    /// Owner of the ConfigMap.
    pub(crate) owner: Option<OwnerReference>,
}

impl Network {
    /// Collects, tells and writes until dropped.
    pub(crate) async fn run(self) {
        let router = Router::new(self.endpoint.clone(), "kube-flow-collector");
        let (documents, written) = watch::channel(None);
        let (news_sender, news) = mpsc::channel(64);
        let (messages, queue) = mpsc::channel(QUEUE);
        let site_id = self.site.id.clone();
        let talk = Talk::new(router.clone(), self.site, messages, documents);
        tokio::select! {
            () = talk.run(news) => {}
            () = send_all(router, queue) => {}
            () = pods::watch(&self.client, &self.namespace, &site_id, &news_sender) => {}
            () = write_all(&self.client, &self.namespace, self.owner, written) => {}
        }
    }
}

/// Sends messages one after the other. Nobody at an address is no trouble: whoever comes asks.
async fn send_all(router: Router, mut queue: mpsc::Receiver<Outgoing>) {
    let router = router.with_timeout(SEND);
    let state = router.state();
    while let Some((address, message)) = queue.recv().await {
        if state.borrow().router.is_none() {
            continue;
        }
        if let Err(error) = router.send(message).await {
            trace!(address, %error, "not taken");
        }
    }
}

/// What one subscription brought.
type Came = (String, Incoming);

struct Talk {
    router: Router,
    start: Instant,
    collector: Collector,
    teller: Teller,
    subscriptions: BTreeMap<String, AbortHandle>,
    came: (mpsc::Sender<Came>, mpsc::Receiver<Came>),
    messages: mpsc::Sender<Outgoing>,
    documents: watch::Sender<Option<NetworkStatus>>,
    /// Sources heard of.
    sources: BTreeSet<String>,
    /// The document is to be made then.
    make_at: Option<Duration>,
    made_at: Option<Duration>,
    /// Connections to the router so far.
    generation: u64,
}

impl Drop for Talk {
    fn drop(&mut self) {
        for subscription in self.subscriptions.values() {
            subscription.abort();
        }
    }
}

impl Talk {
    fn new(
        router: Router,
        site: Record,
        messages: mpsc::Sender<Outgoing>,
        documents: watch::Sender<Option<NetworkStatus>>,
    ) -> Self {
        let mut teller = Teller::new(&site.id, Duration::ZERO);
        teller.set(site, Duration::ZERO);
        Self {
            router,
            start: Instant::now(),
            collector: Collector::new(),
            teller,
            subscriptions: BTreeMap::new(),
            came: mpsc::channel(64),
            messages,
            documents,
            sources: BTreeSet::new(),
            make_at: None,
            made_at: None,
            generation: 0,
        }
    }

    async fn run(mut self, mut news: mpsc::Receiver<News>) {
        self.subscribe(self.teller.direct().to_owned());
        let mut state = self.router.state();
        loop {
            self.act();
            let due = [
                self.collector.next_timeout(),
                Some(self.teller.next_timeout()),
                self.make_at,
            ];
            let due = due.into_iter().flatten().min().unwrap_or_default();
            tokio::select! {
                Some((address, incoming)) = self.came.1.recv() => self.incoming(&address, incoming),
                told = news.recv() => match told {
                    Some(told) => self.pod(told),
                    None => return,
                },
                changed = state.changed() => if changed.is_err() { return },
                () = sleep_until(self.start + due) => {}
            }
            let now = self.now();
            let generation = state.borrow_and_update().generation;
            if generation > self.generation {
                let again = self.generation > 0;
                self.generation = generation;
                if again {
                    self.collector.reconnected(now);
                    self.teller.reconnected(now);
                }
            }
            self.collector.handle_timeout(now);
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn incoming(&mut self, address: &str, incoming: Incoming) {
        let Incoming::Message(message) = incoming else {
            return;
        };
        let now = self.now();
        match Update::decode(&message) {
            Ok(Update::Flush) if address == self.teller.direct() => self.teller.flush(now),
            Ok(update) => {
                self.collector.handle(address, update, now);
                if address == BEACONS {
                    self.look_for_new_sources(now);
                }
            }
            Err(error) => debug!(address, %error, "a message makes no sense"),
        }
    }

    /// Whoever is new collects as well, and need not wait for this site's next beacon.
    fn look_for_new_sources(&mut self, now: Duration) {
        let own = self.teller.id();
        let sources: BTreeSet<String> = self
            .collector
            .sources()
            .map(|source| source.id.clone())
            .filter(|id| id != own)
            .collect();
        if !sources.is_subset(&self.sources) {
            self.teller.somebody_new(now);
        }
        self.sources = sources;
    }

    fn pod(&mut self, told: News) {
        let now = self.now();
        match told {
            News::Is(record) => self.teller.set(*record, now),
            News::Gone(id) => self.teller.end(&id, epoch(), now),
            News::All(ids) => {
                let site = self.teller.id().to_owned();
                let known: Vec<String> = self.teller.ids().map(str::to_owned).collect();
                for id in known {
                    if id != site && !ids.contains(&id) {
                        self.teller.end(&id, epoch(), now);
                    }
                }
            }
        }
    }

    /// Does what is to be done.
    fn act(&mut self) {
        while let Some(action) = self.collector.poll_action() {
            match action {
                Action::Subscribe(address) => self.subscribe(address),
                Action::Unsubscribe(address) => {
                    if let Some(subscription) = self.subscriptions.remove(&address) {
                        subscription.abort();
                    }
                }
                Action::Send { address, message } => self.send((address, *message)),
            }
        }
        let now = self.now();
        for message in self.teller.poll(now, epoch()) {
            self.send(message);
        }
        if self.collector.take_changed() {
            let at = self.made_at.map_or(now, |made| made + APART);
            self.make_at.get_or_insert(at.max(now));
        }
        if self.make_at.take_if(|at| *at <= now).is_some() {
            self.made_at = Some(now);
            let document = network_status(self.collector.records());
            self.documents.send_if_modified(|before| {
                let changed = before.as_ref() != Some(&document);
                *before = Some(document);
                changed
            });
        }
    }

    /// A connection made anew has its subscriptions already.
    fn subscribe(&mut self, address: String) {
        if self.subscriptions.contains_key(&address) {
            return;
        }
        let mut subscription = self.router.subscribe(&address);
        let sender = self.came.0.clone();
        let to = address.clone();
        let task = tokio::spawn(async move {
            while let Some(incoming) = subscription.next().await {
                if sender.send((to.clone(), incoming)).await.is_err() {
                    return;
                }
            }
        });
        self.subscriptions.insert(address, task.abort_handle());
    }

    fn send(&self, message: Outgoing) {
        if self.messages.try_send(message).is_err() {
            debug!("too much to tell at once: what is left out is told when somebody asks");
        }
    }
}

/// Microseconds since the epoch.
fn epoch() -> u64 {
    u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0)
}
