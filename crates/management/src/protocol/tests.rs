use serde_json::json;
use skupper_amqp::{Map, Message, Properties, Value as Amqp, message::Body};

use super::*;
use crate::{Attributes, Kind, Value};

/// A query as upstream's `skmanage` sent it to upstream's router: `skmanage query --type=node`.
const QUERY: &str = "\
     005373c02e0640404040a124616d71703a2f5f746f706f2f302f412f74656d702e4d445a2b6e6d6b6653794365476c36a10131005374d1\
     000000700000000ca1046e616d65a10473656c66a10474797065a1136f72672e616d71702e6d616e6167656d656e74a1096f7065726174\
     696f6ea1055155455259a10a656e7469747954797065a10b726f757465722e6e6f6465a1066f66667365745500a105636f756e74810000\
     0000000001f4005377d10000001500000002a10e6174747269627574654e616d657345";

/// The router's answer.
const ANSWER: &str = "\
     005370d0000000050000000142005373d000000031000000064040a124616d71703a2f5f746f706f2f302f412f74656d702e4d445a2b6e\
     6d6b6653794365476c364040a10131005374d10000002c00000004a10a737461747573436f646571000000c8a111737461747573446573\
     6372697074696f6ea1024f4b005377d1000001ad00000004a10e6174747269627574654e616d6573d00000008d0000000ea1026964a10f\
     70726f746f636f6c56657273696f6ea108696e7374616e6365a1096c696e6b5374617465a1076e657874486f70a10c76616c69644f7269\
     67696e73a10761646472657373a10a726f757465724c696e6ba104636f7374a10e6c617374546f706f4368616e6765a105696e646578a1\
     046e616d65a1086964656e74697479a10474797065a107726573756c7473d0000000f900000002d00000007a0000000ea101415401716b\
     051b76d00000000700000001a10142a1062873656c662945a10f616d71703a2f5f746f706f2f302f414040716b051b795400a10d726f75\
     7465722e6e6f64652f41a10d726f757465722e6e6f64652f41a11d696f2e736b75707065722e726f757465722e726f757465722e6e6f64\
     65d0000000710000000ea101425401716b051b75d00000000700000001a101414045a10f616d71703a2f5f746f706f2f302f4254005401\
     405401a10d726f757465722e6e6f64652f42a10d726f757465722e6e6f64652f42a11d696f2e736b75707065722e726f757465722e726f\
     757465722e6e6f6465";

fn message(hex: &str) -> Message {
    let digits: Vec<u8> = hex
        .bytes()
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    let octets: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    Message::decode(&octets).unwrap()
}

fn over_the_wire(message: &Message) -> Message {
    Message::decode(&message.to_bytes()).unwrap()
}

#[test]
fn a_recorded_query_is_understood() {
    let request = Request::decode(&message(QUERY));
    assert_eq!(request.operation, "QUERY");
    assert_eq!(request.name.as_deref(), Some("self"));
    assert_eq!(request.kind.as_deref(), Some("org.amqp.management"));
    assert_eq!(request.entity_type.as_deref(), Some("router.node"));
    assert_eq!((request.offset, request.count), (Some(0), Some(500)));
    assert_eq!(request.body, json!({"attributeNames": []}));
    assert_eq!(
        request.reply_to.as_deref(),
        Some("amqp:/_topo/0/A/temp.MDZ+nmkfSyCeGl6")
    );
    assert_eq!(request.correlation_id, Some(Amqp::from("1")));
}

#[test]
fn a_recorded_answer_is_understood_and_written_the_same_way() {
    let request = Request::decode(&message(QUERY));
    let recorded = message(ANSWER);
    let reply = Reply::decode(&recorded).unwrap();
    assert_eq!(
        (reply.status, reply.description.as_str()),
        (Status::OK, "OK")
    );
    assert_eq!(reply.encode(&request), recorded);
    assert_eq!(over_the_wire(&reply.encode(&request)), recorded);

    let rows: Vec<Attributes> = reply.into_rows(&request).unwrap().entities().collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["nextHop"], "(self)");
    assert_eq!(rows[0]["instance"], 1_795_496_822);
    assert_eq!(rows[0].get("routerLink"), None);
    assert_eq!(rows[1]["linkState"], json!(["A"]));
}

