//! The Huffman code of HPACK (RFC 7541 section 5.2, appendix B).
//!
//! The code is canonical: the lengths of its symbols, in the order of their lengths and then of the symbols, are all of it.

/// The last symbol ends a string and must not be in one.
const END: usize = 256;
const SYMBOLS: usize = END + 1;
/// Bits of the longest code.
const LONGEST: usize = 30;
/// Bits of the shortest code.
const SHORTEST: usize = 5;

/// Bits of the code of each symbol.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The code, by the lengths of its symbols.
struct Code {
    /// The first code of each length.
    first: [u32; LONGEST + 1],
    /// How many there are.
    count: [u32; LONGEST + 1],
    /// Where their symbols begin.
    begin: [usize; LONGEST + 1],
    symbols: [u16; SYMBOLS],
}

const CODE: Code = code();

const fn code() -> Code {
    let mut code = Code {
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        begin: [0; LONGEST + 1],
        symbols: [0; SYMBOLS],
    };
    let (mut length, mut next, mut place) = (1, 0, 0);
    while length <= LONGEST {
        code.first[length] = next;
        code.begin[length] = place;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                code.symbols[place] = symbol as u16;
                code.count[length] += 1;
                place += 1;
            }
            symbol += 1;
        }
        next = (next + code.count[length]) << 1;
        length += 1;
    }
    code
}

/// Decodes a string; `None` if it is no such.
pub(super) fn decode(octets: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(octets.len() + octets.len() / 2);
    let mut bits: u64 = 0;
    let mut have = 0;
    for octet in octets {
        bits = bits << 8 | u64::from(*octet);
        have += 8;
        while let Some((symbol, length)) = symbol(bits, have) {
            decoded.push(u8::try_from(symbol).ok()?);
            have -= length;
        }
        if have > LONGEST {
            return None;
        }
    }
    // What is left over is the beginning of the end's code: ones, less than an octet of them.
    let padding = (1 << have) - 1;
    (have < 8 && bits & padding == padding).then_some(decoded)
}

/// The symbol at the top of the lowest `have` bits, and the length of its code.
fn symbol(bits: u64, have: usize) -> Option<(u16, usize)> {
    (SHORTEST..=LONGEST.min(have)).find_map(|length| {
        let code = (bits >> (have - length)) as u32 & ((1 << length) - 1);
        let place = code.checked_sub(CODE.first[length])?;
        let found = place < CODE.count[length];
        found.then(|| (CODE.symbols[CODE.begin[length] + place as usize], length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_the_specification() {
        // RFC 7541 appendix C.4 and C.6.
        for (octets, text) in [
            (
                &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
                "www.example.com",
            ),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (b"\x64\x02", "302"),
            (
                b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3",
                "https://www.example.com",
            ),
            (b"", ""),
        ] {
            assert_eq!(decode(octets).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn every_symbol_reads_back() {
        for (symbol, length) in LENGTHS.iter().enumerate().take(END) {
            let length = usize::from(*length);
            let place = CODE
                .symbols
                .iter()
                .position(|of| usize::from(*of) == symbol)
                .unwrap();
            let code = CODE.first[length] as u64 + (place - CODE.begin[length]) as u64;
            let whole = length.div_ceil(8) * 8;
            let padded = (code << (whole - length)) | ((1 << (whole - length)) - 1);
            let octets = &padded.to_be_bytes()[8 - whole / 8..];
            assert_eq!(decode(octets), Some(vec![symbol as u8]), "{symbol}");
        }
    }

    #[test]
    fn wrong_padding_and_the_end_within_a_string_are_refused() {
        assert_eq!(decode(b"\xa8\xeb\x10\x64\x9c\xbf\xff"), None);
        assert_eq!(decode(b"\x00"), None);
        assert_eq!(decode(b"\xff\xff\xff\xff"), None);
        assert_eq!(decode(&[0xff; 100]), None);
    }
}
