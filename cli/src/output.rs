//! What commands print, and how they end: 0 done, 1 could not, 2 the answer is no, 3 undecided.

use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object.
    Json,
}

/// Options of every command that prints data.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArguments {
    /// How to print data
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Print nothing but data
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl OutputArguments {
    /// Prints data, as JSON or as this text.
    pub(crate) fn data<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> ExitCode {
        let printed = match self.format {
            Format::Json => match serde_json::to_string(value) {
                Ok(json) => print_line(&json),
                Err(error) => return could_not(error),
            },
            Format::Text => print_line(&text()),
        };
        printed.map_or_else(could_not, |()| ExitCode::SUCCESS)
    }

    /// Says something to a person who is watching.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// Writes a line to standard output. A closed pipe is the reader's business.
pub(crate) fn print_line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Says something that must not go unnoticed.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Text of somebody else's, safe to show: what could move the cursor or turn the line around is shown as its code.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { out.push_str(&format!("\\u{{{:x}}}", u32::from(c))) } else { out.push(c) }
    }
    out
}

/// The command could not be carried out.
pub(crate) fn could_not(why: impl Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {why}");
    ExitCode::from(1)
}

/// The answer is no.
pub(crate) fn answer_is_no(why: impl Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::from(2)
}

/// Help and version end well; a usage error is "could not", since 2 is an answer here.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::from(error.use_stderr()))
}

/// Whether to colour: on a terminal, unless `NO_COLOR` says otherwise.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Paints text, if colours are wanted. `code` is an SGR parameter.
pub(crate) fn paint(on: bool, code: &str, text: &str) -> String {
    if on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Runs a command that talks to a server.
pub(crate) fn block_on<F: Future<Output = ExitCode>>(work: F) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => could_not(error),
    }
}
