use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value, json};
use skupper_management::Attributes;

use super::*;
use crate::policy::grant::{Asked, Way};

fn settings(more: Value) -> Settings {
    let mut all = json!({"defaultVhost": "$default", "enableVhostPolicy": true});
    let more = more.as_object().cloned().unwrap();
    all.as_object_mut().unwrap().extend(more);
    skupper_management::field::Record::from_attributes(all.as_object().unwrap()).unwrap()
}

fn ruled(attributes: Value) -> Arc<Ruled> {
    let attributes: &Attributes = attributes.as_object().unwrap();
    let (vhost, _) = Vhost::read(attributes).unwrap();
    let stats = VhostStats::new(&vhost.hostname);
    let ruled = Ruled::new(vhost, stats).unwrap();
    for host in ruled.names() {
        host.learn(match host.name.as_str() {
            "office" => Ok(["10.9.9.9", "fd00::9"]
                .map(|text| text.parse().unwrap())
                .into()),
            _ => Err("no such name".to_owned()),
        });
    }
    Arc::new(ruled)
}

fn rules(more: Value, vhosts: &[Value]) -> Rules {
    let mut rules = Rules::default().with_settings(settings(more));
    for vhost in vhosts {
        rules.put(ruled(vhost.clone())).unwrap();
    }
    rules
}

/// Vhost and group of a user, or a piece of what is said instead.
fn admitted(rules: &Rules, user: &str, host: &str, hostname: &str) -> Result<String, String> {
    let host: IpAddr = host.parse().unwrap();
    let visitor = Visitor {
        user,
        host,
        hostname,
    };
    match rules.admit(visitor) {
        Ok((grant, _)) => Ok(format!("{}/{}", grant.vhost.vhost.hostname, grant.group)),
        Err(away) => Err(away.denial.to_string()),
    }
}

fn two_groups() -> Value {
    json!({
        "hostname": "farm", "aliases": "ranch, estate", "allowUnknownUser": false,
        "maxConnections": 10, "maxConnectionsPerUser": 5, "maxConnectionsPerHost": 7,
        "groups": {
            "farmers": {"users": "ann, bob", "remoteHosts": "10.0.0.1-10.0.0.9, fd00::1, office", "maxConnectionsPerUser": 2},
            "others": {"users": "*", "remoteHosts": "*"},
            "nobody": {"users": "eve", "remoteHosts": ""},
        }
    })
}

#[test]
fn users_are_in_the_group_that_names_them_and_come_from_where_it_lets_them() {
    let rules = rules(json!({}), &[two_groups()]);
    for (user, host, expected) in [
        ("ann", "10.0.0.1", Ok("farm/farmers")),
        ("ann", "10.0.0.9", Ok("farm/farmers")),
        (
            "ann",
            "10.0.0.10",
            Err(
                "is let in from 10.0.0.1-10.0.0.9, fd00::1, office, and the connection is from 10.0.0.10",
            ),
        ),
        ("bob", "fd00::1", Ok("farm/farmers")),
        (
            "bob",
            "fd00::2",
            Err("User is not allowed to connect from this network host"),
        ),
        ("bob", "10.9.9.9", Ok("farm/farmers")),
        ("bob", "fd00::9", Ok("farm/farmers")),
        ("cid", "10.0.0.10", Ok("farm/others")),
        ("eve", "127.0.0.1", Err("is let in from nowhere")),
    ] {
        let found = admitted(&rules, user, host, "farm");
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(expected), "{user} {host}"),
            Err(expected) => assert!(found.unwrap_err().contains(expected), "{user} {host}"),
        }
    }
}

#[test]
fn limits_of_the_group_go_before_those_of_the_virtual_host() {
    let rules = rules(json!({}), &[two_groups()]);
    let limits = |user| {
        let host = "10.0.0.1".parse().unwrap();
        rules
            .admit(Visitor {
                user,
                host,
                hostname: "farm",
            })
            .unwrap()
            .1
    };
    assert_eq!(
        limits("ann"),
        Limits {
            all: 10,
            user: 2,
            host: 7
        }
    );
    assert_eq!(
        limits("cid"),
        Limits {
            all: 10,
            user: 5,
            host: 7
        }
    );
}

