//! The report as one page of HTML: no script, nothing from elsewhere, fit to be printed.

use std::fmt::Write as _;

use crate::overview::{Overview, Rulings, Timeline};
use crate::report::proofs::{Outcome, proofs};
use crate::report::text::grouped;
use crate::report::{Report, Verdict, tell};

const STYLE: &str = include_str!("report.css");
/// Agents that get a bar.
const AGENTS: usize = 24;

/// Writes the page. Writing into a `String` cannot fail, so the result is thrown away here and below.
pub(super) fn write(report: &Report) -> String {
    let mut out = String::new();
    let name = escape(report.origin.as_deref().unwrap_or(&report.source));
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Audit of {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    verdict(&mut out, report, &name);
    problems(&mut out, report);
    proof_table(&mut out, report);
    if let Some(overview) = &report.overview {
        charts(&mut out, overview);
        exceptions(&mut out, overview);
    }
    limits(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn verdict(out: &mut String, report: &Report, name: &str) {
    let (class, word, meaning) = match report.verdict {
        Verdict::Valid => (
            "valid",
            "Valid",
            "Everything that was checked holds: nothing was altered, and every ruling follows from its policy.",
        ),
        Verdict::Invalid => {
            ("invalid", "Invalid", "Something is proven to be wrong. What comes after the first breach was not judged.")
        }
        Verdict::Insufficient => {
            ("open", "Not enough evidence", "Nothing is refuted, but something that is needed was not there.")
        }
        Verdict::Error => ("open", "Could not verify", "The verifier could not do its work."),
    };
    let _ = write!(
        out,
        "<header class=\"{class}\">\n<p class=\"eyebrow\">Audit of {name}</p>\n<h1>{word}</h1>\n<p>{meaning}</p>\n<dl>\n"
    );
    let mut fact = |term: &str, what: &str| {
        let _ = writeln!(out, "<div><dt>{term}</dt><dd>{}</dd></div>", escape(what));
    };
    if let (Some(size), Some(root)) = (report.size, report.root) {
        fact("Events under the head", &grouped(size.get()));
        fact("Root", &root.to_string());
    }
    if let Some((first, last)) = report.overview.as_ref().and_then(|all| all.first.as_ref().zip(all.last.as_ref())) {
        fact("From", first);
        fact("To", last);
    }
    fact(
        "Log's key",
        if report.key_pinned { "pinned by the auditor" } else { "self-asserted: anybody could have made such a log" },
    );
    fact("Root key", if report.root_pinned { "pinned by the auditor" } else { "self-asserted" });
    out.push_str("</dl>\n</header>\n");
}

fn problems(out: &mut String, report: &Report) {
    if report.problems.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>What is wrong</h2>\n<table>\n<tr><th>Event</th><th>Rule</th><th>In words</th></tr>\n");
    for problem in &report.problems {
        let place = problem.index.map_or_else(|| "–".to_owned(), |index| grouped(index.get()));
        let (rule, detail) = (problem.rule.name(), escape(&tell::line(&problem.detail)));
        let _ =
            writeln!(out, "<tr><td class=\"number\">{place}</td><td><code>{rule}</code></td><td>{detail}</td></tr>");
    }
    out.push_str("</table>\n</section>\n");
}

fn proof_table(out: &mut String, report: &Report) {
    out.push_str(
        "<section>\n<h2>What was proven</h2>\n<table>\n<tr><th>Proof</th><th>Outcome</th><th>In words</th></tr>\n",
    );
    for proof in proofs(report) {
        let (class, word) = match proof.outcome {
            Outcome::Holds => ("holds", "holds"),
            Outcome::Fails => ("fails", "fails"),
            Outcome::Open => ("open", "not whole"),
            Outcome::Absent => ("absent", "not made"),
        };
        let (name, detail) = (proof.name, escape(&proof.detail));
        let _ =
            writeln!(out, "<tr><td>{name}</td><td><span class=\"{class}\">{word}</span></td><td>{detail}</td></tr>");
    }
    out.push_str("</table>\n</section>\n");
}

fn charts(out: &mut String, overview: &Overview) {
    out.push_str("<section>\n<h2>Rulings on proposals</h2>\n");
    let most = overview.rulings.all().iter().map(|(_, count)| *count).max().unwrap_or(0);
    let rows: Vec<(String, Rulings)> =
        overview.rulings.all().iter().map(|(name, count)| ((*name).to_owned(), only(name, *count))).collect();
    bars(out, "Rulings", &rows, most);
    out.push_str("</section>\n<section>\n<h2>Agents</h2>\n");
    let mut agents: Vec<(String, Rulings)> =
        overview.agents.iter().map(|(name, rulings)| (name.clone(), *rulings)).collect();
    agents.sort_by_key(|(_, rulings)| std::cmp::Reverse(rulings.total()));
    let left_out = agents.len().saturating_sub(AGENTS);
    agents.truncate(AGENTS);
    let most = agents.iter().map(|(_, rulings)| rulings.total()).max().unwrap_or(0);
    bars(out, "Rulings by agent", &agents, most);
    if left_out > 0 {
        let _ = writeln!(out, "<p>{left_out} more agents with fewer proposals.</p>");
    }
    out.push_str("<p class=\"legend\"><span class=\"ALLOW\"></span>allow <span class=\"REQUIRE_HUMAN\"></span>require human <span class=\"NEED_MORE_EVIDENCE\"></span>need more evidence <span class=\"DENY\"></span>deny</p>\n</section>\n");
    out.push_str("<section>\n<h2>Events over time</h2>\n");
    timeline(out, &overview.timeline, overview.first.as_deref(), overview.last.as_deref());
    out.push_str("</section>\n");
}

fn only(name: &str, count: u64) -> Rulings {
    let mut rulings = Rulings::default();
    match name {
        "ALLOW" => rulings.allow = count,
        "REQUIRE_HUMAN" => rulings.require_human = count,
        "NEED_MORE_EVIDENCE" => rulings.need_more_evidence = count,
        _ => rulings.deny = count,
    }
    rulings
}

/// A share of `whole`, in thousandths of `length`.
fn share(part: u64, whole: u64, length: u64) -> u64 {
    let share = u128::from(part).saturating_mul(u128::from(length)) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(length)
}

/// Horizontal bars, one a row, in parts of as many colours as there are rulings.
fn bars(out: &mut String, title: &str, rows: &[(String, Rulings)], most: u64) {
    const ROW: u64 = 26;
    const LABEL: u64 = 190;
    const BAR: u64 = 430;
    let count = u64::try_from(rows.len()).unwrap_or(0);
    let height = count.saturating_mul(ROW).max(ROW);
    let _ = writeln!(out, "<svg viewBox=\"0 0 720 {height}\" role=\"img\" aria-label=\"{title}\">");
    if rows.is_empty() {
        out.push_str("<text x=\"0\" y=\"18\">none</text>\n");
    }
    for (row, (name, rulings)) in (0_u64..).zip(rows) {
        let top = row.saturating_mul(ROW);
        let short: String = name.chars().take(26).collect();
        let _ = writeln!(out, "<text x=\"0\" y=\"{}\">{}</text>", top.saturating_add(18), escape(&short));
        let mut x = LABEL;
        for (class, count) in rulings.all().iter().filter(|(_, count)| *count > 0) {
            let width = share(*count, most, BAR).max(1);
            let y = top.saturating_add(4);
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"18\"><title>{class}: {count}</title></rect>"
            );
            x = x.saturating_add(width);
        }
        let total = grouped(rulings.total());
        let _ = writeln!(out, "<text x=\"{}\" y=\"{}\">{total}</text>", x.saturating_add(6), top.saturating_add(18));
    }
    out.push_str("</svg>\n");
}

fn timeline(out: &mut String, timeline: &Timeline, first: Option<&str>, last: Option<&str>) {
    let columns = u64::try_from(timeline.events.len()).unwrap_or(1).max(1);
    let most = timeline.events.iter().copied().max().unwrap_or(0);
    let width = (720 / columns).clamp(1, 60);
    out.push_str("<svg viewBox=\"0 0 720 150\" role=\"img\" aria-label=\"Events over time\">\n");
    for (column, count) in (0_u64..).zip(&timeline.events) {
        let height = if *count == 0 { 0 } else { share(*count, most, 120).max(1) };
        let (x, y) = (column.saturating_mul(width), 120_u64.saturating_sub(height));
        let inner = width.saturating_sub(1).max(1);
        let _ = writeln!(
            out,
            "<rect class=\"column\" x=\"{x}\" y=\"{y}\" width=\"{inner}\" height=\"{height}\"><title>{count}</title></rect>"
        );
    }
    let end = columns.saturating_mul(width);
    let _ = writeln!(out, "<line x1=\"0\" y1=\"121\" x2=\"{end}\" y2=\"121\"/>");
    let _ = writeln!(out, "<text x=\"0\" y=\"142\">{}</text>", escape(first.unwrap_or("–")));
    let _ =
        writeln!(out, "<text x=\"720\" y=\"142\" text-anchor=\"end\">{}</text>\n</svg>", escape(last.unwrap_or("–")));
    let span = duration(timeline.width_ms);
    let _ = writeln!(out, "<p>One column is {span}; the highest holds {} events.</p>", grouped(most));
}

fn duration(ms: u64) -> String {
    match ms {
        0..2_000 => format!("{ms} ms"),
        2_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

fn exceptions(out: &mut String, overview: &Overview) {
    out.push_str("<section>\n<h2>Exceptions</h2>\n");
    if overview.exception_counts.is_empty() {
        out.push_str("<p>None.</p>\n</section>\n");
        return;
    }
    out.push_str("<p>No breaches: what an auditor may want to ask about.</p>\n<ul>\n");
    for (kind, count) in &overview.exception_counts {
        let _ = writeln!(out, "<li>{}: {}</li>", escape(kind), grouped(*count));
    }
    out.push_str("</ul>\n<table>\n<tr><th>Event</th><th>When</th><th>What</th><th>About</th><th>In words</th></tr>\n");
    for exception in &overview.exceptions {
        let _ = writeln!(
            out,
            "<tr><td class=\"number\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            grouped(exception.index.get()),
            escape(&exception.time),
            escape(exception.kind),
            escape(&exception.subject),
            escape(&exception.detail)
        );
    }
    out.push_str("</table>\n");
    let all: u64 = overview.exception_counts.values().sum();
    let left = all.saturating_sub(u64::try_from(overview.exceptions.len()).unwrap_or(u64::MAX));
    if left > 0 {
        let _ = writeln!(out, "<p>{} later ones are counted, not listed.</p>", grouped(left));
    }
    out.push_str("</section>\n");
}

fn limits(out: &mut String, report: &Report) {
    out.push_str("<section>\n<h2>What this does not show</h2>\n<ul>\n");
    let mut item = |text: &str| {
        let _ = writeln!(out, "<li>{text}</li>");
    };
    if !report.key_pinned {
        item("Whose log this is: its key was taken from the log itself. Pin the key that you know.");
    }
    if !report.witnessed {
        item("That nothing was left out or put in another order before it was signed: no witness signed the head.");
    }
    item("That the ledger's clock was right; only that it never went backward.");
    item("That what sensors and runners reported is true; only who reported it.");
    let seconds = report.duration_ms / 1_000;
    let _ = write!(
        out,
        "</ul>\n<p class=\"small\">Made by countersign-verify {} from `{}` in {seconds}.{:03} s.</p>\n</section>\n",
        env!("CARGO_PKG_VERSION"),
        escape(&report.source),
        report.duration_ms % 1_000
    );
}

/// Text that cannot be taken for markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(escape("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
    }

    #[test]
    fn shares_stay_within_their_length() {
        assert_eq!((share(1, 2, 430), share(u64::MAX, u64::MAX, 430), share(5, 0, 10)), (215, 430, 50));
    }
}
