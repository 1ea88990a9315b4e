use serde_json::json;

use super::*;

/// Rows of one type, as upstream's router answered them (shortened).
fn answered(kind: Kind, rows: Value) -> Answers {
    let rows = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_object().unwrap().clone())
        .collect();
    Answers::from([(kind, rows)])
}

fn shown(display: Display, kind: Kind, rows: Value, options: Options) -> String {
    render(display, &answered(kind, rows), options)
}

fn connections() -> Value {
    json!([
        {
            "identity": "1", "host": "egress-dispatch", "container": "TcpAdaptor", "role": "normal", "protocol": "tcp",
            "dir": "out", "isAuthenticated": false, "isEncrypted": false, "uptimeSeconds": 5
        },
        {
            "identity": "18", "host": "127.0.0.1:41358", "container": "fd3f4bd1-5308-41ea-b825-4a7b40ab8f25",
            "role": "normal", "protocol": "amqp", "dir": "in", "isAuthenticated": false, "isEncrypted": false,
            "lastDlvSeconds": 0, "uptimeSeconds": 0
        }
    ])
}

#[test]
fn connections_look_as_upstreams() {
    // As upstream's skstat printed them.
    let expected = "\
Connections
  id  host             container                             role    proto  dir  security     authentication  meshId  last dlv      uptime
  ================================================================================================================================================
  1   egress-dispatch  TcpAdaptor                            normal  tcp    out  no-security  no-auth                 -             000:00:00:05
  18  127.0.0.1:41358  fd3f4bd1-5308-41ea-b825-4a7b40ab8f25  normal  amqp   in   no-security  no-auth                 000:00:00:00  000:00:00:00
";
    assert_eq!(
        shown(
            Display::Connections,
            Kind::Connection,
            connections(),
            Options::default()
        ),
        expected
    );
    let csv = Options {
        format: Format::Csv,
        ..Options::default()
    };
    let expected = "\
Connections
\"id\",\"host\",\"container\",\"role\",\"proto\",\"dir\",\"security\",\"authentication\",\"meshId\",\"last dlv\",\"uptime\"
\"1\",\"egress-dispatch\",\"TcpAdaptor\",\"normal\",\"tcp\",\"out\",\"no-security\",\"no-auth\",,\"-\",\"000:00:00:05\"
\"18\",\"127.0.0.1:41358\",\"fd3f4bd1-5308-41ea-b825-4a7b40ab8f25\",\"normal\",\"amqp\",\"in\",\"no-security\",\"no-auth\",,\"000:00:00:00\",\"000:00:00:00\"
";
    assert_eq!(
        shown(Display::Connections, Kind::Connection, connections(), csv),
        expected
    );
}

#[test]
fn peers_are_told_by_certificate_and_cipher() {
    let edge = json!([{
        "identity": "3", "host": "h", "container": "E", "role": "edge", "dir": "in", "active": true,
        "isAuthenticated": true, "sasl": "EXTERNAL", "user": "CN=east", "isEncrypted": true, "sslProto": "TLSv1.3",
        "sslCipher": "TLS_AES_256_GCM_SHA384"
    }]);
    let text = shown(Display::Edge, Kind::Connection, edge, Options::default());
    assert!(
        text.contains("TLSv1.3(TLS_AES_256_GCM_SHA384)  CN=east(x.509)  yes"),
        "{text}"
    );
    assert_eq!(
        shown(
            Display::Edge,
            Kind::Connection,
            connections(),
            Options::default()
        ),
        ""
    );
    assert_eq!(
        shown(
            Display::Edge,
            Kind::Connection,
            json!([]),
            Options::default()
        ),
        "No Edge Router Connections\n"
    );
}

#[test]
fn links_look_as_upstreams() {
    let link = |dir: &str,
                connection: u64,
                id: &str,
                address: &str,
                capacity: u64,
                counts: [u64; 4],
                credit: u64| {
        json!({
            "linkType": "endpoint", "linkDir": dir, "connectionId": connection, "identity": id, "owningAddr": address,
            "capacity": capacity, "priority": counts[0], "undeliveredCount": 0, "unsettledCount": 0,
            "deliveryCount": counts[1], "presettledCount": counts[2], "droppedPresettledCount": 0,
            "acceptedCount": counts[3], "rejectedCount": 0, "releasedCount": 0, "modifiedCount": 0,
            "deliveriesDelayed1Sec": 0, "deliveriesDelayed10Sec": 0, "deliveriesStuck": 0, "settleRate": 0,
            "creditAvailable": credit, "zeroCreditSeconds": 0
        })
    };
    let links = json!([
        link("out", 1, "1", "Mbackend", 5, [4, 0, 0, 0], 1),
        link("in", 19, "24", "M$management", 250, [4, 2, 0, 1], 250),
        link(
            "out",
            19,
            "25",
            "Ltemp.JQXu6FB2ONMq5nH",
            250,
            [4, 1, 1, 0],
            1
        ),
    ]);
    let expected = "\
Router Links
  type      dir  conn id  id  class   addr                  cap  pri  undel  unsett  deliv  presett  psdrop  acc  rej  rel  mod  delay  rate  stuck  cred  blkd
  ===============================================================================================================================================================
  endpoint  out  1        1   mobile  backend               5    4    0      0       0      0        0       0    0    0    0    0      0     0      1     -
  endpoint  in   19       24  mobile  $management           250  4    0      0       2      0        0       1    0    0    0    0      0     0      250   -
  endpoint  out  19       25  local   temp.JQXu6FB2ONMq5nH  250  4    0      0       1      1        0       0    0    0    0    0      0     0      1     -
";
    assert_eq!(
        shown(
            Display::Links,
            Kind::Link,
            links.clone(),
            Options::default()
        ),
        expected
    );
    let verbose = shown(
        Display::Links,
        Kind::Link,
        links,
        Options {
            verbose: true,
            ..Options::default()
        },
    );
    assert!(
        verbose
            .lines()
            .nth(1)
            .unwrap()
            .ends_with("blkd  admin    oper  name"),
        "{verbose}"
    );
}