#[test]
fn a_host_name_means_a_virtual_host_by_its_name_an_alias_or_the_default() {
    let default = json!({"hostname": "$default", "allowUnknownUser": true, "groups": {"$default": {"remoteHosts": "*"}}});
    let with = rules(json!({}), &[two_groups(), default.clone()]);
    let at = |rules: &Rules, name: &str| admitted(rules, "cid", "127.0.0.1", name);
    assert_eq!(at(&with, "ranch").as_deref(), Ok("farm/others"));
    assert_eq!(at(&with, "estate").as_deref(), Ok("farm/others"));
    assert_eq!(at(&with, "elsewhere").as_deref(), Ok("$default/$default"));
    assert_eq!(at(&with, "").as_deref(), Ok("$default/$default"));
    let off = rules(json!({"defaultVhost": ""}), &[two_groups(), default]);
    let why = at(&off, "elsewhere").unwrap_err();
    assert!(
        why.starts_with("No policy defined for vhost: 'elsewhere'"),
        "{why}"
    );
    let mut without = rules(json!({}), &[two_groups()]);
    assert!(at(&without, "elsewhere").is_err());
    without.remove("farm");
    assert!(at(&without, "ranch").is_err());
    without
        .put(ruled(json!({"hostname": "ranch", "groups": {}})))
        .unwrap();
}

#[test]
fn without_a_group_of_their_own_users_are_unknown() {
    let strict = json!({"hostname": "v", "groups": {"g": {"users": "ann", "remoteHosts": "*"}}});
    let why = admitted(&rules(json!({}), &[strict]), "bob", "::1", "v").unwrap_err();
    assert!(
        why.contains("add 'bob' to the users of a group of vhost 'v'"),
        "{why}"
    );
    let open = json!({"hostname": "v", "allowUnknownUser": true, "groups": {
        "g": {"users": "ann", "remoteHosts": "*"}, "$default": {"remoteHosts": "*"}}});
    let open = rules(json!({}), &[open]);
    assert_eq!(
        admitted(&open, "bob", "::1", "v").as_deref(),
        Ok("v/$default")
    );
    assert_eq!(admitted(&open, "ann", "::1", "v").as_deref(), Ok("v/g"));
}

#[test]
fn names_that_mean_two_virtual_hosts_are_refused() {
    let mut rules = rules(json!({}), &[two_groups()]);
    for (vhost, expected) in [
        (
            json!({"hostname": "ranch"}),
            "Policy is creating vhost 'ranch' but that name is already an alias for vhost 'farm'",
        ),
        (
            json!({"hostname": "x", "aliases": "farm"}),
            "Policy for vhost 'x' defines alias 'farm' which conflicts with an existing vhost named 'farm'",
        ),
        (
            json!({"hostname": "x", "aliases": "estate"}),
            "Policy for vhost 'x' alias 'estate' conflicts with existing alias for vhost 'farm'",
        ),
    ] {
        assert_eq!(rules.put(ruled(vhost)).unwrap_err(), expected);
    }
    // One that replaces itself may keep its aliases, and give them up.
    rules
        .put(ruled(json!({"hostname": "farm", "aliases": "ranch"})))
        .unwrap();
    rules
        .put(ruled(json!({"hostname": "x", "aliases": "estate"})))
        .unwrap();
}

#[test]
fn names_are_patterns_where_that_is_asked_for() {
    let group = json!({"$default": {"remoteHosts": "*"}});
    let vhost = |name: &str, aliases: &str| json!({"hostname": name, "aliases": aliases, "allowUnknownUser": true, "groups": group});
    let patterns = json!({"enableVhostNamePatterns": true});
    let mut rules = rules(
        patterns,
        &[
            vhost("#.example.com", "*.org"),
            vhost("mail.example.com", ""),
        ],
    );
    for (name, expected) in [
        ("a.b.example.com", Some("#.example.com/$default")),
        ("mail.example.com", Some("mail.example.com/$default")),
        ("x.org", Some("#.example.com/$default")),
        ("x.y.org", None),
    ] {
        assert_eq!(
            admitted(&rules, "u", "::1", name).ok().as_deref(),
            expected,
            "{name}"
        );
    }
    let why = rules.put(ruled(vhost("#.#.example.com", ""))).unwrap_err();
    assert!(
        why.ends_with("optimized pattern conflicts with existing pattern"),
        "{why}"
    );
    rules.put(ruled(vhost("#.example.com", ""))).unwrap();
    assert!(admitted(&rules, "u", "::1", "x.org").is_err());
}

