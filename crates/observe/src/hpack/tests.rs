use super::*;

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, Fault> {
    let mut fields = Vec::new();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    decoder.decode(block, |name, value| {
        fields.push(format!("{}: {}", text(name), text(value)));
    })?;
    Ok(fields)
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

#[test]
fn requests_of_the_specification() {
    // RFC 7541 appendix C.4.
    let mut decoder = Decoder::default();
    let first = [
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ];
    let block = octets("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff");
    assert_eq!(decode(&mut decoder, &block).unwrap(), first);
    let block = octets("8286 84be 5886 a8eb 1064 9cbf");
    let second = [&first[..], &["cache-control: no-cache"]].concat();
    assert_eq!(decode(&mut decoder, &block).unwrap(), second);
    let block = octets("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf");
    let third = [
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ];
    assert_eq!(decode(&mut decoder, &block).unwrap(), third);
    assert_eq!((decoder.size, decoder.table.len()), (164, 3));
}

#[test]
fn responses_of_the_specification_in_a_small_table() {
    // RFC 7541 appendix C.5: a table of 256 octets, which is full.
    let mut decoder = Decoder::default();
    let block = octets(
        "3fe1 01 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
         1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    );
    let first = [
        ":status: 302",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ];
    assert_eq!(decode(&mut decoder, &block).unwrap(), first);
    assert_eq!((decoder.size, decoder.table.len()), (222, 4));
    let second = [":status: 307", first[1], first[2], first[3]];
    assert_eq!(
        decode(&mut decoder, &octets("4803 3330 37c1 c0bf")).unwrap(),
        second
    );
    assert_eq!((decoder.size, decoder.table.len()), (222, 4));
}

#[test]
fn fields_that_are_not_kept() {
    // RFC 7541 appendix C.2.2, C.2.3.
    let mut decoder = Decoder::default();
    let block =
        octets("040c 2f73 616d 706c 652f 7061 7468 1008 7061 7373 776f 7264 0673 6563 7265 74");
    assert_eq!(
        decode(&mut decoder, &block).unwrap(),
        [":path: /sample/path", "password: secret"]
    );
    assert_eq!(decoder.size, 0);
}

#[test]
fn what_is_none_is_refused() {
    for block in [
        "80",
        "ff00",
        "be",
        "40",
        "4001",
        "7f",
        "7fffffffff0f",
        "3fe2 ff ff ff 0f",
        "3fe3 1f",
        "0085 ffff ffff ff 00",
        "4182 00",
    ] {
        let refused = decode(&mut Decoder::default(), &octets(block));
        assert_eq!(refused, Err(Fault::Compression), "{block}");
    }
}

#[test]
fn a_table_grows_as_far_as_the_other_side_and_we_allow() {
    let mut decoder = Decoder::default();
    assert!(decode(&mut decoder, &octets("3fe1 1f")).is_ok(), "4096");
    assert!(decode(&mut decoder, &octets("3fe1 3f")).is_err(), "8192");
    decoder.allow(8192);
    assert!(decode(&mut decoder, &octets("3fe1 3f")).is_ok());
    decoder.allow(u32::MAX);
    assert!(decode(&mut decoder, &octets("3fe1 ff03")).is_ok(), "65536");
    assert!(decode(&mut decoder, &octets("3fe2 ff03")).is_err(), "65537");
}

#[test]
fn a_table_keeps_to_its_size_and_a_block_unfolds_to_no_more_than_is_read() {
    let mut decoder = Decoder::default();
    let large = [&[0x40, 1, b'n', 0x7f, 0x80 | 9, 0x1e][..], &[b'v'; 4000]].concat();
    let large = {
        let mut block = large;
        block[3..6].copy_from_slice(&[0x7f, 0xa1, 0x1e]);
        block
    };
    assert_eq!(decode(&mut decoder, &large).unwrap().len(), 1);
    assert_eq!((decoder.size, decoder.table.len()), (4033, 1));
    assert_eq!(
        decode(&mut decoder, &[0xbe; 65]).unwrap_err(),
        Fault::TooManyHeaders
    );
    assert_eq!(decode(&mut decoder, &[0xbe; 64]).unwrap().len(), 64);
    assert_eq!(
        decode(&mut decoder, &[0x40, 1, b'm', 1, b'w']).unwrap(),
        ["m: w"]
    );
    assert_eq!(
        decode(&mut decoder, &[0x40, 1, b'm', 1, b'w']).unwrap(),
        ["m: w"]
    );
    assert_eq!((decoder.size, decoder.table.len()), (68, 2));
}
