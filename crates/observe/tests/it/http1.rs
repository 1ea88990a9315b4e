//! HTTP/1.

use skupper_observe::{Event, Fault, MAX_HEAD, MAX_OPEN, Observer, Side, Version};

use crate::play::{Conversation, client, play, play_slowly, server};

fn request(id: u64, method: &str) -> Event {
    let method = method.to_owned();
    Event::Request {
        id,
        version: Version::Http11,
        method,
    }
}

fn status(id: u64, code: u16, reason: &str) -> Event {
    let reason = reason.to_owned();
    Event::Status { id, code, reason }
}

fn asked(id: u64, octets: u64) -> Event {
    Event::Body {
        id,
        side: Side::Client,
        octets,
    }
}

fn told(id: u64, octets: u64) -> Event {
    Event::Body {
        id,
        side: Side::Server,
        octets,
    }
}

fn over(fault: Fault) -> Event {
    Event::Over(Some(fault))
}

/// Whole and octet by octet a conversation tells the same.
fn tells(conversation: Conversation, expected: &[Event]) {
    assert_eq!(play(Observer::http1(), &conversation), expected);
    assert_eq!(play_slowly(Observer::http1(), &conversation), expected);
}

const ANSWERED: fn(u64) -> Event = |id| Event::Answered { id };
const DONE: fn(u64) -> Event = |id| Event::Done { id };

