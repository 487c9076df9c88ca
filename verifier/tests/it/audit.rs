//! Every proof on one page, and the page for people who are no engineers.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, checkpoint_vkey};
use crate::site::{forge, publish, site, write_data};
use countersign_verifier::report::CommandName;
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Report, Rule, Verdict, verify_overview};
use serde_json::json;
use std::process::Command;
use tempfile::tempdir;

fn audit(site: Memory) -> Report {
    verify_overview(CommandName::Audit, &Location::memory(site), &Options::default())
}

/// Elements that are opened are closed, in order; no attribute or text leaves its place.
fn assert_well_formed(html: &str) {
    let mut open = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("a tag without end: {piece}"));
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        let is_void = ["!doctype", "meta", "rect", "line"].contains(&name) && !tag.starts_with('/');
        match tag.strip_prefix('/') {
            Some(_) => {
                if name != "rect" {
                    assert_eq!(open.pop(), Some(name), "{tag}");
                }
            }
            None if is_void => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn an_audit_counts_rulings_agents_and_exceptions() {
    let (ledger, at) = Ledger::story();
    let report = audit(site(&ledger));
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    let overview = report.overview.clone().unwrap();
    let rulings = overview.rulings;
    assert_eq!((rulings.allow, rulings.deny, rulings.require_human, rulings.need_more_evidence), (2, 1, 1, 0));
    assert_eq!((overview.agents["Casey"].total(), overview.agents["Jordan"].require_human), (3, 1));
    assert_eq!(overview.timeline.events.iter().sum::<u64>(), 24);
    assert_eq!(overview.types["job.created"], 3);
    assert_eq!(overview.exception_counts, [("denied", 1)].into());
    assert_eq!(overview.exceptions[0].index.get(), at.secrets + 1);
    assert_eq!(overview.receipts, 13, "every second event, and the last");
    let text = report.to_text(false);
    for part in [
        "+ Head",
        "+ Decisions",
        "5 derived again",
        "+ Read model 6 digests",
        "- Journal",
        "- Witnesses",
        "a sample of 13 holds",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn of_a_false_log_the_failing_proof_is_marked() {
    let (ledger, _) = Ledger::story();
    let forged = forge(&ledger, |payloads| payloads[9]["data"]["ruling"] = json!("ALLOW"));
    let report = audit(publish(&forged, &ledger.policy));
    assert_invalid(&report, Some(9), Rule::PayloadDiffers);
    let text = report.to_text(false);
    assert!(text.contains("X Decisions") && text.contains("? Chain") && !text.contains("+ "), "{text}");
    assert_eq!(report.overview.as_ref().unwrap().types.values().sum::<u64>(), 8, "what was seen before the breach");
    let html = report.to_html();
    assert_well_formed(&html);
    assert!(html.contains("<h1>Invalid</h1>") && html.contains("<code>payload_differs</code>"));
}

#[test]
fn the_page_stands_alone_and_foreign_text_stays_text() {
    let (mut ledger, _) = Ledger::story();
    let mut proposal = crate::material::secrets("p-<img>");
    proposal.summary = domain::content::Text::Inline("</td><script>alert(1)</script>".into());
    ledger.propose("key_lee", proposal);
    let html = audit(site(&ledger)).to_html();
    for banned in ["<script", "<img", "<link", "src=", "href=", "@import", "url(", "javascript:"] {
        assert!(!html.contains(banned), "{banned}");
    }
    assert_well_formed(&html);
    for part in ["<h1>Valid</h1>", "<svg ", "Rulings by agent", "p-&lt;img&gt;", "self-asserted", "@media print"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn the_binary_writes_the_page_and_exits_as_always() {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_data(&ledger, 21, &folder.path().join("data"));
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-verify"));
        command.current_dir(folder.path()).args(args).output().unwrap()
    };
    let key = checkpoint_vkey().to_string();
    let output = run(&["audit", "data", "--key", &key, "--html", "page.html"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("+ Journal    24 events equal"), "{text}");
    assert!(std::fs::read_to_string(folder.path().join("page.html")).unwrap().contains("pinned by the auditor"));
    assert_eq!(run(&["replay", "data", "--html", "replay.html"]).status.code(), Some(0));
    assert!(folder.path().join("replay.html").is_file());
    assert_eq!(run(&["audit", "data", "--html", "no/such/folder"]).status.code(), Some(1));
    let report: serde_json::Value =
        serde_json::from_slice(&run(&["audit", "data", "--format", "json"]).stdout).unwrap();
    assert_eq!((&report["command"], &report["overview"]["rulings"]["deny"]), (&json!("audit"), &json!(1)));
}
