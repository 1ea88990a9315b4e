//! Objects that are the same for every site: accounts for the router's pod, the Service for use within the cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};
use skupper_api::Site;

use crate::ObjectKind;
use crate::names::{ROUTER, ROUTER_LOCAL};
use crate::pass::Pass;

/// Role, ServiceAccount and RoleBinding of the router's pod, unless the Site names a service account of its own.
pub(super) fn accounts(pass: &mut Pass<'_>, site: &Site, owner: &OwnerReference) {
    if !site.spec.service_account.is_empty() {
        return;
    }
    let observed = pass.observed;
    let with = |rest: Value| {
        let mut body = json!({"metadata": {"name": ROUTER, "ownerReferences": [owner]}});
        if let (Value::Object(body), Value::Object(rest)) = (&mut body, rest) {
            body.extend(rest);
        }
        body
    };
    let role = with(json!({"rules": rules()}));
    pass.want(
        ObjectKind::Role,
        observed.roles.get(ROUTER).map(|seen| &**seen),
        role,
    );
    let account = with(json!({}));
    pass.want(
        ObjectKind::ServiceAccount,
        observed.service_accounts.get(ROUTER).map(|seen| &**seen),
        account,
    );
    let binding = with(json!({
        "subjects": [{"kind": "ServiceAccount", "name": ROUTER}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ROUTER},
    }));
    pass.want(
        ObjectKind::RoleBinding,
        observed.role_bindings.get(ROUTER).map(|seen| &**seen),
        binding,
    );
}

/// What the adaptor may do, ours and upstream's, in upstream's order (reference §3.3).
fn rules() -> Value {
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let read = ["get", "list", "watch"];
    let write = ["get", "list", "watch", "create", "update", "delete"];
    json!([
        rule("", &["secrets", "pods"], &read),
        rule("", &["configmaps"], &write),
        rule("apps", &["deployments"], &["get"]),
        rule("", &["secrets"], &["update", "delete"]),
        rule("", &["services"], &read),
        rule("coordination.k8s.io", &["leases"], &write),
    ])
}

/// The Service by which consumers in the cluster reach the router over AMQPS.
pub(super) fn local_service(pass: &mut Pass<'_>, owner: &OwnerReference) {
    let wanted = json!({
        "metadata": {"name": ROUTER_LOCAL, "ownerReferences": [owner]},
        "spec": {
            "ports": [{"name": "amqps", "port": 5671, "targetPort": 5671, "protocol": "TCP"}],
            "selector": {
                "app.kubernetes.io/name": ROUTER,
                "app.kubernetes.io/part-of": "skupper",
                "application": ROUTER,
                "skupper.io/component": "router",
            },
        },
    });
    let observed = pass.observed;
    pass.apply(
        ObjectKind::Service,
        observed.services.get(ROUTER_LOCAL).map(|seen| &**seen),
        wanted,
    );
}
