//! HTTP/2.

use skupper_observe::{Event, Fault, MAX_HEAD, MAX_OPEN, Observer, Side, Version};

use crate::play::{Conversation, client, play, play_slowly, server};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Fields in clear text, which are kept for reference.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x40);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// `:method: GET` of the static table.
const GET: &[u8] = &[0x82];
/// `:status: 200`, `204` and `404`.
const OK: &[u8] = &[0x88];
const NO_CONTENT: &[u8] = &[0x89];
const NOT_FOUND: &[u8] = &[0x8d];

fn begun(frames: &[Vec<u8>]) -> (Side, Vec<u8>) {
    let settings = frame(SETTINGS, 0, 0, []);
    client([PREFACE, &settings, &frames.concat()].concat())
}

fn request(id: u64, method: &str) -> Event {
    let method = method.to_owned();
    let version = Version::Http2;
    Event::Request {
        id,
        version,
        method,
    }
}

fn status(id: u64, code: u16) -> Event {
    let reason = String::new();
    Event::Status { id, code, reason }
}

fn body(id: u64, side: Side, octets: u64) -> Event {
    Event::Body { id, side, octets }
}

fn answered(id: u64) -> Event {
    Event::Answered { id }
}

fn done(id: u64) -> Event {
    Event::Done { id }
}

/// Whole and octet by octet, for HTTP/2 and as it is recognised, a conversation tells the same.
fn tells(conversation: Conversation, expected: &[Event]) {
    for mut observer in [Observer::http2(), Observer::auto()] {
        for (side, octets) in &conversation {
            observer.feed(*side, octets, &mut Vec::new());
        }
        assert!(observer.is_of_http2());
    }
    for observer in [Observer::http2, Observer::auto] {
        assert_eq!(play(observer(), &conversation), expected);
        assert_eq!(play_slowly(observer(), &conversation), expected);
    }
}

#[test]
fn requests_and_answers_of_several_streams_between_each_other() {
    let post = fields(&[
        (":method", "POST"),
        ("X-Forwarded-For", "10.0.0.1,10.0.0.2"),
        ("x-forwarded-for", "10.0.0.3"),
    ]);
    let host = "10.0.0.1".to_owned();
    tells(
        vec![
            begun(&[
                frame(HEADERS, WHOLE, 1, GET),
                frame(HEADERS, END_HEADERS, 3, &post),
            ]),
            server(
                [
                    frame(SETTINGS, 0, 0, [0, 1, 0, 0, 0x20, 0]),
                    frame(SETTINGS, 1, 0, []),
                    frame(PING, 0, 0, [7; 8]),
                ]
                .concat(),
            ),
            client([frame(DATA, 0, 3, [7; 300]), frame(DATA, END_STREAM, 3, [])].concat()),
            server(
                [
                    frame(HEADERS, END_HEADERS, 3, fields(&[(":status", "201")])),
                    frame(HEADERS, END_HEADERS, 1, NOT_FOUND),
                    frame(DATA, END_STREAM, 3, b"made"),
                    frame(DATA, 0, 1, b"no"),
                    frame(DATA, END_STREAM, 1, b"ne"),
                ]
                .concat(),
            ),
        ],
        &[
            request(1, "GET"),
            request(3, "POST"),
            Event::ForwardedFor { id: 3, host },
            body(3, Side::Client, 300),
            answered(3),
            status(3, 201),
            answered(1),
            status(1, 404),
            body(3, Side::Server, 4),
            done(3),
            body(1, Side::Server, 4),
            done(1),
        ],
    );
}

#[test]
fn what_was_said_before_is_referred_to() {
    let first = fields(&[(":method", "PATCH"), ("x-forwarded-for", "here")]);
    let again = [0xbf, 0xbe];
    let event = |id| Event::ForwardedFor {
        id,
        host: "here".to_owned(),
    };
    tells(
        vec![begun(&[
            frame(HEADERS, WHOLE, 1, first),
            frame(HEADERS, WHOLE, 3, again),
        ])],
        &[request(1, "PATCH"), event(1), request(3, "PATCH"), event(3)],
    );
}

