use super::*;

fn header() -> SegmentHeader {
    SegmentHeader {
        origin: proof::sha256(b"log.example"),
        first: LeafIndex::new(4711),
        root_before: proof::sha256(b"root"),
        capacity: 65_536,
    }
}

fn frame(leaves: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let root = proof::sha256(b"after");
    encode_frame(&Frame { start: TreeSize::new(9), leaves, root }, &mut bytes);
    bytes
}

#[test]
fn a_segment_header_reads_back_and_no_flipped_bit_passes() {
    let bytes = header().encode();
    assert_eq!(SegmentHeader::parse(&bytes), Ok(header()));
    assert_eq!(&bytes[..8], b"CSGNSEG\xff");
    assert_eq!(bytes[48..56], 4711_u64.to_le_bytes());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::parse(&flipped), Err(DamageKind::SegmentHeader), "bit {bit}");
    }
    assert_eq!(SegmentHeader::parse(&bytes[..511]), Err(DamageKind::SegmentHeader));
}

#[test]
fn another_version_is_named() {
    let mut bytes = header().encode();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..508]);
    bytes[508..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(SegmentHeader::parse(&bytes), Err(DamageKind::Version { got: 2 }));
}

#[test]
fn a_frame_has_the_drawn_layout() {
    let leaves = [b"one".to_vec(), b"twotwo".to_vec()];
    let bytes = frame(&leaves);
    assert_eq!(bytes.len(), 96);
    assert_eq!(bytes[..4], [0xff, 0xc5, 0x9a, 0xe7]);
    assert_eq!(bytes[4..8], 96_u32.to_le_bytes());
    assert_eq!(bytes[8..16], 9_u64.to_le_bytes());
    assert_eq!(bytes[16..20], 2_u32.to_le_bytes());
    assert_eq!(bytes[20..24], 9_u32.to_le_bytes());
    assert_eq!(bytes[32..36], 3_u32.to_le_bytes());
    assert_eq!(&bytes[40..49], b"onetwotwo");
    assert_eq!(&bytes[56..88], proof::sha256(b"after").as_bytes());
    assert_eq!(bytes[92..], [0xe7, 0x9a, 0xc5, 0xff]);
    let Parsed::Frame(committed, 96) = parse_frame(&bytes, 0, 0, 4096) else {
        panic!("not a frame");
    };
    assert_eq!(committed.leaves, [b"one".as_slice(), b"twotwo"]);
    assert_eq!((committed.start, committed.end()), (TreeSize::new(9), TreeSize::new(11)));
}

#[test]
fn only_a_missing_sector_or_the_end_of_the_file_makes_a_frame_cut_short() {
    let bytes = frame(&[vec![b'x'; 1500]]);
    let at = 96;
    let mut file = vec![0; at];
    file.extend_from_slice(&bytes);
    file.resize(4096, 0);
    let parse = |file: &[u8]| match parse_frame(file, at, 0, 4096) {
        Parsed::Bad { cut_short, .. } => Some(cut_short),
        Parsed::Frame(..) | Parsed::End => None,
    };
    assert_eq!(parse(&file), None);
    for length in at + 1..at + bytes.len() {
        assert_eq!(parse(&file[..length]), Some(true), "cut at {length}");
    }
    for byte in at + FRAME_HEADER_BYTES..at + bytes.len() {
        let mut rotten = file.clone();
        rotten[byte] ^= 0x40;
        assert_eq!(parse(&rotten), Some(false), "byte {byte}");
    }
    for sector in 1..4 {
        let mut torn = file.clone();
        torn[sector * 512..(sector + 1) * 512].fill(0);
        assert_eq!(parse(&torn), Some(true), "sector {sector}");
        // One byte less than a whole sector is no sector that is missing.
        torn[sector * 512] = b'x';
        assert_eq!(parse(&torn), Some(false), "sector {sector}");
    }
}

#[test]
fn remains_end_with_the_last_byte_that_is_not_zero() {
    let mut data = vec![0; 20_000];
    assert_eq!(remains(&data, 0), None);
    data[4095] = 1;
    assert_eq!(remains(&data, 32), Some(32..4096));
    data[12_345] = 1;
    assert_eq!(remains(&data, 32), Some(32..12_346));
    assert_eq!(remains(&data, 12_346), None);
}

#[test]
fn text_cannot_pass_for_a_frame() {
    assert!(FRAME_MAGIC.contains(&0xff));
    assert!(FRAME_MAGIC.iter().chain(&END_MARKER).all(|byte| *byte != 0));
}