#[test]
fn requests_survive_the_wire() {
    let attributes: Attributes = [
        ("ordinal".to_owned(), json!(3_000_000_000_u64)),
        ("http".to_owned(), json!(true)),
        ("x".to_owned(), json!(null)),
    ]
    .into_iter()
    .collect();
    for request in [
        Request::query(Kind::Listener, &["name", "port"]).page(500, 500),
        Request::create(Kind::SslProfile, "p", attributes.clone()),
        Request::update(Kind::SslProfile, "p", attributes),
        Request::delete(Kind::Connector, "link"),
        Request::read(Kind::Router, "r"),
        Request::log(10),
    ] {
        let sent = over_the_wire(&request.encode("$management", "reply/here", 7u64));
        let received = Request::decode(&sent);
        let expected = Request {
            reply_to: Some("reply/here".to_owned()),
            correlation_id: Some(Amqp::Ulong(7)),
            asked: received.asked.clone(),
            ..request.clone()
        };
        assert_eq!(received.spelled(), request.operation);
        assert_eq!(received, expected);
        assert_eq!(sent.properties.unwrap().to.as_deref(), Some("$management"));
        // The type of a correlation id comes back as it went.
        let reply = over_the_wire(&Reply::new(Status::OK, json!({})).encode(&received));
        assert_eq!(
            reply.properties.unwrap().correlation_id,
            Some(Amqp::Ulong(7))
        );
    }
}

#[test]
fn an_array_of_names_is_a_list_to_us() {
    // The Go control plane sends an empty array where "all attributes" is meant.
    let body = Map::new().with("attributeNames", skupper_amqp::Array::default());
    let request = Request::decode(&Message::with_value(Properties::to("$management"), body));
    assert_eq!(request.body, json!({"attributeNames": []}));
}

#[test]
fn what_is_no_answer_is_told_as_such() {
    let request = Request::query(Kind::Router, &[]);
    let nothing = Reply::decode(&Message::with_value(Properties::default(), "hello")).unwrap_err();
    assert!(
        nothing
            .to_string()
            .contains("expected application property `statusCode`, found none"),
        "{nothing}"
    );
    let refused = Reply::refusal(Status::FORBIDDEN, "no")
        .into_rows(&request)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "QUERY of router was refused with status 403: no"
    );
    let shapeless = Reply::new(Status::OK, json!({"attributeNames": "all"}))
        .into_rows(&request)
        .unwrap_err();
    let expected = "the answer to QUERY of router: expected a list `attributeNames`, found \"all\"";
    assert_eq!(shapeless.to_string(), expected);
}

#[test]
fn values_without_a_counterpart_do_no_harm() {
    let mut deep = Amqp::Null;
    for _ in 0..1000 {
        deep = Amqp::List(vec![deep]);
    }
    let mut map = Map::new();
    map.push(1u32, "no text is the key");
    map.push("octets", Amqp::Binary(vec![b'a', 0xff].into()));
    map.push("id", Amqp::Uuid([0x11; 16]));
    map.push("huge", u64::MAX);
    map.push("time", Amqp::Timestamp(5));
    assert_eq!(
        from_amqp(&Amqp::Map(map)),
        json!({
            "octets": "a\u{fffd}", "id": "11111111-1111-1111-1111-111111111111", "huge": u64::MAX, "time": 5
        })
    );
    assert!(from_amqp(&deep).to_string().len() < 200);
    assert_eq!(to_amqp(&json!(-5)), Amqp::Int(-5));
    assert_eq!(to_amqp(&json!(1i64 << 40)), Amqp::Long(1 << 40));
    assert_eq!(to_amqp(&json!(u64::MAX)), Amqp::Ulong(u64::MAX));
    let binary = Request::decode(&Message {
        body: Body::Data(vec![]),
        ..Message::default()
    });
    assert_eq!(
        (binary.body, binary.operation),
        (Value::Null, String::new())
    );
}

#[test]
fn addresses_of_agents() {
    assert_eq!(address_of_router("A"), "_topo/0/A/$management");
    assert_eq!(address_of_edge_router("E"), "_edge/E/$management");
}
