//! The part of an OpenShift Route (`route.openshift.io/v1`) that passes TLS through to a router.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// An OpenShift Route. Fields that do not matter here are not kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// Name, labels, owners.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: RouteSpec,
    /// What the routers of the cluster made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RouteStatus>,
}

/// Host, target and TLS of a Route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteSpec {
    /// The host; chosen by OpenShift where empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Which port of the Service.
    pub port: RoutePort,
    /// Which Service.
    pub to: RouteTo,
    /// What happens to TLS.
    pub tls: RouteTls,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RoutePort {
    /// Name or number.
    pub target_port: serde_json::Value,
}

/// The Service behind a Route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteTo {
    /// `Service`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its share of the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
}

/// What happens to TLS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteTls {
    /// `passthrough`: the router's certificate is what the client sees.
    pub termination: String,
    /// What happens to plain HTTP: `None`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub insecure_edge_termination_policy: String,
}

/// What the cluster's routers made of a Route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteStatus {
    /// One for each of them.
    pub ingress: Vec<RouteIngress>,
}

/// One of the cluster's routers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteIngress {
    /// The host under which it admitted the Route.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
}
