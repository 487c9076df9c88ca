//! What the sensors reported. This engine knows one sensor: secrets in the command (law 9).

use super::{GateInput, GateName, GateReport};
use crate::event::decision::Ruling;
use crate::reason::Reason;

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::ArtifactFindings);
    if !input.findings.is_empty() {
        report.raise(Ruling::Deny, Reason::SecretInCommand);
    }
    report.list("findings", input.findings.iter().map(|f| format!("{}: {}", f.place, f.kind)));
    report
}
