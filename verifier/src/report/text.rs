//! The report for people.

use std::fmt::{self, Write as _};

use proof::TreeSize;

use super::proofs::{Outcome, proofs};
use super::{Authors, CommandName, ReceiptReport, Report, Verdict};

/// Columns of the labels.
const LABEL: usize = 13;

/// Changed rulings that are shown one by one.
const FLIPS_SHOWN: usize = 20;

/// Writes a report. Writing into a `String` cannot fail, so the result is thrown away here and below.
pub(super) fn write(report: &Report, colour: bool) -> String {
    let mut out = Text(String::new());
    out.verdict(report, colour);
    match report.command {
        CommandName::Log | CommandName::Structure | CommandName::Replay => out.log(report),
        CommandName::Story => {
            out.story(report);
            out.log(report);
        }
        CommandName::Watch => out.watch(report),
        CommandName::Audit => {
            out.proofs(report);
            out.log(report);
        }
        CommandName::Whatif => {
            out.whatif(report);
            out.log(report);
        }
        CommandName::Receipt => report.receipts.iter().for_each(|receipt| out.receipt(receipt)),
        CommandName::Consistency | CommandName::Diff | CommandName::Evidence => out.heads(report),
    }
    if report.verdict != Verdict::Error {
        out.trust(report);
    }
    if report.duration_ms > 0 && report.command.walks() {
        out.duration(report);
    }
    out.0
}

struct Text(String);

impl Text {
    fn line(&mut self, label: &str, what: impl fmt::Display) {
        let _ = writeln!(self.0, "  {label:LABEL$}{what}");
    }

