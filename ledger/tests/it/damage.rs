//! Bytes that changed after they were committed: refused, with the file, the offset and the index.

use std::fs;

use countersign_ledger::journal::segment::Options;
use countersign_ledger::journal::{DamageKind, OpenError};
use proof::{LeafIndex, TreeSize};

use crate::fixture::{Written, damage, frames, leaf, open, options, segments};

/// Three segments, the frames of the middle and the last one among them.
fn written() -> Written {
    let shape = [(1, 900), (7, 400), (2, 1500), (3, 2400), (5, 1500), (2, 700), (1, 50), (3, 250)];
    let written = Written::new(frames(&shape));
    assert_eq!(segments(written.path()).len(), 3);
    written
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_frame() {
    let written = written();
    for frame in &written.placed {
        let whole = fs::read(&frame.file).unwrap();
        for byte in frame.bytes.clone() {
            // Every bit of the framing, a sample of the bits of the leaves.
            let is_framing = byte < frame.bytes.start + 40 || byte + 40 >= frame.bytes.end;
            let bits = match byte % 9 {
                _ if is_framing => 0..8,
                bit if bit < 8 && byte % 5 == 0 => bit..bit + 1,
                _ => continue,
            };
            for bit in bits {
                let mut rotten = whole.clone();
                rotten[byte] ^= 1 << bit;
                fs::write(&frame.file, &rotten).unwrap();
                let found = damage(written.path(), &options());
                assert_eq!(found.file, frame.file, "byte {byte} bit {bit}");
                assert_eq!(found.offset, frame.bytes.start as u64, "byte {byte} bit {bit}");
                assert_eq!(found.index, frame.index, "byte {byte} bit {bit}");
            }
        }
        fs::write(&frame.file, &whole).unwrap();
    }
    assert_eq!(open(written.path(), &options()).unwrap().1, written.frames.concat());
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_segment_header() {
    let written = written();
    for file in segments(written.path()) {
        let whole = fs::read(&file).unwrap();
        let first = written.placed.iter().find(|frame| frame.file == file).unwrap().index;
        for byte in 0..512 {
            let mut rotten = whole.clone();
            rotten[byte] ^= 1 << (byte % 8);
            fs::write(&file, &rotten).unwrap();
            let found = damage(written.path(), &options());
            assert_eq!((&found.file, found.offset, found.index), (&file, 0, first), "byte {byte}");
        }
        fs::write(&file, &whole).unwrap();
    }
}

#[test]
fn a_bad_frame_with_a_good_one_behind_it_even_if_a_sector_is_missing() {
    let written = written();
    let [.., torn, good, _] = written.placed.as_slice() else { panic!("too few frames") };
    let mut file = fs::read(&torn.file).unwrap();
    // The first sector's share: it now looks as if the journal ended here.
    let end = (torn.bytes.start / 512 + 1) * 512;
    file[torn.bytes.start..end.min(torn.bytes.end)].fill(0);
    fs::write(&torn.file, file).unwrap();
    let found = damage(written.path(), &options());
    assert_eq!((&found.file, found.index), (&torn.file, torn.index));
    assert_eq!(found.kind, DamageKind::GoodFrameBehind { offset: good.bytes.start as u64 });
}

#[test]
fn a_swap_of_two_whole_frames() {
    let written = Written::new(frames(&[(1, 500), (1, 500), (1, 40)]));
    let [first, second, _] = written.placed.as_slice() else { panic!("too few frames") };
    let mut file = fs::read(&first.file).unwrap();
    let (one, two) = (file[first.bytes.clone()].to_vec(), file[second.bytes.clone()].to_vec());
    file[first.bytes.clone()].copy_from_slice(&two);
    file[second.bytes.clone()].copy_from_slice(&one);
    fs::write(&first.file, file).unwrap();
    let found = damage(written.path(), &options());
    let (expected, got) = (TreeSize::new(0), TreeSize::new(1));
    assert_eq!(found.kind, DamageKind::FrameStart { expected, got });
    assert_eq!((found.offset, found.index), (first.bytes.start as u64, first.index));
}

#[test]
fn a_frame_that_was_forged_with_a_good_checksum() {
    // The journal itself will write any root; opening does not believe it.
    use countersign_ledger::journal::{Frame, Journal};
    let written = Written::new(frames(&[(2, 100)]));
    let (opened, _) = open(written.path(), &options()).unwrap();
    let mut journal = opened.journal;
    let (start, root) = (journal.size(), proof::sha256(b"another root"));
    let leaves = [leaf(1, 10)];
    journal.append(&Frame { start, leaves: &leaves, root }).unwrap();
    drop(journal);
    let found = damage(written.path(), &options());
    assert!(matches!(found.kind, DamageKind::Root { expected, .. } if expected == root));
    assert_eq!(found.index, LeafIndex::new(2));
}

#[test]
fn a_missing_segment() {
    let written = written();
    let files = segments(written.path());
    let first_of_last = written.last().index;
    let hidden = written.path().join("hidden");

    fs::rename(&files[0], &hidden).unwrap();
    // Without a snapshot: whether the segment was lost or given up, nothing can start here.
    let Err(OpenError::Reclaimed { first, resume: TreeSize::ZERO }) = open(written.path(), &options()) else {
        panic!("opened without its beginning");
    };
    assert_eq!(files[1].file_name().unwrap().to_str().unwrap(), format!("{:020}.seg", first.get()));
    fs::rename(&hidden, &files[0]).unwrap();

    fs::rename(&files[1], &hidden).unwrap();
    let found = damage(written.path(), &options());
    assert_eq!((&found.file, found.offset), (&files[2], 0));
    assert!(matches!(found.kind, DamageKind::SegmentStart { .. }));
    fs::rename(&hidden, &files[1]).unwrap();

    // Nothing in the journal tells that the last one is gone; a published checkpoint does.
    fs::remove_file(&files[2]).unwrap();
    let must_reach = TreeSize::new(24);
    let found = damage(written.path(), &Options { must_reach, ..options() });
    assert_eq!((&found.file, found.kind), (&files[1], DamageKind::EndsShort { must_reach }));
    assert!(found.index <= first_of_last);
    for file in &files[..2] {
        fs::remove_file(file).unwrap();
    }
    let found = damage(written.path(), &Options { must_reach, ..options() });
    assert_eq!(found.kind, DamageKind::EndsShort { must_reach });
}

#[test]
fn a_segment_of_another_log_a_renamed_one_and_a_nameless_one() {
    let written = written();
    let files = segments(written.path());
    let other = Options { origin: "log.example/other".into(), ..options() };
    let found = damage(written.path(), &other);
    assert_eq!(found.file, files[0]);
    assert!(matches!(found.kind, DamageKind::Origin { .. }));

    let renamed = files[2].with_file_name("00000000000000000011.seg");
    fs::rename(&files[2], &renamed).unwrap();
    let found = damage(written.path(), &options());
    assert_eq!(found.file, renamed);
    assert!(matches!(found.kind, DamageKind::SegmentStart { .. }));
    fs::rename(&renamed, &files[2]).unwrap();

    let nameless = files[2].with_file_name("11.seg");
    fs::write(&nameless, b"").unwrap();
    let found = damage(written.path(), &options());
    assert_eq!((found.file, found.kind), (nameless, DamageKind::SegmentName));
}

#[test]
fn stray_bytes_behind_the_end_are_zeroed_and_reported_unless_the_segment_was_left() {
    let written = written();
    let last = written.last();
    let mut file = fs::read(&last.file).unwrap();
    let stray = last.bytes.end + 1000;
    file[stray] = 7;
    fs::write(&last.file, &file).unwrap();
    let (opened, leaves) = open(written.path(), &options()).unwrap();
    assert_eq!(leaves, written.frames.concat());
    assert_eq!(opened.torn.unwrap().offset, last.bytes.end as u64);
    assert_eq!(fs::read(&last.file).unwrap()[stray], 0);

    drop(opened.journal);
    let left = &segments(written.path())[0];
    let end = written.placed.iter().rfind(|frame| &frame.file == left).unwrap().bytes.end;
    let mut file = fs::read(left).unwrap();
    file[end + 100] = 7;
    fs::write(left, &file).unwrap();
    let found = damage(written.path(), &options());
    assert_eq!((&found.file, found.offset, found.kind), (left, end as u64, DamageKind::StrayBytes));
}
