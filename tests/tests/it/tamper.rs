//! One bit, one byte, one frame of a dead ledger's files: the auditor names the event, and the server does not start.

use crate::bad_input::size;
use countersign_tests::audit::verify;
use countersign_tests::server::{Server, Start};
use countersign_tests::{data, proposals};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A ledger in which something happened, with its server dead and its head published.
pub(crate) async fn stopped() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(dir.path()).await;
    let casey = server.agent("Casey").await;
    server.admin().submit_intent(&proposals::intent("the-intent", "Something to tamper with")).await.unwrap();
    casey.submit_proposal(&proposals::read("t-read", "a.txt")).await.unwrap();
    casey.submit_proposal(&proposals::secrets("t-secrets")).await.unwrap();
    casey.submit_proposal(&proposals::irreversible("t-write", "a.txt", "x")).await.unwrap();
    server.stop().await;
    verify(dir.path(), "log").assert_valid();
    verify(dir.path(), "replay").assert_valid();
    dir
}

/// Offsets in a leaf of a byte of its payload, and of its signature.
fn in_payload_and_sig(leaf: &[u8]) -> [(&'static str, usize); 2] {
    let sig = data::find(leaf, b"\"sig\":\"").unwrap() + 10;
    [("payload", leaf.len() / 3), ("sig", sig)]
}

type Place = fn(&Path, usize) -> (PathBuf, usize);

#[tokio::test(flavor = "multi_thread")]
async fn one_bit_of_a_committed_entry_is_found_at_its_index() {
    let honest = stopped().await;
    let leaves = data::leaves(honest.path());
    let places: [(&str, Place); 2] = [("site", data::place_in_site), ("journal", data::place_in_journal)];
    // The first, one in the middle, the last.
    for index in [0, leaves.len() / 2, leaves.len() - 1] {
        for (file, place) in places {
            for (part, offset) in in_payload_and_sig(&leaves[index]) {
                let copy = data::copy(honest.path());
                let (path, at) = place(copy.path(), index);
                data::flip(&path, at + offset);
                let verdict = verify(copy.path(), "log");
                assert_eq!(
                    (verdict.code, verdict.first_bad()),
                    (2, Some(u64::try_from(index).unwrap())),
                    "a bit of the {part} of event {index} in the {file}: {}",
                    verdict.report
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bit_of_the_checkpoint_is_found() {
    let honest = stopped().await;
    let note = fs::read(honest.path().join("public/checkpoint")).unwrap();
    // In the origin, the size, the root, the signature.
    let lines: Vec<usize> = note.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    for at in [2, lines[0] + 1, lines[1] + 5, lines[3] + 30, note.len() - 8] {
        let copy = data::copy(honest.path());
        data::flip(&copy.path().join("public/checkpoint"), at);
        let verdict = verify(copy.path(), "log");
        assert_eq!(verdict.code, 2, "byte {at}: {}", verdict.report);
        let refused = Start::serve(copy.path()).attempt().await.unwrap_err();
        assert_eq!(refused.code, Some(1), "byte {at}: {}", refused.said);
        assert!(refused.said.contains("public/checkpoint"), "{}", refused.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_refuses_a_damaged_segment_and_says_where() {
    let honest = stopped().await;
    let leaves = data::leaves(honest.path());
    for index in [0, leaves.len() / 2, leaves.len() - 1] {
        let copy = data::copy(honest.path());
        let (path, at) = data::place_in_journal(copy.path(), index);
        data::flip(&path, at + leaves[index].len() / 2);
        // Damage is told by the frame it is in.
        let segment = data::segments(honest.path()).remove(0);
        let mut first = 0;
        let frame = segment.frames.iter().find(|frame| {
            let holds = frame.range.contains(&at);
            first += if holds { 0 } else { frame.leaves.len() };
            holds
        });
        let offset = frame.unwrap().range.start;
        let refused = Start::serve(copy.path()).attempt().await.unwrap_err();
        assert_eq!(refused.code, Some(1), "{}", refused.said);
        let name = path.file_name().unwrap().to_str().unwrap();
        for part in [name.to_owned(), format!("byte {offset}"), format!("leaf {first}")] {
            assert!(refused.said.contains(&part), "`{part}` is not named: {}", refused.said);
        }
        // Nothing was repaired silently.
        assert_eq!(fs::read(&path).unwrap()[at + leaves[index].len() / 2], leaves[index][leaves[index].len() / 2] ^ 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_ends_before_the_published_head_is_refused() {
    let honest = stopped().await;
    let segment = data::segments(honest.path()).remove(0);
    let published = data::leaves(honest.path()).len();
    let last = segment.frames.last().unwrap();
    let ends = published - last.leaves.len();
    let whole = last.range.clone();
    let start = u64::try_from(whole.start).unwrap();
    let within = u64::try_from(whole.end).unwrap() - 100;
    let zeros = vec![0; whole.len()];
    for what in ["the file cut off before the last frame", "the file cut off within it", "zeros in its place"] {
        let copy = data::copy(honest.path());
        let path = data::segments(copy.path()).remove(0).path;
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        match what {
            "zeros in its place" => file.write_all_at(&zeros, start).unwrap(),
            "the file cut off within it" => file.set_len(within).unwrap(),
            _ => file.set_len(start).unwrap(),
        }
        drop(file);
        let refused = Start::serve(copy.path()).attempt().await.unwrap_err();
        assert_eq!(refused.code, Some(1), "{what}: {}", refused.said);
        let name = path.file_name().unwrap().to_str().unwrap();
        for part in [name.to_owned(), format!("leaf {ends}"), published.to_string()] {
            assert!(refused.said.contains(&part), "{what}: `{part}` is not named: {}", refused.said);
        }
        let verdict = verify(copy.path(), "log");
        verdict.assert_invalid_at(ends.try_into().unwrap());
        assert_eq!(verdict.rule(), "journal_ends_short", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_frame_that_was_cut_before_it_was_published_is_dropped_and_reported() {
    let honest = stopped().await;
    let before = u64::try_from(data::leaves(honest.path()).len()).unwrap();
    // Heads are published about once a second, so an event that was written just before the death is in none of them.
    let server = Server::serve(honest.path()).await;
    let done = server.admin().submit_intent(&proposals::intent("at-the-end", &"x".repeat(900))).await.unwrap();
    server.kill();
    assert_eq!(done.seq.get(), before);
    let note = fs::read_to_string(honest.path().join("public/checkpoint")).unwrap();
    assert_eq!(note.lines().nth(1), Some(before.to_string().as_str()), "the head was published at once");
    // Of its sectors the last one did not reach the disk.
    let segment = data::segments(honest.path()).remove(0);
    let last = segment.frames.last().unwrap().range.clone();
    let from = (last.end - 1) / 512 * 512;
    let file = fs::OpenOptions::new().write(true).open(&segment.path).unwrap();
    file.write_all_at(&vec![0; last.end - from], from.try_into().unwrap()).unwrap();
    drop(file);
    let server = Server::serve(honest.path()).await;
    assert!(server.said().contains(&format!("from event {before} on")), "{}", server.said());
    assert_eq!(size(&server).await, before);
    server.stop().await;
    verify(honest.path(), "replay").assert_valid();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_was_never_acknowledged_is_dropped_and_reported() {
    let honest = stopped().await;
    let segment = data::segments(honest.path()).remove(0);
    let published = u64::try_from(data::leaves(honest.path()).len()).unwrap();
    let (last, end) = (segment.frames[0].range.clone(), segment.frames.last().unwrap().range.end);
    // As a power cut leaves it: the start of a frame that goes on for some sectors, and zeros where the rest should be.
    let written = segment.bytes[last].iter().copied().take(700).collect::<Vec<_>>();
    let copy = data::copy(honest.path());
    let file = fs::OpenOptions::new().write(true).open(&data::segments(copy.path())[0].path).unwrap();
    file.write_all_at(&written, end.try_into().unwrap()).unwrap();
    drop(file);
    let verdict = verify(copy.path(), "log");
    verdict.assert_valid();
    assert!(verdict.report["journal"]["torn"].is_string(), "{}", verdict.report);
    let server = Server::serve(copy.path()).await;
    let said = server.said();
    assert!(said.contains("a frame cut short was dropped") && said.contains(&format!("byte {end}")), "{said}");
    assert_eq!(size(&server).await, published);
    let done = server.admin().submit_intent(&proposals::intent("after-the-cut", "Go on")).await.unwrap();
    assert_eq!(done.seq.get(), published, "the index of what was never acknowledged is free");
    server.stop().await;
    verify(copy.path(), "replay").assert_valid();
    // The next start has nothing to report.
    let server = Server::serve(copy.path()).await;
    assert!(!server.said().contains("dropped"), "{}", server.said());
    server.stop().await;
}
