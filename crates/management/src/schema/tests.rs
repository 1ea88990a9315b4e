use super::*;
use serde_json::json;

fn attributes(value: Value) -> Attributes {
    value.as_object().unwrap().clone()
}

#[test]
fn types_have_their_base_and_their_order() {
    let node: Vec<&str> = entity_type(Kind::Node)
        .attributes
        .iter()
        .map(|attribute| attribute.name)
        .collect();
    // As recorded from upstream's router.
    let recorded = [
        "id",
        "protocolVersion",
        "instance",
        "linkState",
        "nextHop",
        "validOrigins",
        "address",
        "routerLink",
        "cost",
        "lastTopoChange",
        "index",
        "name",
        "identity",
        "type",
    ];
    assert_eq!(node, recorded);
    for (kind, columns) in [
        (Kind::Connection, 29),
        (Kind::Link, 28),
        (Kind::Address, 24),
    ] {
        assert_eq!(entity_type(kind).attributes.len(), columns, "{kind}");
    }
    for kind in Kind::ALL {
        let entity = entity_type(*kind);
        assert_eq!(entity.kind, *kind);
        let mut names: Vec<&str> = entity
            .attributes
            .iter()
            .map(|attribute| attribute.name)
            .collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{kind} has an attribute twice");
        assert!(
            ["name", "identity", "type"]
                .iter()
                .all(|name| entity.attribute(name).is_some())
        );
    }
    assert!(
        entity_type(Kind::SslProfile).allows("UPDATE")
            && entity_type(Kind::SslProfile).allows("READ")
    );
    assert!(!entity_type(Kind::Listener).allows("UPDATE"));
    assert!(entity_type(Kind::Management).allows("QUERY"));
}

#[test]
fn values_are_coerced_and_defaults_filled_in() {
    let given = attributes(
        json!({"name": "a", "port": 5671, "authenticatePeer": "YES", "cost": "7", "role": ""}),
    );
    let valid = validate(Kind::Listener, &given).unwrap();
    assert_eq!(valid["port"], "5671");
    assert_eq!(valid["authenticatePeer"], true);
    assert_eq!(valid["cost"], 7);
    assert_eq!(valid["role"], "normal");
    assert_eq!(valid["websockets"], true);
    assert_eq!(valid["type"], "io.skupper.router.listener");
    assert!(!valid.contains_key("sslProfile"));
    assert_eq!(
        validate(Kind::Router, &attributes(json!({"mode": 1}))).unwrap()["mode"],
        "interior"
    );
}

#[test]
fn what_cannot_be_is_refused_in_upstreams_words() {
    let refused = |kind, value| validate(kind, &attributes(value)).unwrap_err().to_string();
    assert!(
        refused(Kind::Router, json!({"mode": "big"}))
            .contains("Invalid value for enum['standalone', 'interior', 'edge']: 'big'")
    );
    assert!(
        refused(Kind::Listener, json!({"http": "maybe"})).contains("Invalid Boolean value 'maybe'")
    );
    assert!(
        refused(Kind::Listener, json!({"cost": "much"}))
            .contains("Invalid value for integer: 'much'")
    );
    assert!(
        refused(Kind::Listener, json!({"openProperties": []})).contains("Properties must be a map")
    );
    assert!(
        refused(Kind::Listener, json!({"openProperties": {"ü": 1}}))
            .contains("Property keys must be ASCII encoded")
    );
    assert!(
        refused(Kind::ListenerAddress, json!({"value": 1}))
            .contains("Missing required attribute 'address'")
    );
}

#[test]
fn a_routers_id_has_nothing_that_is_not_seen() {
    let checked = |id: &str| {
        let given = attributes(json!({"id": id}));
        check(Kind::Router, &validate(Kind::Router, &given).unwrap(), None)
    };
    // Of the categories Zs, Cc, Cf, Co and Cn, as Unicode has them.
    for letter in [
        ' ',
        '\u{a0}',
        '\t',
        '\u{200b}',
        '\u{ad}',
        '\u{e0001}',
        '\u{e000}',
        '\u{378}',
        '\u{10fffe}',
    ] {
        let told = checked(&format!("a{letter}b")).unwrap_err().to_string();
        let expected = format!(
            "Router id attribute containing character '{}' in id",
            letter.escape_default()
        );
        assert!(
            told.starts_with(&expected) && told.ends_with(" is disallowed."),
            "{told}"
        );
    }
    for id in ["west-1", "öst", "東", "a_b.c/d", "e\u{301}"] {
        assert_eq!(checked(id), Ok(()), "{id}");
    }
}

