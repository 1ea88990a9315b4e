use super::*;
use serde_json::json;

fn told(result: Result<Document, DocumentErrors>) -> Vec<String> {
    result
        .unwrap_err()
        .errors
        .iter()
        .map(ToString::to_string)
        .collect()
}

const CONF: &str = "\
# A router of the network
router {
    mode: interior
    id: QDR.A     # its name
}

ssl-profile {
    name: p
    caCertFile: /c/ca.crt
}

listener {
    host: 0.0.0.0
    port: 5672
    authenticatePeer: no
    openProperties: {
        # not for routers
        \"colour\": \"red {,}\",
        \"nested\": {\"depth\": 2},
    }
}

address {
    pattern: a.#.b  and the rest is no comment
    distribution: closest
}

vhost {
    hostname: #1
    limits: {
        maxConnections: 10
        inner: {
            one: 1
        }
    }
}
";

#[test]
fn both_dialects_say_the_same() {
    let conf = parse_conf(CONF).unwrap();
    let names: Vec<&str> = conf
        .sections
        .iter()
        .map(|section| section.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["router", "sslProfile", "listener", "address", "vhost"]
    );
    assert_eq!(conf.sections[0].attributes["id"], "QDR.A");
    assert_eq!(conf.sections[1].kind(), Some(Kind::SslProfile));
    assert_eq!(
        conf.sections[2].attributes["openProperties"],
        json!({"colour": "red {,}", "nested": {"depth": 2}})
    );
    assert_eq!(conf.sections[3].attributes["pattern"], "a.#.b");
    assert_eq!(conf.sections[3].kind(), Some(Kind::ConfigAddress));
    assert_eq!(conf.sections[4].attributes["hostname"], "#1");
    assert_eq!(
        conf.sections[4].attributes["limits"],
        json!({"maxConnections": "10", "inner": {"one": "1"}})
    );
    assert_eq!(conf.sections[2].line_of("authenticatePeer"), 15);

    let pairs: Vec<_> = conf
        .sections
        .iter()
        .map(|section| json!([section.name, section.attributes]))
        .collect();
    let json = parse_json(&pretty(&json!(pairs))).unwrap();
    for (one, other) in conf.sections.iter().zip(&json.sections) {
        assert_eq!(
            (&one.name, &one.attributes),
            (&other.name, &other.attributes)
        );
    }
}

#[test]
fn comments_and_line_numbers_of_json() {
    let text = "[\n  # the router\n  [\"router\",\n    {\"router-id\": \"A\",\n     \"mode\": \"interior\"}]\n]";
    let document = parse_json(text).unwrap();
    let router = &document.sections[0];
    assert_eq!(
        (
            router.line,
            router.line_of("routerId"),
            router.line_of("mode")
        ),
        (3, 4, 5)
    );
}

#[test]
fn errors_say_where_and_what() {
    assert_eq!(
        told(parse_json("")),
        ["line 1: Configuration file was empty"]
    );
    assert_eq!(
        told(parse_json(
            "[[\"router\", {}],\n 7,\n [\"listener\"],\n [1, {}],\n [\"log\", []]]"
        )),
        [
            "line 2: expected a pair [section, {attributes}], found 7",
            "line 3: expected a pair [section, {attributes}], found [\"listener\"]",
            "line 4: expected the section's name as a text, found 1",
            "line 5: expected the attributes of log as a map, found []",
        ]
    );
    let syntax = told(parse_json("[\n[\"router\", {\"id\": }]\n]"));
    assert!(
        syntax[0]
            .starts_with("line 2: expected a JSON array of [section, {attributes}] pairs, found "),
        "{syntax:?}"
    );
    assert_eq!(
        told(parse_conf(
            "router {\n  mode interior\n}\nstray: 1\nlistener {\n  port: 1\n"
        )),
        [
            "line 2: expected `attribute: value` or `}`, found `mode interior`",
            "line 4: expected a section that begins with `name {`, found `stray: 1`",
            "line 5: Configuration file: invalid entity nesting detected: listener has no closing `}`",
        ]
    );
    assert!(told(parse_json(&"[".repeat(100_000)))[0].contains("line 1"));
}

#[test]
fn variables_are_replaced_outside_comments() {
    let lookup = |name: &str| (name == "HOSTNAME").then(|| "pod-1".to_owned());
    let text = "# ${HOSTNAME}\n[\"router\", {\"id\": \"west-${HOSTNAME}\", \"x\": \"$HOSTNAME/$OTHER/${OTHER}/$/${}\"}]";
    assert_eq!(
        expand(text, lookup),
        "# ${HOSTNAME}\n[\"router\", {\"id\": \"west-pod-1\", \"x\": \"pod-1/$OTHER/${OTHER}/$/${}\"}]"
    );
}

