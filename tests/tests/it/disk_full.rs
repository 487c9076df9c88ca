//! The disk full, and then space again, under the released executable: what cannot be kept is refused, and everything goes on
//! by itself when there is room, in the same process.

use countersign_tests::acknowledged::Acknowledged;
use countersign_tests::chance::Chance;
use countersign_tests::injected::{Fault, Injection, staged};
use countersign_tests::load;
use countersign_tests::server::{Server, Start};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FULL: Fault = Fault::Error("ENOSPC");
/// What a segment has here.
const SEGMENT_BYTES: u64 = 65_536;
/// The one call on a segment to be that only its preparation makes: all later ones are on blocks that it has already.
const PREPARED: &str = "fsync";
/// Commands of each client before a look at what was refused.
const COMMANDS: u64 = 10;
/// Loads until one is taken whole; a disk that frees itself is free long before.
const LOADS_MAX: u32 = 40;

/// A ledger with a little in it, and no server.
async fn founded() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    Start::serve(&data).small().start().await.stop().await;
    (home, data)
}

/// The file that becomes the journal's next segment.
fn next_segment(data: &Path) -> PathBuf {
    data.join("journal/next.tmp")
}

/// What a server did while the disk was full.
struct Filled {
    server: Server,
    kept: Acknowledged,
    refused: BTreeMap<String, u64>,
    /// Loads until one was taken whole after one that was not.
    loads: u32,
}

/// Starts a server on a disk that fills up and gets space again, and puts it under load until it has refused something and
/// refuses nothing any more.
async fn fills_up(home: &TempDir, data: &Path, full: &Injection) -> Filled {
    let mut chance = Chance::with_printed_seed("disk_full");
    let mut server = Start::serve(data).small().under(full, &home.path().join("record")).start().await;
    let mut kept = Acknowledged::in_folder(&home.path().join("receipts"));
    let (pinned, mut refused, mut loads) = (server.pinned(), BTreeMap::<String, u64>::new(), 0);
    loop {
        let given = load::put_on(&mut server, &loads.to_string(), COMMANDS, &mut chance).await;
        let all = given.refused.is_empty();
        for (reason, times) in &given.refused {
            *refused.entry(reason.clone()).or_default() += times;
        }
        assert!(!all || given.receipts() > 0, "nothing was answered at all: {}", server.said());
        given.kept_by(&mut kept, &pinned);
        loads += 1;
        if all && !refused.is_empty() {
            break;
        }
        assert!(loads < LOADS_MAX, "{full}: refused {refused:?}: {}", server.said());
    }
    Filled { server, kept, refused, loads }
}

impl Filled {
    /// The same process has all that it acknowledged, and its read models are where the log is; so it is after a restart.
    async fn found_whole(self, data: &Path) {
        let health = self.server.raw().get("/health").await;
        assert_eq!(health.status, 200, "{}", health.text());
        self.kept.check(&self.server).await;
        let pinned = self.server.pinned();
        self.server.stop().await;
        let server = Start::serve(data).small().start().await;
        self.kept.check(&server).await;
        server.stop().await;
        self.kept.audit(data, &pinned);
        let refused: u64 = self.refused.values().sum();
        eprintln!("disk_full: {:?} in {} loads, {} receipts", self.refused, self.loads, self.kept.receipts());
        eprintln!("tally: disks-full=1 refused-for-want-of-room={refused} receipts={}", self.kept.receipts());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_without_room_refuses_and_goes_on_by_itself() {
    let (home, data) = founded().await;
    let full = Injection::once(PREPARED, FULL, 2).times(6).on(vec![next_segment(&data)]);
    let filled = fills_up(&home, &data, &full).await;
    let reasons: Vec<_> = filled.refused.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["NO_ROOM"]);
    filled.found_whole(&data).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_models_without_room_catch_up_by_themselves() {
    let mut chance = Chance::with_printed_seed("disk_full");
    let (home, data) = founded().await;
    let mut server = Start::serve(&data).small().deaf_to_limits().start().await;
    let mut kept = Acknowledged::in_folder(&home.path().join("receipts"));
    let pinned = server.pinned();
    // Every other file is shorter, and stays so.
    server.limit_files(Some(SEGMENT_BYTES));
    let mut loads = 0;
    while !server.said().contains("read models stay behind") {
        let given = load::put_on(&mut server, &loads.to_string(), COMMANDS, &mut chance).await;
        assert!(given.refused.is_empty(), "the log does not wait for its read models: {:?}", given.refused);
        given.kept_by(&mut kept, &pinned);
        loads += 1;
        assert!(loads < LOADS_MAX, "the read models never needed more room: {}", server.said());
    }
    assert!(!server.said().contains("fed again"), "{}", server.said());
    server.limit_files(None);
    server.says("read models are fed again").await;
    Filled { server, kept, refused: BTreeMap::new(), loads }.found_whole(&data).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_for_everything_is_survived() {
    let (home, data) = founded().await;
    let places = staged(&data).into_iter().chain([next_segment(&data)]).collect();
    let full = Injection::once("write,fsync", FULL, 12).times(40).on(places);
    let filled = fills_up(&home, &data, &full).await;
    let reasons: Vec<_> = filled.refused.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["NO_ROOM"], "{}", filled.server.said());
    filled.found_whole(&data).await;
}
