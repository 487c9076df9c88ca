//! What rots is found while the server runs: what nobody can mend stops the log and is named, and from another copy it is made
//! whole again.

use countersign_tests::proposals;
use countersign_tests::server::{ADMIN_KEY, Server, Start};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// Whether the journal has given up its beginning, so that old events are in the bundles alone.
fn has_forgotten(data: &Path) -> bool {
    let first = data.join("journal/00000000000000000000.seg");
    !first.exists()
}

async fn intend(server: &Server, from: u64, count: u64) {
    let client = server.admin();
    for n in from..from + count {
        client.submit_intent(&proposals::intent(&format!("scrub-{n}"), "goal")).await.unwrap();
    }
}

/// A data folder whose first bundle is nowhere else, and that bundle's file.
async fn grown(data: &Path) -> PathBuf {
    let server = Start::serve(data).small().start().await;
    let (mut n, limit) = (0, Instant::now() + LIMIT);
    while !has_forgotten(data) {
        assert!(Instant::now() < limit, "the journal keeps everything");
        intend(&server, n, 64).await;
        n += 64;
    }
    server.stop().await;
    let bundle = data.join("public/tile/entries/000");
    assert!(bundle.exists());
    bundle
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, path) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if entry.is_dir() {
            copy(&entry, &path);
        } else {
            fs::copy(&entry, &path).unwrap();
        }
    }
}

fn rot(file: &Path) -> Vec<u8> {
    let good = fs::read(file).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 4;
    fs::write(file, bad).unwrap();
    good
}

/// Asks for health until it has this status; gives the answer.
async fn health(server: &Server, status: u16) -> serde_json::Value {
    let limit = Instant::now() + LIMIT;
    loop {
        let answer = server.raw().get("/health").await;
        if answer.status == status {
            return answer.json();
        }
        assert!(Instant::now() < limit, "health is {}, not {status}", answer.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn rot_that_nobody_can_mend_stops_the_log_until_the_file_is_whole() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let bundle = grown(&data).await;
    let good = rot(&bundle);
    let server = Start::serve(&data).small().with(["--scrub-rate", "1000"]).listening().await.unwrap();
    let sick = health(&server, 503).await;
    assert!(sick["damaged"].as_str().unwrap().contains("tile/entries/000"), "{sick}");
    let body = serde_json::json!({"intent_id": "no", "goal": "more"});
    let refused = server.raw().post("/api/v1/intents", ADMIN_KEY, &body).await;
    assert_eq!((refused.status, refused.json()["reason"].as_str()), (503, Some("DAMAGED")));
    assert!(refused.header("retry-after").is_some());
    fs::write(&bundle, good).unwrap();
    health(&server, 200).await;
    intend(&server, 1_000_000, 1).await;
    server.stop().await;
}

#[tokio::test]
async fn rot_is_mended_from_a_spare_copy_that_need_not_be_trusted() {
    let home = tempfile::tempdir().unwrap();
    let (data, spare) = (home.path().join("data"), home.path().join("spare"));
    let bundle = grown(&data).await;
    copy(&data.join("public"), &spare.join("public"));
    let good = rot(&bundle);
    // A copy that has rotted, too, is no help.
    let theirs = spare.join("public/tile/entries/000");
    fs::write(&theirs, fs::read(&bundle).unwrap()).unwrap();
    let scrub = ["--scrub-rate", "1000", "--spare", spare.to_str().unwrap()];
    let server = Start::serve(&data).small().with(scrub).listening().await.unwrap();
    health(&server, 503).await;
    fs::write(&theirs, &good).unwrap();
    health(&server, 200).await;
    assert_eq!(fs::read(&bundle).unwrap(), good);
    let metrics = server.raw().request("GET", "/metrics").key(ADMIN_KEY).send().await.text();
    let mended = metrics.lines().find_map(|line| line.strip_prefix("countersign_files_mended_total "));
    assert!(mended.is_some_and(|n| n.parse::<u64>().unwrap() >= 1), "{mended:?}");
    server.stop().await;
}
