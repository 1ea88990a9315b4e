//! TCP flows across one and several routers.

mod common;

use common::*;

#[test]
fn a_flow_within_one_router() {
    let port = server(echo);
    let router = router("A", &[tcp_listener("echo"), tcp_connector("echo", port)]);
    let address = open_port(&router, "echo");
    assert_eq!(exchange(address, b"hello"), b"hello");
}

#[test]
fn flows_in_both_directions_of_a_link() {
    let port = server(echo);
    let west = router(
        "west",
        &[
            inter_router_listener("link"),
            tcp_listener("east"),
            tcp_connector("west", port),
        ],
    );
    let link = listener_port(&west, "link");
    let east = router(
        "east",
        &[
            inter_router_connector("link", link),
            tcp_listener("west"),
            tcp_connector("east", port),
        ],
    );
    let to_east = open_port(&west, "east");
    let to_west = open_port(&east, "west");
    assert_eq!(exchange(to_east, b"to the east"), b"to the east");
    assert_eq!(exchange(to_west, b"to the west"), b"to the west");
}
