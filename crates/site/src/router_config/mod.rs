//! The ConfigMap `skupper-router`: what the router is to be, and the revisions of its credentials.

mod build;
mod ordinals;
mod publish;
mod site_settings;

pub(crate) use build::Draft;
pub(crate) use publish::publish;
pub(crate) use site_settings::{SiteSettings, bounded};

use skupper_management::RouterConfig;
use skupper_management::config::PROTECTED_LISTENERS;

use crate::names::{ROUTER, ROUTER_CONFIG_KEY};
use crate::pass::Pass;
use crate::profiles::{self, Profiles};

/// What stands in the router's ConfigMap now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current {
    pub(crate) config: RouterConfig,
    pub(crate) profiles: Profiles,
}

impl Current {
    /// Reads it. A document that cannot be read counts as empty: it is written anew.
    pub(crate) fn of(pass: &Pass<'_>) -> Self {
        let Some(config_map) = pass.observed.config_maps.get(ROUTER) else {
            return Current::default();
        };
        let text = config_map
            .data
            .as_ref()
            .and_then(|data| data.get(ROUTER_CONFIG_KEY));
        let config = text
            .and_then(|text| RouterConfig::parse(text).ok())
            .unwrap_or_default();
        Current {
            config,
            profiles: profiles::of(config_map),
        }
    }

    /// Ports that plain listeners of the router use, so that services cannot have them.
    pub(crate) fn reserved_ports(config: &RouterConfig) -> impl Iterator<Item = u16> + '_ {
        config.listeners.values().map(|listener| listener.port)
    }
}

/// Whether a listener exists for the router's own sake.
pub(crate) fn is_protected(name: &str) -> bool {
    PROTECTED_LISTENERS.contains(&name)
}
