mod rows;

use serde_json::json;

pub(crate) use rows::Rows;

use super::*;

fn ask(store: &mut Rows, request: &Request) -> Reply {
    handle(request, store)
}

fn refused(store: &mut Rows, request: &Request) -> (i64, String) {
    let reply = ask(store, request);
    assert!(!reply.status.is_success(), "{reply:?}");
    assert_eq!(reply.body, json!({}));
    (reply.status.0, reply.description)
}

fn map(value: Value) -> Attributes {
    value.as_object().unwrap().clone()
}

fn two_routers() -> Rows {
    let node = |id: &str, index: u64| json!({"id": id, "identity": format!("router.node/{id}"), "index": index});
    Rows::with(&[
        (Kind::Node, node("A", 0)),
        (Kind::Node, node("B", 1)),
        (
            Kind::Connection,
            json!({"identity": "7", "name": "connection/10.0.0.1:1", "role": "inter-router"}),
        ),
        (
            Kind::Connection,
            json!({"identity": "8", "name": "connection/10.0.0.2:1", "role": "normal"}),
        ),
    ])
}

#[test]
fn the_dummy_says_back_what_it_was_called_with() {
    let mut store = two_routers();
    let made = Request::create(Kind::Dummy, "d", map(json!({"arg1": "x"})));
    assert_eq!(ask(&mut store, &made).status, Status::CREATED);
    let mut asked = Request::read(Kind::Dummy, "d").encode("$management", "here", 1_u64);
    let mut properties = skupper_amqp::Map::new();
    properties.push("operation", "callme");
    properties.push("type", Kind::Dummy.full());
    properties.push("name", "d");
    properties.push("data", skupper_amqp::Value::Binary(vec![0_u8, 255].into()));
    asked.application_properties = Some(properties.clone());
    let request = Request::decode(&asked);
    let reply = ask(&mut store, &request).encode(&request);
    let skupper_amqp::message::Body::Value(said) = reply.body else {
        panic!("{reply:?}")
    };
    assert_eq!(said, skupper_amqp::Value::Map(properties));
}

#[test]
fn an_entity_is_made_read_changed_and_removed() {
    let store = &mut Rows::default();
    let given = map(json!({"caCertFile": "/c/ca.crt", "ordinal": 1}));
    let made = ask(store, &Request::create(Kind::SslProfile, "p", given));
    assert_eq!(
        (made.status, made.description.as_str()),
        (Status::CREATED, "Created")
    );
    assert_eq!(made.body["identity"], "sslProfile/p");
    assert_eq!(made.body["type"], "io.skupper.router.sslProfile");

    let again = refused(
        store,
        &Request::create(Kind::SslProfile, "p", Attributes::new()),
    );
    assert_eq!(again.0, 400);
    assert!(
        again
            .1
            .contains("duplicates unique attribute 'name' from existing sslProfile"),
        "{}",
        again.1
    );

    let changed = ask(
        store,
        &Request::update(
            Kind::SslProfile,
            "p",
            map(json!({"ordinal": "2", "name": "p"})),
        ),
    );
    assert_eq!(
        (changed.status, &changed.body["ordinal"]),
        (Status::OK, &json!(2))
    );
    assert_eq!(changed.body["caCertFile"], "/c/ca.crt");
    let unchanged = ask(
        store,
        &Request::update(Kind::SslProfile, "p", Attributes::new()),
    );
    assert_eq!(unchanged.status, Status::OK);
    assert_eq!(
        store.updates, 2,
        "files are read again even if nothing changes"
    );
    let without = ask(
        store,
        &Request::update(Kind::SslProfile, "p", map(json!({"caCertFile": null}))),
    );
    assert_eq!(without.body.get("caCertFile"), None);

    let read = ask(store, &Request::read(Kind::SslProfile, "p"));
    assert_eq!(read.body["ordinal"], 2);
    let removed = ask(store, &Request::delete(Kind::SslProfile, "p"));
    assert_eq!(
        (removed.status, removed.body),
        (Status::NO_CONTENT, json!({}))
    );
    assert_eq!(
        refused(store, &Request::delete(Kind::SslProfile, "p")),
        (404, "No entity with name=p".to_owned())
    );
}

