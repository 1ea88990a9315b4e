use clap::Parser;
use skupper_api::{State, condition};

use super::*;
use crate::arguments::{self, CommandLine};
use crate::document::{Format, encode};

fn parse(line: &str) -> arguments::site::Command {
    let line = CommandLine::try_parse_from(line.split(' ')).unwrap();
    match line.command {
        Some(arguments::Command::Site {
            command: Some(command),
        }) => command,
        other => panic!("{other:?}"),
    }
}

fn creating(line: &str, existing: usize) -> Result<Site, Failure> {
    match parse(line) {
        arguments::site::Command::Create(command) => create(&command, existing),
        arguments::site::Command::Generate(command) => generate(&command),
        other => panic!("{other:?}"),
    }
}

fn updating(line: &str, sites: &[Site]) -> Result<(String, Value), Failure> {
    match parse(line) {
        arguments::site::Command::Update(command) => update(&command, sites),
        other => panic!("{other:?}"),
    }
}

fn messages(result: Result<impl std::fmt::Debug, Failure>) -> Vec<String> {
    let failure = result.unwrap_err();
    assert_eq!(failure.code, 2);
    failure.messages
}

fn named(name: &str) -> Site {
    Site::new(name, SiteSpec::default())
}

#[test]
fn link_access_becomes_the_type_or_default() {
    let access = |line: &str| creating(line, 0).unwrap().spec.link_access;
    assert_eq!(access("skupper site create west"), "");
    assert_eq!(
        access("skupper site create west --enable-link-access"),
        "default"
    );
    assert_eq!(
        access("skupper site create west --enable-link-access=false"),
        ""
    );
    assert_eq!(
        access("skupper site create west --enable-link-access --link-access-type loadbalancer"),
        "loadbalancer"
    );
    let site = creating(
        "skupper site generate west --enable-link-access --enable-ha",
        0,
    )
    .unwrap();
    assert_eq!(
        encode(&site, Format::Yaml).unwrap(),
        "apiVersion: skupper.io/v2alpha1\nkind: Site\nmetadata:\n  name: west\nspec:\n  ha: true\n  linkAccess: default\n"
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    assert_eq!(
        messages(creating(
            "skupper site create My_site other --link-access-type x --timeout 5s --wait y",
            1
        )),
        [
            "There is already a site created for this namespace",
            "only one argument is allowed for this command.",
            "site name is not valid: value does not match this regular expression: ^[a-z0-9]([-a-z0-9]*[a-z0-9])*(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])*)*$",
            "link access type is not valid: value x not allowed. It should be one of this options: [route loadbalancer default]",
            "for the site to work with this type of linkAccess, the --enable-link-access option must be set to true",
            "timeout is not valid: duration must not be less than 10s; got 5s",
            "status is not valid: value y not allowed. It should be one of this options: [ready configured none]",
        ]
    );
    assert_eq!(
        messages(creating("skupper site create", 0)),
        ["site name must not be empty"]
    );
}

#[test]
fn update_touches_only_what_was_typed() {
    let sites = [named("west")];
    let change = |line: &str| updating(line, &sites).unwrap().1;
    assert_eq!(change("skupper site update"), json!({"spec": {}}));
    assert_eq!(
        change("skupper site update --enable-ha"),
        json!({"spec": {"ha": true}})
    );
    assert_eq!(
        change("skupper site update west --enable-link-access"),
        json!({"spec": {"linkAccess": "default"}})
    );
    assert_eq!(
        change("skupper site update --enable-link-access=false"),
        json!({"spec": {"linkAccess": "none"}})
    );
}

#[test]
fn the_site_meant_is_named_or_the_only_one() {
    let two = [named("a"), named("b")];
    assert_eq!(
        messages(updating("skupper site update", &[])),
        ["there is no existing Skupper site resource to update"]
    );
    assert_eq!(
        messages(updating("skupper site update", &two)),
        ["site name is required because there are several sites in this namespace"]
    );
    assert_eq!(
        messages(updating("skupper site update c", &two)),
        ["site with name \"c\" is not available"]
    );
    assert_eq!(updating("skupper site update b", &two).unwrap().0, "b");
}

#[test]
fn the_table_is_upstreams() {
    assert_eq!(status(&[]), "There is no existing Skupper site resource\n");
    let mut ready = named("west");
    for type_ in [condition::CONFIGURED, condition::RUNNING] {
        ready.set_condition(type_, &State::ready(), jiff::Timestamp::UNIX_EPOCH);
    }
    let mut pending = named("a-long-name-of-a-site");
    pending.set_condition(
        condition::CONFIGURED,
        &State::ready(),
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        status(&[ready, pending, named("new")]),
        "NAME\t\t\tSTATUS\tMESSAGE\nwest\t\t\tReady\tOK\na-long-name-of-a-site\tPending\tNot Running\nnew\t\t\t\t\n"
    );
}

#[test]
fn an_unknown_format_is_told_in_upstreams_words() {
    assert_eq!(
        messages(creating("skupper site generate west -o xml", 0)),
        ["format value xml not allowed. It should be one of this options: [json yaml]"]
    );
}
