//! The truth account: what the proposer saw, and how sure it is of what it concludes.

use super::{GateInput, GateName, GateReport};
use crate::event::decision::Ruling;
use crate::reason::Reason;
use std::collections::BTreeSet;

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::Evidence);
    let account = &input.proposal.truth_account;
    let seen: Vec<_> = account.observations.iter().filter(|o| !o.text.is_blank()).collect();
    report.fact("observations", seen.len());
    report.fact("claims", account.claims.len());

    if !input.read_only && seen.is_empty() {
        report.raise(Ruling::NeedMoreEvidence, Reason::EvidenceMissing);
    }
    let unsure = account
        .claims
        .iter()
        .enumerate()
        .filter(|(_, claim)| !claim.confidence.is_some_and(|c| (0.0..=1.0).contains(&c)))
        .map(|(i, _)| format!("claims[{i}]"));
    let unsure: Vec<String> = unsure.collect();
    if !unsure.is_empty() {
        report.raise(Ruling::NeedMoreEvidence, Reason::ClaimConfidenceInvalid);
    }
    report.list("without_confidence", unsure);

    let kinds: BTreeSet<&str> = seen.iter().filter_map(|o| o.kind.as_deref()).collect();
    let rules = &input.policy.bundle().effects;
    let wanted = input.effects().iter().filter_map(|e| rules.get(e)).flat_map(|rule| &rule.evidence);
    let lacking: BTreeSet<&String> = wanted.filter(|kind| !kinds.contains(kind.as_str())).collect();
    if !lacking.is_empty() {
        report.raise(Ruling::NeedMoreEvidence, Reason::EvidenceKindMissing);
    }
    report.list("kinds_missing", lacking);

    let absent: BTreeSet<u64> =
        seen.iter().flat_map(|o| &o.cites).copied().filter(|seq| *seq >= input.log_size.get()).collect();
    if !absent.is_empty() {
        report.raise(Ruling::NeedMoreEvidence, Reason::CitedEventMissing);
    }
    report.list("cited_but_absent", absent);
    report
}
