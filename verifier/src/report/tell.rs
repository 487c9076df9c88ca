//! Events in words. Whatever was written by others is shown so that it cannot move the cursor, nor go on for ever.

use domain::content::Text;
use domain::event::decision::DecisionRecorded;
use domain::event::job::JobEnded;
use domain::event::proposal::Proposal;
use domain::event::{Actor, Event, EventData};
use proof::Envelope;

/// Characters of a foreign text that are shown.
const SHOWN: usize = 240;

/// Foreign text, fit for a terminal.
pub(crate) fn shown(text: &str) -> String {
    let is_bad = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out: String = text.chars().take(SHOWN).map(|c| if is_bad(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// The same for a line of a report, which may be longer.
pub(crate) fn line(text: &str) -> String {
    let pieces: Vec<char> = text.chars().take(2_000).collect();
    pieces.chunks(SHOWN).map(|piece| shown(&piece.iter().collect::<String>())).collect()
}

fn text(text: &Text) -> String {
    match text {
        Text::Inline(text) => format!("“{}”", shown(text)),
        Text::Committed { commit } => format!("a text of {} bytes beside the log ({})", commit.length, commit.sha256),
    }
}

/// Who, and for whom.
pub(crate) fn actor(actor: &Actor) -> String {
    let on_behalf = actor.on_behalf_of.as_ref().map_or_else(String::new, |agent| format!(" for {agent}"));
    shown(&format!("{}/{}{on_behalf}", actor.kind.as_str(), actor.id))
}

/// What an event says.
pub(crate) fn claim(event: &Event) -> String {
    match &event.data {
        EventData::IntentCreated(created) => format!("the intent: {}", text(&created.intent.goal)),
        EventData::ProposalSubmitted(submitted) => proposed(&submitted.proposal),
        EventData::DecisionRecorded(decision) => ruled(decision),
        EventData::ApprovalRequested(asked) => {
            let count = asked.required.count;
            format!("{count} human yes asked for, until {}", asked.challenge.expires)
        }
        EventData::ApprovalGranted(answered) => {
            format!("yes to action {}{}", answered.answer.challenge.action_digest, own(answered.self_approved))
        }
        EventData::ApprovalDenied(answered) => format!("no to action {}", answered.answer.challenge.action_digest),
        EventData::ApprovalExpired(_) => "nobody answered in time".to_owned(),
        EventData::JobCreated(created) => {
            let tools: Vec<&str> = created.job.actions.iter().map(|action| action.tool.as_str()).collect();
            format!("job {} is minted: {}", created.job.job_id, shown(&tools.join(", ")))
        }
        EventData::JobLeased(leased) => {
            let runner = shown(leased.lease.runner_id.as_str());
            format!("runner {runner} takes the job, try {}, until {}", leased.attempt, leased.expires)
        }
        EventData::JobLeaseExpired(expired) => format!("the runner did not report in time, try {}", expired.attempt),
        EventData::ResultRecorded(recorded) => {
            let result = &recorded.result;
            let done = result.actions.iter().filter(|action| action.completed).count();
            let (all, artifacts) = (result.actions.len(), result.artifacts.len());
            format!("the runner reports {done} of {all} actions done, {artifacts} artifacts")
        }
        EventData::JobCompleted(job) => ended("the job is done", job),
        EventData::JobFailed(job) => ended("the job failed", job),
        EventData::JobRejected(job) => ended("the runner refused the job", job),
        EventData::JobUnknown(job) => ended("nobody can say what became of the job", job),
        EventData::LedgerCreated(_)
        | EventData::KeyCreated(_)
        | EventData::KeyDisabled(_)
        | EventData::KeyEnabled(_)
        | EventData::KeyDeleted(_)
        | EventData::RunnerRegistered(_)
        | EventData::BlobErased(_)
        | EventData::ProjectionAttested(_)
        | EventData::LedgerRestored(_)
        | EventData::ClockConfirmed(_) => shown(event.header.subject.as_str()),
    }
}

const fn own(self_approved: bool) -> &'static str {
    if self_approved { ", by its own proposer" } else { "" }
}

fn proposed(proposal: &Proposal) -> String {
    let effects: Vec<String> = proposal.effects.iter().map(ToString::to_string).collect();
    let tools: Vec<&str> = proposal.actions.iter().map(|action| action.tool.as_str()).collect();
    let actions = if tools.is_empty() { "no action".to_owned() } else { tools.join(", ") };
    let agent = shown(proposal.agent.as_str());
    format!("{agent} proposes {} (effects {}; {})", text(&proposal.summary), effects.join(" "), shown(&actions))
}

fn ruled(decision: &DecisionRecorded) -> String {
    let reasons: Vec<&str> = decision.reasons.iter().map(|reason| reason.code()).collect();
    let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!(
        "governance rules {}{why}, by policy {} and engine {}",
        decision.ruling.as_str(),
        decision.policy,
        decision.engine
    )
}

fn ended(what: &str, job: &JobEnded) -> String {
    match &job.reason {
        Some(reason) => format!("{what} ({})", reason.code()),
        None => what.to_owned(),
    }
}

/// Whose word an event is.
pub(crate) fn rests_on(event: &Event) -> String {
    let header = &event.header;
    if header.group != header.seq {
        return format!("derived again from the command of event {}", header.group);
    }
    match statement(&event.data) {
        Some(envelope) => {
            let keys: Vec<String> = envelope.signatures.iter().map(|signature| signature.keyid.to_string()).collect();
            format!("signed by its author's key {}", keys.join(", "))
        }
        None => match &event.data {
            EventData::ApprovalExpired(_) | EventData::JobLeaseExpired(_) => "the ledger's clock".to_owned(),
            _ => format!("the server's word, for the holder of {}", shown(header.actor.key_id.as_str())),
        },
    }
}

/// The signed statement that an event records.
pub(crate) fn statement(data: &EventData) -> Option<&Envelope> {
    match data {
        EventData::LedgerCreated(created) => Some(&created.authored),
        EventData::RunnerRegistered(registered) => Some(&registered.authored),
        EventData::LedgerRestored(restored) => Some(&restored.authored),
        EventData::JobLeased(leased) => Some(&leased.authored),
        EventData::KeyCreated(created) => created.authored.as_ref(),
        EventData::IntentCreated(created) => created.authored.as_ref(),
        EventData::ProposalSubmitted(submitted) => submitted.authored.as_ref(),
        EventData::ApprovalGranted(answered) | EventData::ApprovalDenied(answered) => answered.authored.as_ref(),
        EventData::ResultRecorded(result) => result.authored.as_ref(),
        EventData::KeyDisabled(_)
        | EventData::KeyEnabled(_)
        | EventData::KeyDeleted(_)
        | EventData::DecisionRecorded(_)
        | EventData::ApprovalRequested(_)
        | EventData::ApprovalExpired(_)
        | EventData::JobCreated(_)
        | EventData::JobLeaseExpired(_)
        | EventData::JobCompleted(_)
        | EventData::JobFailed(_)
        | EventData::JobRejected(_)
        | EventData::JobUnknown(_)
        | EventData::BlobErased(_)
        | EventData::ClockConfirmed(_)
        | EventData::ProjectionAttested(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_nor_go_on_for_ever() {
        assert_eq!(shown("a\u{1b}[2Jb\n\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
        assert_eq!(shown(&"x".repeat(900)).chars().count(), SHOWN + 1);
    }
}