#[test]
fn what_is_named_by_a_number_is_what_its_text_names() {
    let store = &mut Rows::default();
    let asked = |operation: &str, kind: skupper_amqp::Value, name: skupper_amqp::Value| {
        let mut message = Request::create(Kind::SslProfile, "", Attributes::new()).encode(
            "$management",
            "here",
            1_u64,
        );
        let mut properties = skupper_amqp::Map::new();
        properties.push("operation", operation);
        properties.push("type", kind);
        properties.push("name", name);
        message.application_properties = Some(properties);
        Request::decode(&message)
    };
    let profile = || Kind::SslProfile.full().into();
    let made = ask(store, &asked("CREATE", profile(), 5_u64.into()));
    assert_eq!(made.body["name"], "5");
    let read = ask(store, &asked("READ", profile(), 5_u64.into()));
    assert_eq!(read.body["identity"], "sslProfile/5");
    for (name, text) in [
        (6_u64.into(), "6"),
        (true.into(), "true"),
        (skupper_amqp::Value::List(Vec::new()), "[]"),
    ] {
        assert_eq!(
            refused(store, &asked("READ", skupper_amqp::Value::Null, name)),
            (404, format!("No entity with name={text}"))
        );
    }
    assert_eq!(
        refused(store, &asked("READ", 7_u64.into(), "5".into())),
        (400, "No such entity type '7'".to_owned())
    );
}

#[test]
fn names_are_scoped_by_type() {
    let store = &mut Rows::default();
    let port = |kind| Request::create(kind, "west", map(json!({"host": "h", "port": "1"})));
    assert_eq!(ask(store, &port(Kind::Listener)).status, Status::CREATED);
    assert_eq!(ask(store, &port(Kind::Connector)).status, Status::CREATED);
    let either = Request {
        operation: "READ".to_owned(),
        name: Some("west".to_owned()),
        ..Request::default()
    };
    let (status, text) = refused(store, &either);
    assert_eq!(status, 400);
    assert!(
        text.starts_with("Duplicate (2) entities with name=west (listener, connector)"),
        "{text}"
    );
    let one = Request {
        identity: Some("connector/h:1:west".to_owned()),
        name: None,
        ..either.clone()
    };
    assert_eq!(ask(store, &one).body["type"], "io.skupper.router.connector");
    let both = Request {
        identity: Some("connector/h:1:west".to_owned()),
        ..either.clone()
    };
    assert_eq!(
        ask(store, &both).body["type"],
        "io.skupper.router.connector"
    );
    let neither = Request {
        identity: Some("connector/h:2:west".to_owned()),
        ..either
    };
    assert_eq!(
        refused(store, &neither),
        (
            400,
            "Conflicting name=west identity=connector/h:2:west".to_owned()
        )
    );
    let other = Request::read(Kind::SslProfile, "west");
    let expected = "Entity type 'io.skupper.router.listener' does not extend requested type 'io.skupper.router.sslProfile'";
    assert_eq!(refused(store, &other), (400, expected.to_owned()));
}

