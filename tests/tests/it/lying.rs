//! A disk that has lost what it had said to be safe: something that was released reaches further than the journal. The server
//! does not start, changes nothing, and says which file, where in it, at which event, and what was to be there.

use countersign_tests::acknowledged::Acknowledged;
use countersign_tests::chance::Chance;
use countersign_tests::server::Start;
use countersign_tests::{data, load};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Commands of each client: enough for snapshots and several segments.
const COMMANDS: u64 = 20;

/// A ledger as it was, and as it became; both without a server.
struct Two {
    _home: TempDir,
    earlier: TempDir,
    later: PathBuf,
    /// Events of the earlier and of the later one.
    sizes: (u64, u64),
}

impl Two {
    async fn new() -> Self {
        let mut chance = Chance::with_printed_seed("lying");
        let home = tempfile::tempdir().unwrap();
        let later = home.path().join("data");
        let mut kept = Acknowledged::in_folder(&home.path().join("receipts"));
        let mut sizes = Vec::new();
        let mut copies = Vec::new();
        for label in ["earlier", "later"] {
            let mut server = Start::serve(&later).small().start().await;
            let pinned = server.pinned();
            load::put_on(&mut server, label, COMMANDS, &mut chance).await.kept_by(&mut kept, &pinned);
            sizes.push(kept.check(&server).await);
            server.stop().await;
            copies.push(data::copy(&later));
        }
        Self { _home: home, earlier: copies.swap_remove(0), later, sizes: (sizes[0], sizes[1]) }
    }

    /// The earlier one with a file of the later one; it may have been where the later one has it not.
    fn earlier_with(&self, file: &str, place: &str) -> TempDir {
        let copy = data::copy(self.earlier.path());
        let target = copy.path().join(place);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(self.later.join(file), target).unwrap();
        copy
    }
}

/// The last segment that has a frame, and the place in the file where its last frame ends.
fn end(dir: &Path) -> (PathBuf, usize) {
    let last = data::segments(dir).pop().unwrap();
    let end = last.frames.last().map_or(512, |frame| frame.range.end);
    (last.path, end)
}

fn journal(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = data::files(&dir.join("journal")).into_iter();
    let mut files: Vec<_> = files.filter(|f| f.extension().is_some_and(|e| e == "seg")).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
}

/// It does not start, leaves the journal as it is, and says all of this.
async fn refuses(what: &str, dir: &Path, says: &[String]) {
    let before = journal(dir);
    let ended = Start::serve(dir).small().attempt().await.expect_err(what);
    assert_eq!(ended.code, Some(1), "{what}: {}", ended.said);
    for word in says {
        assert!(ended.said.contains(word), "{what}: no `{word}` in: {}", ended.said);
    }
    assert_eq!(journal(dir), before, "{what}: the journal was changed");
}

/// What is said of a journal that ends too early.
fn ends_short(dir: &Path, size: u64, must_reach: u64) -> [String; 4] {
    let (file, offset) = end(dir);
    [
        file.display().to_string(),
        format!("at byte {offset}"),
        format!("leaf {size}"),
        format!("size {must_reach} was committed"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_ends_before_what_was_released_is_not_served() {
    let two = Two::new().await;
    let (size, more) = two.sizes;
    for (what, place) in
        [("a published checkpoint", "public/checkpoint"), ("a witnessed checkpoint", "public/witnessed/checkpoint")]
    {
        let dir = two.earlier_with("public/checkpoint", place);
        refuses(what, dir.path(), &ends_short(dir.path(), size, more)).await;
    }
    // Of snapshots that reach further than the journal the newest is looked at.
    let newest = data::files(&two.later.join("snapshots")).into_iter().max().unwrap();
    let name = newest.strip_prefix(&two.later).unwrap().display().to_string();
    let reaches: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert!(reaches > size, "no snapshot was taken");
    let dir = two.earlier_with(&name, &name);
    for run in data::files(&two.later.join("closed")) {
        fs::copy(&run, dir.path().join("closed").join(run.file_name().unwrap())).unwrap();
    }
    refuses("a snapshot", dir.path(), &ends_short(dir.path(), size, reaches)).await;
}

/// The length that is left of a segment.
type Cut = fn(&data::Segment) -> u64;

#[tokio::test(flavor = "multi_thread")]
async fn a_last_segment_that_was_cut_is_not_served() {
    let two = Two::new().await;
    let (_, size) = two.sizes;
    let cuts: [(&str, Cut); 3] = [
        ("behind its first frame", |segment| position(segment.frames[0].range.end)),
        ("in its last frame", |segment| position(segment.frames.last().unwrap().range.end - 9)),
        ("to its header", |_| 512),
    ];
    for (what, cut) in cuts {
        let dir = data::copy(&two.later);
        let segment = data::segments(dir.path()).pop().unwrap();
        assert!(segment.frames.len() > 1, "the last segment has hardly anything");
        fs::File::options().write(true).open(&segment.path).unwrap().set_len(cut(&segment)).unwrap();
        let says = [segment.path.display().to_string(), "at byte".into(), "leaf".into(), format!("size {size}")];
        refuses(what, dir.path(), &says).await;
    }
    for (what, length) in [("in its header", Some(100)), ("to nothing", Some(0)), ("altogether", None)] {
        let dir = data::copy(&two.later);
        let segment = data::segments(dir.path()).pop().unwrap();
        let file = match length {
            Some(length) => {
                fs::File::options().write(true).open(&segment.path).unwrap().set_len(length).unwrap();
                segment.path
            }
            None => {
                fs::remove_file(&segment.path).unwrap();
                end(dir.path()).0
            }
        };
        refuses(what, dir.path(), &[file.display().to_string(), "at byte".into(), "leaf".into()]).await;
    }
}

fn position(at: usize) -> u64 {
    u64::try_from(at).unwrap()
}
