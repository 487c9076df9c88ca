//! Everybody who talks to a server: with API keys, and with keys of their own.

use crate::server::Server;
use client::{Client, Error};
use domain::authored::{self, SeenHead, StatementKind};
use domain::event::PrincipalKind;
use domain::event::approval::{Answer, Verb};
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::proposal::Proposal;
use domain::event::runner::NewRunner;
use domain::id::ProposalId;
use ledger::keys::KeyRole;
use proof::dsse::Envelope;
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use proof::{Commitment, Salt};
use schemas::approval::{AnswerAccepted, PendingApproval};
use schemas::body::Body;
use schemas::commit::Committer;
use schemas::key::CreateKey;
use schemas::proposal::{ProposalRuled, SubmitProposal};
use serde::Serialize;
use std::collections::BTreeMap;

/// Somebody whose own key root enrolled.
#[derive(Debug, Clone)]
pub struct Author {
    /// The key.
    pub key: SignerKey,
    /// The log's name.
    pub origin: String,
    client: Client,
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A key nobody has seen before.
///
/// # Panics
/// If the name cannot be a key's.
pub fn new_key(name: &str) -> SignerKey {
    SignerKey::new(KeyName::new(name).unwrap(), SecretKey::from_seed(random()))
}

/// A salt nobody has seen before.
pub fn new_salt() -> Salt {
    Salt::new(random())
}

/// The head as somebody sees it who believes the server.
///
/// # Panics
/// If the server does not say.
pub async fn seen(client: &Client) -> SeenHead {
    let head = client.head().await.unwrap();
    SeenHead { size: head.size, root: head.root }
}

/// What a proposal becomes before it is signed: the proposal with its commitments, and the bodies that open them.
///
/// # Panics
/// If a part breaks a limit.
pub fn committed(input: SubmitProposal) -> (Proposal, Vec<Body>) {
    let id = input.proposal_id.clone().expect("a signed proposal has a name");
    let mut salts = || Some(new_salt());
    let mut committer = Committer::new(input.personal, BTreeMap::<String, (Commitment, Salt)>::new(), &mut salts);
    let proposal = input.commit(id, &mut committer).unwrap();
    (proposal, committer.into_bodies().iter().map(schemas::commit::Opened::to_body).collect())
}

impl Author {
    /// Signs a statement, having seen this head.
    ///
    /// # Panics
    /// If the body is not I-JSON.
    pub fn sign<T: Serialize>(&self, kind: StatementKind, seen: SeenHead, body: &T) -> Envelope {
        authored::sign(kind, &self.origin, seen, body, self.key.secret()).unwrap()
    }

    /// Signs a statement, having seen the head that the server names.
    pub async fn sign_now<T: Serialize>(&self, kind: StatementKind, body: &T) -> Envelope {
        self.sign(kind, seen(&self.client).await, body)
    }

    /// Proposes, signed.
    ///
    /// # Errors
    /// If the server says no.
    pub async fn propose(&self, input: SubmitProposal) -> Result<ProposalRuled, Error> {
        let (proposal, bodies) = committed(input);
        let envelope = self.sign_now(StatementKind::Proposal, &proposal).await;
        self.client.submit_signed_proposal(envelope, bodies).await
    }

    /// Answers to a challenge, signed.
    ///
    /// # Errors
    /// If the server says no.
    pub async fn answer(&self, asked: &PendingApproval, verb: Verb) -> Result<AnswerAccepted, Error> {
        let challenge = asked.challenge.clone();
        let answer = Answer { proposal_id: asked.proposal_id.clone(), verb, challenge, reason: None };
        let envelope = self.sign_now(StatementKind::Answer, &answer).await;
        self.client.answer_signed(envelope).await
    }
}

/// The open challenge of a proposal, as an approver finds it.
///
/// # Panics
/// If nobody is asked.
pub async fn asked(client: &Client, id: &ProposalId) -> PendingApproval {
    let pending = client.pending_approvals().await.unwrap();
    pending.into_iter().find(|asked| asked.proposal_id == *id).expect("nobody is asked")
}

impl Server {
    /// A new API key.
    ///
    /// # Panics
    /// If the server makes none.
    pub async fn api_key(&self, kind: PrincipalKind, id: &str, scopes: &[Scope]) -> String {
        let request = CreateKey {
            principal: Principal { kind, id: id.parse().unwrap() },
            scopes: scopes.iter().copied().collect(),
            effect_scopes: None,
            max_risk: 1.0,
            expires: None,
            description: None,
        };
        self.admin().create_key(&request).await.unwrap().key.expect("the key is shown this once")
    }

    /// A client with a new API key.
    pub async fn person(&self, kind: PrincipalKind, id: &str, scopes: &[Scope]) -> Client {
        self.client(&self.api_key(kind, id, scopes).await)
    }

    /// An agent with an API key, who may propose.
    pub async fn agent(&self, name: &str) -> Client {
        self.person(PrincipalKind::Agent, name, &[Scope::ProposalCreate]).await
    }

    /// Somebody with a key of their own, enrolled by root.
    ///
    /// # Panics
    /// If the server does not enrol it.
    pub async fn author(&self, kind: PrincipalKind, id: &str, scopes: &[Scope]) -> Author {
        let (key, client) = (new_key(id), self.anonymous());
        let public = *key.verifier().key();
        let record = NewKey {
            key_id: public.key_id().to_string().parse().unwrap(),
            credential: Credential::Ed25519(public),
            principal: Principal { kind, id: id.parse().unwrap() },
            scopes: scopes.iter().copied().collect(),
            effect_scopes: None,
            max_risk: 1.0,
            expires: None,
            description: None,
        };
        let root = self.author_with(self.key(KeyRole::Root)).await;
        client.enrol_key(root.sign_now(StatementKind::Key, &record).await).await.unwrap();
        self.author_with(key).await
    }

    /// Somebody who signs with this key, whatever the server thinks of it.
    ///
    /// # Panics
    /// If the server does not say which log it serves.
    pub async fn author_with(&self, key: SignerKey) -> Author {
        let client = self.anonymous();
        let origin = client.head().await.unwrap().origin;
        Author { key, origin, client }
    }

    /// A runner's key, registered by root.
    ///
    /// # Panics
    /// If the server does not register it.
    pub async fn runner(&self, id: &str) -> Author {
        let key = new_key(&format!("runner/{id}"));
        self.register(id, &key).await;
        self.author_with(key).await
    }

    /// Registers a runner's key with root's statement.
    ///
    /// # Panics
    /// If the server does not register it.
    pub async fn register(&self, id: &str, key: &SignerKey) {
        let record = NewRunner { runner_id: id.parse().unwrap(), public_key: *key.verifier().key(), description: None };
        let root = self.author_with(self.key(KeyRole::Root)).await;
        let envelope = root.sign_now(StatementKind::Runner, &record).await;
        self.anonymous().register_runner(envelope).await.unwrap();
    }
}
