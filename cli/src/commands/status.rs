//! `countersign status`: how a server is, on one page.

use crate::output::{OutputArguments, block_on, colour, could_not, paint, printable};
use clap::Args;
use client::Client;
use serde::Serialize;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// A published head that is older than this, while there is a newer one, is a problem.
const HEAD_AGE_MAX_MS: u64 = 10_000;
/// How often, and how many times, read models that are behind are looked at again.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct Status {
    url: String,
    healthy: bool,
    /// What is not as it should be, in words.
    problems: Vec<String>,
    /// As the server says.
    health: Value,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    block_on(async {
        let client = Client::new(&arguments.url, None);
        let status = match look(&client).await {
            Ok(status) => status,
            Err(error) => return could_not(error),
        };
        let printed = arguments.output.data(&status, || page(&status));
        if printed == ExitCode::SUCCESS && !status.healthy { ExitCode::from(2) } else { printed }
    })
}

async fn look(client: &Client) -> Result<Status, client::Error> {
    let mut health = client.health().await?;
    // A read model that folds what has just been committed is not behind.
    let size = number(&health, "/size");
    for _ in 0..LOOKS {
        if number(&health, "/projections") >= size {
            break;
        }
        tokio::time::sleep(LOOK).await;
        health = client.health().await?;
    }
    let problems = problems(&health, size);
    Ok(Status { url: client.base().to_owned(), healthy: problems.is_empty(), problems, health })
}

/// What is wrong. `size` is what the log had when it was first looked at.
fn problems(health: &Value, size: u64) -> Vec<String> {
    let mut problems = Vec::new();
    if !is(health, "/ok") {
        problems.push("the writer has stopped; nothing is accepted until a restart".to_owned());
    }
    let (folded, published, age) =
        (number(health, "/projections"), number(health, "/published"), number(health, "/head_age_ms"));
    if folded < size {
        problems.push(format!("the read models are behind: {folded} of {size} events"));
    }
    let witnessed = health.get("witnessed");
    if witnessed.is_some_and(|witnessed| is(witnessed, "/fork_suspected")) {
        problems.push("a witness knows another history of this log: it may have been forked or rolled back".to_owned());
    }
    let closed = witnessed.is_some_and(|witnessed| text(witnessed, "/mode") == "closed");
    if witnessed.is_some_and(|witnessed| !is(witnessed, "/quorum")) {
        let effect = if closed { "no head is published" } else { "heads are published without them" };
        problems.push(format!("too few witnesses cosign; {effect}"));
    } else if published < size && age > HEAD_AGE_MAX_MS {
        problems.push(format!("the site is behind: {published} of {size} events, since {}", seconds(age)));
    }
    problems
}

fn page(status: &Status) -> String {
    let (colour, health) = (colour(), &status.health);
    let mut lines = vec![format!("{} · {}", printable(text(health, "/origin")), status.url)];
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<12} {value}"));
    let writer = if is(health, "/ok") { paint(colour, "32", "accepts") } else { paint(colour, "31", "stopped") };
    line("writer", writer);
    line("events", number(health, "/size").to_string());
    line(
        "published",
        match health.pointer("/published").and_then(Value::as_u64) {
            Some(size) => format!("{size}, {} ago", seconds(number(health, "/head_age_ms"))),
            None => "nothing yet".to_owned(),
        },
    );
    line("read models", number(health, "/projections").to_string());
    match health.get("witnessed") {
        None => line("witnesses", "none are asked".to_owned()),
        Some(witnessed) => {
            let quorum = if is(witnessed, "/quorum") { "quorum reached" } else { "no quorum" };
            let head = match witnessed.pointer("/age_ms").and_then(Value::as_u64) {
                Some(age) => format!(
                    "{} on the head of {}, {} ago",
                    number(witnessed, "/witnesses"),
                    number(witnessed, "/size"),
                    seconds(age)
                ),
                None => "no head cosigned yet".to_owned(),
            };
            line("witnesses", format!("{head}; {quorum}; mode {}", printable(text(witnessed, "/mode"))));
            for witness in witnessed.get("each").and_then(Value::as_array).into_iter().flatten() {
                let fault = witness.get("fault").and_then(Value::as_str).map(|fault| format!(": {}", printable(fault)));
                let name = printable(text(witness, "/name"));
                line("", format!("{name} at {}{}", number(witness, "/size"), fault.unwrap_or_default()));
            }
        }
    }
    if status.healthy {
        lines.push(paint(colour, "32", "healthy"));
    }
    lines.extend(status.problems.iter().map(|problem| paint(colour, "31", &format!("not healthy: {problem}"))));
    lines.join("\n")
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn healthy() -> Value {
        json!({"ok": true, "size": 9, "projections": 9, "published": 9, "head_age_ms": 90_000, "origin": "a",
               "witnessed": {"size": 9, "age_ms": 5, "witnesses": 2, "quorum": true, "mode": "closed",
                             "fork_suspected": false, "each": []}})
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut health = healthy();
        *health.pointer_mut(pointer).unwrap() = value;
        health
    }

    #[test]
    fn each_thing_that_is_wrong_is_named() {
        assert!(problems(&healthy(), 9).is_empty());
        for (health, word) in [
            (with("/ok", json!(false)), "writer"),
            (with("/projections", json!(8)), "read models"),
            (with("/witnessed/fork_suspected", json!(true)), "another history"),
            (with("/witnessed/quorum", json!(false)), "no head is published"),
            (with("/published", json!(8)), "site is behind"),
        ] {
            let found = problems(&health, 9);
            assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
        }
        let mut open = with("/witnessed/quorum", json!(false));
        open["witnessed"]["mode"] = json!("open");
        assert!(problems(&open, 9)[0].contains("without them"));
        // An idle log's head grows old, and a busy one's is always a little behind.
        let mut busy = with("/published", json!(8));
        busy["head_age_ms"] = json!(900);
        assert!(problems(&busy, 9).is_empty());
    }

    #[test]
    fn the_page_shows_each_witness_and_what_is_wrong() {
        let mut health = with("/witnessed/each", json!([{"name": "w1", "size": 7, "fault": "no\u{1b} answer"}]));
        health["witnessed"]["quorum"] = json!(false);
        let problems = problems(&health, 9);
        let page = page(&Status { url: "http://here".into(), healthy: false, problems, health });
        for part in
            ["a · http://here", "w1 at 7: no\\u{1b} answer", "90.0 s ago", "mode closed", "not healthy: too few"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
