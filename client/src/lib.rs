//! A typed HTTP client of a Countersign server, used by the command line, the runner and the tests, so that it is never
//! stale.
//!
//! In scope: one method per native route, typed answers, refusals as [`Error::Refused`] with their problem document,
//! a bounded answer size and time; and [`witness`], for the one request that a log makes of others. Out of scope: deciding what to believe. A receipt is checked by whoever pins a key.

mod health;
mod http;
mod stream;
pub mod witness;

pub use http::{Client, Error, Key};
pub use stream::Events;

use hyper::Method;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::{LeafIndex, TreeSize};
use proof::receipt::Receipt;
use schemas::Signed;
use schemas::approval::{AnswerAccepted, PendingApproval, SubmitAnswer};
use schemas::body::Body;
use schemas::intent::{IntentAccepted, SubmitIntent};
use schemas::job::{Consistency, JobOutput, ResultAccepted, Warrant};
use schemas::key::{CreateKey, KeyCreated, Recorded};
use schemas::log::Head;
use schemas::proposal::{ProposalBody, ProposalRuled, SubmitProposal};
use std::time::Duration;

type Result<T> = std::result::Result<T, Error>;

impl Client {
    /// The committed head, as the server says.
    pub async fn head(&self) -> Result<Head> {
        self.get("/api/v1/head").await
    }

    /// The checkpoint key, as the server says. Whoever trusts it trusts the server.
    pub async fn vkey(&self) -> Result<String> {
        let bytes = self.bytes("/log/vkey").await?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// A public blob.
    pub async fn blob(&self, sha256: &Hash) -> Result<Vec<u8>> {
        self.bytes(&format!("/log/blob/{sha256}")).await
    }

    /// States an intent.
    pub async fn submit_intent(&self, intent: &SubmitIntent) -> Result<IntentAccepted> {
        self.post("/api/v1/intents", intent).await
    }

    /// Submits a proposal; the answer is the ruling.
    pub async fn submit_proposal(&self, proposal: &SubmitProposal) -> Result<ProposalRuled> {
        self.post("/api/v1/proposals", proposal).await
    }

    /// Submits a signed proposal with the bodies it commits to.
    pub async fn submit_signed_proposal(&self, envelope: Envelope, bodies: Vec<Body>) -> Result<ProposalRuled> {
        self.post_signed("/api/v1/proposals", &Signed { envelope, bodies }).await
    }

    /// What waits for a human.
    pub async fn pending_approvals(&self) -> Result<Vec<PendingApproval>> {
        #[derive(serde::Deserialize)]
        struct Pending {
            pending: Vec<PendingApproval>,
        }
        let at_least = self.head().await?.size;
        let pending: Pending = self.get(&format!("/api/v1/approvals?limit=1000&at_least={at_least}")).await?;
        Ok(pending.pending)
    }

    /// The texts of a proposal that stand beside the log.
    pub async fn proposal_bodies(&self, id: &str) -> Result<Vec<ProposalBody>> {
        self.get(&format!("/api/v1/proposals/{}/bodies", http::segment(id))).await
    }

    /// Answers by API key.
    pub async fn answer(&self, answer: &SubmitAnswer) -> Result<AnswerAccepted> {
        self.post("/api/v1/approvals", answer).await
    }

    /// Answers with the approver's own key.
    pub async fn answer_signed(&self, envelope: Envelope) -> Result<AnswerAccepted> {
        self.post_signed("/api/v1/approvals", &Signed { envelope, bodies: Vec::new() }).await
    }

    /// Asks for work and waits for it; nothing came when there is no warrant.
    pub async fn lease(&self, envelope: Envelope, wait: Duration) -> Result<Option<Warrant>> {
        let path = format!("/api/v1/jobs/lease?wait_ms={}", wait.as_millis());
        self.post_signed_optional(&path, &Signed { envelope, bodies: Vec::new() }).await
    }

    /// Reports.
    pub async fn report(&self, job_id: &str, envelope: Envelope, bodies: Vec<Body>) -> Result<ResultAccepted> {
        self.post_signed(&format!("/api/v1/jobs/{}/result", http::segment(job_id)), &Signed { envelope, bodies }).await
    }

    /// What a job's tools printed and read, waiting for its end.
    pub async fn job_output(&self, job_id: &str, wait: Duration) -> Result<JobOutput> {
        self.get(&format!("/api/v1/jobs/{}/result?wait_ms={}", http::segment(job_id), wait.as_millis())).await
    }

    /// A receipt of one event.
    pub async fn event_receipt(&self, seq: LeafIndex) -> Result<Receipt> {
        self.get(&format!("/api/v1/receipts/events/{seq}")).await
    }

    /// A receipt of a proposal's whole story so far.
    pub async fn proposal_receipt(&self, id: &str) -> Result<Receipt> {
        self.get(&format!("/api/v1/receipts/proposals/{}", http::segment(id))).await
    }

    /// That one head extends another.
    pub async fn consistency(&self, old: TreeSize, new: TreeSize) -> Result<Consistency> {
        self.get(&format!("/api/v1/consistency?old={old}&new={new}")).await
    }

    /// Makes an API key.
    pub async fn create_key(&self, key: &CreateKey) -> Result<KeyCreated> {
        self.post("/api/v1/keys", key).await
    }

    /// Enrols a public key with root's statement.
    pub async fn enrol_key(&self, envelope: Envelope) -> Result<KeyCreated> {
        self.post_signed("/api/v1/keys", &Signed { envelope, bodies: Vec::new() }).await
    }

    /// Registers a runner with root's statement.
    pub async fn register_runner(&self, envelope: Envelope) -> Result<Recorded> {
        self.post_signed("/api/v1/runners", &Signed { envelope, bodies: Vec::new() }).await
    }

    /// Erases a body.
    pub async fn erase_body(&self, sha256: &Hash, why: &str) -> Result<Recorded> {
        self.send(Method::DELETE, &format!("/api/v1/bodies/{sha256}"), "text/plain", why.as_bytes().to_vec()).await
    }

    /// Every event from a leaf index on, as it comes.
    pub async fn events(&self, from: LeafIndex, once: bool) -> Result<Events> {
        Events::open(self, from, once).await
    }
}
