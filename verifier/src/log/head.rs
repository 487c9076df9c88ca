//! The head of a log: a checkpoint, by whom it is signed, and whether that is whom the user trusts.

use std::collections::BTreeSet;

use proof::policy::PolicyWitness;
use proof::{Checkpoint, CheckpointError, Note, TreeSize, VerifierKey};

use crate::rule::{Finding, Rule};
use crate::trust::{Trust, TrustPolicy};

/// A checkpoint whose signatures hold.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) checkpoint: Checkpoint,
    /// The signed note itself.
    pub(crate) note: String,
    /// The log's key that signed it.
    pub(crate) key: VerifierKey,
    /// The names of the policy's witnesses that signed it.
    pub(crate) witnesses: Vec<String>,
    /// What the policy asks for beyond that.
    pub(crate) unmet: Option<Finding>,
}

/// The text of a signed note.
pub(crate) fn text(note: &[u8]) -> Result<&str, Finding> {
    std::str::from_utf8(note).map_err(|error| Finding::whole(Rule::CheckpointMalformed, error))
}

/// The size that a checkpoint names, even if it is otherwise unreadable: for a report, never for a check.
pub(crate) fn readable_size(note: &[u8]) -> Option<TreeSize> {
    let line = note.split(|byte| *byte == b'\n').nth(1)?;
    std::str::from_utf8(line).ok()?.parse().ok().map(TreeSize::new)
}

/// What a note says, whoever signed it.
pub(crate) fn unverified(note: &str) -> Result<Checkpoint, Finding> {
    let malformed = |error: CheckpointError| Finding::whole(Rule::CheckpointMalformed, error);
    let note = Note::parse(note).map_err(|error| malformed(CheckpointError::Note(error)))?;
    Checkpoint::parse_body(&note.text).map_err(malformed)
}

/// Opens a signed checkpoint under the keys that the user trusts, or under `own`, the one the log names itself.
pub(crate) fn open(note: &str, trust: &Trust, own: Option<&VerifierKey>) -> Result<Head, Finding> {
    let claimed = unverified(note)?;
    let (key, policy) = match trust {
        Trust::Key(key) => (key.as_ref(), None),
        Trust::Policy(policy) => (policy_key(&claimed, policy)?, Some(policy)),
        Trust::SelfAsserted => {
            let missing = || Finding::whole(Rule::GenesisMissing, "there is no genesis to take the log's key from");
            (own.ok_or_else(missing)?, None)
        }
    };
    let checkpoint = Checkpoint::open(note, key).map_err(|error| {
        let size = claimed.size;
        Finding::whole(Rule::CheckpointSignature, format_args!("checkpoint of size {size}: {error}"))
    })?;
    let mut head = Head { checkpoint, note: note.to_owned(), key: key.clone(), witnesses: Vec::new(), unmet: None };
    if let Some(policy) = policy {
        witness(note, policy, &mut head)?;
    }
    Ok(head)
}

fn policy_key<'p>(claimed: &Checkpoint, policy: &'p TrustPolicy) -> Result<&'p VerifierKey, Finding> {
    policy.logs().iter().find(|key| key.name().as_str() == claimed.origin).ok_or_else(|| {
        let names: Vec<&str> = policy.logs().iter().map(|key| key.name().as_str()).collect();
        let detail = format!("the trust policy knows {}, not `{}`", names.join(", "), claimed.origin);
        Finding::whole(Rule::CheckpointSignature, detail)
    })
}

/// Counts the witnesses. A signature that claims to be by a known witness and does not verify condemns the note.
fn witness(note: &str, policy: &TrustPolicy, head: &mut Head) -> Result<(), Finding> {
    let note = Note::parse(note).map_err(|error| Finding::whole(Rule::CheckpointMalformed, error))?;
    let mut signed = BTreeSet::new();
    for PolicyWitness { name, key, .. } in policy.witnesses() {
        match note.verify(std::slice::from_ref(key)) {
            Ok(_) => {
                signed.insert(name.as_str());
            }
            Err(proof::NoteError::NoKnownKey) => {}
            Err(error) => {
                return Err(Finding::whole(Rule::CheckpointSignature, format_args!("witness `{name}`: {error}")));
            }
        }
    }
    if !policy.is_met(&signed) {
        let detail = format!(
            "the policy asks for `{}`, the head has {} witnesses",
            policy.quorum().unwrap_or("none"),
            signed.len()
        );
        head.unmet = Some(Finding::whole(Rule::Quorum, detail));
    }
    head.witnesses = signed.into_iter().map(str::to_owned).collect();
    Ok(())
}
