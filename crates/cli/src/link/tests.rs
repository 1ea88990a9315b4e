use clap::Parser;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use skupper_api::{Certificate, CertificateSpec, Endpoint, Kind, Site, SiteSpec, State, condition};

use super::generate::{Request, request};
use super::issue::{Source, not_issued, source};
use super::*;
use crate::arguments::{self, CommandLine};

fn parse(line: &str) -> arguments::link::Command {
    let line = CommandLine::try_parse_from(line.split(' ')).unwrap();
    match line.command {
        Some(arguments::Command::Link {
            command: Some(command),
        }) => command,
        other => panic!("{other:?}"),
    }
}

fn generating(line: &str, sites: &[Site]) -> Result<Request, Failure> {
    match parse(line) {
        arguments::link::Command::Generate(command) => request(&command, sites),
        other => panic!("{other:?}"),
    }
}

fn endpoint(name: &str, host: &str, port: &str, group: &str) -> Endpoint {
    let [name, host, port, group] = [name, host, port, group].map(str::to_owned);
    Endpoint {
        name,
        host,
        port,
        group,
    }
}

fn endpoints(host: &str, group: &str) -> Vec<Endpoint> {
    vec![
        endpoint("edge", host, "45671", group),
        endpoint("inter-router", host, "55671", group),
    ]
}

fn west(endpoints: Vec<Endpoint>) -> Site {
    let mut site = Site::new(
        "west",
        SiteSpec {
            link_access: "default".into(),
            ..SiteSpec::default()
        },
    );
    for type_ in [
        condition::CONFIGURED,
        condition::RUNNING,
        condition::RESOLVED,
    ] {
        site.set_condition(type_, &State::ready(), Timestamp::UNIX_EPOCH);
    }
    let status = site.status_mut();
    status.endpoints = endpoints;
    status.default_issuer = "skupper-site-ca".to_owned();
    site
}

#[test]
fn what_is_printed_is_what_upstream_prints() {
    let request = generating(
        "skupper link generate",
        &[west(endpoints("10.71.80.20", "skupper-router"))],
    )
    .unwrap();
    let links = request.links().unwrap();
    let data = [
        ("ca.crt", "ca"),
        ("tls.crt", "crt"),
        ("tls.key", "key"),
        ("more", "not carried"),
    ];
    let mut source = Secret {
        type_: Some("Opaque".into()),
        data: Some(
            data.map(|(key, value)| (key.to_owned(), ByteString(value.into())))
                .into(),
        ),
        ..Secret::default()
    };
    source.metadata.annotations = Some([("a".to_owned(), "b".to_owned())].into());
    insta::assert_snapshot!(request.documents(&links, Some(&source)).unwrap());
    let json = generating(
        "skupper link generate -o json --cost 0",
        &[west(endpoints("h", "g"))],
    )
    .unwrap();
    insta::assert_snapshot!(
        json.documents(&json.links().unwrap(), Some(&source))
            .unwrap()
    );
}

