//! `countersign propose`.

use super::keys::ServerArguments;
use crate::output::{OutputArguments, block_on, could_not};
use clap::Args;
use domain::event::decision::Ruling;
use schemas::proposal::{ProposalRuled, SubmitProposal};
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The proposal, as JSON; `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Exit code: 0 allowed, 2 denied, 3 a human or more evidence is needed.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let proposal = match read(arguments) {
        Ok(proposal) => proposal,
        Err(problem) => return could_not(problem),
    };
    block_on(async {
        let ruled = match arguments.server.client().submit_proposal(&proposal).await {
            Ok(ruled) => ruled,
            Err(error) => return could_not(error),
        };
        let printed = arguments.output.data(&ruled, || describe(&ruled));
        match ruled.ruling {
            _ if printed != ExitCode::SUCCESS => printed,
            Ruling::Allow => ExitCode::SUCCESS,
            Ruling::Deny => ExitCode::from(2),
            Ruling::RequireHuman | Ruling::NeedMoreEvidence => ExitCode::from(3),
        }
    })
}

fn read(arguments: &Arguments) -> Result<SubmitProposal, String> {
    let mut text = Vec::new();
    if arguments.file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut text).map_err(|e| e.to_string())?;
    } else {
        text = std::fs::read(&arguments.file).map_err(|e| format!("{}: {e}", arguments.file.display()))?;
    }
    let value = proof::canonical::parse(&text).map_err(|e| e.to_string())?;
    serde_json::from_value(value).map_err(|e| e.to_string())
}

fn describe(ruled: &ProposalRuled) -> String {
    let mut text = format!("{}  {}  (event {})", ruled.ruling.as_str(), ruled.proposal_id, ruled.seq);
    for report in &ruled.gates {
        let reasons: Vec<&str> = report.reasons.iter().map(|reason| reason.text()).collect();
        let gate = format!("{:?}", report.gate);
        text.push_str(&format!("\n  {gate:<18} {:<18} {}", report.ruling.as_str(), reasons.join("; ")));
    }
    if let Some(job) = &ruled.job_id {
        text.push_str(&format!("\njob {job}"));
    }
    if let Some(challenge) = &ruled.challenge {
        let id = &ruled.proposal_id;
        text.push_str(&format!("\na human must answer by {}: countersign approve {id}", challenge.expires));
    }
    text
}
