//! A proposal's whole way: proposed, leased, reported.

use super::super::load::Seen;
use super::super::pace::Turns;
use super::super::proposals;
use crate::data_folder::{self, OpenFolder, Problem};
use client::Client;
use domain::authored::{self, SeenHead, StatementKind};
use domain::event::decision::Ruling;
use domain::event::job::LeaseRequest;
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use domain::event::runner::NewRunner;
use domain::event::{Event, EventData};
use domain::manifest::Manifest;
use proof::checkpoint::Checkpoint;
use proof::leaf::Leaf;
use proof::note::{Note, SignerKey};
use proof::receipt::Receipt;
use schemas::job::Warrant;
use schemas::proposal::SubmitProposal;
use std::path::Path;
use std::time::Duration;

/// How long a lease waits for a job; there is one, since each client has proposed before it leases.
const WAIT: Duration = Duration::from_secs(20);

/// A client with a runner's key.
pub(super) struct Runner {
    origin: String,
    key: SignerKey,
    request: LeaseRequest,
}

/// Registers the runner of client `n`, with root's statement.
pub(super) fn register(
    dir: &Path,
    folder: &mut OpenFolder,
    n: usize,
    origin: &str,
    manifest: &Manifest,
) -> Result<Runner, Problem> {
    let name = format!("bench-{}-{n}", folder.ledger.head().size);
    let key_name = proof::key::KeyName::new(&format!("{origin}/{name}")).map_err(|e| e.to_string())?;
    let key = ledger::keys::generate(key_name.as_str()).map_err(|e| e.to_string())?;
    let runner_id: domain::id::RunnerId = name.parse().map_err(|_| "runner id".to_owned())?;
    let record = NewRunner { runner_id: runner_id.clone(), public_key: *key.verifier().key(), description: None };
    crate::server::ensure_runner(folder, || data_folder::read_root(dir, None), &record)?;
    let tools = manifest.tools.keys().cloned().collect();
    Ok(Runner {
        origin: origin.to_owned(),
        key,
        request: LeaseRequest { runner_id, tools, manifest: manifest.digest() },
    })
}

impl Runner {
    /// Works until there are no turns left. A cycle is answered when its result is.
    pub(super) async fn work(&self, client: &Client, run: &str, turns: &Turns, seen: &Seen) -> Result<(), Problem> {
        while let Some((turn, due)) = turns.take().await {
            let id = format!("bench-{run}-{}", turn.start);
            let done = self.cycle(client, &id).await;
            seen.answered(1, u64::from(done.is_ok()), due.elapsed());
            if let Err(problem) = done {
                tracing::error!(problem, "a cycle did not come to its end");
            }
        }
        Ok(())
    }

    async fn cycle(&self, client: &Client, id: &str) -> Result<(), Problem> {
        let proposal: SubmitProposal =
            serde_json::from_value(proposals::proposal(Ruling::Allow, id)).map_err(|e| e.to_string())?;
        let ruled = client.submit_proposal(&proposal).await.map_err(|e| e.to_string())?;
        let lease = self.sign(StatementKind::Lease, head(&ruled.receipt)?, &self.request)?;
        let warrant = client.lease(lease, WAIT).await.map_err(|e| e.to_string())?.ok_or("no job came")?;
        let result = result(&warrant)?;
        let report = self.sign(StatementKind::Result, head(&warrant.receipt)?, &result)?;
        client.report(result.job_id.as_str(), report, Vec::new()).await.map_err(|e| e.to_string())?;
        Ok(())
    }

    fn sign<T: serde::Serialize>(
        &self,
        kind: StatementKind,
        seen: SeenHead,
        body: &T,
    ) -> Result<proof::dsse::Envelope, Problem> {
        authored::sign(kind, &self.origin, seen, body, self.key.secret()).map_err(|e| e.to_string())
    }
}

/// The head of a receipt, believed.
fn head(receipt: &Receipt) -> Result<SeenHead, Problem> {
    let note = Note::parse(&receipt.checkpoint).map_err(|e| e.to_string())?;
    let head = Checkpoint::parse_body(&note.text).map_err(|e| e.to_string())?;
    Ok(SeenHead { size: head.size, root: head.root })
}

/// That the job was done.
fn result(warrant: &Warrant) -> Result<JobResult, Problem> {
    let leased = warrant.receipt.entries.iter().find_map(|entry| {
        let leaf = Leaf::parse(entry.leaf.as_bytes()).ok()?;
        match Event::parse(leaf.payload).ok()?.data {
            EventData::JobLeased(leased) if leased.job_id == warrant.job_id => Some((entry.index, leased.attempt)),
            _ => None,
        }
    });
    let (lease, attempt) = leased.ok_or("the warrant holds no lease")?;
    let read = b"# a readme\n";
    let action = ActionResult {
        tool: "read_file".parse().map_err(|_| "tool name".to_owned())?,
        completed: true,
        exit_code: None,
        output: None,
        detail: None,
        duration_ms: 1,
    };
    let artifact = Artifact { kind: "log".into(), path: "output".into(), sha256: proof::sha256(read), length: 11 };
    Ok(JobResult {
        job_id: warrant.job_id.clone(),
        attempt,
        lease: Some(lease),
        status: ResultStatus::Completed,
        actions: vec![action],
        artifacts: vec![artifact],
        confinement: None,
        detail: None,
    })
}
