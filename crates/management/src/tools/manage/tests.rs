use super::*;
use serde_json::json;

fn invoked(words: &[&str]) -> Invocation {
    Invocation {
        operation: words[0].to_owned(),
        words: words[1..].iter().map(|word| (*word).to_owned()).collect(),
        ..Invocation::default()
    }
}

#[test]
fn types_have_short_names() {
    assert_eq!(type_name("link"), "io.skupper.router.router.link");
    assert_eq!(
        type_name("address"),
        "io.skupper.router.router.config.address"
    );
    assert_eq!(type_name("router.address"), "router.address");
    assert_eq!(type_name("listener"), "io.skupper.router.listener");
}

#[test]
fn a_query_names_its_columns() {
    let invocation = Invocation {
        kind: Some("node".to_owned()),
        ..invoked(&["query", "id", "cost"])
    };
    let Ok(Task::Query(request)) = task(&invocation) else {
        panic!("a query")
    };
    assert_eq!(
        request.entity_type.as_deref(),
        Some("io.skupper.router.router.node")
    );
    assert_eq!(request.body, json!({"attributeNames": ["id", "cost"]}));
}

#[test]
fn assignments_take_the_type_of_the_attribute() {
    let words = [
        "create",
        "port=5672",
        "cost=7",
        "http=true",
        "openProperties={\"a\": 1}",
        "sslProfile",
    ];
    let invocation = Invocation {
        kind: Some("listener".to_owned()),
        name: Some("l".to_owned()),
        ..invoked(&words)
    };
    let Ok(Task::Ask {
        request,
        expected: Status::CREATED,
        print: Print::Json,
    }) = task(&invocation)
    else {
        panic!("a creation")
    };
    assert_eq!(
        (request.kind.as_deref(), request.name.as_deref()),
        (Some("io.skupper.router.listener"), Some("l"))
    );
    assert_eq!(
        request.body,
        json!({"port": "5672", "cost": 7, "http": true, "openProperties": {"a": 1}, "sslProfile": null})
    );
    let wrong = Invocation {
        kind: Some("listener".to_owned()),
        ..invoked(&["create", "cost=much"])
    };
    assert_eq!(
        task(&wrong).unwrap_err().to_string(),
        "cost: expected a whole number, found 'much'"
    );
}

#[test]
fn standard_input_holds_one_entity_or_several() {
    let many = Invocation {
        stdin: Some(
            r#"[{"type": "listener", "name": "a"}, {"type": "connector", "name": "b"}]"#.to_owned(),
        ),
        ..invoked(&["create"])
    };
    let Ok(Task::Each { requests, .. }) = task(&many) else {
        panic!("several")
    };
    assert_eq!(
        requests[1].kind.as_deref(),
        Some("io.skupper.router.connector")
    );
    assert_eq!(requests[1].name.as_deref(), Some("b"));
    for wrong in ["1", "{", "[1]"] {
        assert!(
            task(&Invocation {
                stdin: Some(wrong.to_owned()),
                ..invoked(&["create"])
            })
            .is_err()
        );
    }
}

#[test]
fn operations_of_ones_own_are_passed_on() {
    let invocation = Invocation {
        properties: Some(r#"{"x": 1}"#.to_owned()),
        body: Some("hello".to_owned()),
        ..invoked(&["GET-LOG", "limit=2"])
    };
    let Ok(Task::Ask {
        request,
        print: Print::Plain,
        ..
    }) = task(&invocation)
    else {
        panic!("one's own")
    };
    assert_eq!(request.operation, "GET-LOG");
    assert_eq!(
        Value::Object(request.properties),
        json!({"limit": "2", "x": 1})
    );
    assert_eq!(request.body, json!("hello"));
    assert!(
        task(&invoked(&["read", "surplus"]))
            .unwrap_err()
            .to_string()
            .contains("surplus")
    );
    assert!(task(&invoked(&[""])).is_err());
}

#[test]
fn printing() {
    let body = json!([{"name": "a", "list": []}]);
    assert_eq!(
        print(&body, Print::Json, 2),
        "[\n  {\n    \"name\": \"a\",\n    \"list\": []\n  }\n]\n"
    );
    assert_eq!(
        print(&body, Print::Json, -1),
        "[{\"name\": \"a\", \"list\": []}]\n"
    );
    assert_eq!(print(&json!("text"), Print::Plain, 2), "text\n");
    assert_eq!(print(&json!({}), Print::Plain, 2), "");
}