#[test]
fn each_group_has_a_link_and_all_share_the_credential() {
    let mut both = endpoints("b", "skupper-router-2");
    both.extend(endpoints("a", "skupper-router"));
    let request = generating("skupper link generate --cost 5", &[west(both)]).unwrap();
    let links = request.links().unwrap();
    let shown: Vec<(&str, &str, i64)> = links
        .iter()
        .map(|link| {
            (
                name_of(link),
                link.spec.tls_credentials.as_str(),
                link.spec.cost,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("link-west-skupper-router", "link-west", 5),
            ("link-west-skupper-router-2", "link-west", 5)
        ]
    );
    assert_eq!(request.certificate().spec.subject, "b,b,a,a");
    assert_eq!(request.certificate().spec.ca, "skupper-site-ca");
}

#[test]
fn a_name_gives_a_remote_site_a_credential_of_its_own() {
    let sites = [west(endpoints("a", "skupper-router"))];
    let named = generating("skupper link generate --name to-east", &sites).unwrap();
    assert_eq!(
        name_of(&named.links().unwrap()[0]),
        "to-east-skupper-router"
    );
    let certificate = named.certificate();
    assert_eq!(
        (name_of(&certificate), certificate.spec.subject.as_str()),
        ("to-east", "to-east")
    );
    let with = generating(
        "skupper link generate --name to-east --tls-credentials own",
        &sites,
    )
    .unwrap();
    assert_eq!(with.credentials, "own");
    let links = with.links().unwrap();
    assert_eq!(
        (name_of(&links[0]), links[0].spec.tls_credentials.as_str()),
        ("to-east-skupper-router", "own")
    );
}

#[test]
fn the_three_modes() {
    let sites = [west(endpoints("a", "g"))];
    let mode = |line: &str| {
        let request = generating(line, &sites).unwrap();
        (request.credentials, request.with_secret)
    };
    assert_eq!(
        mode("skupper link generate"),
        ("link-west".to_owned(), true)
    );
    assert_eq!(
        mode("skupper link generate --tls-credentials skupper-link"),
        ("skupper-link".to_owned(), true)
    );
    assert_eq!(
        mode("skupper link generate --generate-credential=false --tls-credentials=skupper-link"),
        ("skupper-link".to_owned(), false)
    );
    let refused =
        generating("skupper link generate --generate-credential=false", &sites).unwrap_err();
    assert_eq!(
        (refused.code, refused.messages),
        (2, vec!["the TLS secret name was not specified".to_owned()])
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let refused = generating(
        "skupper link generate x --tls-credentials A --cost=-1 -o xml --timeout 1s",
        &[],
    );
    assert_eq!(
        refused.unwrap_err().messages,
        [
            "there is no skupper site in this namespace",
            "there is no active skupper site in this namespace",
            "arguments are not allowed in this command",
            "the name of the tls secret is not valid: value does not match this regular expression: ^[a-z0-9]([-a-z0-9]*[a-z0-9])*(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])*)*$",
            "link cost is not valid: value is not positive",
            "output type is not valid: value xml not allowed. It should be one of this options: [json yaml]",
            "timeout is not valid: duration must not be less than 10s; got 1s",
        ]
    );
    let text = generating("skupper link generate --cost x", &[Site::default()])
        .unwrap_err()
        .messages
        .join("\n");
    assert_eq!(
        text,
        "there is no active skupper site in this namespace\nlink cost is not valid: strconv.Atoi: parsing \"x\": invalid syntax"
    );
}

#[test]
fn a_site_that_cannot_be_linked_to_says_why() {
    let closed = generating("skupper link generate", &[west(Vec::new())]).unwrap();
    assert_eq!(
        closed.links().unwrap_err().messages,
        [
            "A link cannot be generated because link access is not enabled. \n Use \"skupper site update --enable-link-access\" to enable it."
        ]
    );
    let mut edge = west(endpoints("a", "g"));
    edge.spec.edge = true;
    let refused = generating("skupper link generate", &[edge])
        .unwrap()
        .links()
        .unwrap_err();
    assert_eq!(
        refused.messages,
        ["Edge sites cannot accept incoming links from remote sites"]
    );
}

#[test]
fn no_certificate_is_made_over_a_secret() {
    let certificate = Certificate::new("x", CertificateSpec::default());
    assert_eq!(source(Some(&Secret::default()), None), Source::Existing);
    assert_eq!(
        source(Some(&Secret::default()), Some(&certificate)),
        Source::Existing
    );
    assert_eq!(source(None, Some(&certificate)), Source::Awaited);
    assert_eq!(source(None, None), Source::Issue);
    let mut failing = certificate.clone();
    failing.set_condition(
        condition::READY,
        &State::error("CA \"west/ca\" not found"),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        not_issued("x", Some(&failing)),
        "Certificate x says: CA \"west/ca\" not found"
    );
    assert!(not_issued("x", Some(&certificate)).contains("check that a Skupper controller runs"));
}

#[test]
fn the_tables_are_upstreams() {
    assert_eq!(list(&[]), "There are no link resources in the namespace\n");
    let request = generating(
        "skupper link generate",
        &[west(endpoints("a", "skupper-router"))],
    )
    .unwrap();
    let mut link = request.links().unwrap().remove(0);
    link.set_condition(
        condition::CONFIGURED,
        &State::ready(),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        list(std::slice::from_ref(&link)),
        "NAME\t\t\t\tSTATUS\tCOST\tMESSAGE\nlink-west-skupper-router\tPending\t1\tNot Operational\n"
    );
    assert_eq!(
        details(&link),
        "Name\t: link-west-skupper-router\nStatus\t: Pending\nCost\t: 1\nMessage\t: Not Operational\n"
    );
}

#[test]
fn update_touches_only_what_was_typed() {
    let known = Known {
        site: true,
        link: true,
        secret: false,
    };
    let updating = |line: &str, known: Known| match parse(line) {
        arguments::link::Command::Update(command) => update(&command, known),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        updating("skupper link update x --cost 3", known).unwrap().1,
        json!({"spec": {"cost": 3}})
    );
    assert_eq!(
        updating("skupper link update x --tls-credentials s", known)
            .unwrap_err()
            .messages,
        ["the TLS secret \"s\" is not available in the namespace: secrets \"s\" not found"]
    );
    let nothing = Known {
        site: false,
        link: false,
        secret: true,
    };
    assert_eq!(
        updating("skupper link update x", nothing)
            .unwrap_err()
            .messages,
        [
            "there is no skupper site in this namespace",
            "the link \"x\" is not available in the namespace"
        ]
    );
}
