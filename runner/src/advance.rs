//! Catching up with a log without a warrant: at the first start, and after an answer was lost.

use crate::warrant::{Pins, Refusal, genesis};
use client::Client;
use domain::authored::SeenHead;
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use proof::checkpoint::Checkpoint;
use proof::hash::sha256;
use proof::index::LeafIndex;
use proof::merkle::verify_consistency;
use proof::note::VerifierKey;
use std::fmt;

/// Why the runner could not catch up.
#[derive(Debug)]
pub(crate) enum AdvanceError {
    /// The server did not answer as it should.
    Server(client::Error),
    /// What it answered does not hold.
    Refused(Refusal),
}

impl fmt::Display for AdvanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Refused(refusal) => write!(f, "the server's head is refused: {refusal}"),
        }
    }
}

impl std::error::Error for AdvanceError {}

/// A ledger as the pinned root made it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The log's name.
    pub(crate) origin: String,
    /// The head that this runner may now say it has seen.
    pub(crate) head: SeenHead,
    /// The policy in force, with this runner's manifest.
    pub(crate) policy: Policy,
}

/// Verifies the genesis under the pinned root, and that the server's head extends the last one seen.
///
/// # Errors
/// If the server cannot be reached, or if any of it does not hold.
pub(crate) async fn advance(
    client: &Client,
    pins: &Pins,
    manifest: &Manifest,
    seen: SeenHead,
) -> Result<Known, AdvanceError> {
    let refuse = |condition, detail: &dyn fmt::Display| AdvanceError::Refused(Refusal::new(condition, detail));
    let receipt = client.event_receipt(LeafIndex::new(0)).await.map_err(AdvanceError::Server)?;
    let created = genesis(&receipt, pins).map_err(AdvanceError::Refused)?;
    let key = VerifierKey::parse(&created.genesis.checkpoint).map_err(|e| refuse("checkpoint", &e))?;
    receipt.verify(&key).map_err(|e| refuse("inclusion", &e))?;
    let answer = client.head().await.map_err(AdvanceError::Server)?;
    let checkpoint = Checkpoint::open(&answer.checkpoint, &key).map_err(|e| refuse("checkpoint", &e))?;
    if checkpoint.size < seen.size {
        let detail = format!("its head has {} events, this runner has seen {}", checkpoint.size, seen.size);
        return Err(refuse("consistent_with_last_head", &detail));
    }
    let proof = client.consistency(seen.size, checkpoint.size).await.map_err(AdvanceError::Server)?;
    verify_consistency(seen.size, &seen.root, checkpoint.size, &checkpoint.root, &proof.path)
        .map_err(|e| refuse("consistent_with_last_head", &e))?;
    let head = SeenHead { size: checkpoint.size, root: checkpoint.root };
    let digest = created.genesis.policy;
    let blob = client.blob(&digest).await.map_err(AdvanceError::Server)?;
    if sha256(&blob) != digest {
        return Err(refuse("policy", &"the blob is not the bundle that genesis names"));
    }
    let bundle = Bundle::parse(&blob).map_err(|e| refuse("policy", &e))?;
    Ok(Known { origin: created.genesis.origin, head, policy: Policy::new(bundle, manifest.clone()) })
}
