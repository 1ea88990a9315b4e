//! Which Site of a namespace is in charge, and whether it can be served.

use std::sync::Arc;

use skupper_api::{Site, State};

use crate::access::AccessType;
use crate::names::{ROUTER, SITE_CA};
use crate::pass::Pass;
use crate::{ObjectKind, Settings};

/// The Site that is in charge of the namespace.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) site: Arc<Site>,
    /// Why it cannot be served, if so: nothing is made for it then, and nothing that was made is touched.
    pub(crate) refusal: Option<String>,
}

impl Active {
    /// The CA of this site unless something names another.
    pub(crate) fn default_issuer(&self) -> &str {
        default_issuer(&self.site)
    }
}

/// The CA of a Site: the one it names, or its own.
pub(crate) fn default_issuer(site: &Site) -> &str {
    match site.spec.default_issuer.as_str() {
        "" => SITE_CA,
        issuer => issuer,
    }
}

/// Chooses the active Site: the one that owns the router's ConfigMap; before there is one, the oldest.
pub(crate) fn choose(pass: &Pass<'_>) -> Option<Active> {
    // One that is being deleted is gone already: what it had must not be made again.
    let sites = || {
        pass.observed
            .sites
            .values()
            .filter(|site| site.metadata.deletion_timestamp.is_none())
    };
    let config = pass.observed.config_maps.get(ROUTER);
    let owners = config
        .and_then(|config| config.metadata.owner_references.as_deref())
        .unwrap_or_default();
    let owned = sites().find(|site| {
        owners
            .iter()
            .any(|owner| owner.uid == site.id() && Some(&owner.name) == site.metadata.name.as_ref())
    });
    let oldest = || {
        sites().min_by_key(|site| {
            (
                site.metadata.creation_timestamp.as_ref().map(|time| time.0),
                site.metadata.name.clone(),
            )
        })
    };
    let site = Arc::clone(owned.or_else(oldest)?);
    let foreign = (config.is_some() && owned.is_none())
        .then(|| format!("{ROUTER} is not owned by skupper site \"{}\"", site.id()));
    let refusal = unsupported(&site, pass.settings).or(foreign);
    Some(Active { site, refusal })
}

/// Why a Site cannot be served, whatever else is in its namespace.
fn unsupported(site: &Site, settings: &Settings) -> Option<String> {
    let spec = &site.spec;
    if spec.edge && spec.ha {
        return Some("Edge sites cannot have HA enabled".to_owned());
    }
    if spec.edge {
        return Some("spec.edge is true, but this controller serves interior sites only for now: set it to false".to_owned());
    }
    if spec.ha {
        return Some("spec.ha is true, but this controller runs one router for a site for now: set it to false".to_owned());
    }
    if spec.accepts_links() && spec.link_access != "default" {
        let known = spec.link_access.parse::<AccessType>().ok();
        if !known.is_some_and(|access_type| settings.access.enabled.contains(&access_type)) {
            return Some(format!(
                "Unsupported value for LinkAccess: {}",
                spec.link_access
            ));
        }
    }
    None
}

/// What the other Sites of the namespace are told.
pub(crate) fn not_active(active: &Active) -> State {
    let name = active.site.metadata.name.as_deref().unwrap_or_default();
    State::error(format!(
        "An active site already exists in the namespace ({name})"
    ))
}

/// What the API server refused of the objects that every site has.
pub(crate) fn failures(pass: &Pass<'_>) -> Vec<String> {
    use ObjectKind::{
        Certificate, ConfigMap, Deployment, Role, RoleBinding, RouterAccess, Service,
        ServiceAccount,
    };
    let own = [
        ConfigMap,
        Deployment,
        Role,
        RoleBinding,
        ServiceAccount,
        RouterAccess,
        Service,
        Certificate,
    ];
    pass.observed
        .failures
        .iter()
        .filter(|((kind, name), _)| own.contains(kind) && name.starts_with("skupper-"))
        .map(|((kind, name), message)| format!("{kind} {name} could not be written: {message}"))
        .collect()
}
