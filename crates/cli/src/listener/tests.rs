use clap::Parser;
use skupper_api::{Kind, State, condition};

use super::*;
use crate::arguments::{self, CommandLine};
use crate::document::{Format, encode};

fn parse(line: &str) -> arguments::listener::Command {
    let line = CommandLine::try_parse_from(line.split(' ')).unwrap();
    match line.command {
        Some(arguments::Command::Listener {
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

fn creating(line: &str, known: &Known<'_>) -> Result<Listener, Failure> {
    match parse(line) {
        arguments::listener::Command::Create(command) => create(&command, known),
        arguments::listener::Command::Generate(command) => generate(&command),
        other => panic!("{other:?}"),
    }
}

fn updating(line: &str, known: &Known<'_>) -> Result<(String, Value), Failure> {
    match parse(line) {
        arguments::listener::Command::Update(command) => update(&command, known),
        other => panic!("{other:?}"),
    }
}

#[test]
fn name_stands_for_host_and_routing_key() {
    let listener = creating("skupper listener create backend 8080", &NOTHING).unwrap();
    assert_eq!(
        encode(&listener, Format::Yaml).unwrap(),
        "apiVersion: skupper.io/v2alpha1\nkind: Listener\nmetadata:\n  name: backend\nspec:\n  host: backend\n  port: 8080\n  routingKey: backend\n  type: tcp\n"
    );
    let listener = creating(
        "skupper listener generate backend 8080 --host h --routing-key k --tls-credentials s",
        &NOTHING,
    )
    .unwrap();
    let spec = listener.spec;
    assert_eq!(
        (
            spec.host.as_str(),
            spec.routing_key.as_str(),
            spec.tls_credentials.as_str()
        ),
        ("h", "k", "s")
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let taken = Known {
        exists: true,
        secret_exists: false,
        ..NOTHING
    };
    let refused = creating(
        "skupper listener create b x --tls-credentials s --routing-key A_ --type udp --timeout 1s --wait no",
        &taken,
    );
    assert_eq!(
        refused.unwrap_err().messages,
        [
            "listener port is not valid: strconv.Atoi: parsing \"x\": invalid syntax",
            "There is already a listener b created for namespace west",
            "routing key is not valid: value does not match this regular expression: ^[a-z0-9]([-a-z0-9]*[a-z0-9])*(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])*)*$",
            "tls-secret is not valid: does not exist",
            "listener type is not valid: value udp not allowed. It should be one of this options: [tcp]",
            "timeout is not valid: duration must not be less than 10s; got 1s",
            "status is not valid: value no not allowed. It should be one of this options: [ready configured none]",
        ]
    );
    let message = |line: &str| creating(line, &NOTHING).unwrap_err().messages.join("\n");
    assert_eq!(
        message("skupper listener create b"),
        "listener name and port must be configured"
    );
    assert_eq!(
        message("skupper listener create b 1 c"),
        "only two arguments are allowed for this command"
    );
    let missing = updating("skupper listener update b", &NOTHING).unwrap_err();
    assert_eq!(
        missing.messages,
        ["listener b must exist in namespace west to be updated"]
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
        change("skupper listener update b --port 9090"),
        json!({"spec": {"port": 9090}})
    );
    assert_eq!(
        change("skupper listener update b --tls-credentials="),
        json!({"spec": {"tlsCredentials": ""}})
    );
    assert_eq!(
        change("skupper listener update b --host h --routing-key k"),
        json!({"spec": {"host": "h", "routingKey": "k"}})
    );
}

#[test]
fn the_tables_are_upstreams() {
    assert_eq!(list(&[]), "No listeners found\n");
    let mut listener = creating("skupper listener create backend 8080", &NOTHING).unwrap();
    listener.set_condition(
        condition::CONFIGURED,
        &State::ready(),
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        list(std::slice::from_ref(&listener)),
        "NAME\tSTATUS\tROUTING-KEY\tHOST\tPORT\tMATCHING-CONNECTOR\tMESSAGE\nbackend\tPending\tbackend\t\tbackend\t8080\tfalse\t\t\tNot Matched\n"
    );
    assert_eq!(
        details(&listener),
        "Name:\t\t\tbackend\nStatus:\t\t\tPending\nRouting key:\t\tbackend\nHost:\t\t\tbackend\nPort:\t\t\t8080\nHas Matching Connector:\tfalse\nMessage:\t\tNot Matched\n\n"
    );
}
