//! The real server, in a process of its own.

use crate::binary;
use crate::injected::Injection;
use crate::raw::Raw;
use client::{Client, Key};
use proof::TreeSize;
use proof::note::{SignerKey, VerifierKey};
use rustix::process::{Resource, Rlimit, prlimit};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// The admin's API key of every server here, given in the environment.
pub const ADMIN_KEY: &str = "admin-of-the-tests";

/// Longest wait for a server to listen or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition that nobody announces.
const LOOK: Duration = Duration::from_millis(3);

/// How a server is to be started.
#[derive(Debug)]
pub struct Start {
    command: Command,
    dir: PathBuf,
}

/// A server that has ended, or would not even start.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; nothing when it was killed.
    pub code: Option<i32>,
    /// All that it printed.
    pub said: String,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
    said: Arc<Mutex<String>>,
}

impl Start {
    fn new(verb: &str, dir: &Path) -> Self {
        let mut command = binary::command("countersign");
        command.args([verb, "--listen", "127.0.0.1:0", "--data"]).arg(dir);
        command.env("COUNTERSIGN_API_KEY", ADMIN_KEY);
        Self { command, dir: dir.to_owned() }
    }

    /// `countersign serve` on a free port. The ledger is made if there is none.
    pub fn serve(dir: &Path) -> Self {
        Self::new("serve", dir)
    }

    /// `countersign up`: server and runner.
    pub fn up(dir: &Path, project: &Path) -> Self {
        Self::new("up", dir).with(["--project".as_ref(), project.as_os_str()])
    }

    /// With more arguments.
    #[must_use]
    pub fn with<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// With snapshots after few events and small segments, so that a short load meets all of it.
    #[must_use]
    pub fn small(self) -> Self {
        self.with(["--snapshot-every", "24", "--segment-bytes", "65536", "--attest-every", "100"])
    }

    /// So that a file may reach the length that [`Server::limit_files`] allows: writing more is an error then, and no longer
    /// a signal that ends the process.
    #[must_use]
    pub fn deaf_to_limits(self) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).stdin(Stdio::null());
        command.arg(self.command.get_program()).args(self.command.get_args());
        binary::same_environment(&self.command, &mut command);
        Self { command, dir: self.dir }
    }

    /// With faults of the operating system, noted in the file `record`.
    #[must_use]
    pub fn under(self, injection: &Injection, record: &Path) -> Self {
        Self { command: injection.around(&self.command, record), dir: self.dir }
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    /// If it does not, with what it printed.
    pub async fn start(self) -> Server {
        match self.attempt().await {
            Ok(server) => server,
            Err(refused) => panic!("the server ended with {:?}: {}", refused.code, refused.said),
        }
    }

    /// Starts it, and waits until it answers or has ended.
    ///
    /// # Errors
    /// If it ended by itself.
    ///
    /// # Panics
    /// If it does neither in time.
    pub async fn attempt(self) -> Result<Server, Ended> {
        let mut server = self.listening().await?;
        if server.answers().await {
            return Ok(server);
        }
        let code = server.ended().await;
        Err(Ended { code, said: server.said() })
    }

    /// Starts it, and waits until it listens or has ended; it need not be well.
    ///
    /// # Errors
    /// If it ended by itself.
    ///
    /// # Panics
    /// If it does neither in time.
    pub async fn listening(self) -> Result<Server, Ended> {
        let (mut server, mut lines) = self.spawn();
        let listening = async {
            while let Some(line) = lines.recv().await {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    return address.trim().parse::<SocketAddr>().ok();
                }
            }
            None
        };
        let listening = tokio::time::timeout(PATIENCE, listening).await;
        let listening = listening.unwrap_or_else(|_| panic!("the server neither runs nor ends: {}", server.said()));
        let Some(address) = listening else {
            let code = server.ended().await;
            return Err(Ended { code, said: server.said() });
        };
        server.address = address;
        Ok(server)
    }

    /// Starts it, and waits for nothing.
    ///
    /// # Panics
    /// If there is no such executable.
    pub fn spawn(mut self) -> (Server, UnboundedReceiver<String>) {
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = unbounded_channel();
        listen(child.stdout.take().unwrap(), said.clone(), sender.clone());
        listen(child.stderr.take().unwrap(), said.clone(), sender);
        (Server { child, address: ([0, 0, 0, 0], 0).into(), dir: self.dir, said }, lines)
    }
}

