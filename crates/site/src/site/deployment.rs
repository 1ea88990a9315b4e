//! The Deployment of the router and its adaptor, as upstream's (reference §3.5).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use skupper_api::Site;

use super::sizing::{self, Resources};
use crate::names::ROUTER;
use crate::pass::Pass;
use crate::profiles::hex;
use crate::router_config::SiteSettings;
use crate::{ObjectKind, Settings};

const CERTS: (&str, &str) = ("skupper-router-certs", "/etc/skupper-router-certs");
const PROXIES: (&str, &str) = ("skupper-router-proxies", "/etc/skupper-router-proxies");

/// Wants the Deployment.
pub(super) fn want(pass: &mut Pass<'_>, site: &Site, owner: &OwnerReference) {
    let (resources, notes) = sizing::of(site, &pass.observed.outside.sizings);
    pass.plan.notes.extend(notes);
    let wanted = json!({
        "metadata": {"name": ROUTER, "labels": labels(), "ownerReferences": [owner]},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"skupper.io/component": "router"}},
            "template": template(site, pass.settings, &resources),
        },
    });
    let observed = pass.observed;
    pass.apply(
        ObjectKind::Deployment,
        observed.deployments.get(ROUTER).map(|seen| &**seen),
        wanted,
    );
}

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": ROUTER,
        "app.kubernetes.io/part-of": "skupper",
        "application": ROUTER,
        "skupper.io/component": "router",
        "skupper.io/type": "site",
    })
}

fn template(site: &Site, settings: &Settings, resources: &Resources) -> Value {
    let mut labels = labels();
    labels["skupper.io/group"] = ROUTER.into();
    let account = match site.spec.service_account.as_str() {
        "" => ROUTER,
        account => account,
    };
    let mut spec = json!({
        "serviceAccount": account,
        "serviceAccountName": account,
        "initContainers": [init(settings, resources)],
        "containers": [router(site, settings, resources), adaptor(site, settings, resources)],
        "volumes": [{"name": CERTS.0, "emptyDir": {}}, {"name": PROXIES.0, "emptyDir": {}}],
    });
    if !settings.disable_security_context {
        spec["securityContext"] = json!({"runAsNonRoot": true});
    }
    json!({
        "metadata": {
            "labels": labels,
            "annotations": {
                "prometheus.io/port": "9090",
                "prometheus.io/scrape": "true",
                "skupper.io/config-digest": digest(site),
            },
        },
        "spec": spec,
    })
}

/// What the router reads at its start only: a change rolls the pod.
fn digest(site: &Site) -> String {
    let settings = SiteSettings::of(site);
    let text = format!(
        "interior{}{}",
        settings.data_connections, settings.logging_text
    );
    hex(&Sha256::digest(text))
}

fn router(site: &Site, settings: &Settings, resources: &Resources) -> Value {
    let port =
        |name: &str, port: u16| json!({"name": name, "containerPort": port, "protocol": "TCP"});
    let mut container = container(
        "router",
        &settings.images.router,
        &settings.images.router_pull_policy,
        settings,
    );
    container["env"] = json!([
        env("QDROUTERD_CONF", "/etc/skupper-router-certs/skrouterd.json"),
        env("QDROUTERD_CONF_TYPE", "json"),
        env("SKUPPER_SITE_ID", site.id()),
    ]);
    container["ports"] = json!([
        port("amqps", 5671),
        port("http", 9090),
        port("inter-router", 55671),
        port("edge", 45671)
    ]);
    container["livenessProbe"] = probe(9090, 60);
    container["readinessProbe"] = probe(9090, 1);
    container["resources"] = resources.router.clone();
    container
}

fn adaptor(site: &Site, settings: &Settings, resources: &Resources) -> Value {
    let images = &settings.images;
    let mut container = container(
        "kube-adaptor",
        &images.adaptor,
        &images.adaptor_pull_policy,
        settings,
    );
    let namespace = json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    container["env"] = json!([
        {"name": "SKUPPER_NAMESPACE", "valueFrom": namespace},
        env("SKUPPER_SITE_ID", site.id()),
        env("SKUPPER_SITE_NAME", site.metadata.name.as_deref().unwrap_or_default()),
        env("SKUPPER_ROUTER_CONFIG", ROUTER),
        env("SKUPPER_ROUTER_DEPLOYMENT", ROUTER),
    ]);
    container["ports"] = json!([{"name": "metrics", "containerPort": 9000, "protocol": "TCP"}]);
    container["readinessProbe"] = probe(9191, 1);
    container["resources"] = resources.adaptor.clone();
    container
}

fn init(settings: &Settings, resources: &Resources) -> Value {
    let images = &settings.images;
    let mut container = container(
        "config-init",
        &images.adaptor,
        &images.adaptor_pull_policy,
        settings,
    );
    container["command"] = json!(["/app/kube-adaptor", "-init"]);
    container["env"] = json!([env("SKUPPER_ROUTER_CONFIG", ROUTER)]);
    container["resources"] = resources.adaptor.clone();
    container
}

fn container(name: &str, image: &str, pull_policy: &str, settings: &Settings) -> Value {
    let mut container = json!({
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy,
        "volumeMounts": [
            {"name": CERTS.0, "mountPath": CERTS.1},
            {"name": PROXIES.0, "mountPath": PROXIES.1},
        ],
    });
    if !settings.disable_security_context {
        container["securityContext"] = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
        });
    }
    container
}

fn env(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn probe(port: u16, initial_delay: u32) -> Value {
    json!({
        "httpGet": {"path": "/healthz", "port": port, "scheme": "HTTP"},
        "initialDelaySeconds": initial_delay,
        "periodSeconds": 10,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    })
}
