//! Witnesses, as processes of their own: what they cosign and what they refuse, and what a server does with and without them.

mod stage;

use countersign_tests::audit::verify_with;
use countersign_tests::binary;
use countersign_tests::data;
use countersign_tests::forge::{History, StolenKeys};
use countersign_tests::liar::Liar;
use countersign_tests::raw::Raw;
use countersign_tests::server::{Server, Start};
use proof::key::{KeyName, SecretKey};
use proof::note::{Note, SignerKey};
use proof::witness::{AddCheckpoint, SIZE_MEDIA_TYPE, log_address, parse_cosignatures};
use proof::{Checkpoint, TreeSize};
use serde_json::Value;
use stage::{Stage, Witness, command, serve, status, submit, until, until_witnessed};
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

/// The honest request that a log makes whose history this is.
fn request(history: &History, old: u64) -> AddCheckpoint {
    let old = TreeSize::new(old);
    let proof = if old == TreeSize::ZERO { Vec::new() } else { history.consistency(old) };
    AddCheckpoint { old, proof, note: Note::parse(&history.note()).unwrap() }
}

/// The first leaves of a dead ledger, signed anew.
fn history(dir: &Path, size: usize) -> History {
    History::new(&StolenKeys::export(dir), data::leaves(dir)[..size].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witnessed_head_lies_beside_the_published_one_and_verifies_under_the_policy() {
    let stage = Stage::set().await;
    let server = stage.serve("open").await;
    let policy = stage.policy();
    for number in 0..5 {
        submit(&server, &format!("w-{number}")).await;
    }
    let health = until_witnessed(&server).await;
    assert_eq!((&health["witnessed"]["witnesses"], &health["witnessed"]["mode"]), (&2.into(), &"open".into()));
    assert_eq!(health["witnessed"]["fork_suspected"], false);
    assert!(health["head_age_ms"].is_u64() && health["witnessed"]["age_ms"].is_u64(), "{health}");

    // On the server, the witnessed head is a site of its own.
    let verify = |source: &str| verify_with(["log", source, "--policy", policy.to_str().unwrap()]);
    let verdict = verify(&format!("{}/log/witnessed", server.url()));
    verdict.assert_valid();
    assert_eq!(verdict.report["witnesses"], serde_json::json!(["one", "two"]), "{}", verdict.report);
    // The published one has the log's signature alone, as before.
    let published = server.raw().get("/log/checkpoint").await.text();
    assert_eq!(Note::parse(&published).unwrap().signatures.len(), 1);
    assert_eq!(verify(&server.url()).code, 3);
    // Each witness serves what it cosigned, and it is what the log says.
    let witnessed = server.raw().get("/log/witnessed/checkpoint").await.text();
    for witness in &stage.witnesses {
        let last = witness.last(stage.log.name().as_str()).await;
        assert_eq!((last.status, last.header("content-type")), (200, Some("text/plain; charset=utf-8")));
        let keys = [witness.vkey.clone(), stage.log.clone()];
        assert_eq!(Note::parse(&last.text()).unwrap().verify(&keys).unwrap().len(), 2);
        assert_eq!(Note::parse(&last.text()).unwrap().text, Note::parse(&witnessed).unwrap().text);
    }
    let (code, page) = status(&server);
    assert!(code == Some(0) && page.contains("2 on the head of") && page.contains("healthy"), "{page}");

    // In the folder, whoever puts the one in the place of the other has a site with a witnessed head.
    server.stop().await;
    let copy = data::copy(&stage.data.path().join("public"));
    fs::copy(copy.path().join("witnessed/checkpoint"), copy.path().join("checkpoint")).unwrap();
    verify(copy.path().to_str().unwrap()).assert_valid();
    // The next process knows how far its witnesses are, and asks nobody again.
    let server = stage.serve("open").await;
    let health = stage::health(&server).await["witnessed"].clone();
    assert_eq!((&health["quorum"], &health["witnesses"], &health["size"]), (&true.into(), &2.into(), &6.into()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_log_goes_on_without_a_witness_and_says_so() {
    let mut stage = Stage::set().await;
    let server = stage.serve("open").await;
    until_witnessed(&server).await;
    stage.witnesses[1].kill();
    let size = submit(&server, "without-two").await;
    let health = until(&server, "published without its witness", |h| {
        h["published"] == size && h["witnessed"]["quorum"] == false
    })
    .await;
    assert!(health["witnessed"]["size"].as_u64().unwrap() < size, "{health}");
    let (code, page) = status(&server);
    assert!(code == Some(2) && page.contains("without them"), "{page}");
    stage.witnesses[1].restart();
    until_witnessed(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_publishes_nothing_without_its_witnesses_and_catches_up_when_they_are_back() {
    let mut stage = Stage::set().await;
    let server = stage.serve("closed").await;
    submit(&server, "with-both").await;
    let before = until_witnessed(&server).await["size"].as_u64().unwrap();
    stage.witnesses[1].kill();
    let mut size = 0;
    for number in 0..3 {
        // Receipts are answered all the while.
        size = submit(&server, &format!("without-two-{number}")).await;
    }
    // The other witness has cosigned the newest head, and that was not enough.
    let first = |h: &Value| h["witnessed"]["each"][0]["size"].as_u64();
    let health =
        until(&server, "without a quorum", |h| h["witnessed"]["quorum"] == false && first(h) == Some(size)).await;
    assert_eq!((&health["published"], stage.published()), (&before.into(), before));
    let (code, page) = status(&server);
    assert!(code == Some(2) && page.contains("no head is published"), "{page}");

    // Neither the end, nor a command that opens the folder, nor the next start publishes what is not witnessed.
    server.stop().await;
    assert_eq!(stage.published(), before);
    let doctor = binary::countersign(&["doctor", "--data", stage.data.path().to_str().unwrap(), "--quiet"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains(&format!("{size} events")), "{doctor:?}");
    assert_eq!(stage.published(), before);
    let server = stage.serve("closed").await;
    let in_vain = |h: &Value| h["witnessed"]["each"][1]["fault"].is_string() && h["witnessed"]["quorum"] == false;
    until(&server, "asked in vain", in_vain).await;
    assert_eq!(stage.published(), before);

    stage.witnesses[1].restart();
    until_witnessed(&server).await;
    assert_eq!(stage.published(), size);
    let policy = stage.policy();
    let verdict = verify_with(["log", &server.url(), "--policy", policy.to_str().unwrap()]);
    verdict.assert_valid();
    server.stop().await;
    verify_with(["log".as_ref(), stage.data.path().as_os_str(), "--policy".as_ref(), policy.as_os_str()])
        .assert_valid();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_founded_closed_publishes_not_even_its_genesis_by_itself() {
    let stage = Stage::set().await;
    // The policy has to know the log, so its keys are made first.
    let dir = tempfile::tempdir().unwrap();
    let stranger = stage.policy();
    let refused = Start::serve(dir.path())
        .with(["--witness-policy", stranger.to_str().unwrap(), "--witness-mode", "closed"])
        .attempt()
        .await
        .unwrap_err();
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    let log = ledger::keys::KeyFolder::of(dir.path()).read(ledger::keys::KeyRole::Checkpoint).unwrap().verifier();
    assert!(refused.said.contains(&log.to_string()), "{}", refused.said);
    assert!(!dir.path().join("public/checkpoint").exists());
    let witness = Witness::start(&[&log]);
    let policy = witness.dir.path().join("policy");
    fs::write(&policy, format!("log {log}\nwitness w {} {}\nquorum w\n", witness.vkey, witness.url())).unwrap();
    let server = serve(dir.path(), &policy, "closed").await;
    until_witnessed(&server).await;
    let verdict = verify_with(["log", &server.url(), "--policy", policy.to_str().unwrap()]);
    verdict.assert_valid();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_forgets_nothing_and_is_alone_in_its_folder() {
    let mut stage = Stage::set().await;
    let server = stage.serve("open").await;
    for number in 0..4 {
        submit(&server, &format!("m-{number}")).await;
    }
    until_witnessed(&server).await;
    server.stop().await;
    let origin = stage.log.name().as_str().to_owned();
    let (older, same) = (history(stage.data.path(), 3), history(stage.data.path(), 5));
    let witness = &mut stage.witnesses[0];
    let second = binary::run(&mut command(witness.dir.path(), "127.0.0.1:0", &witness.logs));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && said.contains("is held by process"), "{said}");
    let before = witness.last(&origin).await.text();
    for end in ["told", "killed"] {
        match end {
            "told" => assert_eq!(witness.terminate(), Some(0)),
            _ => witness.kill(),
        }
        witness.restart();
        assert_eq!(witness.last(&origin).await.text(), before, "{end}");
        for old in [0, 2] {
            let answer = witness.ask(request(&older, old).to_string()).await;
            let kind = answer.header("content-type").map(str::to_owned);
            assert_eq!((answer.status, kind.as_deref(), answer.text().as_str()), (409, Some(SIZE_MEDIA_TYPE), "5\n"));
        }
    }
    // The same head again is cosigned again, at a later time.
    let answer = witness.ask(request(&same, 5).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = parse_cosignatures(&answer.text()).unwrap().remove(0);
    line.verify(&Note::parse(&same.note()).unwrap().text, &witness.vkey).unwrap();
    let key = witness.dir.path().join("keys/witness.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    // Without its key, or without what it remembers, it does not begin again.
    assert_eq!(witness.terminate(), Some(0));
    data::wait_until_free(witness.dir.path());
    let kept = witness.dir.path().join("logs").join(log_address(&origin).to_string()).join("checkpoint");
    for (file, word) in [(&key, "is missing"), (&kept, "refusing to start")] {
        let bytes = fs::read(file).unwrap();
        let spoilt = if *file == kept { fs::write(file, "junk") } else { fs::remove_file(file) };
        spoilt.unwrap();
        let refused = binary::run(&mut command(witness.dir.path(), "127.0.0.1:0", &witness.logs));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains(word), "{said}");
        fs::write(file, bytes).unwrap();
    }
    witness.restart();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_or_rolled_back_log_is_convicted_by_its_witnesses() {
    let stage = Stage::set().await;
    let server = stage.serve("open").await;
    submit(&server, "f-1").await;
    until_witnessed(&server).await;
    server.stop().await;
    let rolled_back = data::copy(stage.data.path());
    let server = stage.serve("open").await;
    submit(&server, "f-2").await;
    submit(&server, "f-3").await;
    until_witnessed(&server).await;
    server.stop().await;
    // The same keys and the same length, but one event says something else.
    let forked = data::copy(stage.data.path());
    StolenKeys::export(forked.path()).rewrite(forked.path(), |payloads| {
        let last = payloads.last_mut().unwrap();
        assert_eq!(last["type"], "intent.created");
        last["data"]["intent"]["goal"] = "Something that nobody asked for".into();
    });
    let forget = |dir: &Path| {
        for file in ["witnesses.json", "public/witnessed/checkpoint"] {
            fs::remove_file(dir.join(file)).unwrap();
        }
    };
    forget(forked.path());
    let forgetful = data::copy(rolled_back.path());
    forget(forgetful.path());
    let honest = stage.witnesses[0].last(stage.log.name().as_str()).await.text();
    for (what, dir, longer, word) in [
        ("a fork", &forked, 0, "does not lead to our head"),
        ("a fork that has grown", &forked, 2, "does not lead to our head"),
        ("a log that was rolled back", &rolled_back, 0, "this log has"),
        ("one that also forgot its witnesses", &forgetful, 0, "this log has"),
        ("one that has grown otherwise", &rolled_back, 3, "does not lead to our head"),
    ] {
        let server = serve(dir.path(), &stage.policy(), "open").await;
        for number in 0..longer {
            submit(&server, &format!("other-{number}")).await;
        }
        // What it has just been started with may be witnessed already; a head that is newer never is.
        if longer == 0 && word == "this log has" {
            submit(&server, "one-more").await;
        }
        let health = until(&server, what, |h| h["witnessed"]["fork_suspected"] == true).await;
        until(&server, what, |h| h["witnessed"]["each"].to_string().contains(word)).await;
        assert!(server.said().contains("FORK SUSPECTED"), "{what}: {}", server.said());
        assert_eq!(health["ok"], true, "{what}: in open mode the log goes on");
        let (code, page) = status(&server);
        assert!(code == Some(2) && page.contains("another history"), "{what}: {page}");
        server.stop().await;
        // No witness has moved.
        assert_eq!(stage.witnesses[0].last(stage.log.name().as_str()).await.text(), honest, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cosignatures_of_others_and_wrong_ones_are_dropped() {
    let stage = Stage::set().await;
    let stranger = SignerKey::new(KeyName::new("stranger.example").unwrap(), SecretKey::from_seed([7; 32]));
    let line = stranger.cosign("another text\n", 5).unwrap().to_string();
    let added = line.clone();
    let adds =
        Liar::before(stage.witnesses[0].address, move |_, body| [format!("{added}\n").into_bytes(), body].concat())
            .await;
    // The second one answers with a line that was good for another head.
    let stale = std::sync::Mutex::new(None);
    let repeats =
        Liar::before(stage.witnesses[1].address, move |_, body| stale.lock().unwrap().get_or_insert(body).clone())
            .await;
    let [one, two] = &stage.witnesses;
    let policy = stage.policy_of(&[("one", &one.vkey, &adds.url()), ("two", &two.vkey, &repeats.url())], "any");
    let server = serve(stage.data.path(), &policy, "open").await;
    until(&server, "witnessed by both", |h| h["witnessed"]["witnesses"] == 2).await;
    submit(&server, "d-1").await;
    let health = until(&server, "refused", |h| h["witnessed"]["each"][1]["fault"].is_string()).await;
    let fault = health["witnessed"]["each"][1]["fault"].to_string();
    assert!(fault.contains("none of its cosignatures"), "{fault}");
    until_witnessed(&server).await;
    let note = server.raw().get("/log/witnessed/checkpoint").await.text();
    assert!(!note.contains("stranger") && note.contains(one.vkey.name().as_str()), "{note}");
    assert!(!note.contains(two.vkey.name().as_str()), "{note}");
    assert!(server.said().contains("by another key") && server.said().contains("does not verify"), "{}", server.said());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_never_answers_holds_nobody_up() {
    let stage = Stage::set().await;
    // It takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let key = SignerKey::new(KeyName::new("silent.example").unwrap(), SecretKey::from_seed([8; 32])).cosigner();
    let one = &stage.witnesses[0];
    let policy = stage.policy_of(&[("one", &one.vkey, &one.url()), ("silent", &key, &url)], "any");
    let server = serve(stage.data.path(), &policy, "closed").await;
    for number in 0..3 {
        submit(&server, &format!("s-{number}")).await;
        let health = until_witnessed(&server).await;
        assert_eq!(health["published"], health["size"], "{health}");
    }
    let health = until(&server, "given up", |h| h["witnessed"]["each"][1]["fault"].is_string()).await;
    assert!(health["witnessed"]["each"][1]["fault"].to_string().contains("no answer in"), "{health}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_and_change_nothing() {
    let stage = Stage::set().await;
    let server = stage.serve("open").await;
    for number in 0..4 {
        submit(&server, &format!("h-{number}")).await;
    }
    until_witnessed(&server).await;
    server.stop().await;
    let (keys, leaves) = (StolenKeys::export(stage.data.path()), data::leaves(stage.data.path()));
    let honest = History::new(&keys, leaves.clone());
    let origin = stage.log.name().as_str();
    let witness = &stage.witnesses[0];
    let before = witness.last(origin).await.text();
    let good = request(&honest, 5).to_string();
    let signed = |size: u64, root| {
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: TreeSize::new(size), root };
        checkpoint.sign(&keys.checkpoint)
    };
    let stranger = SignerKey::new(keys.checkpoint.name().clone(), SecretKey::from_seed([9; 32]));
    let elsewhere = SignerKey::new(KeyName::new("elsewhere.example").unwrap(), SecretKey::from_seed([9; 32]));
    let text = Note::parse(&honest.note()).unwrap().text;
    let hash = "T7cNqgptqvfpPys3xeXfczRmMP2KUZltUPHY7v8nlCY=";
    let mut cut = good.clone().into_bytes();
    cut.truncate(good.len() - 9);
    let rows: Vec<(&str, u16, Vec<u8>)> = vec![
        ("nothing", 400, Vec::new()),
        ("junk", 400, b"junk".to_vec()),
        ("no UTF-8", 400, vec![0xff; 300]),
        ("zeros", 400, vec![0; 3000]),
        ("lines without an end", 400, "old 0\n".repeat(9000).into_bytes()),
        ("cut short", 400, cut),
        ("64 hashes", 400, good.replace("old 5\n", &format!("old 5\n{}", format!("{hash}\n").repeat(64))).into()),
        ("another spelling of the size", 400, good.replace("old 5", "old 05").into()),
        ("an old size beyond the checkpoint", 400, good.replace("old 5", "old 6").into()),
        ("an old size beyond all numbers", 400, good.replace("old 5", &format!("old {}", "9".repeat(40))).into()),
        ("too large", 413, vec![b'a'; 70_000]),
        (
            "another log",
            404,
            format!("old 0\n\n{}", elsewhere.sign_note(&text.replace(origin, "elsewhere.example")).unwrap()).into(),
        ),
        ("signed by a stranger", 403, format!("old 5\n\n{}", stranger.sign_note(&text).unwrap()).into()),
        ("a signature of something else", 403, good.replacen("\n5\n", "\n6\n", 1).into()),
        ("an older head", 409, request(&History::new(&keys, leaves[..4].to_vec()), 3).to_string().into()),
        ("a proof from nowhere", 409, good.replace("old 5", "old 0").into()),
        ("another root at the same size", 422, format!("old 5\n\n{}", signed(5, proof::Hash::new([1; 32]))).into()),
        ("a proof where none is needed", 422, good.replace("old 5\n", &format!("old 5\n{hash}\n")).into()),
        (
            "a larger tree from another past",
            422,
            format!("old 5\n{hash}\n\n{}", signed(6, proof::Hash::new([1; 32]))).into(),
        ),
        ("an empty tree with a root", 422, format!("old 0\n\n{}", signed(0, proof::Hash::new([1; 32]))).into()),
    ];
    for (what, status, body) in rows {
        let answer = witness.ask(body).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert_eq!(answer.header("content-type") == Some(SIZE_MEDIA_TYPE), status == 409, "{what}");
    }
    assert_eq!(witness.last(origin).await.text(), before, "nothing was kept of all that");
    assert_eq!(witness.ask(good).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_has_three_routes() {
    let stage = Stage::set().await;
    let (witness, origin) = (&stage.witnesses[0], stage.log.name().as_str());
    let raw = Raw::new(witness.address);
    for (method, path, status) in [
        ("GET", "/add-checkpoint", 405),
        ("PUT", "/add-checkpoint", 405),
        ("GET", "/", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/x/checkpoint", 404),
        ("GET", "/%2e%2e/checkpoint", 404),
        ("GET", &format!("/{}/checkpoint", "0".repeat(64)), 404),
        ("GET", &format!("/{}/checkpoint", log_address(origin).to_string().to_uppercase()), 404),
        ("GET", &format!("/{}", "a".repeat(20_000)), 404),
    ] {
        assert_eq!(raw.request(method, path).send().await.status, status, "{method} {path:.60}");
    }
    assert_eq!(raw.get("/vkey").await.text(), format!("{}\n", witness.vkey));
    assert_eq!(witness.last(origin).await.status, 404, "nothing was cosigned yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_of_no_use_is_refused_at_the_start() {
    let stage = Stage::set().await;
    let [one, two] = &stage.witnesses;
    let (log, dir) = (&stage.log, stage.data.path());
    let other = SignerKey::new(stage.log.name().clone(), SecretKey::from_seed([3; 32])).verifier();
    let file = one.dir.path().join("unfit");
    let (url, w1, w2) = (one.url(), &one.vkey, &two.vkey);
    for (text, word) in [
        (String::new(), "`log` line"),
        (format!("log {log}\nwitness w {w1} {url}\n"), "`quorum` line"),
        (format!("log {log}\nnonsense\nquorum none\n"), "line 2"),
        (format!("log {other}\nwitness w {w1} {url}\nquorum w\n"), "which is this log"),
        (format!("log {log}\nwitness w {w1} https://w.example\nquorum w\n"), "no TLS"),
        (format!("log {log}\nwitness w {w1} w.example\nquorum w\n"), "http://host"),
        (format!("log {log}\nquorum none\n"), "no witness in it has an address"),
        (format!("log {log}\nwitness w {w1}\nquorum w\n"), "no witness in it has an address"),
        (
            format!("log {log}\nwitness w {w1} {url}\nwitness v {w2}\ngroup q all w v\nquorum q\n"),
            "never be the quorum",
        ),
    ] {
        fs::write(&file, &text).unwrap();
        data::wait_until_free(dir);
        let refused =
            Start::serve(dir).with(["--witness-policy".as_ref(), file.as_os_str()]).attempt().await.unwrap_err();
        assert_eq!(refused.code, Some(1), "{text}");
        let named = refused.said.contains(file.to_str().unwrap());
        assert!(named && refused.said.contains(word), "{text}: {}", refused.said);
    }
    let missing = Start::serve(dir).with(["--witness-policy", "/nowhere"]).attempt().await.unwrap_err();
    assert!(missing.code == Some(1) && missing.said.contains("/nowhere"), "{}", missing.said);
    let alone = Start::serve(dir).with(["--witness-mode", "closed"]).attempt().await.unwrap_err();
    assert_eq!(alone.code, Some(1), "{}", alone.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_ends_before_the_witnessed_head_is_refused() {
    let stage = Stage::set().await;
    let server = stage.serve("open").await;
    submit(&server, "j-1").await;
    submit(&server, "j-2").await;
    until_witnessed(&server).await;
    server.stop().await;
    let reached = data::leaves(stage.data.path()).len();
    let copy = data::copy(stage.data.path());
    // Whoever cuts the journal back takes the published head away, too, but not the one beside it.
    fs::remove_file(copy.path().join("public/checkpoint")).unwrap();
    let segment = data::segments(copy.path()).remove(0);
    let last = segment.frames.last().unwrap().range.clone();
    let file = fs::OpenOptions::new().write(true).open(&segment.path).unwrap();
    file.write_all_at(&vec![0; last.len()], last.start.try_into().unwrap()).unwrap();
    drop(file);
    let refused = Start::serve(copy.path()).attempt().await.unwrap_err();
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(refused.said.contains(&reached.to_string()), "{}", refused.said);
    // One that does not verify is no ground to start on either.
    let copy = data::copy(stage.data.path());
    let beside = copy.path().join("public/witnessed/checkpoint");
    let note = fs::read_to_string(&beside).unwrap();
    fs::write(&beside, note.replacen(&format!("\n{reached}\n"), &format!("\n{}\n", reached + 1), 1)).unwrap();
    let refused = Start::serve(copy.path()).attempt().await.unwrap_err();
    assert!(refused.code == Some(1) && refused.said.contains("witnessed/checkpoint"), "{}", refused.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_cannot_be_had_is_not_a_bad_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(dir.path()).await;
    let (code, page) = status(&server);
    assert!(code == Some(0) && page.contains("none are asked"), "{page}");
    let output = binary::countersign(&["status", "--url", &server.url(), "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["healthy"], &answer["health"]["ok"], &answer["problems"]),
        (&true.into(), &true.into(), &serde_json::json!([]))
    );
    let url = server.url();
    server.stop().await;
    assert_eq!(binary::countersign(&["status", "--url", &url]).status.code(), Some(1));
}