#[test]
fn open_properties_keep_off_the_routers_own() {
    let checked = |role: &str, key: &str| {
        let given = attributes(json!({"role": role, "openProperties": {key: 1}}));
        check(
            Kind::Connector,
            &validate(Kind::Connector, &given).unwrap(),
            None,
        )
        .map_err(|error| error.to_string())
    };
    assert_eq!(checked("normal", "colour"), Ok(()));
    for key in ["product", "scheme", "hostname", "qd.x", "x-opt-qd.y"] {
        assert_eq!(
            checked("normal", key),
            Err(format!(
                "Reserved key '{key}' not allowed in openProperties"
            ))
        );
    }
    assert_eq!(
        checked("edge", "colour"),
        Err("openProperties not allowed for role edge".to_owned())
    );
}

#[test]
fn a_networks_name_is_an_element_of_addresses() {
    let checked = |id: &str| {
        let given = attributes(json!({"networkId": id}));
        let valid = validate(Kind::Network, &given).unwrap();
        check(Kind::Network, &valid, None).map_err(|error| error.to_string())
    };
    for id in ["0", "east", "east.1", "ost-ü"] {
        assert_eq!(checked(id), Ok(()), "{id}");
    }
    let long = "n".repeat(62);
    for (id, fault) in [
        ("a/b", "the character '/'"),
        ("a b", "the character ' '"),
        ("a\n", "the character '\\n'"),
        ("a.", "a '.' at its end"),
        (&long, "62 octets"),
    ] {
        let refused = checked(id).unwrap_err();
        assert!(refused.starts_with("Invalid networkId '"), "{refused}");
        assert!(
            refused.contains(&format!("it has {fault}: choose another")),
            "{refused}"
        );
    }
}

#[test]
fn automatic_links_have_an_address_and_one_place_at_most() {
    let checked = |value: Value| {
        validate(Kind::AutoLink, &attributes(value))
            .and_then(|valid| check(Kind::AutoLink, &valid, None))
            .map_err(|error| error.to_string())
    };
    for valid in [
        json!({"direction": "in"}),
        json!({"direction": "in", "externalAddress": "_xtopo/east", "connection": "c"}),
        json!({"direction": "out", "address": "a", "containerId": "c"}),
        json!({"direction": "out", "address": "a", "connection": "c", "containerId": ""}),
    ] {
        assert_eq!(checked(valid.clone()), Ok(()), "{valid}");
    }
    for (wrong, why) in [
        (
            json!({"direction": "in", "connection": "c", "containerId": "d"}),
            "Both connection and containerId cannot be specified. Specify only one",
        ),
        (
            json!({"direction": "out", "externalAddress": "a"}),
            "address field is only optional if direction is incoming",
        ),
        (
            json!({"address": "a"}),
            "Missing required attribute 'direction'",
        ),
        (
            json!({"address": "a", "direction": "both"}),
            "Invalid value for enum['in', 'out']: 'both'",
        ),
    ] {
        let refused = checked(wrong.clone()).unwrap_err();
        assert!(refused.contains(why), "{wrong}: {refused}");
    }
}

#[test]
fn identities_are_as_upstreams() {
    let of = |kind, value| identity(kind, &attributes(value), 4);
    assert_eq!(
        of(
            Kind::Listener,
            json!({"host": "", "port": "5671", "name": "amqps"})
        ),
        "listener/:5671:amqps"
    );
    assert_eq!(
        of(Kind::Listener, json!({"host": "h", "port": "amqp"})),
        "listener/h:amqp"
    );
    assert_eq!(of(Kind::SslProfile, json!({"name": "p"})), "sslProfile/p");
    assert_eq!(
        of(
            Kind::ListenerAddress,
            json!({"listener": "l", "address": "a", "name": "n"})
        ),
        "listenerAddress/l:a:n"
    );
    assert_eq!(of(Kind::Node, json!({"id": "A"})), "router.node/A");
    assert_eq!(of(Kind::ConfigAddress, json!({"prefix": "mc"})), "4");
}