#[test]
fn a_request_and_its_answer() {
    tells(
        vec![
            client("POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
            server("HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nno!"),
        ],
        &[
            request(0, "POST"),
            asked(0, 5),
            ANSWERED(0),
            status(0, 404, "Not Found"),
            told(0, 3),
            DONE(0),
        ],
    );
}

#[test]
fn chunks_are_counted_without_their_framing() {
    tells(
        vec![
            client(
                "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n1\r\n \r\n",
            ),
            server("\r\nHTTP/1.1 200 \r\ntransfer-encoding: CHUNKED\r\ncontent-length: 4\r\n\r\n"),
            client("0\r\nTrailer: x\r\n\r\n"),
            server("a\r\n0123456789\r\n0\r\n\r\n"),
        ],
        &[
            request(0, "PUT"),
            asked(0, 6),
            ANSWERED(0),
            status(0, 200, ""),
            told(0, 10),
            DONE(0),
        ],
    );
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    tells(
        vec![
            client(
                "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\nHost: h\n\nDELETE /3 HTTP/1.1\r\n\r\n",
            ),
            server(
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            ),
            server("HTTP/1.1 204 No Content\r\n\r\n"),
        ],
        &[
            request(0, "GET"),
            request(1, "HEAD"),
            request(2, "DELETE"),
            ANSWERED(0),
            status(0, 304, "Not Modified"),
            DONE(0),
            ANSWERED(1),
            status(1, 200, "OK"),
            DONE(1),
            ANSWERED(2),
            status(2, 204, "No Content"),
            DONE(2),
        ],
    );
}

#[test]
fn an_answer_may_be_complete_before_its_request() {
    tells(
        vec![
            client("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"),
            server("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
            client("cdGET / HTTP/1.1\r\n\r\n"),
            server("HTTP/1.1 205 Reset\r\n\r\n"),
        ],
        &[
            request(0, "POST"),
            asked(0, 2),
            ANSWERED(0),
            status(0, 413, "Too Large"),
            asked(0, 2),
            DONE(0),
            request(1, "GET"),
            ANSWERED(1),
            status(1, 205, "Reset"),
            DONE(1),
        ],
    );
}

#[test]
fn informational_answers_are_not_the_answer() {
    tells(
        vec![
            client("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
            server("HTTP/1.1 100 Continue\r\n\r\n"),
            client("x"),
            server(
                "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
            ),
        ],
        &[
            request(0, "POST"),
            ANSWERED(0),
            asked(0, 1),
            status(0, 201, "Created"),
            DONE(0),
        ],
    );
}

#[test]
fn a_body_may_end_with_the_connection() {
    let old = Event::Request {
        id: 0,
        version: Version::Http10,
        method: "GET".to_owned(),
    };
    tells(
        vec![
            client("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            server("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"),
            server("HTTP/1.1 not a head"),
        ],
        &[old, ANSWERED(0), status(0, 200, "OK"), told(0, 27)],
    );
}

#[test]
fn a_body_whose_last_coding_is_not_chunked_ends_with_the_connection() {
    tells(
        vec![
            client("GET / HTTP/1.1\r\n\r\n"),
            server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            server("HTTP/1.1 not a head"),
        ],
        &[
            request(0, "GET"),
            ANSWERED(0),
            status(0, 200, "OK"),
            told(0, 24),
        ],
    );
}

#[test]
fn another_protocol_ends_observation() {
    tells(
        vec![
            client("GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
            server(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello"),
            client(b"\x81\x85"),
        ],
        &[
            request(0, "GET"),
            ANSWERED(0),
            status(0, 101, "Switching Protocols"),
            DONE(0),
            Event::Over(None),
        ],
    );
    tells(
        vec![
            client("CONNECT h:443 HTTP/1.1\r\n\r\n\x16\x03\x01"),
            server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x16"),
        ],
        &[
            request(0, "CONNECT"),
            ANSWERED(0),
            status(0, 200, "OK"),
            DONE(0),
            Event::Over(None),
        ],
    );
}

#[test]
fn a_connect_that_is_refused_ends_nothing() {
    tells(
        vec![
            client("CONNECT h:443 HTTP/1.1\r\n\r\n"),
            server("HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n"),
            client("GET / HTTP/1.1\r\n\r\n"),
        ],
        &[
            request(0, "CONNECT"),
            ANSWERED(0),
            status(0, 407, "Who?"),
            DONE(0),
            request(1, "GET"),
        ],
    );
}

#[test]
fn the_first_host_of_the_first_forwarded_for() {
    let head = "GET / HTTP/1.1\r\nx-FORWARDED-for:  10.0.0.1 , 10.0.0.2\r\nX-Forwarded-For: 10.0.0.3\r\nno header\r\n\r\n";
    let host = "10.0.0.1".to_owned();
    tells(
        vec![client(head)],
        &[request(0, "GET"), Event::ForwardedFor { id: 0, host }],
    );
    tells(
        vec![client(
            "GET / HTTP/1.1\r\nX-Forwarded-For:\r\nX-Forwarded-For: a\r\n\r\n",
        )],
        &[request(0, "GET")],
    );
}

#[test]
fn what_is_no_http_is_not_followed() {
    tells(
        vec![client(b"\x16\x03\x01\x02\x00")],
        &[over(Fault::NotText)],
    );
    tells(
        vec![client("EHLO mail.example.org\r\n")],
        &[over(Fault::RequestLine)],
    );
    tells(vec![client("GET /\r\n")], &[over(Fault::RequestLine)]);
    tells(
        vec![client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
        &[over(Fault::UnsupportedVersion)],
    );
    tells(
        vec![server("220 mail ESMTP\r\n"), client("EHLO")],
        &[over(Fault::SpuriousResponse)],
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let get = || client("GET / HTTP/1.1\r\n\r\n");
    let mut faults = vec![
        (server("HTTP/1.1\r\n"), Fault::UnsupportedVersion),
        (server("HTTP/2 200 OK\r\n"), Fault::UnsupportedVersion),
        (server("HTTP/1.1 200 a\rb\r\n"), Fault::ResponseCode),
        (server("HTTP/1.1 2x0 OK\r\n"), Fault::ResponseCode),
        (server("HTTP/1.1 099 OK\r\n"), Fault::ResponseCode),
        (server("\x00"), Fault::NotText),
        (
            client("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
            Fault::ContentLength,
        ),
        (
            client("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            Fault::ContentLength,
        ),
        (
            client("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            Fault::DuplicateContentLength,
        ),
        (
            client("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
            Fault::TransferEncoding,
        ),
        (
            client("GET / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"),
            Fault::TransferEncoding,
        ),
        (
            client(
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n",
            ),
            Fault::TransferEncoding,
        ),
        (
            client("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
            Fault::ChunkLength,
        ),
        (
            client("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"),
            Fault::ChunkEnd,
        ),
        (
            client(["GET / HTTP/1.1\r\n", &"a: b\r\n".repeat(300), "\r\n"].concat()),
            Fault::TooManyHeaders,
        ),
        (
            client(["GET /", &"x".repeat(MAX_HEAD)].concat()),
            Fault::TooLong,
        ),
        (
            client(["GET / HTTP/1.1\r\na: ", &"x".repeat(MAX_HEAD)].concat()),
            Fault::TooLong,
        ),
    ];
    for (turn, fault) in faults.drain(..) {
        let conversation = vec![get(), turn];
        let events = play(Observer::http1(), &conversation);
        assert_eq!(events.last(), Some(&over(fault)), "{conversation:?}");
        assert_eq!(play_slowly(Observer::http1(), &conversation), events);
    }
}

#[test]
fn requests_without_an_answer_have_a_limit() {
    let many = client("GET / HTTP/1.1\r\n\r\n".repeat(MAX_OPEN + 1));
    let events = play(Observer::http1(), &[many]);
    assert_eq!(events.len(), MAX_OPEN + 1);
    assert_eq!(events.last(), Some(&over(Fault::TooManyRequests)));
}

#[test]
fn nothing_is_told_after_the_end() {
    let mut observer = Observer::http1();
    let mut events = Vec::new();
    observer.feed(Side::Client, b"\x00", &mut events);
    assert!(observer.is_over());
    observer.feed(Side::Client, b"GET / HTTP/1.1\r\n\r\n", &mut events);
    assert_eq!(events, [over(Fault::NotText)]);
}

#[test]
fn empty_lines_answer_nothing_and_hide_nothing() {
    tells(vec![server("\r\n\r\n")], &[]);
    tells(vec![server(b"\r\n\x00")], &[over(Fault::SpuriousResponse)]);
}
