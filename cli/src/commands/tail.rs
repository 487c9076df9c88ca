//! `countersign tail`.

use super::keys::ServerArguments;
use crate::output::{Format, OutputArguments, block_on, colour, could_not, paint, print_line, printable};
use clap::Args;
use proof::index::LeafIndex;
use schemas::event::StreamedEvent;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// First event; by default the next one
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// End at the head instead of following
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    block_on(async { follow(arguments).await.unwrap_or_else(could_not) })
}

async fn follow(arguments: &Arguments) -> Result<ExitCode, String> {
    let client = arguments.server.client();
    let mut next = match arguments.from {
        Some(from) => LeafIndex::new(from),
        None => client.head().await.map_err(|e| e.to_string())?.size.next_index(),
    };
    let colour = colour();
    loop {
        let mut events = client.events(next, arguments.once).await.map_err(|e| e.to_string())?;
        while let Some(event) = events.next().await.map_err(|e| e.to_string())? {
            next = event.seq.next();
            let text = match arguments.output.format {
                Format::Json => serde_json::to_string(&event).map_err(|e| e.to_string())?,
                Format::Text => line(&event, colour),
            };
            print_line(&text).map_err(|e| e.to_string())?;
        }
        if arguments.once {
            return Ok(ExitCode::SUCCESS);
        }
        // The server closed a slow stream: go on after the last event that came.
    }
}

/// One event in one line, coloured by what it means.
pub(crate) fn line(event: &StreamedEvent, colour: bool) -> String {
    let part = |pointer: &str| printable(event.payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let kind = part("/type");
    let ruling = part("/data/ruling");
    let code = match (kind.as_str(), ruling.as_str()) {
        (_, "ALLOW") | ("job.completed" | "approval.granted", _) => "32",
        (_, "DENY") | ("job.failed" | "job.rejected" | "approval.denied" | "job.unknown", _) => "31",
        (_, "REQUIRE_HUMAN" | "NEED_MORE_EVIDENCE") | ("approval.requested", _) => "33",
        _ => "36",
    };
    let time = part("/time").get(11..23).unwrap_or_default().to_owned();
    let who = match part("/actor/on_behalf_of").as_str() {
        "" => part("/actor/id"),
        agent => format!("{} for {agent}", part("/actor/id")),
    };
    format!(
        "{:>5}  {time}  {}  {:<22} {}{}",
        event.seq,
        paint(colour, code, &format!("{kind:<20}")),
        part("/subject").chars().take(22).collect::<String>(),
        who,
        about(event, colour, code)
    )
}

fn about(event: &StreamedEvent, colour: bool, code: &str) -> String {
    let part = |pointer: &str| printable(event.payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let list = |pointer: &str| -> String {
        let items = event.payload.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
    };
    let text = match part("/type").as_str() {
        "decision.recorded" => {
            format!("{} {}", paint(colour, &format!("1;{code}"), &part("/data/ruling")), list("/data/reasons"))
        }
        "proposal.submitted" => part("/data/proposal/summary"),
        "intent.created" => part("/data/intent/goal"),
        "result.recorded" => {
            let count = event.payload.pointer("/data/result/artifacts").and_then(Value::as_array).map_or(0, Vec::len);
            format!("{} · {count} artifacts", part("/data/result/status"))
        }
        "job.created" => part("/data/job/actions/0/tool"),
        _ => String::new(),
    };
    if text.is_empty() { text } else { format!("  {}", text.trim_end()) }
}
