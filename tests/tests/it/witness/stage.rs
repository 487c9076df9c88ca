//! A ledger and its witnesses, each a process of its own.

use countersign_tests::raw::{Answer, Raw};
use countersign_tests::server::{Server, Start};
use countersign_tests::{binary, data, proposals};
use proof::VerifierKey;
use proof::witness::log_address;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// `countersign witness`; it ends when dropped.
pub(super) struct Witness {
    pub(super) child: Child,
    pub(super) dir: TempDir,
    pub(super) logs: Vec<String>,
    pub(super) address: SocketAddr,
    pub(super) vkey: VerifierKey,
}

pub(super) fn command(dir: &Path, listen: &str, logs: &[String]) -> Command {
    let mut command = binary::command("countersign");
    command.args(["witness", "--listen", listen, "--data"]).arg(dir);
    for log in logs {
        command.args(["--log", log]);
    }
    command
}

/// Starts one, and reads its two lines.
pub(super) fn launch(dir: &Path, listen: &str, logs: &[String]) -> (Child, SocketAddr, VerifierKey) {
    let mut child = command(dir, listen, logs).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut after = |start: &str| lines.next().unwrap().strip_prefix(start).unwrap().to_owned();
    let vkey = VerifierKey::parse(&after("witness vkey: ")).unwrap();
    let address = after("listening on http://").parse().unwrap();
    (child, address, vkey)
}

impl Witness {
    /// On an address that is nobody else's, so that it can come back to it.
    pub(super) fn start(logs: &[&VerifierKey]) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(2);
        let dir = tempfile::tempdir().unwrap();
        let logs: Vec<String> = logs.iter().map(ToString::to_string).collect();
        let listen = format!("127.0.0.{}:0", NEXT.fetch_add(1, Ordering::SeqCst));
        let (child, address, vkey) = launch(dir.path(), &listen, &logs);
        Self { child, dir, logs, address, vkey }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same witness again, at the same address.
    pub(super) fn restart(&mut self) {
        data::wait_until_free(self.dir.path());
        let (child, address, vkey) = launch(self.dir.path(), &self.address.to_string(), &self.logs);
        assert_eq!((address, &vkey), (self.address, &self.vkey));
        self.child = child;
    }

    pub(super) fn terminate(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    pub(super) async fn ask(&self, request: impl Into<Vec<u8>>) -> Answer {
        Raw::new(self.address).request("POST", "/add-checkpoint").body(request).send().await
    }

    /// What it serves as the last checkpoint that it cosigned.
    pub(super) async fn last(&self, origin: &str) -> Answer {
        Raw::new(self.address).get(&format!("/{}/checkpoint", log_address(origin))).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A ledger that was made before, two witnesses of it, and a policy that asks for both.
pub(super) struct Stage {
    pub(super) data: TempDir,
    pub(super) log: VerifierKey,
    pub(super) witnesses: [Witness; 2],
}

impl Stage {
    pub(super) async fn set() -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = Server::serve(data.path()).await;
        let log = server.pinned();
        server.stop().await;
        let witnesses = [Witness::start(&[&log]), Witness::start(&[&log])];
        Self { data, log, witnesses }
    }

    pub(super) fn policy(&self) -> PathBuf {
        let [one, two] = &self.witnesses;
        self.policy_of(&[("one", &one.vkey, &one.url()), ("two", &two.vkey, &two.url())], "all")
    }

    pub(super) fn policy_of(&self, witnesses: &[(&str, &VerifierKey, &str)], needed: &str) -> PathBuf {
        let mut text = format!("log {}\n", self.log);
        let mut group = format!("group q {needed}");
        for (name, vkey, url) in witnesses {
            text.push_str(&format!("witness {name} {vkey} {url}\n"));
            group.push_str(&format!(" {name}"));
        }
        let path = self.witnesses[0].dir.path().join(format!("policy-{needed}"));
        fs::write(&path, format!("{text}{group}\nquorum q\n")).unwrap();
        path
    }

    pub(super) async fn serve(&self, mode: &str) -> Server {
        serve(self.data.path(), &self.policy(), mode).await
    }

    /// The size of what is published as the head.
    pub(super) fn published(&self) -> u64 {
        size_of(&fs::read_to_string(self.data.path().join("public/checkpoint")).unwrap())
    }
}

pub(super) async fn serve(dir: &Path, policy: &Path, mode: &str) -> Server {
    let arguments = ["--witness-policy", policy.to_str().unwrap(), "--witness-mode", mode];
    Start::serve(dir).with(arguments).start().await
}

pub(super) fn size_of(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

pub(super) async fn health(server: &Server) -> Value {
    server.anonymous().health().await.unwrap()
}

/// Waits until `/health` is as it should be.
pub(super) async fn until(server: &Server, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let health = health(server).await;
        if holds(&health) {
            return health;
        }
        assert!(Instant::now() < end, "never {what}: {health}\n{}", server.said());
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the newest head is witnessed.
pub(super) async fn until_witnessed(server: &Server) -> Value {
    until(server, "witnessed", |h| h["witnessed"]["quorum"] == true && h["witnessed"]["size"] == h["size"]).await
}

pub(super) async fn submit(server: &Server, id: &str) -> u64 {
    let done = server.admin().submit_intent(&proposals::intent(id, "Something to be witnessed")).await.unwrap();
    done.seq.get() + 1
}

pub(super) fn status(server: &Server) -> (Option<i32>, String) {
    let output = binary::countersign(&["status", "--url", &server.url()]);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}
