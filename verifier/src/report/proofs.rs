//! Every proof there is, one line each: whether it was made, and how it came out.

use crate::report::text::{counted, grouped};
use crate::report::{Report, Verdict};
use crate::rule::{Finding, Rule};

/// How a proof came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was made, and it holds.
    Holds,
    /// It was made, and something is wrong.
    Fails,
    /// It could not be made whole.
    Open,
    /// There is nothing to prove it with, or nothing was asked.
    Absent,
}

/// One proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// What is proven.
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    /// In words.
    pub(crate) detail: String,
}

/// The proofs that a report rests on.
pub(crate) fn proofs(report: &Report) -> Vec<Proof> {
    let checked = report.checked;
    let size = report.size.map_or(0, proof::TreeSize::get);
    let events = counted(checked.events, "event");
    let head = if report.key_pinned { "by the key you pinned" } else { "by the key that the log names itself" };
    let mut all = vec![
        made(report, "Head", &HEAD, format!("{} signed {head}", counted(size, "event"))),
        made(report, "Events", &EVENTS, format!("{events}: one spelling, signed by the ledger's event key")),
        made(report, "Chain", &CHAIN, format!("each of {} in its place", counted(checked.groups, "group"))),
        made(report, "Tree", &TREE, format!("{} and the root", counted(checked.tiles, "tile"))),
    ];
    all.push(match &report.journal {
        Some(journal) => made(report, "Journal", &JOURNAL, format!("{} equal", counted(journal.events, "event"))),
        None => absent("Journal", "not at hand: the published site alone was read"),
    });
    all.push(match report.decisions {
        Some(decisions) => {
            let (derived, recorded) = (grouped(decisions.re_derived), grouped(decisions.from_recorded_facts));
            let detail = format!("{derived} derived again, {recorded} from what the server recorded of bodies");
            made(report, "Decisions", &DECISIONS, detail)
        }
        None => absent("Decisions", "not derived again"),
    });
    all.push(match report.statements {
        Some(statements) => {
            let kinds = [statements.proposals, statements.approvals, statements.results];
            let (signed, asserted) = kinds.iter().fold((0_u64, 0_u64), |(signed, asserted), kind| {
                (signed.saturating_add(kind.signed), asserted.saturating_add(kind.asserted))
            });
            let detail =
                format!("{} signed by their authors, {} the server's word", grouped(signed), grouped(asserted));
            made(report, "Statements", &STATEMENTS, detail)
        }
        None => absent("Statements", "not checked"),
    });
    all.push(match report.attested {
        Some(attested) => {
            let detail = format!("{} reproduced", counted(attested.projections, "digest"));
            made(report, "Read model", &VIEWS, detail)
        }
        None => absent("Read model", "not folded"),
    });
    all.push(match report.overview.as_ref().map_or(0, |overview| overview.receipts) {
        0 => absent("Receipts", "no sample was made"),
        receipts => made(report, "Receipts", &RECEIPTS, format!("a sample of {} holds", grouped(receipts))),
    });
    all.push(witnesses(report));
    all
}

fn witnesses(report: &Report) -> Proof {
    if report.witnessed {
        return Proof { name: "Witnesses", outcome: Outcome::Holds, detail: report.witnesses.join(", ") };
    }
    let detail = "none: order, time and omission are the ledger's word";
    made_or(report, "Witnesses", &WITNESSES, absent("Witnesses", detail))
}

const HEAD: [Rule; 9] = [
    Rule::CheckpointMalformed,
    Rule::CheckpointSignature,
    Rule::CheckpointKey,
    Rule::WitnessedHead,
    Rule::GenesisMissing,
    Rule::Genesis,
    Rule::RootStatement,
    Rule::RootKey,
    Rule::Unreadable,
];
const EVENTS: [Rule; 8] = [
    Rule::EntriesMissing,
    Rule::Bundle,
    Rule::Leaf,
    Rule::LeafSpelling,
    Rule::EventSignature,
    Rule::EventKey,
    Rule::Event,
    Rule::EventUnknown,
];
const CHAIN: [Rule; 7] =
    [Rule::Seq, Rule::Prev, Rule::Time, Rule::Ledger, Rule::Group, Rule::Causes, Rule::SubjectVersion];
const TREE: [Rule; 5] = [Rule::TileMissing, Rule::Tile, Rule::TileHash, Rule::EarlierPiece, Rule::CheckpointRoot];
const JOURNAL: [Rule; 4] = [Rule::JournalSegment, Rule::JournalFrame, Rule::JournalLeaf, Rule::JournalShort];
const DECISIONS: [Rule; 8] = [
    Rule::BlobMissing,
    Rule::BlobDigest,
    Rule::Blob,
    Rule::EngineUnknown,
    Rule::GroupHasNoCommand,
    Rule::CommandRefused,
    Rule::PayloadDiffers,
    Rule::EventCountDiffers,
];
const STATEMENTS: [Rule; 2] = [Rule::Authorship, Rule::ForkedHead];
const VIEWS: [Rule; 3] = [Rule::ProjectionDigest, Rule::ProjectionUnknown, Rule::ProjectionOld];
const RECEIPTS: [Rule; 1] = [Rule::Inclusion];
const WITNESSES: [Rule; 1] = [Rule::Quorum];

fn absent(name: &'static str, detail: &str) -> Proof {
    Proof { name, outcome: Outcome::Absent, detail: detail.to_owned() }
}

/// A proof that was made, unless one of its rules is broken; after another breach it was made only up to there.
fn made(report: &Report, name: &'static str, rules: &[Rule], detail: String) -> Proof {
    let is_whole = !matches!(report.verdict, Verdict::Invalid | Verdict::Error);
    let (outcome, detail) =
        if is_whole { (Outcome::Holds, detail) } else { (Outcome::Open, format!("up to the breach: {detail}")) };
    made_or(report, name, rules, Proof { name, outcome, detail })
}

fn made_or(report: &Report, name: &'static str, rules: &[Rule], otherwise: Proof) -> Proof {
    let Some(breach) = report.problems.iter().find(|problem| rules.contains(&problem.rule)) else { return otherwise };
    let outcome = if breach.verdict() == Verdict::Invalid { Outcome::Fails } else { Outcome::Open };
    Proof { name, outcome, detail: place(breach) }
}

fn place(finding: &Finding) -> String {
    super::tell::line(&finding.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_about_a_log_belongs_to_one_proof() {
        let of_proofs: Vec<Rule> =
            [&HEAD[..], &EVENTS, &CHAIN, &TREE, &JOURNAL, &DECISIONS, &STATEMENTS, &VIEWS, &RECEIPTS, &WITNESSES]
                .concat();
        let elsewhere = [
            Rule::NoSuchProposal,
            Rule::EvidenceMalformed,
            Rule::NoConviction,
            Rule::StaleHead,
            Rule::Receipt,
            Rule::Shrinking,
            Rule::Forked,
            Rule::ProofMissing,
        ];
        for rule in Rule::ALL {
            let count = of_proofs.iter().filter(|other| *other == rule).count();
            assert_eq!(count, usize::from(!elsewhere.contains(rule)), "{rule}");
        }
    }
}