#[test]
fn addresses_are_sorted() {
    let addresses = json!([
        {"name": "Mmc/sfe.all", "distribution": "multicast", "priority": -1, "subscriberCount": 0, "remoteCount": 0,
         "deliveriesIngress": 0, "deliveriesEgress": 0, "deliveriesTransit": 0, "watch": true},
        {"name": "M$management", "distribution": "closest", "priority": -1, "subscriberCount": 0, "remoteCount": 0,
         "deliveriesIngress": 22, "deliveriesEgress": 0, "deliveriesTransit": 0},
        {"name": "Mbackend", "distribution": "balanced", "priority": 4, "subscriberCount": 1, "remoteCount": 0,
         "deliveriesIngress": 0, "deliveriesEgress": 0, "deliveriesTransit": 0},
    ]);
    let expected = "\
Router Addresses
  class   addr         distrib    pri  local  remote  in  out  thru
  ===================================================================
  mobile  $management  closest    -    0      0       22  0    0
  mobile  backend      balanced   4    1      0       0   0    0
  mobile  mc/sfe.all   multicast  -    0      0       0   0    0
";
    assert_eq!(
        shown(
            Display::Addresses,
            Kind::Address,
            addresses.clone(),
            Options::default()
        ),
        expected
    );
    let verbose = shown(
        Display::Addresses,
        Kind::Address,
        addresses,
        Options {
            verbose: true,
            ..Options::default()
        },
    );
    assert!(verbose.lines().nth(5).unwrap().ends_with('Y'), "{verbose}");
}

#[test]
fn routers_of_the_network() {
    let nodes = json!([
        {"id": "B", "protocolVersion": 1, "linkState": ["A"], "validOrigins": [], "routerLink": 0, "cost": 1},
        {"id": "A", "protocolVersion": 1, "linkState": ["B", "C"], "validOrigins": [], "nextHop": "(self)",
         "lastTopoChange": 1_795_496_825},
    ]);
    let expected = "\
Routers in the Network
Last Topology Change: Tuesday Nov 24 05:07:05 2026 GMT
  router-id  next-hop  link  ver  cost  neighbors   valid-origins
  =================================================================
  A          (self)    -     1          ['B', 'C']  []
  B          -         0     1    1     ['A']       []
";
    let verbose = Options {
        verbose: true,
        ..Options::default()
    };
    assert_eq!(shown(Display::Nodes, Kind::Node, nodes, verbose), expected);
    let alone = shown(Display::Nodes, Kind::Node, json!([]), verbose);
    assert_eq!(alone, "Router is Standalone - No Router List\n");
}

#[test]
fn memory_and_its_sum() {
    let mut answers = answered(
        Kind::Allocator,
        json!([
            {"identity": "allocator/qd_buffer_t", "typeSize": 4096, "transferBatchSize": 16, "localFreeListMax": 32,
             "totalAllocFromHeap": 2000, "totalFreeToHeap": 8, "heldByThreads": 80, "batchesRebalancedToThreads": 3,
             "batchesRebalancedToGlobal": 5},
            {"identity": "allocator/unused_t", "typeSize": 8, "totalAllocFromHeap": 0},
        ]),
    );
    let metrics = json!([{"memoryUsage": 559_939_584, "residentMemoryUsage": 29_360_128}]);
    answers.extend(answered(Kind::RouterMetrics, metrics));
    let expected = "\
Memory Pools
  type         size   batch  thread-max  total  in-threads  rebal-in  rebal-out
  ===============================================================================
  qd_buffer_t  4,096  16     32          1,992  80          3         5

Memory Summary
  VmSize   RSS       Pooled
  =============================
  534 MiB  28.0 MiB  7.78 MiB
";
    assert_eq!(
        render(Display::Memory, &answers, Options::default()),
        expected
    );
    assert_eq!(
        render(Display::Memory, &Answers::new(), Options::default()),
        "No memory statistics available\n"
    );
}

