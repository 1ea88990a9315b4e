use serde_json::json;

use super::*;

fn records() -> Vec<Record> {
    let child = |kind, id: &str| Record::new(kind, id).with(Attribute::PARENT, "abcde:0");
    vec![
        Record::new(RecordType::Site, "uuid")
            .with(Attribute::NAME, "east")
            .with(Attribute::NAMESPACE, "ns")
            .with(Attribute::PLATFORM, "kubernetes")
            .with(Attribute::BUILD_VERSION, "2.1.0"),
        Record::new(RecordType::Router, "abcde:0")
            .with(Attribute::PARENT, "uuid")
            .with(Attribute::NAME, "0/east-pod")
            .with(Attribute::MODE, "interior"),
        child(RecordType::Link, "abcde:3")
            .with(Attribute::NAME, "to-west")
            .with(Attribute::LINK_COST, 1)
            .with(Attribute::OPER_STATUS, "up")
            .with(Attribute::ROLE, "inter-router")
            .with(Attribute::PEER, "fghij:3"),
        child(RecordType::RouterAccess, "abcde:4"),
        child(RecordType::Connector, "abcde:5")
            .with(Attribute::PROTOCOL, "tcp")
            .with(Attribute::DEST_HOST, "10.1.2.3")
            .with(Attribute::DEST_PORT, "8080")
            .with(Attribute::VAN_ADDRESS, "backend"),
        child(RecordType::Listener, "abcde:6")
            .with(Attribute::NAME, "listener/backend")
            .with(Attribute::VAN_ADDRESS, "backend"),
        Record::new(RecordType::Process, "pod-uid")
            .with(Attribute::PARENT, "uuid")
            .with(Attribute::NAME, "backend-0")
            .with(Attribute::SOURCE_HOST, "10.1.2.3"),
    ]
}

#[test]
fn the_document_is_the_references_example() {
    let expected = json!({"addresses":[{"name":"backend","startTime":0,"endTime":0,"protocol":"tcp","listenerCount":1,"connectorCount":1}],
      "siteStatus":[{"site":{"identity":"uuid","name":"east","namespace":"ns","platform":"kubernetes","siteVersion":"2.1.0"},
       "routerStatus":[{"router":{"name":"0/east-pod","mode":"interior"},
         "links":[{"name":"to-west","linkCost":1,"status":"up","role":"inter-router","peer":"fghij:3"}],
         "routerAccess":[{"identity":"abcde:4"}],
         "listeners":[{"name":"listener/backend","address":"backend"}],
         "connectors":[{"destHost":"10.1.2.3","destPort":"8080","address":"backend","process":"pod-uid","target":"backend-0"}]}]}]});
    let records = records();
    let status = network_status(records.iter());
    assert_eq!(serde_json::to_value(&status).unwrap(), expected);
    assert_eq!(
        serde_json::from_value::<NetworkStatus>(expected).unwrap(),
        status
    );
}

#[test]
fn upstreams_empty_lists_are_read() {
    let status: NetworkStatus = serde_json::from_value(json!({"addresses": null, "siteStatus":
        [{"site": {"identity": "s"}, "routerStatus": null}, {"site": {}, "routerStatus": [{"router": {}, "links": null,
          "routerAccess": null, "listeners": null, "connectors": null}]}]}))
    .unwrap();
    assert_eq!(status.addresses, []);
    assert_eq!(status.site_status[0].router_status, []);
    assert_eq!(
        status.site_status[1].router_status,
        [RouterStatus::default()]
    );
    assert_eq!(
        serde_json::from_str::<NetworkStatus>("{}").unwrap(),
        NetworkStatus::default()
    );
}

#[test]
fn a_process_that_is_not_known_is_named() {
    let mut records = records();
    records.pop();
    records[4]
        .attributes
        .insert(Attribute::PROCESS, "other-uid".into());
    let status = network_status(records.iter());
    let connector = &status.site_status[0].router_status[0].connectors[0];
    assert_eq!(
        (connector.process.as_str(), connector.target.as_str()),
        ("other-uid", "")
    );
}

#[test]
fn the_order_of_records_does_not_matter() {
    let records = records();
    assert_eq!(
        network_status(records.iter()),
        network_status(records.iter().rev())
    );
}
