//! The real runner, as a process of its own, before a server that lies to it.

use client::Client;
use countersign_tests::binary;
use countersign_tests::forge::{History, StolenKeys, payloads};
use countersign_tests::liar::Liar;
use countersign_tests::server::Server;
use countersign_tests::{data, proposals};
use ledger::keys::KeyRole;
use proof::Leaf;
use schemas::job::Warrant;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A server with work for a runner that is registered.
struct Stage {
    dir: TempDir,
    server: Server,
    project: PathBuf,
    casey: Client,
    job_id: String,
}

/// A runner's process; it ends when dropped.
struct Runner(Child);

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stage {
    async fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        fs::create_dir(&project).unwrap();
        let server = Server::serve(&dir.path().join("data")).await;
        let key = runner::identity::load_or_create(&runner_folder(dir.path()), "runner-1").unwrap();
        server.register("runner-1", &key).await;
        let casey = server.agent("Casey").await;
        server.admin().submit_intent(&proposals::intent("the-intent", "Write")).await.unwrap();
        let mut stage = Self { dir, server, project, casey, job_id: String::new() };
        stage.propose("l-1", "written.txt", "by a warrant\n").await;
        stage
    }

    /// One more job; from here on this is the one that is looked at.
    async fn propose(&mut self, id: &str, path: &str, content: &str) {
        let ruled = self.casey.submit_proposal(&proposals::write(id, path, content)).await.unwrap();
        self.job_id = ruled.job_id.unwrap().to_string();
    }

    fn command(&self, url: &str) -> Command {
        let mut command = binary::command("countersign-runner");
        let root = self.server.key(KeyRole::Root).verifier().to_string();
        command.args(["--url", url, "--root", &root, "--runner-id", "runner-1"]);
        command.arg("--data").arg(runner_folder(self.dir.path())).arg("--project").arg(&self.project);
        command
    }

    /// Starts the runner before this URL; it goes on until it is dropped.
    fn runner(&self, url: &str) -> Runner {
        Runner(self.command(url).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// How the job ended, and what the runner said of it.
    async fn ended(&self) -> (String, String) {
        let output = self.server.admin().job_output(&self.job_id, Duration::from_secs(25)).await.unwrap();
        let detail = output.result.and_then(|result| result.detail).unwrap_or_default();
        (output.status, detail)
    }

    fn written(&self) -> bool {
        self.project.join("written.txt").exists()
    }
}

fn runner_folder(dir: &Path) -> PathBuf {
    let folder = dir.join("runner");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Changes the warrants that pass by.
async fn lying(server: &Server, lie: impl Fn(Warrant) -> Warrant + Send + Sync + 'static) -> Liar {
    let real = server.url().strip_prefix("http://").unwrap().parse().unwrap();
    Liar::before(real, move |path, body| {
        if !path.starts_with("/api/v1/jobs/lease") {
            return body;
        }
        serde_json::to_vec(&lie(serde_json::from_slice(&body).unwrap())).unwrap()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_acts_on_an_honest_warrant_through_whomever_it_comes() {
    let stage = Stage::set().await;
    let honest = lying(&stage.server, |warrant| warrant).await;
    let _runner = stage.runner(&honest.url());
    assert_eq!(stage.ended().await.0, "completed");
    assert_eq!(fs::read_to_string(stage.project.join("written.txt")).unwrap(), "by a warrant\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_refuses_work_whose_input_was_erased() {
    let mut stage = Stage::set().await;
    stage.propose("l-2", "long.txt", &"a line\n".repeat(500)).await;
    let stored: Vec<PathBuf> = data::files(&stage.server.dir().join("content"));
    let sha256 = stored[0].file_name().unwrap().to_str().unwrap().parse().unwrap();
    stage.server.admin().erase_body(&sha256, "before anybody worked on it").await.unwrap();
    let _runner = stage.runner(&stage.server.url());
    let (status, detail) = stage.ended().await;
    assert_eq!(status, "rejected");
    assert!(detail.contains("bodies_open_commitments"), "{detail}");
    assert!(!stage.project.join("long.txt").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_does_not_touch_other_work_than_was_decided_on_and_says_so() {
    let stage = Stage::set().await;
    let keys = StolenKeys::export(stage.server.dir());
    let folder = stage.server.dir().to_owned();
    // Everything signed again, and the tree made again: only the job is another one.
    let liar = lying(&stage.server, move |mut warrant| {
        let mut payloads = payloads(&data::leaves(&folder));
        let job = payloads.iter().position(|payload| payload["type"] == "job.created").unwrap();
        payloads[job]["data"]["job"]["actions"][0]["inputs"]["content"] = json!("something else\n");
        let history = History::new(&keys, keys.chain(payloads));
        warrant.receipt = history.receipt(warrant.receipt.entries.iter().map(|entry| entry.index));
        warrant.consistency.new = history.head().size;
        warrant.consistency.path = history.consistency(warrant.consistency.old);
        warrant
    })
    .await;
    // It saw the honest head when it started, so the forged one convicts the server, and the runner ends for good.
    let output = binary::run(&mut stage.command(&liar.url()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("consistent_with_last_head"), "{said}");
    assert!(!stage.written());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_does_not_act_without_its_lease_or_on_what_is_not_in_the_log() {
    type Lie = fn(Warrant) -> Warrant;
    let without_lease: Lie = |mut warrant| {
        let leased = |leaf: &str| {
            let payload: Value = serde_json::from_slice(Leaf::parse(leaf.as_bytes()).unwrap().payload).unwrap();
            payload["type"] == "job.leased"
        };
        warrant.receipt.entries.retain(|entry| !leased(&entry.leaf));
        warrant
    };
    let not_in_the_log: Lie = |mut warrant| {
        warrant.receipt.entries[1].path.pop();
        warrant
    };
    for (lie, condition) in [(without_lease, "lease_in_this_name"), (not_in_the_log, "inclusion")] {
        let stage = Stage::set().await;
        let liar = lying(&stage.server, lie).await;
        let mut runner = Runner(stage.command(&liar.url()).stderr(Stdio::piped()).spawn().unwrap());
        let mut said = BufReader::new(runner.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        let refused = said.find(|line| line.contains("refused"));
        assert!(refused.as_ref().is_some_and(|line| line.contains(condition)), "{refused:?}");
        if condition == "inclusion" {
            // It can still tell which lease it refuses, and says so to the ledger.
            let (status, detail) = stage.ended().await;
            assert_eq!(status, "rejected");
            assert!(detail.contains(condition), "{detail}");
        }
        assert!(!stage.written());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_refuses_for_good_a_server_that_hands_out_a_lease_twice() {
    let mut stage = Stage::set().await;
    let (folder, keys) = (stage.server.dir().to_owned(), StolenKeys::export(stage.server.dir()));
    let first: Arc<Mutex<Option<Warrant>>> = Arc::default();
    let real = stage.server.url().strip_prefix("http://").unwrap().parse().unwrap();
    let remembered = first.clone();
    // The first answer is passed on and kept; every later one is the same lease under the newest head.
    let liar = Liar::before(real, move |path, body| {
        if !path.starts_with("/api/v1/jobs/lease") {
            return body;
        }
        let mut first = remembered.lock().unwrap();
        let Some(kept) = first.as_ref() else {
            *first = Some(serde_json::from_slice(&body).unwrap());
            return body;
        };
        let history = History::new(&keys, data::leaves(&folder));
        let next: Warrant = serde_json::from_slice(&body).unwrap();
        let mut again = kept.clone();
        again.receipt = history.receipt(kept.receipt.entries.iter().map(|entry| entry.index));
        again.consistency = next.consistency;
        again.consistency.new = history.head().size;
        again.consistency.path = history.consistency(again.consistency.old);
        serde_json::to_vec(&again).unwrap()
    })
    .await;
    // A second job, so that there is a second answer.
    stage.propose("l-2", "second.txt", "never\n").await;
    let output = binary::run(&mut stage.command(&liar.url()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("lease_answers_request"), "{said}");
    assert!(stage.written() && !stage.project.join("second.txt").exists());
    let events = data::events(stage.server.dir());
    let results = events.iter().filter(|event| event.data.type_name() == "result.recorded").count();
    assert_eq!(results, 1, "the runner must not sign that it refused what it may have done");
}