    fn verdict(&mut self, report: &Report, colour: bool) {
        let (word, code) = match report.verdict {
            Verdict::Valid => ("VALID", "1;32"),
            Verdict::Invalid => ("INVALID", "1;31"),
            Verdict::Insufficient => ("NOT ENOUGH EVIDENCE", "1;33"),
            Verdict::Error => ("COULD NOT VERIFY", "1;35"),
        };
        let word = if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() };
        let what = report.origin.as_ref().map_or(report.source.as_str(), String::as_str);
        let _ = writeln!(self.0, "{word}  {what}\n");
        for (position, problem) in report.problems.iter().enumerate() {
            let place = problem.index.map_or_else(|| "no single event".to_owned(), |index| format!("event {index}"));
            let label = if position == 0 { "first bad" } else { "also" };
            if report.verdict == Verdict::Error {
                self.line("because", &problem.detail);
            } else {
                self.line(label, format_args!("{place}: {}", problem.rule));
                self.line("", &problem.detail);
            }
        }
        if !report.problems.is_empty() && report.verdict != Verdict::Error {
            self.0.push('\n');
        }
    }

    fn log(&mut self, report: &Report) {
        if report.verdict == Verdict::Error {
            return;
        }
        if let (Some(size), Some(root)) = (report.size, report.root) {
            self.line("head", format_args!("{}, root {root}", counted(size.get(), "event")));
        }
        let checked = report.checked;
        let (events, groups) = (counted(checked.events, "event"), counted(checked.groups, "group"));
        let is_whole = checked.signatures == checked.events;
        let what = if is_whole { "signature, hash and link" } else { "hash and link" };
        let tiles = counted(checked.tiles, "tile");
        self.line("checked", format_args!("{events} in {groups}, {tiles}; each {what} up to there"));
        if !is_whole {
            self.line("", "STRUCTURE ONLY: no event's signature was checked, and nothing of what events say");
        }
        if let Some(journal) = &report.journal {
            let beyond = match journal.beyond_published_head {
                0 => "none beyond the published head".to_owned(),
                beyond => {
                    format!("{} of them beyond the published head, under no signature of a head yet", grouped(beyond))
                }
            };
            let from = match journal.first.get() {
                0 => String::new(),
                first => format!(" from event {} on, the older ones in the site only", grouped(first)),
            };
            self.line("journal", format_args!("{}{from}, {beyond}", counted(journal.events, "event")));
            if let Some(torn) = &journal.torn {
                self.line("", format_args!("a frame at its end was never acknowledged: {torn}"));
            }
        }
        self.decisions(report);
    }

    fn decisions(&mut self, report: &Report) {
        match report.decisions {
            Some(decisions) => self.line(
                "decisions",
                format_args!(
                    "{} re-derived · {} re-derived from recorded facts · {} mismatched",
                    grouped(decisions.re_derived),
                    grouped(decisions.from_recorded_facts),
                    grouped(decisions.mismatched)
                ),
            ),
            None => self.line(
                "decisions",
                format_args!("{} recorded, none re-derived: `replay` does that", grouped(report.checked.decisions)),
            ),
        }
        match report.statements {
            Some(statements) => {
                self.line("proposals", authors(statements.proposals));
                self.line("approvals", authors(statements.approvals));
                self.line("results", authors(statements.results));
            }
            None => self.line("statements", "authors' signatures not checked: `replay` does that"),
        }
        if let Some(attested) = report.attested {
            self.line(
                "believed",
                format_args!(
                    "{}, {}, {}, as recorded; {} reproduced",
                    counted(attested.clock, "clock reading"),
                    counted(attested.seeds, "seed"),
                    counted(attested.sensor_reports, "sensor report"),
                    counted(attested.projections, "read-model digest")
                ),
            );
        }
    }

    fn story(&mut self, report: &Report) {
        let Some(story) = &report.story else { return };
        let size = report.size.map_or(0, TreeSize::get);
        for step in &story.steps {
            self.line(&format!("event {}", step.index), format_args!("{}: {}", step.actor, step.claim));
            self.line("", format_args!("{}, {}", step.time, step.rests_on));
            if !step.proven {
                self.line("", "under no signed head yet");
            }
        }
        let proven = story.steps.iter().filter(|step| step.proven).count();
        let events = counted(u64::try_from(proven).unwrap_or(u64::MAX), "event");
        self.line("proof", format_args!("{events} in the tree of {}; `--format json` has the receipt", grouped(size)));
        self.0.push('\n');
    }

    fn watch(&mut self, report: &Report) {
        if report.verdict == Verdict::Error {
            return;
        }
        if let (Some(size), Some(root)) = (report.size, report.root) {
            self.line("head", format_args!("{}, root {root}", counted(size.get(), "event")));
        }
        let new = counted(report.checked.events, "new event");
        self.line("checked", format_args!("{new}: signed, in place, under the head, which extends the last one seen"));
        for notice in &report.notices {
            let (index, kind, time) = (notice.index, notice.kind, &notice.time);
            self.line(&format!("event {index}"), format_args!("{kind}, {time}, {}: {}", notice.subject, notice.detail));
        }
    }

    fn proofs(&mut self, report: &Report) {
        if report.verdict == Verdict::Error {
            return;
        }
        for proof in proofs(report) {
            let mark = match proof.outcome {
                Outcome::Holds => "+",
                Outcome::Fails => "X",
                Outcome::Open => "?",
                Outcome::Absent => "-",
            };
            self.line(&format!("{mark} {}", proof.name), &proof.detail);
        }
        if let Some(overview) = &report.overview {
            for (kind, count) in &overview.exception_counts {
                self.line("exceptions", format_args!("{:>9}  {kind}", grouped(*count)));
            }
        }
        self.0.push('\n');
    }

    fn whatif(&mut self, report: &Report) {
        let Some(other) = &report.whatif else { return };
        self.line("what if", format_args!("policy `{}`, {}", other.name, other.policy));
        let (decided, same) = (counted(other.decided, "proposal"), grouped(other.same));
        self.line("", format_args!("{decided} decided again, {same} with the same ruling"));
        let (denied, allowed) = (grouped(other.newly_denied), grouped(other.newly_allowed));
        let (flipped, lost) = (grouped(other.flipped), grouped(other.unreplayable));
        self.line("flips", format_args!("{flipped}: {denied} newly denied, {allowed} newly allowed"));
        self.line("", format_args!("{lost} cannot be decided again; humans' answers are not asked for again"));
        for (label, counts) in
            [("by ruling", &other.by_ruling), ("by agent", &other.by_agent), ("by reason", &other.by_reason)]
        {
            for (position, (key, count)) in counts.iter().enumerate() {
                let label = if position == 0 { label } else { "" };
                self.line(label, format_args!("{:>9}  {key}", grouped(*count)));
            }
        }
        for flip in other.flips.iter().take(FLIPS_SHOWN) {
            let why = flip.reasons.join(", ");
            let what = format!("{} by {}: {} > {} ({why})", flip.proposal, flip.agent, flip.from, flip.to);
            self.line(&format!("event {}", flip.decision), what);
        }
        self.0.push('\n');
    }

    fn receipt(&mut self, receipt: &ReceiptReport) {
        let _ = writeln!(self.0, "  {}: {}", receipt.file, receipt.verdict.as_str());
        if let (Some(size), Some(root)) = (receipt.size, receipt.root) {
            let what = if receipt.verdict == Verdict::Invalid { "claims" } else { "proves" };
            let tree = format!("these events are in the tree of {} with root {root}", counted(size.get(), "event"));
            self.line(&format!("  {what}"), tree);
        }
        for entry in &receipt.entries {
            let ruling = entry.ruling.map_or_else(String::new, |ruling| format!(": {ruling}"));
            self.line(
                &format!("  event {}", entry.index),
                format_args!("{} of {}{ruling}", entry.type_name, entry.subject),
            );
            self.line("", format_args!("{} by {}", entry.time, entry.actor));
        }
        match receipt.entries.first().map(|entry| entry.event_signature.as_ref()) {
            Some(Some(key)) => self.line("  signed", format_args!("by the ledger's event key {key}")),
            Some(None) => self.line("  signed", "not checked: the event key is not known, give `--event-key VKEY`"),
            None => {}
        }
        self.0.push('\n');
    }

    fn heads(&mut self, report: &Report) {
        for (label, head) in ["older", "newer"].iter().zip(&report.heads) {
            self.line(
                label,
                format_args!("{}, root {} ({})", counted(head.size.get(), "event"), head.root, head.source),
            );
        }
    }

    fn trust(&mut self, report: &Report) {
        match report.witnesses.as_slice() {
            [] if report.witnessed => self.line("witnesses", "the head is witnessed"),
            [] => self
                .line("witnesses", "none: the head is not witnessed; time, order and omission are the ledger's word"),
            names => self.line("witnesses", format_args!("the head is witnessed by {}", names.join(", "))),
        }
        if report.key_pinned {
            self.line("key", "pinned by you");
        } else {
            self.line("key", "SELF-ASSERTED: taken from the log's own genesis. Anybody could have made such a log;");
            self.line("", "pin the key that you know with `--key VKEY` or `--policy FILE`");
        }
        if report.command.walks() {
            let root = if report.root_pinned { "pinned by you" } else { "self-asserted, pin it with `--root VKEY`" };
            self.line("root key", root);
        }
    }

    fn duration(&mut self, report: &Report) {
        let (seconds, rest) = (report.duration_ms / 1000, report.duration_ms % 1000);
        // Of a short run a rate says nothing.
        let rate = if report.duration_ms < 500 {
            String::new()
        } else {
            format!(", {} events/s", grouped(report.checked.events.saturating_mul(1000) / report.duration_ms))
        };
        self.line("took", format_args!("{seconds}.{rest:03} s{rate}"));
    }
}

fn authors(authors: Authors) -> String {
    format!("{} signed by their author · {} asserted by the server", grouped(authors.signed), grouped(authors.asserted))
}

/// So many of something.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len().saturating_mul(2));
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (100_000, "100,000")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
