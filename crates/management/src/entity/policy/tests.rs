use serde_json::json;

use super::*;

fn read(groups: Value) -> Result<(Vhost, Vec<String>), String> {
    let attributes =
        json!({"hostname": "h", "aliases": "a, b", "allowUnknownUser": false, "groups": groups});
    Vhost::read(attributes.as_object().unwrap())
}

#[test]
fn settings_have_defaults_and_lists_are_texts_or_lists() {
    let (vhost, warnings) = read(json!({
        "g": {"users": ["CN=a, b", "c"], "remoteHosts": "10.0.0.1-10.0.0.9, ::1, my-host, *", "sources": "x*, ${user}-q",
              "maxSenders": "3", "allowDynamicSource": "yes", "allowWaypointLinks": true},
        "$connector": {"targetPattern": "q.${user}, *${user}"},
    }))
    .unwrap();
    assert_eq!(vhost.aliases, ["a", "b"]);
    assert_eq!(vhost.max_connections, CONNECTIONS);
    let group = &vhost.groups["g"];
    assert_eq!(group.users, ["CN=a, b", "c"]);
    let hosts: Vec<String> = group.remote_hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["10.0.0.1-10.0.0.9", "::1", "my-host", "*"]);
    assert_eq!((group.max_senders, group.max_receivers), (3, LINKS));
    assert!(group.allow_dynamic_source && !group.allow_anonymous_sender);
    assert!(group.allow_admin_status_update);
    assert_eq!(group.max_message_size, None);
    let connector = &vhost.groups["$connector"];
    assert!(matches!(&connector.targets, LinkNames::Patterns(names) if names.len() == 2));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].ends_with("option 'allowWaypointLinks' is ignored.")
            || warnings[1].ends_with("is ignored.")
    );
    assert_eq!(vhost.users().unwrap()["c"], "g");
}

#[test]
fn what_cannot_be_is_told_in_upstreams_words() {
    for (groups, expected) in [
        (
            json!({"g": {"sources": "a", "sourcePattern": "b"}}),
            "Policy vhost 'h' user group 'g' specifies conflicting 'sources' and 'sourcePattern' attributes. Use only one or the other.",
        ),
        (
            json!({"g": {"targets": "a", "targetPattern": "b"}}),
            "Policy vhost 'h' user group 'g' specifies conflicting 'targets' and 'targetPattern' attributes. Use only one or the other.",
        ),
        (
            json!({"g": {"sourcePattern": "abc-${user}.xyz"}}),
            "Policy vhost 'h' user group 'g' policy key 'sourcePattern' item 'abc-${user}.xyz' may contain match pattern '${user}' as a prefix or a suffix only.",
        ),
        (
            json!({"g": {"sources": "${user}${user}"}}),
            "Policy vhost 'h' user group 'g' policy key 'sources' item '${user}${user}' contains multiple user substitution tokens",
        ),
        (
            json!({"g": {"maxSenders": -1}}),
            "Policy vhost 'h' user group 'g' option 'maxSenders' has error 'Value '-1' is below minimum '0'.'.",
        ),
        (
            json!({"g": {"maxConnectionsPerUser": 65536}}),
            "Policy vhost 'h' user group 'g' option 'maxConnectionsPerUser' has error 'Value '65536' is above maximum '65535'.'.",
        ),
        (
            json!({"g": {"maxFrameSize": "big"}}),
            "Policy vhost 'h' user group 'g' option 'maxFrameSize' has error 'Value 'big' does not resolve to an integer.'.",
        ),
        (
            json!({"g": {"allowDynamicSource": "perhaps"}}),
            "Policy vhost 'h' user group 'g' option 'allowDynamicSource' has illegal boolean value '\"perhaps\"'.",
        ),
        (
            json!({"g": {"remoteHosts": "10.0.0.9-10.0.0.1"}}),
            "Policy vhost 'h' user group 'g' option 'remoteHosts' connectionOption '10.0.0.9-10.0.0.1' failed to translate: 'host specs in range must have lower numeric address first'.",
        ),
        (
            json!({"g": {"remoteHosts": "10.0.0.9-::1"}}),
            "Policy vhost 'h' user group 'g' option 'remoteHosts' connectionOption '10.0.0.9-::1' failed to translate: 'mixed IPv4 and IPv6 host specs in range not allowed'.",
        ),
        (
            json!({"f": {"users": "u"}, "g": {"users": "u"}}),
            "Policy vhost 'h' user 'u' is in multiple user groups 'f' and 'g'",
        ),
    ] {
        let expected = format!("Policy 'h' is invalid: {expected}");
        assert_eq!(read(groups).unwrap_err(), expected);
    }
    let vhost = |attributes: Value| Vhost::read(attributes.as_object().unwrap()).unwrap_err();
    assert_eq!(
        vhost(json!({"hostname": "h", "allowUnknownUser": true, "groups": {"g": {}}})),
        "Policy 'h' is invalid: Policy vhost 'h' allows connections by default but default settings are not defined"
    );
    assert_eq!(
        vhost(json!({"hostname": "h", "aliases": "a,h"})),
        "Policy 'h' is invalid: Policy vhost 'h' option 'aliases' value 'h' duplicates vhost name"
    );
    assert_eq!(
        vhost(json!({"hostname": "h", "aliases": "a,a"})),
        "Policy 'h' is invalid: Policy vhost 'h' option 'aliases' value 'a' is duplicated"
    );
    assert_eq!(
        vhost(json!({"hostname": "h", "maxConnections": 70000})),
        "Policy 'h' is invalid: Policy vhost 'h' option 'maxConnections' has error 'Value '70000' is above maximum '65535'.'."
    );
}
