//! PEM (RFC 7468) as users really write it: CRLF, leading text, blank lines, several blocks in one file; every problem
//! with its line.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

use crate::text;

/// Largest PEM text that is read. A Kubernetes Secret holds at most 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;
/// Most blocks that are read from one text.
pub const MAX_BLOCKS: usize = 1024;

/// One `-----BEGIN …-----` block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands after `BEGIN`, such as `CERTIFICATE`.
    pub label: String,
    /// Line of the `BEGIN` line, counted from 1.
    pub line: usize,
    /// The decoded content.
    pub der: Vec<u8>,
    /// Whether a header says that the content is encrypted (`Proc-Type: 4,ENCRYPTED`, RFC 1421).
    pub encrypted: bool,
}

impl std::fmt::Debug for Block {
    /// Without the content: it may be a private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block")
            .field("label", &self.label)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// Text that is not PEM, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct PemError {
    /// Line of the problem, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: PemProblem,
}

/// What is wrong with a PEM text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PemProblem {
    /// There is no block at all.
    #[error("no -----BEGIN …----- line in the text")]
    NoBlock,
    /// The content is DER, not PEM.
    #[error("binary DER, expected PEM text")]
    Der,
    /// The content is PEM that was base64-encoded once more, as happens when `data` is filled from already encoded text.
    #[error("base64 of a PEM text, expected the PEM text itself: it was base64-encoded twice")]
    EncodedTwice,
    /// A block without its `END` line.
    #[error("the block -----BEGIN {0}----- has no -----END {0}----- line")]
    NoEnd(String),
    /// `END` of something else than `BEGIN`.
    #[error("-----END {found}----- closes -----BEGIN {expected}-----")]
    WrongEnd {
        /// Label of the `BEGIN` line.
        expected: String,
        /// Label of the `END` line.
        found: String,
    },
    /// The lines between `BEGIN` and `END` are not base64.
    #[error("the content of the block {label} is not base64")]
    NotBase64 {
        /// Label of the block.
        label: String,
    },
    /// Nothing between `BEGIN` and `END`.
    #[error("the block {0} is empty")]
    Empty(String),
    /// More than [`MAX_BYTES`] or [`MAX_BLOCKS`].
    #[error("more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
}

/// Padding is optional: some tools drop it, and nothing is ambiguous without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Every block of `text` in order, with every problem in its place. An empty text gives [`PemProblem::NoBlock`].
pub fn blocks(text: &[u8]) -> Vec<Result<Block, PemError>> {
    if text.len() > MAX_BYTES {
        let (limit, unit) = (MAX_BYTES, "bytes");
        return vec![error(1, PemProblem::TooLarge { limit, unit })];
    }
    let mut found = Vec::new();
    let mut open: Option<OpenBlock> = None;
    for (number, line) in lines(text) {
        if found.len() >= MAX_BLOCKS {
            let (limit, unit) = (MAX_BLOCKS, "blocks");
            found.push(error(number, PemProblem::TooLarge { limit, unit }));
            return found;
        }
        if let Some(label) = marker(line, "BEGIN") {
            if let Some(unclosed) = open.replace(OpenBlock::new(label, number)) {
                found.push(error(unclosed.line, PemProblem::NoEnd(unclosed.label)));
            }
        } else if let Some(label) = marker(line, "END") {
            if let Some(block) = open.take() {
                found.push(block.close(label, number));
            }
        } else if let Some(block) = open.as_mut() {
            block.add(line, number);
        }
    }
    if let Some(unclosed) = open {
        found.push(error(unclosed.line, PemProblem::NoEnd(unclosed.label)));
    }
    if found.is_empty() {
        found.push(error(1, what_else(text)));
    }
    found
}

/// Writes one block with lines of 64 characters.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

struct OpenBlock {
    label: String,
    line: usize,
    base64: Vec<u8>,
    encrypted: bool,
    /// First line that is neither base64 nor a header.
    bad_line: Option<usize>,
}

impl OpenBlock {
    fn new(label: String, line: usize) -> Self {
        Self {
            label,
            line,
            base64: Vec::new(),
            encrypted: false,
            bad_line: None,
        }
    }