#[test]
fn fields_in_several_frames_with_padding_and_priority() {
    let all = fields(&[(":method", "OPTIONS"), ("a", "b")]);
    let (one, rest) = all.split_at(5);
    let (two, three) = rest.split_at(1);
    let padded = [&[3][..], &[0, 0, 0, 0, 9], one, &[0; 3]].concat();
    tells(
        vec![
            begun(&[
                frame(PRIORITY, 0, 1, [0; 5]),
                frame(HEADERS, END_STREAM | PADDED | WITH_PRIORITY, 1, padded),
                frame(CONTINUATION, 0, 1, two),
                frame(CONTINUATION, 0, 1, []),
                frame(CONTINUATION, END_HEADERS, 1, three),
            ]),
            server(frame(HEADERS, END_STREAM, 1, [])),
            server(frame(CONTINUATION, END_HEADERS, 1, NO_CONTENT)),
        ],
        &[request(1, "OPTIONS"), answered(1), status(1, 204), done(1)],
    );
}

#[test]
fn padding_is_no_content() {
    let padded = |padding: u8, content: &[u8]| {
        let payload = [&[padding][..], content, &vec![0; usize::from(padding)]].concat();
        frame(DATA, PADDED, 1, payload)
    };
    tells(
        vec![begun(&[
            frame(HEADERS, END_HEADERS, 1, GET),
            padded(9, b"abc"),
            padded(0, b"d"),
            padded(4, b""),
        ])],
        &[request(1, "GET"), body(1, Side::Client, 4)],
    );
}

#[test]
fn grpc_ends_with_trailers_after_informational_and_final_answer() {
    tells(
        vec![
            begun(&[
                frame(HEADERS, END_HEADERS, 1, fields(&[(":method", "POST")])),
                frame(DATA, 0, 1, [0; 10]),
            ]),
            server(frame(
                HEADERS,
                END_HEADERS,
                1,
                fields(&[(":status", "103")]),
            )),
            server(
                [
                    frame(HEADERS, END_HEADERS, 1, OK),
                    frame(DATA, 0, 1, [0; 20]),
                ]
                .concat(),
            ),
            client(
                [
                    frame(DATA, 0, 1, [0; 10]),
                    frame(HEADERS, WHOLE, 1, fields(&[("x", "y")])),
                ]
                .concat(),
            ),
            server(frame(HEADERS, WHOLE, 1, fields(&[("grpc-status", "0")]))),
            // Nothing of a stream that is over is a request.
            client(
                [
                    frame(DATA, 0, 1, [0; 10]),
                    frame(HEADERS, WHOLE, 1, fields(&[("x", "y")])),
                ]
                .concat(),
            ),
        ],
        &[
            request(1, "POST"),
            body(1, Side::Client, 10),
            answered(1),
            status(1, 200),
            body(1, Side::Server, 20),
            body(1, Side::Client, 10),
            done(1),
        ],
    );
}

#[test]
fn streams_that_are_given_up_are_over() {
    let get = |stream| frame(HEADERS, WHOLE, stream, GET);
    tells(
        vec![
            begun(&[
                get(1),
                get(3),
                get(5),
                get(7),
                frame(RST_STREAM, 0, 3, [0; 4]),
            ]),
            server(frame(RST_STREAM, 0, 1, [0; 4])),
            client(frame(GOAWAY, 0, 0, [0; 8])),
            server(frame(GOAWAY, 0, 0, [0, 0, 0, 5, 0, 0, 0, 0, b'x'])),
            server(frame(HEADERS, WHOLE, 5, OK)),
        ],
        &[
            request(1, "GET"),
            request(3, "GET"),
            request(5, "GET"),
            request(7, "GET"),
            done(3),
            done(1),
            done(7),
            answered(5),
            status(5, 200),
            done(5),
        ],
    );
}

