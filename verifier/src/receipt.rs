//! `receipt`: what portable proofs prove, under a key that the reader knows.
//!
//! There is no trust on first use here: a receipt brings its own checkpoint, and whoever forged one would bring a key
//! to go with it.

use std::path::PathBuf;
use std::time::Instant;

use domain::event::{Event, EventData, EventError};
use proof::{Leaf, LeafIndex, PublicKey, Receipt, ReceiptError, VerifierKey};

use crate::log::genesis::Identity;
use crate::log::{entry, genesis, head};
use crate::report::{CommandName, EntryReport, ReceiptReport, Report};
use crate::rule::{Finding, Rule};
use crate::source::read_file;
use crate::trust::Options;

/// Bytes of a receipt: a thousand leaves of the largest size, as JSON text.
pub(crate) const MAX_RECEIPT_BYTES: u64 = 128 * 1024 * 1024;

/// Verifies receipt files (JSON or `.tlog-proof`, told apart by their first bytes).
///
/// `event_key` is the ledger's event key, if the reader knows it; otherwise a receipt that holds the genesis says it.
pub fn verify_receipts(files: &[PathBuf], options: &Options<'_>, event_key: Option<&VerifierKey>) -> Report {
    let start = Instant::now();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let mut report = Report::new(CommandName::Receipt, &names.join(", "));
    report.key_pinned = options.trust.is_pinned();
    report.root_pinned = options.root.is_some();
    if !report.key_pinned {
        let detail = "a receipt proves nothing without the log's key: give `--key VKEY` or `--policy FILE`";
        report.conclude(vec![Finding::whole(Rule::Unreadable, detail)]);
        return report;
    }
    let mut findings = Vec::new();
    let mut witnessed = !files.is_empty();
    for (file, name) in files.iter().zip(names) {
        let bytes = match read_file(file, MAX_RECEIPT_BYTES) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Finding::whole(Rule::Unreadable, format_args!("`{name}` is not there"))),
            Err(error) => Err(crate::log::site::unreadable(None, Rule::Receipt, &error)),
        };
        let mut receipt = ReceiptReport::new(name);
        let outcome = bytes.and_then(|bytes| receipt.examine(&bytes, options, event_key));
        witnessed &= outcome.as_ref().is_ok_and(|has_witness| *has_witness);
        receipt.conclude(outcome.err());
        findings.extend(receipt.problem.clone());
        report.receipts.push(receipt);
    }
    report.witnessed = witnessed;
    if let [only] = report.receipts.as_slice() {
        (report.origin, report.size, report.root) = (only.origin.clone(), only.size, only.root);
    }
    report.conclude(findings);
    report.duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

impl ReceiptReport {
    fn new(file: String) -> Self {
        let verdict = crate::Verdict::Error;
        Self { file, verdict, origin: None, size: None, root: None, entries: Vec::new(), problem: None }
    }

    fn conclude(&mut self, problem: Option<Finding>) {
        self.verdict = problem.as_ref().map_or(crate::Verdict::Valid, Finding::verdict);
        self.problem = problem;
    }

    /// Proves what can be proven; says whether witnesses stand behind it.
    fn examine(
        &mut self,
        bytes: &[u8],
        options: &Options<'_>,
        event_key: Option<&VerifierKey>,
    ) -> Result<bool, Finding> {
        let malformed = |error: ReceiptError| Finding::whole(Rule::Receipt, error);
        let receipt = Receipt::parse_any(bytes).map_err(malformed)?;
        let head = head::open(&receipt.checkpoint, &options.trust, None)?;
        self.origin = Some(head.checkpoint.origin.clone());
        self.size = Some(head.checkpoint.size);
        self.root = Some(head.checkpoint.root);
        let verified = receipt.verify(&head.key).map_err(|error| match error {
            ReceiptError::Inclusion { index, error } => Finding::at(index, Rule::Inclusion, error),
            other => malformed(other),
        })?;
        let identity = match verified.entries().first() {
            Some((index, leaf)) if index.get() == 0 => Some(own_identity(leaf, &head.key, options)?),
            _ => None,
        };
        let key = event_key.map(|key| *key.key()).or_else(|| identity.map(|identity| identity.event));
        for (index, leaf) in verified.entries() {
            self.entries.push(check_entry(*index, leaf, &head.checkpoint.origin, key.as_ref())?);
        }
        match head.unmet {
            Some(unmet) => Err(unmet),
            None => Ok(!head.witnesses.is_empty()),
        }
    }
}

/// The log's identity from the genesis that a receipt holds.
fn own_identity(leaf: &[u8], key: &VerifierKey, options: &Options<'_>) -> Result<Identity, Finding> {
    let identity = genesis::read(leaf)?;
    identity.check(key, options.root.as_ref())?;
    Ok(identity)
}

fn check_entry(index: LeafIndex, bytes: &[u8], origin: &str, key: Option<&PublicKey>) -> Result<EntryReport, Finding> {
    let leaf = Leaf::parse(bytes).map_err(|error| entry::malformed(index, &error))?;
    if let Some(key) = key {
        entry::check_signature(index, &leaf, key)?;
    }
    let event = Event::parse(leaf.payload).map_err(|error| match error {
        EventError::Malformed(_) => Finding::at(index, Rule::Event, error),
        EventError::UnknownVersion(_) | EventError::UnknownType(_) => Finding::at(index, Rule::EventUnknown, error),
    })?;
    let header = &event.header;
    if header.seq != index {
        return Err(Finding::expected(index, Rule::Seq, index, header.seq));
    }
    if header.ledger != origin {
        return Err(Finding::expected(
            index,
            Rule::Ledger,
            format_args!("`{origin}`"),
            format_args!("`{}`", header.ledger),
        ));
    }
    let ruling = match &event.data {
        EventData::DecisionRecorded(decision) => Some(decision.ruling.as_str()),
        _ => None,
    };
    Ok(EntryReport {
        index,
        type_name: event.data.type_name().to_owned(),
        subject: header.subject.as_str().to_owned(),
        time: header.time.to_string(),
        actor: format!("{}/{}", header.actor.kind.as_str(), header.actor.id),
        ruling,
        event_signature: key.map(|key| key.key_id().to_string()),
    })
}