#[test]
fn the_schema_tells_itself() {
    let schema = describe();
    assert_eq!(schema["prefix"], "io.skupper.router");
    let listener = &schema["entityTypes"]["listener"];
    assert_eq!(listener["fullyQualifiedType"], "io.skupper.router.listener");
    assert_eq!(listener["attributes"]["role"]["default"], "normal");
    assert!(listener["attributes"].get("type").is_none());
    assert_eq!(schema["entityTypes"]["router"]["singleton"], true);
}

/// What upstream's router answered to GET-SCHEMA, descriptions left out, and to GET-TYPES and GET-OPERATIONS.
const SCHEMA: &str = include_str!("../../tests/observed/get-schema.json");
const TYPES: &str = include_str!("../../tests/observed/get-types.json");
const OPERATIONS: &str = include_str!("../../tests/observed/get-operations.json");

#[test]
fn upstreams_schema_is_within_ours() {
    let upstream: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut ours_only = Vec::new();
    for (name, about) in upstream["entityTypes"].as_object().unwrap() {
        let full = about["fullyQualifiedType"].as_str().unwrap();
        let kind = Kind::named(full).unwrap_or_else(|| panic!("{name} is missing"));
        let ours = entity_type(kind);
        let theirs = about["attributes"].as_object().unwrap();
        for (attribute, about) in theirs {
            let own = ours
                .attribute(attribute)
                .unwrap_or_else(|| panic!("{name}.{attribute} is missing"));
            let told = own.describe();
            for member in ["default", "required", "graph", "unique"] {
                // A default that upstream gives as the number 0.
                if member != "default" || attribute != "area" {
                    let theirs = about.get(member).map(ToString::to_string);
                    let ours = told.get(member).map(ToString::to_string);
                    assert_eq!(ours, theirs, "{name}.{attribute}: {member}");
                }
            }
            // Of links upstream's list of types lacks one that its router answers.
            if (name.as_str(), attribute.as_str()) != ("router.link", "linkType") {
                assert_eq!(told["type"], about["type"], "{name}.{attribute}");
            }
        }
        for attribute in ours
            .attributes
            .iter()
            .filter(|attribute| attribute.name != "type")
        {
            if !theirs.contains_key(attribute.name) {
                ours_only.push(format!("{kind}.{}", attribute.name));
            }
        }
        let singleton = about
            .get("singleton")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        assert_eq!(kind.is_singleton(), singleton, "{name}");
    }
    assert_eq!(
        ours_only,
        [
            // Answered by upstream's router, although its schema does not list them.
            "routerMetrics.deliveriesRedirectedToFallback",
            "routerMetrics.linksBlocked",
            // Ours.
            "sslProfile.credential",
            "listener.refusals",
            "listener.refusalCount",
            "connector.refusals",
            "connector.refusalCount",
            "tcpListener.refusals",
            "tcpListener.refusalCount",
            "tcpConnector.refusals",
            "tcpConnector.refusalCount",
            // As above.
            "router.address.deliveriesRedirectedToFallback",
            "connection.active",
        ]
    );
}

#[test]
fn upstreams_types_and_operations_are_ours() {
    let types: Value = serde_json::from_str(TYPES).unwrap();
    for (name, bases) in types.as_object().unwrap() {
        let kind = Kind::named(name).unwrap();
        let ours: Vec<String> = kind.bases().iter().map(|base| base.full()).collect();
        assert_eq!(json!(ours), *bases, "{name}");
    }
    let operations: Value = serde_json::from_str(OPERATIONS).unwrap();
    for (name, theirs) in operations.as_object().unwrap() {
        let ours = &entity_type(Kind::named(name).unwrap()).operations;
        for operation in theirs.as_array().unwrap() {
            // The profiler of a Python program.
            let operation = operation.as_str().unwrap();
            assert!(
                ours.contains(&operation) || operation == "PROFILE",
                "{name}: {operation}"
            );
        }
    }
}
