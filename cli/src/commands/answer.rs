//! `countersign approve`, `countersign deny`.

use super::keys::{ServerArguments, seen};
use crate::output::{OutputArguments, block_on, could_not, printable};
use clap::Args;
use domain::authored::{self, StatementKind};
use domain::content::Text;
use domain::event::approval::{Answer, Verb};
use schemas::approval::{PendingApproval, SubmitAnswer};
use schemas::proposal::ProposalBody;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which proposal; without one, lists what waits for a human
    proposal_id: Option<String>,
    /// Sign with this key file instead of using an API key: nobody else could then have said it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments, verb: Verb) -> ExitCode {
    block_on(async { answer(arguments, verb).await.unwrap_or_else(could_not) })
}

async fn answer(arguments: &Arguments, verb: Verb) -> Result<ExitCode, String> {
    let client = arguments.server.client();
    let pending = client.pending_approvals().await.map_err(|e| e.to_string())?;
    let Some(id) = &arguments.proposal_id else {
        return Ok(arguments.output.data(&pending, || list(&pending)));
    };
    let Some(asked) = pending.into_iter().find(|asked| asked.proposal_id.as_str() == id) else {
        return Err(format!("proposal `{id}` is not waiting for a human"));
    };
    arguments.output.note(show(&asked));
    // Long texts stand in what is signed as hashes only: they are shown in clear, to whoever has a key to read them with.
    match client.proposal_bodies(id).await {
        Ok(bodies) => bodies.iter().for_each(|body| arguments.output.note(show_body(body))),
        Err(error) => arguments.output.note(format!("  (texts beside the log cannot be shown: {error})")),
    }
    // What is shown must be what is signed for.
    let shown = proof::hash::sha256(&proof::canonical::value_to_vec(&asked.preview));
    if shown != asked.challenge.preview_digest {
        return Err("the server shows something else than the challenge is about; nothing was answered".into());
    }
    let accepted = match &arguments.key {
        Some(path) => {
            let key = ledger::keys::read(path).map_err(|e| e.to_string())?;
            let (origin, head) = seen(&client).await?;
            let reason = arguments.reason.clone().map(Text::Inline);
            let said = Answer { proposal_id: asked.proposal_id, verb, challenge: asked.challenge, reason };
            let envelope =
                authored::sign(StatementKind::Answer, &origin, head, &said, key.secret()).map_err(|e| e.to_string())?;
            client.answer_signed(envelope).await
        }
        None => {
            let reason = arguments.reason.clone();
            let said = SubmitAnswer { proposal_id: asked.proposal_id, verb, nonce: asked.challenge.nonce, reason };
            client.answer(&said).await
        }
    };
    let accepted = accepted.map_err(|e| e.to_string())?;
    Ok(arguments.output.data(&accepted, || {
        let word = if verb == Verb::Grant { "granted" } else { "denied" };
        let job = accepted.job_id.as_ref().map(|job| format!(", job {job}")).unwrap_or_default();
        format!("{word} {} at event {}{job}", accepted.proposal_id, accepted.seq)
    }))
}

fn list(pending: &[PendingApproval]) -> String {
    if pending.is_empty() {
        return "nothing waits for a human".into();
    }
    pending.iter().map(show).collect::<Vec<_>>().join("\n\n")
}

fn show_body(body: &ProposalBody) -> String {
    let text = match &body.text {
        Some(text) => text.lines().map(|line| format!("    {}", printable(line))).collect::<Vec<_>>().join("\n"),
        None => "    (erased)".into(),
    };
    format!("  {} ({} bytes)\n{text}", printable(&body.place), body.commitment.length)
}

/// What an approver should look at before answering.
fn show(asked: &PendingApproval) -> String {
    let part = |name: &str| asked.preview.get(name).map(|value| printable(&value.to_string())).unwrap_or_default();
    format!(
        "{}\n  agent    {}\n  says     {}\n  effects  {}\n  does     {}\n  because  {}\n  answer by {}, {} of {} yeses so far",
        asked.proposal_id,
        part("agent"),
        part("summary"),
        part("effects"),
        part("actions"),
        part("reasons"),
        asked.challenge.expires,
        asked.grants.len(),
        asked.required.count
    )
}