    fn add(&mut self, line: &[u8], number: usize) {
        // Headers (RFC 1421) stand before the base64 and are told by their colon, which base64 does not have.
        if self.base64.is_empty() && line.contains(&b':') {
            self.encrypted |= line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
            return;
        }
        let is_base64 = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ' | b'\t')
        };
        if !line.iter().all(is_base64) {
            self.bad_line.get_or_insert(number);
        }
        self.base64
            .extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
    }

    fn close(self, end: String, number: usize) -> Result<Block, PemError> {
        let Self {
            label,
            line,
            base64,
            encrypted,
            bad_line,
        } = self;
        if end != label {
            let (expected, found) = (label, end);
            return error(number, PemProblem::WrongEnd { expected, found });
        }
        if base64.is_empty() {
            return error(line, PemProblem::Empty(label));
        }
        match BASE64.decode(&base64) {
            Ok(der) if bad_line.is_none() => Ok(Block {
                label,
                line,
                der,
                encrypted,
            }),
            _ => error(bad_line.unwrap_or(line), PemProblem::NotBase64 { label }),
        }
    }
}

fn error<T>(line: usize, problem: PemProblem) -> Result<T, PemError> {
    Err(PemError { line, problem })
}

/// Lines with their number from 1, without line ends and surrounding blanks; a lone CR ends a line too.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lone_cr = text.contains(&b'\r') && !text.contains(&b'\n');
    let separator = if lone_cr { b'\r' } else { b'\n' };
    text.split(move |byte| *byte == separator)
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_ascii()))
}

/// The label of a `-----BEGIN label-----` line.
fn marker(line: &[u8], word: &str) -> Option<String> {
    let inner = line.strip_prefix(b"-----")?.strip_suffix(b"-----")?;
    let label = inner.strip_prefix(word.as_bytes())?.strip_prefix(b" ")?;
    Some(text::escape(&String::from_utf8_lossy(label)))
}

/// What a text without a block is instead, so that the sentence helps.
fn what_else(text: &[u8]) -> PemProblem {
    let start = text.trim_ascii_start();
    if start.starts_with(&[0x30, 0x82]) || start.starts_with(&[0x30, 0x81]) {
        return PemProblem::Der;
    }
    let begin: Vec<u8> = start
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .take(40)
        .collect();
    match BASE64.decode(&begin) {
        Ok(decoded) if decoded.windows(10).any(|part| part == b"-----BEGIN") => {
            PemProblem::EncodedTwice
        }
        _ => PemProblem::NoBlock,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_users_write() {
        let text = b"\xef\xbb\xbfBag Attributes\r\n  friendlyName: x\r\n\r\n-----BEGIN CERTIFICATE-----\r\nAAEC\r\nAw==\r\n-----END CERTIFICATE-----\r\n\r\n\r\nmore text\r\n  -----BEGIN X-----\r\n  AQ\r\n  -----END X-----";
        let blocks: Vec<Block> = blocks(text).into_iter().map(Result::unwrap).collect();
        assert_eq!(blocks[0].label, "CERTIFICATE");
        assert_eq!(
            (blocks[0].line, blocks[0].der.as_slice()),
            (4, &[0, 1, 2, 3][..])
        );
        assert_eq!((blocks[1].line, blocks[1].der.as_slice()), (11, &[1][..]));
    }

    #[test]
    fn says_where_and_what() {
        let problem = |text: &[u8]| {
            let first = blocks(text).into_iter().find_map(Result::err).unwrap();
            (first.line, first.problem)
        };
        assert_eq!(problem(b""), (1, PemProblem::NoBlock));
        assert_eq!(problem(b"0\x82\x01\x00"), (1, PemProblem::Der));
        assert_eq!(
            problem(b"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUR"),
            (1, PemProblem::EncodedTwice)
        );
        assert_eq!(
            problem(b"\n-----BEGIN A-----\nAA"),
            (2, PemProblem::NoEnd("A".into()))
        );
        assert_eq!(
            problem(b"-----BEGIN A-----\nAAAA\n?!\n-----END A-----"),
            (3, PemProblem::NotBase64 { label: "A".into() })
        );
        assert_eq!(
            problem(b"-----BEGIN A-----\nAAAA\n-----END B-----"),
            (
                3,
                PemProblem::WrongEnd {
                    expected: "A".into(),
                    found: "B".into()
                }
            )
        );
    }

    #[test]
    fn a_header_marks_an_encrypted_block() {
        let text = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let block = blocks(text).remove(0).unwrap();
        assert!(block.encrypted);
        assert_eq!(block.der, [0, 0, 0]);
    }

    proptest! {
        #[test]
        fn round_trips(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            let text = encode("THING", &der);
            prop_assert_eq!(blocks(text.as_bytes()).remove(0).unwrap().der, der.clone());
            let crlf = text.replace('\n', "\r\n");
            prop_assert_eq!(blocks(crlf.as_bytes()).remove(0).unwrap().der, der);
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = blocks(&text);
        }
    }
}