/// Keeps and passes on what a process prints, until it closes its end.
fn listen(from: impl Read + Send + 'static, said: Arc<Mutex<String>>, sender: UnboundedSender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut all = said.lock().unwrap();
            all.push_str(&line);
            all.push('\n');
            // Nobody may be interested any more.
            let _ = sender.send(line);
        }
    });
}

impl Server {
    /// `countersign serve` on a folder.
    pub async fn serve(dir: &Path) -> Self {
        Start::serve(dir).start().await
    }

    /// Waits until `/health` says that all is well; `false` if the process ends before.
    async fn answers(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            let health = self.anonymous().get::<serde_json::Value>("/health").await;
            if health.is_ok_and(|health| health["ok"] == true) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < until, "the server does not answer: {}", self.said());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the read models have folded so many events.
    ///
    /// # Panics
    /// If they do not in time.
    pub async fn models_reach(&self, size: TreeSize) {
        let until = Instant::now() + PATIENCE;
        loop {
            let health = self.anonymous().get::<serde_json::Value>("/health").await.unwrap();
            if health["projections"].as_u64().is_some_and(|position| position >= size.get()) {
                return;
            }
            assert!(Instant::now() < until, "read models stay behind: {health}: {}", self.said());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the process has ended; gives its exit code.
    async fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "the server does not end: {}", self.said());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills it, as a power cut would; nothing of it runs any more afterwards.
    ///
    /// # Panics
    /// If the system does not let it be killed.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// The same for whoever still has it.
    ///
    /// # Panics
    /// If the system does not let it be killed.
    pub fn kill_now(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// From now on no file of its grows beyond so many bytes, or again to any length.
    ///
    /// # Panics
    /// If the system does not let it be limited.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).unwrap();
    }

    /// Tells it to end if it has not ended by itself, and waits until it has, however well.
    ///
    /// # Panics
    /// If it does not.
    pub async fn end(mut self) -> Ended {
        if self.child.try_wait().unwrap().is_none() {
            let pid = rustix::process::Pid::from_child(&self.child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        }
        let code = self.ended().await;
        Ended { code, said: self.said() }
    }

    /// Tells it to end, and waits until it has.
    ///
    /// # Panics
    /// If it does not end well, with what it printed.
    pub async fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let code = self.ended().await;
        assert_eq!(code, Some(0), "the server did not end well: {}", self.said());
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its data folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits until it has printed this.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn says(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < until, "never said `{words}`: {}", self.said());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// All that it has printed.
    ///
    /// # Panics
    /// If a thread that kept it failed.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// A client with this API key.
    pub fn client(&self, key: &str) -> Client {
        Client::new(&self.url(), Some(Key::new(key)))
    }

    /// The admin.
    pub fn admin(&self) -> Client {
        self.client(ADMIN_KEY)
    }

    /// Nobody known.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url(), None)
    }

    /// Requests byte by byte.
    pub fn raw(&self) -> Raw {
        Raw::new(self.address)
    }

    /// The ledger's key in this role, from its file.
    ///
    /// # Panics
    /// If it is not there.
    pub fn key(&self, role: ledger::keys::KeyRole) -> SignerKey {
        ledger::keys::KeyFolder::of(&self.dir).read(role).unwrap()
    }

    /// The checkpoint key, as somebody who was here before would have pinned it.
    pub fn pinned(&self) -> VerifierKey {
        self.key(ledger::keys::KeyRole::Checkpoint).verifier()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that fails leaves no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
