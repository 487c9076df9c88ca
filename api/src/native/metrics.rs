//! `GET /metrics`: what the server counts about itself, in the Prometheus text format 0.0.4.

use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::event::key::Scope;
use ledger::metrics::Reading;

/// What the format calls itself.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Powers of two of nanoseconds that times are cut at: 33 µs to 17 s.
const TIME_BITS: std::ops::RangeInclusive<u32> = 15..=34;
/// Powers of two that counts are cut at.
const COUNT_BITS: std::ops::RangeInclusive<u32> = 0..=12;

/// Answers a scraper. Nothing here is secret from who may read the log, and from nobody else is it known.
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    if !app.options.open_reads {
        auth::require(&app, &headers, Scope::LogRead)?;
    }
    let checkpoint = app.site.join("checkpoint");
    let written = tokio::fs::metadata(&checkpoint).await.and_then(|found| found.modified());
    let published_age = written.ok().and_then(|at| at.elapsed().ok());
    let mut text = Text::default();
    log(&app, published_age, &mut text);
    writer(&app, &mut text);
    snapshots(&app, &mut text);
    let mut response = text.0.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn log(app: &App, published_age: Option<std::time::Duration>, text: &mut Text) {
    let (size, position) = (app.ledger.head().size.get(), app.models.position().get());
    text.family("countersign_build_info", "gauge", "The version that runs; always 1.");
    text.labelled("countersign_build_info", "version", env!("CARGO_PKG_VERSION"), 1);
    text.gauge("countersign_log_size", "Events in the log.", size);
    let age = app.ledger.metrics().head_age();
    text.seconds("countersign_head_age_seconds", "Time since the last commit, or since the start.", age);
    let published = app.ledger.published_size().get();
    text.gauge("countersign_published_size", "Events under the published checkpoint.", published);
    if let Some(age) = published_age {
        let help = "Time since the published checkpoint was written.";
        text.seconds("countersign_published_age_seconds", help, age);
    }
    text.gauge("countersign_read_models_position", "Events that the read models have folded.", position);
    let lag = size.saturating_sub(position);
    text.gauge("countersign_read_models_lag_events", "Events that the read models are behind.", lag);
    let metrics = app.ledger.metrics();
    text.counter(
        "countersign_bundles_scrubbed_total",
        "Bundles of old events read again since the start.",
        metrics.bundles_scrubbed(),
    );
    text.counter(
        "countersign_files_mended_total",
        "Files of the site that were wrong and made again.",
        metrics.files_mended(),
    );
    let up = u64::from(app.ledger.stopped().is_none() && app.ledger.damaged().is_none());
    text.gauge("countersign_writer_up", "Whether the writer takes commands.", up);
}

fn writer(app: &App, text: &mut Text) {
    let metrics = app.ledger.metrics();
    let help = "Commands that wait: queued, or in the commit under way.";
    text.gauge("countersign_queue_depth", help, metrics.waiting());
    text.counter("countersign_commits_total", "Commits since the start.", metrics.commits());
    text.counter("countersign_events_total", "Events committed since the start.", metrics.events());
    text.family("countersign_refusals_total", "counter", "Commands that left no events, by why.");
    for (why, count) in metrics.refused() {
        text.labelled("countersign_refusals_total", "reason", why, count);
    }
    let help = "Commands refused because too many waited.";
    let overloads = metrics.refused().find(|(why, _)| *why == "overloaded").map_or(0, |(_, count)| count);
    text.counter("countersign_overloads_total", help, overloads);
    text.counts("countersign_commit_events", "Events of a commit.", &metrics.batch());
    let help = "The journal's part of a commit: write and sync.";
    text.times("countersign_journal_append_seconds", help, &metrics.append());
    let help = "From when a command is queued until it is answered.";
    text.times("countersign_commit_latency_seconds", help, &metrics.latency());
}

fn snapshots(app: &App, text: &mut Text) {
    let metrics = app.ledger.metrics();
    text.counter("countersign_snapshots_total", "Snapshots taken since the start.", metrics.snapshots());
    text.gauge("countersign_snapshot_bytes", "Bytes of the last snapshot that was taken.", metrics.snapshot_bytes());
    let lag = app.ledger.head().size.get().saturating_sub(metrics.snapshot_size());
    text.gauge("countersign_snapshot_lag_events", "Events that a restart would replay.", lag);
    text.times("countersign_snapshot_seconds", "How long a snapshot takes.", &metrics.snapshot_time());
}

/// The text, line by line. Names and help texts here hold nothing that must be escaped; label values are escaped.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.0.push_str(&format!("{name} {value}\n"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.0.push_str(&format!("{name} {value}\n"));
    }

    fn seconds(&mut self, name: &str, help: &str, time: std::time::Duration) {
        self.family(name, "gauge", help);
        self.0.push_str(&format!("{name} {}\n", time.as_secs_f64()));
    }

    fn labelled(&mut self, name: &str, label: &str, value: &str, count: u64) {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        self.0.push_str(&format!("{name}{{{label}=\"{value}\"}} {count}\n"));
    }

    /// A histogram of plain numbers.
    fn counts(&mut self, name: &str, help: &str, reading: &Reading) {
        self.family(name, "histogram", help);
        for bits in COUNT_BITS {
            self.labelled(&format!("{name}_bucket"), "le", &(1_u64 << bits).to_string(), reading.up_to(bits));
        }
        self.end_of_histogram(name, &reading.sum().to_string(), reading.count());
    }

    /// A histogram of times.
    fn times(&mut self, name: &str, help: &str, reading: &Reading) {
        self.family(name, "histogram", help);
        for bits in TIME_BITS {
            self.labelled(&format!("{name}_bucket"), "le", &seconds(1 << bits), reading.up_to(bits));
        }
        self.end_of_histogram(name, &seconds(reading.sum()), reading.count());
    }

    fn end_of_histogram(&mut self, name: &str, sum: &str, count: u64) {
        self.labelled(&format!("{name}_bucket"), "le", "+Inf", count);
        self.0.push_str(&format!("{name}_sum {sum}\n{name}_count {count}\n"));
    }
}

/// Nanoseconds as seconds, every digit of them.
fn seconds(nanoseconds: u64) -> String {
    format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

#[cfg(test)]
mod tests;
