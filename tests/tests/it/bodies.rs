//! Bodies beside the log: read in pieces, bounded, and listed for whoever erases.

use countersign_tests::raw::Request;
use countersign_tests::server::{ADMIN_KEY, Server, Start};
use countersign_tests::{binary, proposals};
use domain::event::PrincipalKind;
use domain::event::key::Scope;
use proof::{Hash, sha256};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of the store.
fn files(data: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(data.join("content")).unwrap();
    shards.flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap()).map(|file| file.unwrap().path()).collect()
}

fn name(file: &Path) -> Hash {
    file.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_body_is_read_by_whoever_may_read_the_log_and_by_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(&dir.path().join("data")).await;
    let goal = "a long goal, in many words\n".repeat(20_000);
    server.admin().submit_intent(&proposals::intent("intent-1", &goal)).await.unwrap();
    let [file] = files(server.dir()).try_into().unwrap();
    let path = format!("/api/v1/bodies/{}", name(&file));
    let get = |path: &str, key: Option<&str>| {
        let request = server.raw().request("GET", path);
        key.into_iter().fold(request, Request::key).send()
    };
    let answer = get(&path, Some(ADMIN_KEY)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/octet-stream")));
    assert_eq!(answer.header("content-length"), Some(goal.len().to_string().as_str()));
    assert!(answer.body == goal.as_bytes());

    assert_eq!(get(&path, None).await.json()["reason"], "KEY_REQUIRED");
    let casey = server.api_key(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await;
    assert_eq!(get(&path, Some(&casey)).await.json()["reason"], "SCOPE_MISSING");
    let nothing = get(&format!("/api/v1/bodies/{}", sha256(b"nothing")), Some(ADMIN_KEY)).await;
    assert_eq!((nothing.status, nothing.json()["reason"].clone()), (404, "BLOB_UNKNOWN".into()));
    assert_eq!(get("/api/v1/bodies/short", Some(ADMIN_KEY)).await.status, 422);

    // Rot is noticed at the end, so the end does not come.
    let mut rotten = fs::read(&file).unwrap();
    rotten[100] ^= 1;
    fs::write(&file, rotten).unwrap();
    let cut = get(&path, Some(ADMIN_KEY)).await;
    assert!(cut.body.len() < goal.len(), "{} of {} bytes", cut.body.len(), goal.len());
    server.stop().await;
}

#[tokio::test]
async fn a_store_at_its_quota_takes_no_bodies_and_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Start::serve(&data).with(["--content-quota", "10000"]).start().await;
    let long = |n: u8| {
        let goal = format!("goal {n} ").repeat(571);
        json!({"intent_id": format!("intent-{n}"), "goal": goal})
    };
    let post = |body: Value| server.raw().request("POST", "/api/v1/intents").key(ADMIN_KEY).json(&body).send();
    for n in 1..=2 {
        assert_eq!(post(long(n)).await.status, 201, "body {n} of about 4,000 bytes");
    }
    let full = post(long(3)).await;
    assert_eq!((full.status, full.json()["reason"].clone()), (507, "NO_ROOM".into()), "{}", full.text());
    // The same as before costs nothing; what is short stands in the event.
    assert_eq!(post(long(1)).await.status, 200);
    assert_eq!(post(json!({"intent_id": "short", "goal": "few words"})).await.status, 201);
    assert_eq!(files(&data).len(), 2);
    server.stop().await;

    // What lies there is counted at the start; what is erased makes room.
    let server = Start::serve(&data).with(["--content-quota", "10000"]).start().await;
    let post = |body: Value| server.raw().request("POST", "/api/v1/intents").key(ADMIN_KEY).json(&body).send();
    assert_eq!(post(long(3)).await.status, 507);
    server.admin().erase_body(&name(&files(&data)[0]), "make room").await.unwrap();
    assert_eq!(post(long(3)).await.status, 201);
    assert_eq!(post(long(4)).await.status, 507);
    server.stop().await;
}

fn report(data: &Path, older_than: &str) -> Value {
    let mut command = binary::command("countersign");
    command.args(["bodies", "report", "--format", "json", "--older-than", older_than, "--data"]).arg(data);
    let output = binary::run(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn what_may_be_erased_is_listed_with_its_place_and_its_agent() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::serve(&data).await;
    let admin = server.admin();
    let text = |what: &str| format!("{what}: ").repeat(300);
    let mut intent = proposals::intent("the-intent", "short");
    intent.goal = text("an intent is never over");
    admin.submit_intent(&intent).await.unwrap();
    let mut denied = proposals::secrets("denied");
    denied.summary = text("denied, so it is over");
    let seq = admin.submit_proposal(&denied).await.unwrap().seq;
    let mut open = proposals::read("open", "README.md");
    open.summary = text("allowed, and its job waits");
    admin.submit_proposal(&open).await.unwrap();
    let mut waiting = proposals::irreversible("waiting", "a.txt", "a");
    waiting.summary = text("waits for a human");
    admin.submit_proposal(&waiting).await.unwrap();
    let mut erased = proposals::secrets("erased");
    erased.summary = text("denied, and erased already");
    let before = files(&data);
    admin.submit_proposal(&erased).await.unwrap();
    let new = files(&data).into_iter().find(|file| !before.contains(file)).unwrap();
    admin.erase_body(&name(&new), "it may go").await.unwrap();
    server.stop().await;
    // As a crash between storing and committing leaves it.
    let orphan = [[7; 32].as_slice(), b"nobody names it"].concat();
    let orphan_name = sha256(&orphan).to_string();
    let shard = data.join("content").join(orphan_name.split_at(2).0);
    fs::create_dir_all(&shard).unwrap();
    fs::write(shard.join(&orphan_name), &orphan).unwrap();

    let found = report(&data, "0");
    let bytes: u64 = files(&data).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert_eq!(found["stored"], json!({"count": 5, "bytes": bytes}));
    assert_eq!((&found["erased"], &found["orphaned"]), (&json!(1), &json!({"count": 1, "bytes": orphan.len()})));
    let [body] = found["erasable"].as_array().unwrap().as_slice() else { panic!("{found}") };
    let is = |member: &str| body[member].clone();
    assert_eq!(
        (is("kind"), is("subject"), is("agent")),
        (json!("proposal.submitted"), json!("proposal/denied"), json!("Casey"))
    );
    assert_eq!(is("seq"), json!(seq));
    let file = files(&data).into_iter().find(|file| name(file).to_string() == is("sha256")).unwrap();
    assert!(fs::read(&file).unwrap()[32..].starts_with(b"denied, so it is over"));
    assert_eq!(found["erasable_total"], json!({"count": 1, "bytes": fs::metadata(&file).unwrap().len()}));
    assert_eq!(report(&data, "1")["erasable"], json!([]));
}
