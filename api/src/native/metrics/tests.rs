//! The text read back by the format's own rules.
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use super::*;
use ledger::metrics::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// A family: its type, and its samples by name and labels.
type Families = BTreeMap<String, (String, BTreeMap<String, f64>)>;

/// Reads the text format strictly: HELP, then TYPE, then the family's samples, each family in one piece.
fn parse(text: &str) -> Families {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut families = Families::new();
    let mut helped = None;
    let mut current: Option<String> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && !help.contains('\\'));
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped.take().as_deref(), Some(name), "HELP comes before TYPE");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            let new = families.insert(name.to_owned(), (kind.to_owned(), BTreeMap::new())).is_none();
            assert!(new, "{name} comes once");
            current = Some(name.to_owned());
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            assert!(name.chars().all(legal) && !name.starts_with(|c: char| c.is_ascii_digit()), "{name}");
            let family = current.clone().unwrap();
            let (kind, samples) = families.get_mut(&family).unwrap();
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| *name == format!("{family}{suffix}")), "{name} in {family}");
            let new = samples.insert(sample.to_owned(), value.parse().unwrap()).is_none();
            assert!(new, "{sample} comes once");
        }
    }
    families
}

/// The cumulative buckets of a histogram, by their bounds, after its own rules have been checked.
fn buckets(families: &Families, name: &str) -> Vec<(f64, f64)> {
    let (kind, samples) = &families[name];
    assert_eq!(kind, "histogram");
    let bound = |sample: &str| {
        let le = sample.strip_prefix(&format!("{name}_bucket{{le=\""))?.strip_suffix("\"}")?;
        Some(if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() })
    };
    let mut found: Vec<_> = samples.iter().filter_map(|(sample, count)| Some((bound(sample)?, *count))).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(found.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{found:?}");
    let last = found.last().unwrap();
    assert!(last.0.is_infinite() && last.1 == samples[&format!("{name}_count")]);
    found
}

#[test]
fn a_histogram_of_times_is_cumulative_in_seconds() {
    let histogram = Histogram::default();
    let times =
        [Duration::from_micros(10), Duration::from_nanos(1 << 20), Duration::from_millis(5), Duration::from_secs(40)];
    for time in &times {
        histogram.record(*time);
    }
    let mut text = Text::default();
    text.times("t_seconds", "A time.", &histogram.read());
    let families = parse(&text.0);
    for (bound, count) in buckets(&families, "t_seconds") {
        let exact = times.iter().filter(|time| time.as_secs_f64() <= bound).count();
        assert_eq!(count, f64::from(u32::try_from(exact).unwrap()), "up to {bound} s");
    }
    let sum: f64 = times.iter().map(Duration::as_secs_f64).sum();
    assert!((families["t_seconds"].1["t_seconds_sum"] - sum).abs() < 1e-9);
}

#[test]
fn a_histogram_of_counts_and_an_empty_one() {
    let histogram = Histogram::default();
    for count in [1, 1, 2, 3, 64, 500] {
        histogram.add(count);
    }
    let mut text = Text::default();
    text.counts("full", "Counts.", &histogram.read());
    text.counts("empty", "None.", &Histogram::default().read());
    let families = parse(&text.0);
    let full = buckets(&families, "full");
    assert_eq!(full.iter().map(|(_, count)| *count).collect::<Vec<_>>()[..4], [2.0, 3.0, 4.0, 4.0]);
    assert_eq!(families["full"].1["full_sum"], 571.0);
    assert!(buckets(&families, "empty").iter().all(|(_, count)| *count == 0.0));
}

#[test]
fn a_label_is_escaped() {
    let mut text = Text::default();
    text.labelled("name", "label", "a\\b\"c\nd", 7);
    assert_eq!(text.0, "name{label=\"a\\\\b\\\"c\\nd\"} 7\n");
}
