//! Two processes on one folder: the second is told who has it, and the first never notices.

use countersign_tests::acknowledged::Acknowledged;
use countersign_tests::chance::Chance;
use countersign_tests::server::{Ended, Server, Start};
use countersign_tests::{binary, load};
use std::path::Path;
use std::time::Duration;

/// Kills under the eyes of those who wait for the folder.
const ROUNDS: u32 = 4;
/// Processes that want a folder at once.
const HEIRS: u32 = 3;
/// The longest that a server lives under load.
const LIFE_MS: u64 = 120;

/// What somebody says who finds the folder held by this process.
fn names_the_holder(said: &str, holder: u32) -> bool {
    said.contains(&format!("is held by process {holder}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_who_has_the_folder() {
    let mut chance = Chance::with_printed_seed("two_processes");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut kept = Acknowledged::in_folder(&dir.path().join("receipts"));
    let mut server = Server::serve(&data).await;
    let (pid, pinned) = (server.pid(), server.pinned());
    load::put_on(&mut server, "before", 4, &mut chance).await.kept_by(&mut kept, &pinned);

    let Err(Ended { code, said }) = Start::serve(&data).attempt().await else { panic!("two servers on one folder") };
    assert!(code == Some(1) && names_the_holder(&said, pid), "{code:?}: {said}");
    let folder = data.to_str().unwrap();
    let others: [&[&str]; 3] = [
        &["rebuild", "--data", folder],
        &["bench", "append", "--data", folder, "--events", "10", "--in-process"],
        &["init", "--data", folder],
    ];
    for arguments in others {
        let output = binary::countersign(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?} worked on a folder that is in use");
        let clear = names_the_holder(&said, pid) || said.contains("holds a ledger already");
        assert!(clear, "{arguments:?}: {said}");
    }

    let given = load::put_on(&mut server, "after", 4, &mut chance).await;
    assert!(given.refused.is_empty(), "{:?}", given.refused);
    given.kept_by(&mut kept, &pinned);
    kept.check(&server).await;
    server.stop().await;
    kept.audit(&data, &pinned);
}

/// Several who want the folder at once: whoever gets it, and how many were refused. Each that was refused says that
/// somebody has it.
async fn heirs(data: &Path) -> (Option<Server>, u32) {
    let attempts: Vec<_> = (0..HEIRS).map(|_| tokio::spawn(Start::serve(data).attempt())).collect();
    let (mut heir, mut refused) = (None, 0);
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(server) => assert!(heir.replace(server).is_none(), "two servers on one folder"),
            Err(ended) => {
                assert!(ended.code == Some(1) && ended.said.contains("is held by"), "{:?}: {}", ended.code, ended.said);
                refused += 1;
            }
        }
    }
    (heir, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_heir_when_its_server_is_killed() {
    let mut chance = Chance::with_printed_seed("heirs");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut kept = Acknowledged::in_folder(&dir.path().join("receipts"));
    let mut server = Server::serve(&data).await;
    let pinned = server.pinned();
    let mut refused = 0;
    for round in 0..ROUNDS {
        let end = tokio::time::sleep(Duration::from_millis(chance.below(LIFE_MS)));
        // They try while it lives, while it dies, and when it is dead.
        let label = round.to_string();
        let (given, (mut heir, turned_away)) =
            tokio::join!(load::until(&mut server, &label, u64::MAX, &mut chance, end), heirs(&data));
        refused += turned_away;
        given.kept_by(&mut kept, &pinned);
        while heir.is_none() {
            let (next, turned_away) = heirs(&data).await;
            (heir, refused) = (next, refused + turned_away);
        }
        server = heir.unwrap();
        kept.check(&server).await;
    }
    server.stop().await;
    eprintln!("two_processes: {ROUNDS} heirs, {refused} turned away, {} receipts", kept.receipts());
    eprintln!("tally: heirs={ROUNDS} receipts={}", kept.receipts());
    assert!(refused > 0, "nobody was ever turned away");
    kept.audit(&data, &pinned);
}