#[test]
fn a_connector_needs_a_group_of_its_own() {
    let vhost =
        json!({"hostname": "v", "groups": {"$connector": {"sources": "a", "maxMessageSize": 7}}});
    // Not the default virtual host's.
    let settings = json!({"maxMessageSize": 9, "defaultVhost": "v"});
    let rules = rules(settings, &[vhost, two_groups()]);
    assert_eq!(
        rules.connector("v", "anonymous").unwrap().max_message_size,
        7
    );
    for missing in ["farm", "nosuch"] {
        let why = rules
            .connector(missing, "anonymous")
            .unwrap_err()
            .to_string();
        assert!(why.contains(&format!("policyVhost: '{missing}'")), "{why}");
    }
}

#[test]
fn the_longest_message_is_the_groups_the_virtual_hosts_or_the_policys() {
    for (group, vhost, policy, expected) in [
        (json!(1), json!(2), 3, 1),
        (json!(null), json!(2), 3, 2),
        (json!(null), json!(null), 3, 3),
        (json!(null), json!(null), 0, u64::MAX),
        (json!(0), json!(2), 3, u64::MAX),
        (json!(null), json!(0), 3, u64::MAX),
    ] {
        let vhost = json!({"hostname": "v", "maxMessageSize": vhost, "groups": {
            "g": {"users": "*", "remoteHosts": "*", "maxMessageSize": group}}});
        let rules = rules(json!({"maxMessageSize": policy}), &[vhost]);
        let host = "::1".parse().unwrap();
        let (grant, _) = rules
            .admit(Visitor {
                user: "u",
                host,
                hostname: "v",
            })
            .unwrap();
        assert_eq!(grant.max_message_size, expected);
    }
}

fn grant(group: Value) -> Grant {
    let mut group = group;
    group["users"] = json!("*");
    group["remoteHosts"] = json!("*");
    let rules = rules(
        json!({}),
        &[json!({"hostname": "v", "groups": {"g": group}})],
    );
    let host = "::1".parse().unwrap();
    rules
        .admit(Visitor {
            user: "ann",
            host,
            hostname: "v",
        })
        .unwrap()
        .0
}

#[test]
fn links_are_allowed_by_address_flag_and_number() {
    let mut one = grant(
        json!({"sources": "a*", "targetPattern": "q.${user}", "maxSenders": 1, "maxReceivers": 2}),
    );
    for (way, asked, expected) in [
        (
            Way::Sending,
            Asked::Named("q.bob"),
            Some(
                "targetPattern of group 'g' is the pattern 'q.${user}', and 'q.bob' is none of them",
            ),
        ),
        (
            Way::Sending,
            Asked::Nothing,
            Some("allowAnonymousSender of group 'g' is false"),
        ),
        (
            Way::Sending,
            Asked::Dynamic,
            Some("allowAnonymousSender of group 'g' is false"),
        ),
        (
            Way::Receiving,
            Asked::Dynamic,
            Some("allowDynamicSource of group 'g' is false"),
        ),
        (Way::Receiving, Asked::Nothing, Some("link source name")),
        (
            Way::Receiving,
            Asked::Named("b"),
            Some("sources of group 'g' is 'a*', and 'b' is none of them"),
        ),
        (Way::Sending, Asked::Named("q.ann"), None),
        (Way::Receiving, Asked::Named("a1"), None),
        (Way::Receiving, Asked::Named("a2"), None),
        (
            Way::Sending,
            Asked::Named("q.ann"),
            Some("based on maxSenders limit: 1 are attached"),
        ),
        (
            Way::Receiving,
            Asked::Named("a3"),
            Some("based on maxReceivers limit: 2 are attached"),
        ),
    ] {
        let link = one.count(Way::Sending) * 10 + one.count(Way::Receiving);
        let found = one.attach(link as usize, way, asked).err();
        match expected {
            None => assert_eq!(found, None),
            Some(expected) => {
                let found = found.unwrap();
                assert!(found.to_string().contains(expected), "{found}");
                let limited = expected.contains("limit:");
                let condition = if limited {
                    "amqp:resource-limit-exceeded"
                } else {
                    "amqp:unauthorized-access"
                };
                assert_eq!(found.link_condition(), condition);
            }
        }
    }
    let mut open =
        grant(json!({"allowAnonymousSender": true, "allowDynamicSource": true, "maxSenders": 0}));
    assert!(
        open.attach(0, Way::Sending, Asked::Nothing).is_err(),
        "none at all"
    );
    open.attach(1, Way::Receiving, Asked::Dynamic).unwrap();
}