#[test]
fn what_may_not_be_made_or_changed_is_refused() {
    let store = &mut two_routers();
    let create = |kind, value| Request::create(kind, "n", map(value));
    let mut refused = |request| refused(store, &request);
    assert_eq!(
        refused(create(Kind::Listener, json!({"connectionStatus": 1}))),
        (
            400,
            "Unknown attribute 'connectionStatus' for 'io.skupper.router.listener'".to_owned()
        )
    );
    assert_eq!(
        refused(create(Kind::Connector, json!({"connectionStatus": 1}))),
        (
            400,
            "Cannot set attribute 'connectionStatus' in CREATE".to_owned()
        )
    );
    assert_eq!(
        refused(create(Kind::Listener, json!({"identity": "x"}))),
        (400, "'identity' attribute cannot be specified".to_owned())
    );
    assert_eq!(
        refused(create(Kind::Listener, json!({"name": "other"}))),
        (400, "Conflicting values for 'name'".to_owned())
    );
    assert_eq!(
        refused(create(Kind::Listener, json!({"type": "connector"}))),
        (400, "Conflicting values for 'type'".to_owned())
    );
    assert_eq!(
        refused(create(Kind::Connection, json!({}))),
        (501, "Operation 'CREATE' not implemented for 'io.skupper.router.connection' ['UPDATE', 'READ']".to_owned())
    );
    assert_eq!(
        refused(Request {
            kind: Some("io.skupper.router.tap".to_owned()),
            ..create(Kind::Listener, json!({}))
        }),
        (
            400,
            "No such entity type 'io.skupper.router.tap'".to_owned()
        )
    );
    assert_eq!(
        refused(Request {
            kind: None,
            ..create(Kind::Listener, json!({}))
        })
        .0,
        400
    );
    assert_eq!(
        refused(create(Kind::TcpConnector, json!({"port": "1"}))),
        (400, "Address must be set".to_owned())
    );
    let nowhere = json!({"listener": "several", "value": 1, "address": ""});
    assert_eq!(
        refused(create(Kind::ListenerAddress, nowhere)),
        (400, "Address must be set".to_owned())
    );
    assert_eq!(
        refused(Request::read(Kind::Connection, "")),
        (404, "Not Found: no connection with name=".to_owned())
    );
    assert_eq!(
        refused(create(Kind::Connector, json!({"port": "1", "cost": 0}))),
        (
            400,
            "Configuration: Invalid cost (0) specified. Minimum value for cost is 1 and maximum value is 2147483647"
                .to_owned()
        )
    );
    for (attribute, value, expected) in [
        (
            "maxFrameSize",
            511,
            "(511). Minimum value is 512 and maximum value is 2147483647",
        ),
        (
            "maxSessions",
            32769,
            "(32769). Minimum value is 1 and maximum value is 32768",
        ),
        (
            "maxSessionFrames",
            1,
            "(1). Minimum value is 2 and maximum value is 2147483647",
        ),
    ] {
        let given = json!({"port": "1", attribute: value});
        assert_eq!(
            refused(create(Kind::Listener, given)),
            (
                400,
                format!("Configuration: Invalid {attribute} specified {expected}")
            )
        );
    }
    let auto = |direction: Value| {
        create(
            Kind::AutoLink,
            json!({"address": "x", "direction": direction}),
        )
    };
    for (direction, expected) in [
        (
            Value::Null,
            "direction field is mandatory: expected in or out",
        ),
        (
            "up".into(),
            "Invalid value for 'direction': expected in or out, found 'up'",
        ),
    ] {
        assert_eq!(refused(auto(direction)), (400, expected.to_owned()));
    }
    let greedy = json!({"hostname": "h", "maxConnections": 65536});
    let (status, why) = refused(create(Kind::Vhost, greedy));
    assert_eq!(status, 500);
    assert!(
        why.starts_with("PolicyError: Policy 'h' is invalid: "),
        "{why}"
    );
    let gone = Request {
        name: None,
        identity: Some("9".to_owned()),
        ..Request::update(Kind::Connection, "", map(json!({"adminStatus": "deleted"})))
    };
    assert_eq!(
        refused(gone),
        (400, "Bad Request: no connection with identity=9".to_owned())
    );
    let connection = |value| Request {
        name: None,
        identity: Some("8".to_owned()),
        ..Request::update(Kind::Connection, "", map(value))
    };
    assert_eq!(
        refused(connection(json!({"role": "edge"}))),
        (403, "Cannot update attribute 'role' in UPDATE".to_owned())
    );
    assert_eq!(
        ask(
            store,
            &connection(json!({"role": "normal", "adminStatus": "deleted"}))
        )
        .body["adminStatus"],
        "deleted"
    );
    let frobnicate = Request {
        operation: "FROBNICATE".to_owned(),
        ..Request::read(Kind::Connection, "connection/10.0.0.1:1")
    };
    assert_eq!(super::tests::refused(store, &frobnicate).0, 501);
    assert_eq!(super::tests::refused(store, &Request::default()).0, 400);
}

#[test]
fn rows_have_the_columns_that_were_asked_for() {
    let store = &mut two_routers();
    let rows =
        |store: &mut Rows, request: &Request| ask(store, request).into_rows(request).unwrap();
    let result = rows(
        store,
        &Request::query(Kind::Node, &["index", "nextHop", "id", "name"]),
    );
    assert_eq!(result.attribute_names, ["index", "nextHop", "id", "name"]);
    let expected = [
        json!([0, null, "A", "router.node/A"]),
        json!([1, null, "B", "router.node/B"]),
    ];
    assert_eq!(
        result
            .results
            .into_iter()
            .map(Value::Array)
            .collect::<Vec<_>>(),
        expected
    );

    let twice = rows(store, &Request::query(Kind::Node, &["id", "index", "id"]));
    assert_eq!(twice.attribute_names, ["id", "index", "id"]);
    assert_eq!(twice.results[1], [json!("B"), json!(1), json!("B")]);

    let all = rows(store, &Request::query(Kind::Node, &[]));
    assert_eq!(
        all.attribute_names.len(),
        entity_type(Kind::Node).attributes.len()
    );
    assert_eq!(
        all.entities().next().unwrap()["type"],
        "io.skupper.router.router.node"
    );

    let (status, text) = refused(store, &Request::query(Kind::Node, &["id", "colour"]));
    assert_eq!(
        (status, text.as_str()),
        (
            404,
            "Unknown attributes ['colour'] for type io.skupper.router.router.node."
        )
    );
    // Upstream's `skstat -l` asks for a column that links no longer have.
    assert_eq!(
        rows(
            store,
            &Request::query(Kind::Link, &["linkName", "adminStatus"])
        )
        .results
        .len(),
        0
    );
    // Rows without any of the columns do not count, lest a page be short and the client think it the last.
    assert_eq!(
        rows(store, &Request::query(Kind::Node, &["nextHop"]))
            .results
            .len(),
        0
    );
}