#[test]
fn policy_and_general_name_their_values() {
    let policy = json!([{
        "maxConnections": 65535, "maxMessageSize": 0, "enableVhostPolicy": false, "enableVhostNamePatterns": false,
        "policyDir": "", "defaultVhost": "$default", "connectionsProcessed": 16, "connectionsDenied": 0,
        "connectionsCurrent": 1, "linksDenied": 0, "maxMessageSizeDenied": 0, "totalDenials": 0
    }]);
    let text = shown(Display::Policy, Kind::Policy, policy, Options::default());
    assert!(
        text.starts_with("Policy Configuration\n  attr                            value\n"),
        "{text}"
    );
    assert!(
        text.contains("  Enable Vhost Policy             False\n"),
        "{text}"
    );
    assert!(
        text.contains("  Policy Directory                (nil)\n"),
        "{text}"
    );
    assert!(text.contains("\n\nPolicy Status\n"), "{text}");

    let mut answers = answered(
        Kind::RouterMetrics,
        json!([{
            "id": "A", "version": "2.0", "uptimeSeconds": 93_784, "memoryUsage": 1000, "residentMemoryUsage": 2_936_012,
            "connectionCounters": {"tcp": 1, "amqp": 2}
        }]),
    );
    answers.extend(answered(
        Kind::Router,
        json!([{"mode": "interior", "workerThreads": 4, "timestampsInUTC": true}]),
    ));
    answers.extend(answered(Kind::Network, json!([{"networkId": "0"}])));
    let text = render(Display::General, &answers, Options::default());
    for line in [
        "  Router Id                        A\n",
        "  Network Id                       0\n",
        "  Uptime                           001:02:03:04\n",
        "  VmSize                           1000\n",
        "  RSS                              2.80 MiB\n",
        "  TCP Service Connections          1\n",
        "  AMQP Service Connections         2\n",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    assert!(!text.contains("Tenant Id"));
}

#[test]
fn all_entities_come_one_after_another() {
    let text = render(Display::All, &Answers::new(), Options::default());
    let titles = [
        "Router Links",
        "Router Addresses",
        "Connections",
        "AutoLinks",
        "Router Statistics",
        "No memory statistics available",
        "Policy Configuration",
        "No Vhosts",
        "No Vhost Stats",
    ];
    let places: Vec<usize> = titles
        .iter()
        .map(|title| text.find(title).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
    let needs = needs(Display::All, true);
    assert_eq!(
        needs
            .iter()
            .filter(|need| need.kind == Kind::RouterMetrics)
            .count(),
        1
    );
    assert!(
        needs
            .iter()
            .any(|need| need.kind == Kind::Link && need.limited && !need.attributes.is_empty())
    );
}

#[test]
fn virtual_hosts_and_their_groups() {
    let vhosts = json!([{
        "hostname": "example", "maxConnections": 10, "maxConnectionsPerUser": 5, "maxConnectionsPerHost": 5,
        "allowUnknownUser": true, "groups": {"$default": {"users": "*", "remoteHosts": "*", "maxSenders": 3}}
    }]);
    let text = shown(
        Display::Vhosts,
        Kind::Vhost,
        vhosts.clone(),
        Options::default(),
    );
    let row = "  example   10              5                      5                      True              1\n";
    assert!(text.ends_with(row), "{text}");
    let text = shown(
        Display::VhostGroups,
        Kind::Vhost,
        vhosts,
        Options::default(),
    );
    assert!(
        text.contains("Vhost 'example' UserGroup '$default'") && text.contains("2147483647"),
        "{text}"
    );
    assert!(text.contains("(nil)"), "{text}");
    let stats = json!([{"hostname": "example", "connectionsApproved": 2, "perUserState": {"me": ["10.0.0.1"]}}]);
    let text = shown(
        Display::VhostStats,
        Kind::VhostStats,
        stats,
        Options::default(),
    );
    assert!(
        text.contains("Vhost User Stats") && text.contains("me"),
        "{text}"
    );
}

#[test]
fn headings_and_log_lines_tell_the_time() {
    let answers = answered(Kind::RouterMetrics, json!([{"id": "A"}]));
    let now: jiff::Timestamp = "2026-11-25T03:24:40.015634Z".parse().unwrap();
    assert_eq!(
        heading(now, &answers),
        "2026-11-25 03:24:40.015634+00:00 UTC\nA\n\n"
    );
    let log = json!([
        [
            "SERVER",
            "info",
            "[C26] Accepted",
            null,
            null,
            1_795_577_527
        ],
        "garbage"
    ]);
    let lines = log_lines(&log, &jiff::tz::TimeZone::UTC);
    assert!(
        lines.starts_with("Wed Nov 25 03:32:07 2026 SERVER (info) [C26] Accepted\n"),
        "{lines}"
    );
}