#[test]
fn a_document_becomes_entities_in_the_order_of_their_making() {
    let loaded = load(&parse_conf(CONF.split("vhost").next().unwrap()).unwrap());
    assert_eq!(loaded.faults, []);
    let kinds: Vec<Kind> = loaded.entities.iter().map(|entity| entity.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Router,
            Kind::Network,
            Kind::Policy,
            Kind::SslProfile,
            Kind::ConfigAddress,
            Kind::Listener
        ]
    );
    assert_eq!(loaded.entities[0].attributes["helloMaxAgeSeconds"], 3);
    assert_eq!(loaded.entities[1].line, None);
    assert_eq!(loaded.entities[5].attributes["authenticatePeer"], false);
    assert_eq!(loaded.entities[5].attributes["port"], "5672");
}

#[test]
fn all_faults_of_a_document_are_found() {
    let text = r#"[
["router", {"id": "a|b", "mode": "edge"}],
["listener", {"name": "x", "port": 1, "role": "inter-router"}],
["listener", {"name": "y", "port": 1, "routeContainer": true}],
["listener", {"name": "z", "port": 1}],
["listener", {"name": "z", "port": 2}],
["connector", {"name": "c", "cost": 0}],
["tcpListener", {"name": "t", "port": "1", "address": "a", "multiAddressStrategy": "weighted"}],
["tcpConnector", {"name": "t", "port": "1"}],
["listenerAddress", {"name": "l", "address": "a", "listener": "t"}],
["sslProfile", {"name": "s", "ordinal": 1, "oldestValidOrdinal": 2}],
["exchange", {"name": "e"}],
["connection", {"name": "e"}],
["log", {"module": "SERVER", "enable": "loud"}],
["site", {"name": "here"}],
["site", {"name": "there"}]
]"#;
    let loaded = load(&parse_json(text).unwrap());
    let told: Vec<String> = loaded.faults.iter().map(ToString::to_string).collect();
    let expected = [
        "line 2: router `a|b`: attribute `id`: Router ID \"a|b\" containes at least one illegal character (\"|$\").",
        "line 3: listener `x`: attribute `role`: role='inter-router' only allowed with router mode='interior' for listener 'x'",
        "line 4: listener `y`: attribute `routeContainer`: Unknown attribute 'routeContainer' for 'io.skupper.router.listener'",
        "line 6: listener `z`: attribute `name`: adding listener 'z' duplicates unique attribute 'name' of an earlier one",
        "line 7: connector `c`: attribute `cost`: Invalid cost (0) specified. Minimum value for cost is 1 and maximum value is 2147483647",
        "line 8: tcpListener `t`: attribute `address`: Exactly one of the 'address' or 'multiAddressStrategy' field must be set",
        "line 9: tcpConnector `t`: attribute `address`: Address must be set",
        "line 10: listenerAddress `l`: attribute `value`: io.skupper.router.listenerAddress: Missing required attribute 'value'",
        "line 11: sslProfile `s`: attribute `oldestValidOrdinal`: ordinal must be >= oldestValidOrdinal (sslProfile 's')",
        "line 12: exchange `e`: No such entity type 'exchange'",
        "line 13: connection `e`: No such entity type 'connection'",
    ];
    assert_eq!(told[..11], expected);
    assert!(
        told[11].contains("'loud' is not a valid log level"),
        "{told:?}"
    );
    assert_eq!(
        told[12],
        "line 16: site `there`: Adding io.skupper.router.site singleton {\"name\":\"there\"} when the one of line 15 already exists: leave one of them out"
    );
    // Nothing of what is wrong was taken; the rest was.
    assert!(
        loaded
            .entities
            .iter()
            .any(|entity| entity.kind == Kind::Listener && entity.attributes["name"] == "z")
    );
    assert_eq!(
        loaded
            .entities
            .iter()
            .filter(|entity| entity.kind == Kind::Listener)
            .count(),
        1
    );
}

#[test]
fn dialects_go_by_the_name() {
    assert_eq!(Dialect::of_path("/tmp/skrouterd.json"), Dialect::Json);
    assert_eq!(
        Dialect::of_path("/etc/skupper-router/skrouterd.conf"),
        Dialect::Conf
    );
}