#[test]
fn rows_come_in_pages() {
    let store = &mut Rows::default();
    for number in 0..1100 {
        store.rows.push((
            Kind::Connection,
            map(json!({"identity": number.to_string()})),
        ));
    }
    let mut seen = Vec::new();
    for page in 0.. {
        let request = Request::query(Kind::Connection, &["identity"]).page(page * 500, 500);
        let rows = ask(store, &request).into_rows(&request).unwrap().results;
        let last = rows.len() < 500;
        seen.extend(rows);
        if last {
            break;
        }
    }
    assert_eq!(seen.len(), 1100);
    assert_eq!(seen[1099], [json!("1099")]);
    let all = Request::query(Kind::Connection, &["identity"]).page(0, -1);
    assert_eq!(
        ask(store, &all).into_rows(&all).unwrap().results.len(),
        1100
    );
}

#[test]
fn a_query_of_all_types_has_all_attributes() {
    let store = &mut two_routers();
    let request = Request::of_agent("QUERY");
    let result = ask(store, &request).into_rows(&request).unwrap();
    assert_eq!(
        result.results.len(),
        5,
        "two nodes, two connections, and the agent"
    );
    assert!(
        result
            .attribute_names
            .iter()
            .any(|name| name == "tlsOrdinal")
    );
    let operational = Request {
        entity_type: Some("operationalEntity".to_owned()),
        ..request
    };
    let result = ask(store, &operational).into_rows(&operational).unwrap();
    assert_eq!(result.attribute_names, ["name", "identity", "type"]);
    assert_eq!(result.results.len(), 5);
}

#[test]
fn the_agent_tells_about_itself() {
    let store = &mut two_routers();
    let tell = |store: &mut Rows, operation: &str| ask(store, &Request::of_agent(operation)).body;
    assert_eq!(
        tell(store, "GET-MGMT-NODES"),
        json!(["amqp:/_topo/0/A/$management", "amqp:/_topo/0/B/$management"])
    );
    assert_eq!(
        tell(store, "GET-TYPES")["io.skupper.router.listener"],
        json!([
            "io.skupper.router.configurationEntity",
            "io.skupper.router.entity"
        ])
    );
    assert_eq!(
        tell(store, "GET-OPERATIONS")["io.skupper.router.connector"],
        json!(["CREATE", "DELETE", "READ"])
    );
    let one = Request {
        entity_type: Some("dummy".to_owned()),
        ..Request::of_agent("GET-ATTRIBUTES")
    };
    assert_eq!(
        ask(store, &one).body,
        json!({"io.skupper.router.dummy": ["arg1", "arg2", "num1", "num2", "name", "identity", "type"]})
    );
    assert_eq!(tell(store, "GET-ANNOTATIONS"), json!({}));
    assert_eq!(tell(store, "GET-SCHEMA"), crate::schema::describe());
    let text = tell(store, "GET-JSON-SCHEMA");
    assert_eq!(
        serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap(),
        crate::schema::describe()
    );
    assert_eq!(
        ask(store, &Request::log(2)).body,
        json!([
            ["AGENT", "info", "entry 3", null, null, 3],
            ["AGENT", "info", "entry 4", null, null, 4]
        ])
    );
    assert_eq!(tell(store, "GET-LOG").as_array().unwrap().len(), 5);
    let with = |operation: &str, property: &str, value: Value| {
        let mut request = Request::of_agent(operation);
        request.properties.insert(property.to_owned(), value);
        request
    };
    for (limit, lines) in [
        (json!("2"), 2),
        (json!(2.7), 2),
        (json!(true), 1),
        (json!(0), 5),
        (json!(-1), 5),
        (json!(null), 5),
    ] {
        let told = ask(store, &with("GET-LOG", "limit", limit.clone())).body;
        assert_eq!(told.as_array().unwrap().len(), lines, "{limit}");
    }
    for (operation, property) in [("GET-LOG", "limit"), ("GET-JSON-SCHEMA", "indent")] {
        let (status, text) = refused(store, &with(operation, property, json!("x")));
        assert_eq!(status, 500, "as upstream's agent has it");
        assert!(
            text.starts_with("ValueError: invalid literal for int() with base 10: 'x'"),
            "{text}"
        );
    }
    let oneself = Request {
        operation: "read".to_owned(),
        ..Request::default()
    };
    assert_eq!(ask(store, &oneself).body["name"], "self");
}
