//! Profiles by name, and what of them is in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use skupper_management::entity::SslProfile as Settings;
use tokio::sync::watch;

use super::loaded::{LoadError, Loaded};

/// Which revisions of a credential are made and kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revision {
    /// The revision that new connections are made with.
    pub ordinal: u64,
    /// Connections of older revisions than this are closed.
    pub oldest: u64,
    /// Counts updates: files may change without their ordinal.
    pub update: u64,
}

impl Revision {
    /// Whether what was made with this ordinal may stay. One above the newest was counted before the ordinals began anew, which they
    /// do where a profile is deleted and made again: it is older than all that there are now.
    fn admits(&self, ordinal: u64) -> bool {
        (self.oldest..=self.ordinal).contains(&ordinal)
    }
}

/// One `sslProfile` entity.
pub struct Profile {
    settings: Mutex<Settings>,
    loaded: ArcSwapOption<Loaded>,
    problem: Mutex<Option<LoadError>>,
    revision: watch::Sender<Revision>,
}

impl Profile {
    fn new(settings: Settings) -> Self {
        let revision = Revision {
            ordinal: settings.ordinal,
            oldest: settings.oldest_valid_ordinal,
            update: 0,
        };
        Profile {
            settings: Mutex::new(settings),
            loaded: ArcSwapOption::empty(),
            problem: Mutex::default(),
            revision: watch::Sender::new(revision),
        }
    }

    fn settings_lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration in force.
    pub fn settings(&self) -> Settings {
        self.settings_lock().clone()
    }

    /// What is in use, if anything is.
    pub fn in_use(&self) -> Option<Arc<Loaded>> {
        self.loaded.load_full()
    }

    /// Why the newest files cannot be used.
    pub fn problem(&self) -> Option<LoadError> {
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells of updates, and ends with the profile: another of its name may follow.
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    /// What the next handshake uses. Files are read when they are first needed, and again as long as they were no use.
    pub fn current(&self) -> Result<Arc<Loaded>, LoadError> {
        if let Some(loaded) = self.loaded.load_full() {
            return Ok(loaded);
        }
        let settings = self.settings_lock();
        // Another may have been quicker.
        if let Some(loaded) = self.loaded.load_full() {
            return Ok(loaded);
        }
        self.publish(Loaded::load(&settings))
    }

    fn publish(&self, outcome: Result<Loaded, LoadError>) -> Result<Arc<Loaded>, LoadError> {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                self.loaded.store(Some(loaded.clone()));
                *problem = None;
                Ok(loaded)
            }
            Err(error) => {
                *problem = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Reads the files anew. What cannot be loaded changes nothing but [`problem`](Self::problem).
    fn update(&self, settings: Settings) -> Result<(), LoadError> {
        let mut current = self.settings_lock();
        // Files that nobody has wanted yet are not looked at.
        let wanted = self.in_use().is_some() || self.problem().is_some();
        let outcome = wanted.then(|| Loaded::load(&settings));
        let mut published = Ok(());
        // Whoever has what was loaded finds its ordinal among those that may stay.
        self.revision.send_if_modified(|revision| {
            if let Some(outcome) = outcome {
                published = self.publish(outcome).map(drop);
            }
            if published.is_ok() {
                *revision = Revision {
                    ordinal: settings.ordinal,
                    oldest: settings.oldest_valid_ordinal,
                    update: revision.update + 1,
                };
            }
            published.is_ok()
        });
        published?;
        *current = settings;
        Ok(())
    }
}

/// All profiles of a router.
#[derive(Default)]
pub struct Profiles {
    by_name: RwLock<HashMap<String, Arc<Profile>>>,
}

impl Profiles {
    /// A new profile; its files are not looked at before it is used. One of the name that was deleted while it was in use ends, and
    /// whoever has used it uses this one from now on.
    pub fn create(&self, settings: Settings) -> Arc<Profile> {
        let name = settings.name.clone();
        let profile = Arc::new(Profile::new(settings));
        let mut profiles = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        profiles.insert(name, profile.clone());
        profile
    }

    /// Changes a profile, or leaves it as it was and says why.
    pub fn update(&self, settings: Settings) -> Result<(), LoadError> {
        self.get(&settings.name)?.update(settings)
    }

    /// Removes a profile. Whoever was made with it keeps what was loaded, until there is another of the name; one that nobody could
    /// load yet ends.
    pub fn remove(&self, name: &str) {
        let mut profiles = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if profiles
            .get(name)
            .is_some_and(|profile| profile.in_use().is_none())
        {
            profiles.remove(name);
        }
    }

    /// A profile by its name.
    pub fn get(&self, name: &str) -> Result<Arc<Profile>, LoadError> {
        let profiles = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        profiles
            .get(name)
            .cloned()
            .ok_or_else(|| LoadError::NoProfile(name.to_owned()))
    }

    /// Whether what was made with a profile's credential of this ordinal is no longer valid.
    pub(crate) fn is_past(&self, name: &str, ordinal: Option<u64>) -> bool {
        let Some(ordinal) = ordinal else { return false };
        let profile = self.get(name);
        profile.is_ok_and(|profile| !profile.revision.borrow().admits(ordinal))
    }

    /// The ordinal that new connections are made with, where there is such a profile.
    pub(crate) fn newest(&self, name: &str) -> Option<u64> {
        let profile = self.get(name).ok()?;
        let newest = profile.revision.borrow().ordinal;
        Some(newest)
    }
}
