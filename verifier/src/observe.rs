//! What else can be learnt from a replay, while it runs: every group of events is shown to an [`Observer`] before and
//! after it was derived again.

use domain::policy::Policy;
use domain::replay::Recorded;
use domain::state::State;
use proof::merkle::{ProofError, inclusion_proof};
use proof::{Hash, LeafIndex, Receipt, ReceiptEntry, TreeSize, VerifierKey};

use crate::log::history::History;
use crate::log::{entry, site};
use crate::report::Report;
use crate::rule::{Finding, Rule};
use crate::source::Source;

/// Looks on during a replay. It cannot make anything valid: what it is shown holds already, or the replay ends.
pub(crate) trait Observer {
    /// Whether it wants to see the state before each group. Then the state is kept small, so that copies cost little.
    fn wants_state(&self) -> bool {
        false
    }

    /// The group that is derived next, and the state and the policy that it is derived from.
    fn before(&mut self, _state: &State, _policy: &Policy, _group: &[Recorded]) {}

    /// The group that was derived just now; it is as recorded.
    fn after(&mut self, _group: &[Recorded]) {}

    /// Everything was gone through, and holds as far as the report says.
    ///
    /// # Errors
    /// A reason for which the question is not answered.
    fn conclude(&mut self, _proofs: &Proofs<'_>, _report: &mut Report) -> Result<(), Finding> {
        Ok(())
    }
}

/// Nobody looks on.
pub(crate) struct Nobody;

impl Observer for Nobody {}

/// Makes proofs of events of a log that was verified.
pub(crate) struct Proofs<'a> {
    pub(crate) site: &'a dyn Source,
    /// The head's signed note.
    pub(crate) note: &'a str,
    /// The log's key that signed it.
    pub(crate) key: &'a VerifierKey,
    /// Leaves under it.
    pub(crate) size: TreeSize,
    pub(crate) history: &'a History<'a>,
}

impl Proofs<'_> {
    /// A published leaf, checked against the tree.
    pub(crate) fn leaf(&self, index: LeafIndex) -> Result<Vec<u8>, Finding> {
        let piece = site::read_bundle(self.site, index.get() / site::WIDTH, self.size)?;
        let place = usize::try_from(index.get() % site::WIDTH).unwrap_or(usize::MAX);
        let leaf = entry::split(&piece.bytes).0.get(place).map(|leaf| leaf.to_vec()).unwrap_or_default();
        let hash: Hash = proof::merkle::leaf_hash(&leaf);
        match self.history.leaf(index)? {
            Some(known) if known == hash => Ok(leaf),
            _ => Err(Finding::at(index, Rule::Unreadable, "the site changed while it was read")),
        }
    }

    /// A receipt of published events: their leaves and paths under the head.
    pub(crate) fn receipt(&self, indices: &[LeafIndex]) -> Result<Receipt, Finding> {
        let entry = |index: &LeafIndex| {
            let path = inclusion_proof(self.history, *index, self.size).map_err(|error| match error {
                ProofError::Source(finding) => finding,
                other => Finding::at(*index, Rule::ProofMissing, other),
            })?;
            let leaf = String::from_utf8(self.leaf(*index)?);
            let leaf = leaf.map_err(|error| Finding::at(*index, Rule::Leaf, error))?;
            Ok(ReceiptEntry { index: *index, leaf, path })
        };
        let entries = indices.iter().map(entry).collect::<Result<_, Finding>>()?;
        Ok(Receipt { checkpoint: self.note.to_owned(), entries })
    }
}
