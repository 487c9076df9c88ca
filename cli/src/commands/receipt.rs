//! `countersign receipt`: from a server, or from a data folder with the server dead.

use super::keys::ServerArguments;
use crate::output::{block_on, could_not};
use clap::{Args, ValueEnum};
use proof::index::LeafIndex;
use proof::receipt::Receipt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One receipt, four encodings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encoding {
    /// Ours
    Json,
    /// C2SP; one event only
    TlogProof,
    /// DSSE with an in-toto Statement v1
    Dsse,
    /// COSE receipt (RFC 9942)
    Cose,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A leaf index, or a proposal's id for its whole story
    what: String,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Encoding::Json)]
    encoding: Encoding,
    /// Where to; standard output otherwise
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// From this data folder instead of a server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArguments,
    /// Print nothing but the receipt
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match make(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => could_not(problem),
    }
}

fn make(arguments: &Arguments) -> Result<(), String> {
    let receipt = match &arguments.data {
        Some(dir) => from_folder(dir, &arguments.what)?,
        None => from_server(arguments)?,
    };
    let bytes = match arguments.encoding {
        Encoding::Json => {
            let mut bytes = receipt.to_json();
            bytes.push(b'\n');
            bytes
        }
        Encoding::TlogProof => receipt.to_tlog_proof().map_err(|e| e.to_string())?.into_bytes(),
        Encoding::Dsse | Encoding::Cose => {
            return Err("this encoding is not built yet; `json` and `tlog-proof` are".into());
        }
    };
    match &arguments.out {
        Some(path) => std::fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display())),
        None => std::io::stdout().write_all(&bytes).map_err(|e| e.to_string()),
    }
}

fn from_server(arguments: &Arguments) -> Result<Receipt, String> {
    let mut receipt = Err("no answer".to_owned());
    let code = block_on(async {
        let client = arguments.server.client();
        let answer = match arguments.what.parse::<u64>() {
            Ok(seq) => client.event_receipt(LeafIndex::new(seq)).await,
            Err(_) => client.proposal_receipt(&arguments.what).await,
        };
        receipt = answer.map_err(|e| e.to_string());
        ExitCode::SUCCESS
    });
    if code == ExitCode::SUCCESS { receipt } else { Err("no runtime".into()) }
}

/// The same from a data folder that no server has open.
fn from_folder(dir: &Path, what: &str) -> Result<Receipt, String> {
    let folder = crate::data_folder::open(dir)?;
    let size = folder.ledger.head().size;
    if let Ok(seq) = what.parse::<u64>() {
        let index = LeafIndex::new(seq);
        if !size.contains(index) {
            return Err(format!("the log has {size} events, there is none at {seq}"));
        }
        return folder.ledger.receipt(&[index]).map_err(|e| e.to_string());
    }
    let mut indices = Vec::new();
    let mut jobs = std::collections::BTreeSet::new();
    let mut at = LeafIndex::new(0);
    while size.contains(at) {
        for leaf in folder.ledger.read(at, 256).map_err(|e| e.to_string())? {
            let leaf = proof::leaf::Leaf::parse(&leaf).map_err(|e| e.to_string())?;
            let event = domain::event::Event::parse(leaf.payload).map_err(|e| e.to_string())?;
            let subject = event.header.subject.as_str();
            if let domain::event::EventData::JobCreated(minted) = &event.data
                && minted.job.proposal_id.as_str() == what
            {
                jobs.insert(format!("job/{}", minted.job.job_id));
            }
            if subject == format!("proposal/{what}") || jobs.contains(subject) {
                indices.push(at);
            }
            at = at.next();
        }
    }
    if indices.is_empty() {
        return Err(format!("there is no proposal `{what}`"));
    }
    folder.ledger.receipt(&indices).map_err(|e| e.to_string())
}
