//! Removing what the demo made: at its end, on failure, and when it is interrupted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cluster::Cluster;
use crate::progress::say;

/// What is to be removed; shared with the thread that waits for signals.
#[derive(Clone)]
pub(super) struct Cleanup {
    what: Arc<Mutex<What>>,
    /// The demo's files.
    folder: Arc<Mutex<Option<PathBuf>>>,
    /// A signal came: its thread cleans up, and ends the program.
    interrupted: Arc<AtomicBool>,
}

enum What {
    /// A cluster of our own, by its name: with it all is gone.
    Own(&'static str),
    /// Things in a user's cluster.
    Existing(Box<Things>),
    /// It has been removed.
    Done,
}

#[derive(Default)]
struct Things {
    cluster: Option<Cluster>,
    namespaces: Vec<String>,
    /// The controller and its cluster-wide rights were not there before.
    controller: bool,
    /// Nor were the resource definitions.
    definitions: bool,
}

impl Cleanup {
    pub(super) fn own(name: &'static str) -> Self {
        Self::of(What::Own(name))
    }

    pub(super) fn existing() -> Self {
        Self::of(What::Existing(Box::default()))
    }

    fn of(what: What) -> Self {
        Self {
            what: Arc::new(Mutex::new(what)),
            folder: Arc::default(),
            interrupted: Arc::default(),
        }
    }

    pub(super) fn remember_folder(&self, folder: &Path) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.to_owned());
    }

    /// Removes everything when the demo is interrupted, unless it is to be kept.
    pub(super) fn on_signals(self, keep: bool) -> Result<Self> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
        let here = self.clone();
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                here.interrupted.store(true, Ordering::SeqCst);
                say(if keep {
                    "interrupted; what is there stays (--keep)"
                } else {
                    "interrupted; cleaning up"
                });
                if !keep && let Err(error) = here.run() {
                    say(&format!("{error:#}"));
                }
                std::process::exit(128 + signal);
            }
        });
        Ok(self)
    }

    /// Does not come back if the demo was interrupted: whatever failed since then failed because of that.
    pub(super) fn give_way_to_signals(&self) {
        while self.interrupted.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }

    /// Looks which parts are in the user's cluster before the demo puts its own there.
    pub(super) fn remember(&self, cluster: &Cluster) -> Result<()> {
        let there = |words: [&str; 3]| -> Result<bool> {
            Ok(!cluster
                .kubectl(
                    words
                        .into_iter()
                        .chain(["--ignore-not-found", "--output=name"]),
                )?
                .trim()
                .is_empty())
        };
        let controller = !there(["get", "namespace", "skupper"])?;
        let definitions = !there(["get", "crd", "sites.skupper.io"])?;
        self.with(|what| {
            if let What::Existing(things) = what {
                things.cluster = Some(cluster.clone());
                things.controller = controller;
                things.definitions = definitions;
            }
        });
        Ok(())
    }

    pub(super) fn remember_namespaces<'a>(&self, names: impl IntoIterator<Item = &'a String>) {
        self.with(|what| {
            if let What::Existing(things) = what {
                things.namespaces.extend(names.into_iter().cloned());
            }
        });
    }

    /// Removes everything, once.
    pub(super) fn run(&self) -> Result<()> {
        if let Some(folder) = self
            .folder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            std::fs::remove_dir_all(folder).ok(); // In /tmp: no harm if it stays.
        }
        // Held meanwhile: who comes second waits until all is gone.
        let mut what = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *what, What::Done) {
            What::Own(name) => Cluster::down_by_name(name)
                .with_context(|| format!("cluster {name} is still there")),
            What::Existing(things) => things.remove(),
            What::Done => Ok(()),
        }
    }

    fn with(&self, change: impl FnOnce(&mut What)) {
        change(&mut self.what.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Things {
    fn remove(&self) -> Result<()> {
        let Some(cluster) = &self.cluster else {
            return Ok(());
        };
        let delete = |words: &[&str]| {
            let all = ["delete", "--ignore-not-found"].iter().chain(words);
            cluster
                .kubectl(all)
                .with_context(|| format!("still there: {}", words.join(" ")))
        };
        for namespace in &self.namespaces {
            delete(&["namespace", namespace])?;
        }
        if self.controller {
            delete(&["namespace", "skupper"])?;
            delete(&["clusterrole,clusterrolebinding", "skupper-controller"])?;
        }
        if self.definitions {
            let folder = crate::cargo::workspace().join("deploy/crds");
            delete(&["-f", &folder.to_string_lossy()])?;
        }
        Ok(())
    }
}
