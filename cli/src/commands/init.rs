//! `countersign init`.

use crate::data_folder::{self, Founding};
use crate::output::{OutputArguments, could_not};
use clap::{Args, ValueEnum};
use domain::event::ledger::Profile;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// How strict the ledger is; fixed for good.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileArgument {
    /// Root key beside the data; an admin may approve alone, recorded as such
    Dev,
    /// Nothing is relaxed; the root key lies elsewhere
    Prod,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The data folder to make
    #[arg(long, value_name = "DIR", default_value = "./countersign-data")]
    data: PathBuf,
    /// How strict the ledger is; fixed for good
    #[arg(long, value_enum, default_value_t = ProfileArgument::Dev)]
    profile: ProfileArgument,
    /// File of the root key, made if it is not there; must lie outside the data in `prod`
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// The log's name, a schema-less URL; one is made up otherwise
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let from_environment = data_folder::admin_key_from_environment();
    let key = match from_environment.clone().map_or_else(data_folder::new_api_key, Ok) {
        Ok(key) => key,
        Err(problem) => return could_not(problem),
    };
    let profile = match arguments.profile {
        ProfileArgument::Dev => Profile::Dev,
        ProfileArgument::Prod => Profile::Prod,
    };
    let founding =
        Founding { profile, root: arguments.root.as_deref(), origin: arguments.origin.as_deref(), admin_key: &key };
    let folder = match data_folder::create(&arguments.data, &founding) {
        Ok(folder) => folder,
        Err(problem) => return could_not(problem),
    };
    let info = folder.ledger.with_state(|state| state.ledger().map(|info| info.genesis.clone()));
    let Some(genesis) = info else {
        return could_not("the ledger has no genesis");
    };
    drop(folder);
    let shown = from_environment.is_none().then_some(&key);
    let answer = json!({
        "origin": genesis.origin, "profile": genesis.profile, "root": genesis.root, "event": genesis.event,
        "checkpoint": genesis.checkpoint, "policy": genesis.policy, "manifest": genesis.manifest,
        "admin_api_key": shown,
    });
    arguments.output.data(&answer, || {
        let mut text = format!(
            "ledger      {}\nprofile     {}\nroot        {}\nevent       {}\ncheckpoint  {}\npolicy      {}\nmanifest    {}",
            genesis.origin,
            if profile == Profile::Dev { "dev (root key beside the data)" } else { "prod" },
            genesis.root,
            genesis.event,
            genesis.checkpoint,
            genesis.policy,
            genesis.manifest
        );
        if let Some(key) = shown {
            text.push_str(&format!("\n\nadmin API key (shown once): {key}"));
        }
        text.push_str("\n\nGive auditors and runners the root line; they trust nothing else.");
        text
    })
}
