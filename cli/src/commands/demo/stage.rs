//! The stage: ledger, server, runner, keys, and somebody who watches the log.

use crate::commands::keys::generate_to;
use crate::commands::tail;
use crate::data_folder::{self, Founding};
use crate::output::{colour, paint, print_line};
use crate::server::{self, Server, ServerOptions};
use client::{Client, Key};
use domain::authored::{self, StatementKind};
use domain::event::PrincipalKind;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::ledger::Profile;
use domain::event::runner::NewRunner;
use proof::commitment::Salt;
use proof::index::{LeafIndex, TreeSize};
use proof::note::SignerKey;
use schemas::commit::{Committer, Earlier, Opened};
use schemas::key::CreateKey;
use schemas::proposal::{ProposalRuled, SubmitProposal};
use std::path::Path;
use std::process::{Child, Stdio};
use tokio::sync::watch;

/// Everything that plays.
pub(super) struct Stage {
    pub(super) admin: Client,
    pub(super) alice: Client,
    pub(super) casey: Agent,
    pub(super) jordan: Agent,
    pub(super) bob: SignerKey,
    pub(super) root: SignerKey,
    server: Server,
    runner: Child,
    watched: watch::Receiver<TreeSize>,
    watcher: tokio::task::JoinHandle<()>,
}

/// An agent: an API key to read with, and a key of its own to sign proposals with, if it has one.
pub(super) struct Agent {
    pub(super) client: Client,
    key: Option<SignerKey>,
}

impl Agent {
    /// Submits a proposal: signed, where the agent can.
    pub(super) async fn submit(&self, stage: &Stage, mut proposal: SubmitProposal) -> Result<ProposalRuled, String> {
        let Some(key) = &self.key else {
            return self.client.submit_proposal(&proposal).await.map_err(|e| e.to_string());
        };
        let id = proposal.proposal_id.take().ok_or("a signed proposal needs a name")?;
        let mut salts = || ledger::keys::entropy().ok().map(Salt::new);
        let mut to = Committer::new(proposal.personal, Earlier::new(), &mut salts);
        let proposal = proposal.commit(id, &mut to).map_err(|e| e.to_string())?;
        let bodies = to.into_bodies().iter().map(Opened::to_body).collect();
        let (origin, head) = (stage.origin(), stage.seen());
        let envelope = authored::sign(StatementKind::Proposal, &origin, head, &proposal, key.secret())
            .map_err(|e| e.to_string())?;
        self.client.submit_signed_proposal(envelope, bodies).await.map_err(|e| e.to_string())
    }
}

/// Narrates.
pub(super) fn say(text: &str) {
    let _ = print_line(&format!("  {text}"));
}

/// Begins a part.
pub(super) fn title(text: &str) {
    let _ = print_line(&format!("\n{}", paint(colour(), "1", text)));
}

impl Stage {
    /// Sets everything up; the first lines of the log are the setting-up itself.
    pub(super) async fn set(dir: &Path, project: &Path) -> Result<Self, String> {
        title("a ledger, a server, a runner that trusts only the root key");
        let data = dir.join("data");
        let admin_key = data_folder::new_api_key()?;
        let founding = Founding {
            profile: Profile::Dev,
            root: None,
            origin: Some("demo.countersign.example"),
            admin_key: &admin_key,
        };
        let mut folder = data_folder::create(&data, &founding)?;
        let root = data_folder::read_root(&data, None)?;
        let runner_data = dir.join("runner");
        std::fs::create_dir_all(&runner_data).map_err(|e| e.to_string())?;
        let identity = runner::identity::load_or_create(&runner_data, "local").map_err(|e| e.to_string())?;
        let record = NewRunner {
            runner_id: "local".parse().map_err(|_| "runner id".to_owned())?,
            public_key: *identity.verifier().key(),
            description: Some("the demo's runner".into()),
        };
        server::ensure_runner(&mut folder, || Ok(root.clone()), &record)?;
        let options = ServerOptions { attest_every: 16, ..ServerOptions::default() };
        let server = Server::start(&data, folder, &options).await?;
        let runner = start_runner(&server.url(), &root, &runner_data, project)?;
        let admin = Client::new(&server.url(), Some(Key::new(admin_key)));
        let (watched, watcher) = watch_log(admin.clone());
        let alice = person(&admin, PrincipalKind::Human, "alice", &[Scope::ProposalCreate]).await?;
        let jordan = person(&admin, PrincipalKind::Agent, "Jordan", &[Scope::ProposalCreate]).await?;
        let jordan = Agent { client: jordan, key: None };
        let casey = person(&admin, PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await?;
        let enrolment = Enrolment { admin: &admin, server: &server, root: &root, dir };
        let key = enrolment.enrol(PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]).await?;
        let casey = Agent { client: casey, key: Some(key) };
        let bob = enrolment.enrol(PrincipalKind::Human, "bob", &[Scope::ProposalApprove, Scope::ProposalDeny]).await?;
        Ok(Self { admin, alice, casey, jordan, bob, root, server, runner, watched, watcher })
    }

