//! Start lines and headers, as far as observers need them.

use std::mem::MaybeUninit;

use httparse::{Error, Header, ParserConfig, Request, Response, Status};

use crate::event::{Fault, Version};
use crate::forwarded;

/// Header lines in one message.
const MAX_HEADERS: usize = 256;

/// A request's first line.
pub(super) struct RequestLine<'a> {
    pub(super) version: Version,
    pub(super) method: &'a str,
}

/// A response's first line.
pub(super) struct StatusLine<'a> {
    pub(super) code: u16,
    pub(super) reason: &'a str,
}

/// How long the body is (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many octets.
    Length(u64),
    /// In chunks.
    Chunked,
    /// In another encoding.
    Encoded,
    /// Nothing is said.
    Open,
}

/// What a request's headers tell.
pub(super) struct RequestHead {
    pub(super) framing: Framing,
    pub(super) forwarded_for: Option<String>,
}

/// Real peers are lenient, and so is who looks on: a line that is no header is passed over.
fn config() -> ParserConfig {
    let mut config = ParserConfig::default();
    config
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_requests(true)
        .ignore_invalid_headers_in_responses(true);
    config
}

/// Reads a request line with its line's end.
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine<'_>, Fault> {
    let mut request = Request::new(&mut []);
    match config().parse_request(&mut request, line) {
        Ok(_) => {}
        Err(Error::Version) => return Err(Fault::UnsupportedVersion),
        Err(_) => return Err(Fault::RequestLine),
    }
    match (request.method, request.version) {
        (Some(method), Some(version)) => Ok(RequestLine {
            version: if version == 0 {
                Version::Http10
            } else {
                Version::Http11
            },
            method,
        }),
        _ => Err(Fault::RequestLine),
    }
}

/// Reads a status line with its line's end.
pub(super) fn status_line(line: &[u8]) -> Result<StatusLine<'_>, Fault> {
    let mut response = Response::new(&mut []);
    match config().parse_response(&mut response, line) {
        Ok(_) => {}
        Err(Error::Version) => return Err(Fault::UnsupportedVersion),
        Err(_) => return Err(Fault::ResponseCode),
    }
    match response.code {
        Some(code @ 100..=999) => Ok(StatusLine {
            code,
            reason: response.reason.unwrap_or_default(),
        }),
        _ => Err(Fault::ResponseCode),
    }
}

/// Reads a request's head.
pub(super) fn request(head: &[u8]) -> Result<RequestHead, Fault> {
    // To fill places that are not needed would take longer than to read a usual head.
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = Request::new(&mut []);
    whole(config().parse_request_with_uninit_headers(&mut request, head, &mut headers))?;
    let named = |header: &&Header<'_>| forwarded::is_forwarded_for(header.name.as_bytes());
    let forwarded_for = request.headers.iter().find(named);
    Ok(RequestHead {
        framing: framing(request.headers, request.version)?,
        forwarded_for: forwarded_for.and_then(|header| forwarded::first(header.value)),
    })
}

/// Reads a response's head.
pub(super) fn response(head: &[u8]) -> Result<Framing, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = Response::new(&mut []);
    whole(config().parse_response_with_uninit_headers(&mut response, head, &mut headers))?;
    framing(response.headers, response.version)
}

fn whole(parsed: httparse::Result<usize>) -> Result<(), Fault> {
    match parsed {
        Ok(Status::Complete(_)) => Ok(()),
        Err(Error::TooManyHeaders) => Err(Fault::TooManyHeaders),
        Ok(Status::Partial) | Err(_) => Err(Fault::Header),
    }
}

fn framing(headers: &[Header<'_>], version: Option<u8>) -> Result<Framing, Fault> {
    let mut length = None;
    let mut encoded = None;
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            for value in header.value.split(|octet| *octet == b',') {
                let value = content_length(value.trim_ascii())?;
                if *length.get_or_insert(value) != value {
                    return Err(Fault::DuplicateContentLength);
                }
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && version != Some(0) {
            // Only the coding that was applied last says where the body ends, and the fields are one list (RFC 9112 §6.1, §6.3).
            let mut codings = header.value.rsplit(|octet| matches!(octet, b',' | b' '));
            let last = codings.find(|coding| !coding.trim_ascii().is_empty());
            encoded = match last {
                Some(coding) => Some(coding.trim_ascii().eq_ignore_ascii_case(b"chunked")),
                None => Some(encoded.unwrap_or(false)),
            };
        }
    }
    Ok(match (encoded, length) {
        (Some(true), _) => Framing::Chunked,
        (Some(false), _) => Framing::Encoded,
        (None, Some(length)) => Framing::Length(length),
        (None, None) => Framing::Open,
    })
}

fn content_length(value: &[u8]) -> Result<u64, Fault> {
    let digits = std::str::from_utf8(value).ok();
    digits
        .filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or(Fault::ContentLength)
}