#[test]
fn sessions_frames_and_windows_are_the_groups_where_it_says_so() {
    let mut one = grant(json!({"maxSessions": 2, "maxFrameSize": 100, "maxSessionWindow": 5000}));
    assert_eq!((one.frame_size(), one.channel_max()), (Some(512), Some(1)));
    assert_eq!(one.session_window(16384), Some(9));
    one.begin().unwrap();
    one.begin().unwrap();
    assert!(one.begin().unwrap_err().to_string().contains("2 are begun"));
    one.end();
    one.begin().unwrap();
    let open = grant(json!({}));
    assert_eq!(
        (
            open.frame_size(),
            open.channel_max(),
            open.session_window(16384)
        ),
        (None, None, None)
    );
    assert_eq!(
        grant(json!({"maxSessionWindow": 1})).session_window(16384),
        Some(2)
    );
}

#[test]
fn messages_name_their_own_user_and_an_address_that_is_allowed() {
    let strict = grant(json!({"targets": "a"}));
    assert!(
        strict.looks_at_user() && strict.says(b"ann") && strict.says(b"") && !strict.says(b"bob")
    );
    assert!(strict.message("a").is_ok());
    assert!(
        strict
            .message("b")
            .unwrap_err()
            .to_string()
            .starts_with("based on target address")
    );
    let open = grant(json!({"allowUserIdProxy": true, "allowAdminStatusUpdate": false}));
    assert!(!open.looks_at_user() && open.says(b"bob") && !open.administers());
    assert!(strict.administers());
}

proptest! {
    /// Whatever is attached and detached: never more links than allowed, and exactly as many as are there.
    #[test]
    fn links_are_counted_while_they_are_there(
        steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0_usize..8), 0..60),
        senders in 0_u64..4,
        receivers in 0_u64..4,
    ) {
        let mut grant = grant(json!({"sources": "*", "targets": "*", "maxSenders": senders, "maxReceivers": receivers}));
        let mut there: HashMap<usize, Way> = HashMap::new();
        for (attach, sending, link) in steps {
            let way = if sending { Way::Sending } else { Way::Receiving };
            let most = if sending { senders } else { receivers };
            if !attach {
                grant.detach(link);
                there.remove(&link);
            } else if !there.contains_key(&link) {
                let count = there.values().filter(|known| **known == way).count() as u64;
                prop_assert_eq!(grant.attach(link, way, Asked::Named("x")).is_ok(), count < most);
                if count < most {
                    there.insert(link, way);
                }
            }
            for way in [Way::Sending, Way::Receiving] {
                let count = there.values().filter(|known| **known == way).count() as u64;
                prop_assert_eq!(grant.count(way), count);
            }
        }
    }

    /// Addresses between the ends of a range are in it, and no others.
    #[test]
    fn a_range_has_what_lies_between_its_ends(first: u32, last: u32, host: u32) {
        let (first, last) = (first.min(last), first.max(last));
        let text = |address: u32| IpAddr::from(address.to_be_bytes()).to_string();
        let hosts = format!("{}-{}", text(first), text(last));
        let vhost = json!({"hostname": "v", "groups": {"g": {"users": "*", "remoteHosts": hosts}}});
        let rules = rules(json!({}), &[vhost]);
        let found = admitted(&rules, "u", &text(host), "v").is_ok();
        prop_assert_eq!(found, (first..=last).contains(&host));
        prop_assert!(admitted(&rules, "u", "::1", "v").is_err());
    }
}