#[test]
fn what_a_server_pushes_is_no_request_and_does_not_confuse() {
    let promised = [&[0, 0, 0, 2][..], &fields(&[(":method", "GET")])].concat();
    tells(
        vec![
            begun(&[frame(HEADERS, WHOLE, 1, GET)]),
            server(
                [
                    frame(PUSH_PROMISE, END_HEADERS, 1, promised),
                    frame(HEADERS, END_HEADERS, 1, fields(&[(":status", "203")])),
                    frame(HEADERS, WHOLE, 2, OK),
                    // The first that was kept is behind the second.
                    frame(HEADERS, WHOLE, 1, [0xbf]),
                ]
                .concat(),
            ),
        ],
        &[request(1, "GET"), answered(1), status(1, 203), done(1)],
    );
}

#[test]
fn servers_may_speak_first() {
    tells(
        vec![
            server(frame(SETTINGS, 0, 0, [])),
            begun(&[frame(HEADERS, WHOLE, 1, GET)]),
        ],
        &[request(1, "GET")],
    );
    let much = server(vec![0; skupper_observe::MAX_UNDECIDED + 1]);
    assert_eq!(
        play(Observer::auto(), std::slice::from_ref(&much)),
        [Event::Over(None)]
    );
    assert_eq!(play_slowly(Observer::auto(), &[much]), [Event::Over(None)]);
}

#[test]
fn http1_is_recognised() {
    let conversation = [
        client("PROPFIND / HTTP/1.1\r\n\r\n"),
        server("HTTP/1.1 207 Multi\r\nContent-Length: 0\r\n\r\n"),
    ];
    let told = play(Observer::http1(), &conversation);
    assert_eq!(told.len(), 4);
    assert_eq!(play(Observer::auto(), &conversation), told);
    assert_eq!(play_slowly(Observer::auto(), &conversation), told);
}

#[test]
fn what_cannot_be_read_is_said() {
    let open = frame(HEADERS, 0, 1, GET);
    let long = vec![0; MAX_HEAD / 2];
    for (frames, fault) in [
        (vec![frame(HEADERS, END_HEADERS, 0, GET)], Fault::StreamZero),
        (vec![frame(DATA, 0, 0, b"x")], Fault::StreamZero),
        (
            vec![open.clone(), frame(DATA, 0, 1, b"x")],
            Fault::Interleaved,
        ),
        (
            vec![open.clone(), frame(CONTINUATION, 0, 3, b"x")],
            Fault::Interleaved,
        ),
        (vec![frame(CONTINUATION, 0, 1, b"x")], Fault::Interleaved),
        (
            vec![frame(HEADERS, END_HEADERS | PADDED, 1, [2, 0x82])],
            Fault::Padding,
        ),
        (
            vec![frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, GET)],
            Fault::Padding,
        ),
        (vec![frame(DATA, PADDED, 1, [])], Fault::Padding),
        (vec![frame(DATA, PADDED, 1, [1])], Fault::Padding),
        (vec![frame(GOAWAY, 0, 0, [0; 3])], Fault::FrameTooShort),
        (
            vec![frame(SETTINGS, 0, 0, vec![0; MAX_HEAD + 1])],
            Fault::FrameTooLong,
        ),
        (
            vec![
                frame(HEADERS, 0, 1, &long),
                frame(CONTINUATION, 0, 1, &long),
                frame(CONTINUATION, 0, 1, b"x"),
            ],
            Fault::FrameTooLong,
        ),
        (
            vec![frame(HEADERS, END_HEADERS, 1, [0xbe])],
            Fault::Compression,
        ),
    ] {
        tells(vec![begun(&frames)], &[Event::Over(Some(fault))]);
    }
    let conversation = [client("GET / HTTP/1.1\r\n\r\n")];
    assert_eq!(
        play(Observer::http2(), &conversation),
        [Event::Over(Some(Fault::Preface))]
    );
}

#[test]
fn requests_without_an_answer_have_a_limit() {
    let many: Vec<_> = (0..=MAX_OPEN as u32)
        .map(|n| frame(HEADERS, WHOLE, 2 * n + 1, GET))
        .collect();
    let events = play(Observer::http2(), &[begun(&many)]);
    assert_eq!(events.len(), MAX_OPEN + 1);
    assert_eq!(
        events.last(),
        Some(&Event::Over(Some(Fault::TooManyRequests)))
    );
}
