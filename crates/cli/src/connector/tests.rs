use clap::Parser;
use skupper_api::{Kind, State, condition};

use super::*;
use crate::arguments::{self, CommandLine};
use crate::document::{Format, encode};

fn parse(line: &str) -> arguments::connector::Command {
    let line = CommandLine::try_parse_from(line.split(' ')).unwrap();
    match line.command {
        Some(arguments::Command::Connector {
            command: Some(command),
        }) => command,
        other => panic!("{other:?}"),
    }
}

const NOTHING: Known<'_> = Known {
    namespace: "west",
    exists: false,
    secret_exists: true,
};

fn creating(line: &str, known: &Known<'_>) -> Result<Connector, Failure> {
    match parse(line) {
        arguments::connector::Command::Create(command) => create(&command, known, &None),
        arguments::connector::Command::Generate(command) => generate(&command, &None),
        other => panic!("{other:?}"),
    }
}

fn updating(line: &str, known: &Known<'_>) -> Result<(String, Value), Failure> {
    match parse(line) {
        arguments::connector::Command::Update(command) => update(&command, known, &None),
        other => panic!("{other:?}"),
    }
}

#[test]
fn exactly_one_target_is_meant() {
    let spec = |line: &str| creating(line, &NOTHING).unwrap().spec;
    let none = spec("skupper connector create backend 8080");
    assert_eq!(
        (none.selector.as_deref(), none.host),
        (Some("app=backend"), None)
    );
    let host = spec("skupper connector create backend 8080 --host 10.0.0.1 --include-not-ready");
    assert_eq!(
        (host.selector, host.host.as_deref()),
        (None, Some("10.0.0.1"))
    );
    assert!(host.include_not_ready_pods);
    let refused = creating(
        "skupper connector create b 1 --host h --selector a=b --workload deployment/x",
        &NOTHING,
    );
    assert_eq!(
        refused.unwrap_err().messages,
        [
            "If host is configured, cannot configure workload or selector",
            "If selector is configured, cannot configure workload or host",
            "If workload is configured, cannot configure selector or host",
        ]
    );
}

#[test]
fn a_workload_stands_for_its_labels() {
    let arguments::connector::Command::Create(command) =
        parse("skupper connector create b 1 --workload deployment/x")
    else {
        panic!()
    };
    let labels = [("b", "2"), ("a", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let made = create(&command, &NOTHING, &Some(Ok(labels.into()))).unwrap();
    assert_eq!(made.spec.selector.as_deref(), Some("a=1,b=2"));
    let refused = create(
        &command,
        &NOTHING,
        &Some(Err("workload, no selector Matchlabels found".to_owned())),
    );
    assert_eq!(
        refused.unwrap_err().messages,
        ["workload, no selector Matchlabels found"]
    );
}

#[test]
fn update_touches_only_what_was_typed() {
    let known = Known {
        exists: true,
        ..NOTHING
    };
    let change = |line: &str| updating(line, &known).unwrap().1;
    assert_eq!(
        change("skupper connector update b --include-not-ready=false"),
        json!({"spec": {"includeNotReadyPods": false}})
    );
    assert_eq!(
        change("skupper connector update b --host h"),
        json!({"spec": {"host": "h", "selector": null}})
    );
    assert_eq!(
        change("skupper connector update b --selector a=b -r k"),
        json!({"spec": {"selector": "a=b", "host": null, "routingKey": "k"}})
    );
}

#[test]
fn the_tables_are_upstreams() {
    assert_eq!(list(&[]), "No connectors found\n");
    let mut connector = creating("skupper connector create backend 8080", &NOTHING).unwrap();
    connector.set_condition(
        condition::CONFIGURED,
        &State::ready(),
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        list(std::slice::from_ref(&connector)),
        "NAME\tSTATUS\tROUTING-KEY\tSELECTOR\tHOST\tPORT\tHAS MATCHING LISTENER\tMESSAGE\nbackend\tPending\tbackend\t\tapp=backend\t\t8080\tfalse\t\t\tNot Matched\n"
    );
    assert_eq!(
        details(&connector),
        "Name:\t\tbackend\nStatus:\t\tPending\nRouting key:\tbackend\nSelector:\tapp=backend\nHost:\t\t\nPort:\t\t8080\nHas Matching Listener:false\nMessage:\tNot Matched\n\n"
    );
    assert_eq!(
        encode(&connector, Format::Json)
            .unwrap()
            .lines()
            .nth(1)
            .unwrap(),
        "  \"apiVersion\": \"skupper.io/v2alpha1\","
    );
}
