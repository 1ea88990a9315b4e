//! How a site's router is reached from outside: RouterAccess → SecuredAccess → Service, Route → endpoints.

mod access_type;
mod expose;
mod route;
mod router_access;
mod secured_access;

pub use access_type::{AccessType, UnknownAccessType};
pub use route::{Route, RouteIngress, RoutePort, RouteSpec, RouteStatus, RouteTls, RouteTo};

pub(crate) use router_access::{
    Reported, RouterAccessView, report as report_router_accesses, want_secured_accesses,
};
pub(crate) use secured_access::{Exposed, expose_all, report as report_secured_accesses};

/// A setting of Site and RouterAccess that is passed on for ingress types.
pub(crate) const INGRESS_CLASS_NAME: &str = "ingressClassName";
