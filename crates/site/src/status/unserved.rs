//! Kinds that are not served yet: their status says so, and what to do instead.

use jiff::Timestamp;
use skupper_api::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, Kind, MultiKeyListener,
    State, StatusFields, condition,
};

use crate::pass::Pass;
use crate::{ObjectKind, Objects};

/// Writes the statuses of all resources of these kinds.
pub(crate) fn report(pass: &mut Pass<'_>) {
    let observed = pass.observed;
    each(
        pass,
        ObjectKind::MultiKeyListener,
        &observed.multi_key_listeners,
        |object: &mut MultiKeyListener, now| {
            let instead = "MultiKeyListeners are not served by this controller yet: use a Listener for each routing key";
            object.set_condition(condition::CONFIGURED, &State::error(instead), now);
        },
    );
    each(
        pass,
        ObjectKind::AttachedConnector,
        &observed.attached_connectors,
        |object: &mut AttachedConnector, now| {
            let instead = "AttachedConnectors are not served by this controller yet: use a Connector in the site's namespace, \
            with spec.host naming a Service of this one";
            object.set_condition(condition::CONFIGURED, &State::error(instead), now);
        },
    );
    let bindings = &observed.attached_connector_bindings;
    each(
        pass,
        ObjectKind::AttachedConnectorBinding,
        bindings,
        |object: &mut AttachedConnectorBinding, now| {
            let instead = "AttachedConnectorBindings are not served by this controller yet: use a Connector with spec.host naming a \
            Service of the other namespace";
            object.set_condition(condition::CONFIGURED, &State::error(instead), now);
        },
    );
    each(
        pass,
        ObjectKind::AccessGrant,
        &observed.access_grants,
        |object: &mut AccessGrant, now| {
            // The message of upstream's controller where grants are switched off.
            object.set_condition(
                condition::PROCESSED,
                &State::error("AccessGrants are not enabled"),
                now,
            );
        },
    );
    each(
        pass,
        ObjectKind::AccessToken,
        &observed.access_tokens,
        |object: &mut AccessToken, now| {
            if object.status.as_ref().is_some_and(|status| status.redeemed) {
                return;
            }
            let instead = "AccessTokens are not served by this controller yet: use skupper link generate in the other site and apply \
            its output here";
            object.set_condition(condition::REDEEMED, &State::error(instead), now);
        },
    );
}

fn each<K>(
    pass: &mut Pass<'_>,
    kind: ObjectKind,
    objects: &Objects<K>,
    set: impl Fn(&mut K, Timestamp),
) where
    K: Kind + Clone,
    K::Status: serde::Serialize + PartialEq + StatusFields,
{
    for (name, seen) in objects {
        let mut object = K::clone(seen);
        set(&mut object, pass.now);
        let Some(wanted) = object.status() else {
            continue;
        };
        pass.set_status(kind, name, seen.status(), wanted);
    }
}
