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
use proof::index::{LeafIndex, TreeSize};
use proof::note::SignerKey;
use schemas::key::CreateKey;
use std::path::Path;
use std::process::{Child, Stdio};
use tokio::sync::watch;

/// Everything that plays.
pub(super) struct Stage {
    pub(super) admin: Client,
    pub(super) alice: Client,
    pub(super) casey: Client,
    pub(super) jordan: Client,
    pub(super) bob: SignerKey,
    pub(super) root: SignerKey,
    server: Server,
    runner: Child,
    watched: watch::Receiver<TreeSize>,
    watcher: tokio::task::JoinHandle<()>,
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
        let identity =
            runner::identity::load_or_create(&runner_data, "local").map_err(|e| e.to_string())?;
        let record = NewRunner {
            runner_id: "local".parse().map_err(|_| "runner id".to_owned())?,
            public_key: *identity.verifier().key(),
            description: Some("the demo's runner".into()),
        };
        server::ensure_runner(&mut folder, &root, &record)?;
        let options = ServerOptions {
            attest_every: 16,
            ..ServerOptions::default()
        };
        let server = Server::start(&data, folder, &options).await?;
        let runner = start_runner(&server.url(), &root, &runner_data, project)?;
        let admin = Client::new(&server.url(), Some(Key::new(admin_key)));
        let (watched, watcher) = watch_log(admin.clone());
        let alice = person(
            &admin,
            PrincipalKind::Human,
            "alice",
            &[Scope::ProposalCreate],
        )
        .await?;
        let casey = person(
            &admin,
            PrincipalKind::Agent,
            "Casey",
            &[Scope::ProposalCreate],
        )
        .await?;
        let jordan = person(
            &admin,
            PrincipalKind::Agent,
            "Jordan",
            &[Scope::ProposalCreate],
        )
        .await?;
        let bob = approver(&admin, &server, &root, &dir.join("bob.key")).await?;
        Ok(Self {
            admin,
            alice,
            casey,
            jordan,
            bob,
            root,
            server,
            runner,
            watched,
            watcher,
        })
    }

    /// Waits until everything that is in the log has been drawn.
    pub(super) async fn drawn(&self) -> Result<(), String> {
        let size = self.server.ledger.head().size;
        let mut watched = self.watched.clone();
        watched
            .wait_for(|drawn| *drawn >= size)
            .await
            .map(|_| ())
            .map_err(|_| "the log cannot be watched".to_owned())
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
        .args([
            "runner",
            "--url",
            url,
            "--root",
            &root.verifier().to_string(),
            "--runner-id",
            "local",
            "--parent-death",
        ])
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

async fn person(
    admin: &Client,
    kind: PrincipalKind,
    id: &str,
    scopes: &[Scope],
) -> Result<Client, String> {
    let request = CreateKey {
        principal: Principal {
            kind,
            id: id.parse().map_err(|_| "principal".to_owned())?,
        },
        scopes: scopes.iter().copied().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    };
    let made = admin
        .create_key(&request)
        .await
        .map_err(|e| e.to_string())?;
    Ok(admin.with_key(made.key.map(Key::new)))
}

/// Bob approves with a key of his own, enrolled by root.
async fn approver(
    admin: &Client,
    server: &Server,
    root: &SignerKey,
    file: &Path,
) -> Result<SignerKey, String> {
    let bob = generate_to("bob", file)?;
    let public = *bob.verifier().key();
    let record = NewKey {
        key_id: public
            .key_id()
            .to_string()
            .parse()
            .map_err(|_| "key id".to_owned())?,
        credential: Credential::Ed25519(public),
        principal: Principal {
            kind: PrincipalKind::Human,
            id: "bob".parse().map_err(|_| "principal".to_owned())?,
        },
        scopes: [Scope::ProposalApprove, Scope::ProposalDeny].into(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: Some("bob's own key".into()),
    };
    let (origin, head) = (server.ledger.origin(), server::seen(&server.ledger));
    let envelope = authored::sign(StatementKind::Key, origin, head, &record, root.secret())
        .map_err(|e| e.to_string())?;
    admin.enrol_key(envelope).await.map_err(|e| e.to_string())?;
    Ok(bob)
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
                let _ = write!(
                    std::io::stderr(),
                    "\r  the runner is working … {:.1} s\r",
                    started.elapsed().as_secs_f32()
                );
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
