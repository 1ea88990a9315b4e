//! The router's entities as the agent shows them: those that the router keeps, and those that only the agent knows of.

use std::ops::ControlFlow;
use std::sync::{Arc, MutexGuard};

use skupper_management::agent::{Failure, LogLine, Store};
use skupper_management::entity::{Level, Mode};
use skupper_management::schema::MODULES;
use skupper_management::{Attributes, Kind, Value};

use super::logging::logs;
use super::{Shared, counters};
use crate::core::addresses::Totals;
use crate::entities::Entities;
use crate::policy::Policy;
use crate::tcp::ObservedFlows;

type Visit<'a> = &'a mut dyn FnMut(Attributes) -> ControlFlow<()>;

/// The entities, held.
pub(crate) struct View<'a> {
    entities: MutexGuard<'a, Entities>,
    shared: &'a Arc<Shared>,
    /// Who asks may have connections closed.
    administers: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(entities: MutexGuard<'a, Entities>, shared: &'a Arc<Shared>) -> Self {
        View {
            entities,
            shared,
            administers: true,
        }
    }

    /// For somebody who may have connections closed, or may not.
    pub(super) fn administered_by(mut self, administers: bool) -> Self {
        self.administers = administers;
        self
    }

    /// Shows all entities of a type.
    pub(crate) fn all(&self, kind: Kind) -> Vec<Attributes> {
        let mut all = Vec::new();
        self.visit(kind, &mut |entity| {
            all.push(entity);
            ControlFlow::Continue(())
        });
        all
    }

    /// The policy.
    pub(super) fn policy(&self) -> &Policy {
        &self.shared.context.policy
    }

    /// Deliveries of all addresses.
    pub(super) fn totals(&self) -> &Totals {
        &self.shared.context.dispatch.uses.totals
    }

    /// Flows in which a protocol is seen.
    pub(super) fn observed(&self) -> &ObservedFlows {
        &self.shared.context.observed
    }

    /// Every module has an entity, configured or not.
    fn visit_logs(&self, visit: Visit<'_>) {
        let configured = |module: &str| {
            self.entities
                .configured(Kind::Log)
                .find(|log| text(log, "module") == module)
                .cloned()
        };
        for module in MODULES {
            let mut log = configured(module).unwrap_or_default();
            // What nobody has set is shown as it is.
            for (name, value) in default_log(module) {
                log.entry(name).or_insert(value);
            }
            if visit(log).is_break() {
                return;
            }
        }
    }

    fn visit_log_stats(&self, visit: Visit<'_>) {
        for module in MODULES {
            let counts = logs().counts(module);
            let count = |level: Level| Value::from(counts[level as usize]);
            let stats = attributes([
                ("name", (*module).into()),
                ("identity", format!("logStats/{module}").into()),
                ("debugCount", count(Level::Debug)),
                ("infoCount", count(Level::Info)),
                // No module has such a level any more.
                ("noticeCount", 0.into()),
                ("warningCount", count(Level::Warning)),
                ("errorCount", count(Level::Error)),
                ("criticalCount", count(Level::Critical)),
            ]);
            if visit(stats).is_break() {
                return;
            }
        }
    }

    /// Starts or ends what the agent runs of a listener.
    fn serve(&self, attributes: &Attributes) {
        let listener = self.entities.listener(text(attributes, "name"));
        let Some(listener) = listener.filter(|listener| listener.settings.serves_http()) else {
            return;
        };
        if let Err(error) = self.shared.servers.start(listener, self.shared) {
            tracing::error!(target: "HTTP", "{error}");
        }
    }
}

impl Store for View<'_> {
    fn mode(&self) -> Mode {
        self.entities.mode()
    }

    fn visit(&self, kind: Kind, visit: Visit<'_>) {
        match kind {
            Kind::Log => self.visit_logs(visit),
            Kind::LogStats => self.visit_log_stats(visit),
            Kind::RouterMetrics | Kind::Policy | Kind::Router => {
                self.entities.visit(kind, &mut |mut entity| {
                    counters::complete(kind, &mut entity, self);
                    visit(entity)
                })
            }
            _ => self.entities.visit(kind, visit),
        }
    }

    fn find(&self, kind: Kind, attribute: &str, value: &str) -> Vec<Attributes> {
        match kind {
            Kind::Log | Kind::LogStats | Kind::RouterMetrics | Kind::Policy | Kind::Router => {
                let own = |entity: &Attributes| {
                    let found = text(entity, attribute);
                    if found.is_empty() {
                        text(entity, "identity") == value
                    } else {
                        found == value
                    }
                };
                self.all(kind).into_iter().filter(own).collect()
            }
            _ => self.entities.find(kind, attribute, value),
        }
    }

    fn next_number(&mut self, kind: Kind) -> u64 {
        self.entities.next_number(kind)
    }

    fn create(&mut self, kind: Kind, attributes: Attributes) -> Result<Attributes, Failure> {
        let made = self.entities.create(kind, attributes)?;
        if kind == Kind::Listener {
            self.serve(&made);
        }
        Ok(made)
    }

    fn update(
        &mut self,
        kind: Kind,
        current: &Attributes,
        wanted: Attributes,
    ) -> Result<Attributes, Failure> {
        // Its frames in the log are no less another user's affair than its end.
        let traces = wanted.get("enableProtocolTrace") != current.get("enableProtocolTrace");
        if kind == Kind::Connection
            && (traces || text(&wanted, "adminStatus") == "deleted")
            && !self.administers
        {
            let text = "You are not allowed to perform this operation.";
            return Err(Failure::Forbidden(text.to_owned()));
        }
        let module = text(current, "module");
        if kind == Kind::Log
            && !self
                .entities
                .configured(kind)
                .any(|log| text(log, "module") == module)
        {
            // Until now the module had what it inherits.
            return self.entities.create(kind, wanted);
        }
        self.entities.update(kind, current, wanted)
    }

    fn delete(&mut self, kind: Kind, current: &Attributes) -> Result<(), Failure> {
        self.entities.delete(kind, current)?;
        if kind == Kind::Listener {
            self.shared.servers.stop(text(current, "name"));
        }
        Ok(())
    }

    fn log(&self, limit: Option<usize>) -> Vec<LogLine> {
        logs().recent(limit)
    }
}

fn default_log(module: &str) -> Attributes {
    let identity = format!("log/{module}");
    let mut log = attributes([
        ("module", module.into()),
        ("name", identity.as_str().into()),
        ("identity", identity.as_str().into()),
    ]);
    if module == "DEFAULT" {
        log.extend(attributes([
            ("enable", "info+".into()),
            ("includeTimestamp", true.into()),
            ("includeSource", false.into()),
            ("outputFile", "stderr".into()),
        ]));
    }
    log
}

pub(super) fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn text<'a>(entity: &'a Attributes, name: &str) -> &'a str {
    entity.get(name).and_then(Value::as_str).unwrap_or_default()
}