    /// Waits until everything that is in the log has been drawn.
    pub(super) async fn drawn(&self) -> Result<(), String> {
        let size = self.server.ledger.head().size;
        let mut watched = self.watched.clone();
        watched.wait_for(|drawn| *drawn >= size).await.map(|_| ()).map_err(|_| "the log cannot be watched".to_owned())
    }

    /// The head, as a statement names it.
    pub(super) fn seen(&self) -> domain::authored::SeenHead {
        server::seen(&self.server.ledger)
    }

    /// The log's name.
    pub(super) fn origin(&self) -> String {
        self.server.ledger.origin().to_owned()
    }

    /// Ends everything, the runner first.
    pub(super) async fn strike(mut self) -> Result<(), String> {
        let _ = self.runner.kill();
        let _ = self.runner.wait();
        self.watcher.abort();
        self.server.stop().await
    }
}

fn start_runner(url: &str, root: &SignerKey, data: &Path, project: &Path) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    std::process::Command::new(program)
        .args(["runner", "--url", url, "--root", &root.verifier().to_string(), "--runner-id", "local"])
        .args(["--parent-death", &std::process::id().to_string()])
        .arg("--data")
        .arg(data)
        .arg("--project")
        .arg(project)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|e| format!("cannot start the runner: {e}"))
}

/// Draws every event as it comes, a line each.
fn watch_log(client: Client) -> (watch::Receiver<TreeSize>, tokio::task::JoinHandle<()>) {
    let (drawn, watched) = watch::channel(TreeSize::ZERO);
    let colour = colour();
    let watcher = tokio::spawn(async move {
        let Ok(mut events) = client.events(LeafIndex::new(0), false).await else {
            return;
        };
        while let Ok(Some(event)) = events.next().await {
            let _ = print_line(&tail::line(&event, colour));
            drawn.send_replace(event.seq.size_after());
        }
    });
    (watched, watcher)
}

async fn person(admin: &Client, kind: PrincipalKind, id: &str, scopes: &[Scope]) -> Result<Client, String> {
    let request = CreateKey {
        principal: Principal { kind, id: id.parse().map_err(|_| "principal".to_owned())? },
        scopes: scopes.iter().copied().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    };
    let made = admin.create_key(&request).await.map_err(|e| e.to_string())?;
    Ok(admin.with_key(made.key.map(Key::new)))
}

/// What it takes to give somebody a key of their own.
struct Enrolment<'a> {
    admin: &'a Client,
    server: &'a Server,
    root: &'a SignerKey,
    dir: &'a Path,
}

impl Enrolment<'_> {
    /// Makes a key that only its owner has, and has root enrol it.
    async fn enrol(&self, kind: PrincipalKind, id: &str, scopes: &[Scope]) -> Result<SignerKey, String> {
        let key = generate_to(id, &self.dir.join(format!("{id}.key")))?;
        let public = *key.verifier().key();
        let record = NewKey {
            key_id: public.key_id().to_string().parse().map_err(|_| "key id".to_owned())?,
            credential: Credential::Ed25519(public),
            principal: Principal { kind, id: id.parse().map_err(|_| "principal".to_owned())? },
            scopes: scopes.iter().copied().collect(),
            effect_scopes: None,
            max_risk: 1.0,
            expires: None,
            description: Some(format!("{id}'s own key")),
        };
        let (origin, head) = (self.server.ledger.origin(), server::seen(&self.server.ledger));
        let envelope =
            authored::sign(StatementKind::Key, origin, head, &record, self.root.secret()).map_err(|e| e.to_string())?;
        self.admin.enrol_key(envelope).await.map_err(|e| e.to_string())?;
        Ok(key)
    }
}

/// A line that moves while somebody works; only on a terminal.
pub(super) struct Progress(Option<tokio::task::JoinHandle<()>>);

impl Progress {
    pub(super) fn start() -> Self {
        use std::io::{IsTerminal, Write};
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        Self(Some(tokio::spawn(async {
            let started = tokio::time::Instant::now();
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(200));
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let _ =
                    write!(std::io::stderr(), "\r  the runner is working … {:.1} s\r", started.elapsed().as_secs_f32());
            }
        })))
    }

    pub(super) async fn stop(self) {
        use std::io::Write;
        if let Some(task) = self.0 {
            task.abort();
            let _ = task.await;
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
