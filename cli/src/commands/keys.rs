//! `countersign keys`: show, export, create, enrol.

use crate::data_folder;
use crate::output::{OutputArguments, block_on, could_not};
use clap::{Args, Subcommand, ValueEnum};
use client::{Client, Key};
use domain::authored::{self, SeenHead, StatementKind};
use domain::event::PrincipalKind;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::runner::NewRunner;
use ledger::keys::{KeyFolder, KeyRole};
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use schemas::key::CreateKey;
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print a public key as a vkey line
    Show(Which),
    /// Print a private key as a signer-key line, as Go's `note` package reads it
    Export(Which),
    /// Make an Ed25519 key pair in a file, for an approver, an agent or a runner
    Generate(Generate),
    /// Make an API key on a server
    Create(Create),
    /// Enrol somebody's public key, with the root key
    Enrol(Enrol),
    /// Register a runner's public key, with the root key
    Runner(RegisterRunner),
}

#[derive(Debug, Args)]
struct Which {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./countersign-data")]
    data: PathBuf,
    /// The key that signs checkpoints (the default)
    #[arg(long, group = "role")]
    checkpoint: bool,
    /// The key that signs events
    #[arg(long, group = "role")]
    event: bool,
    /// The root key
    #[arg(long, group = "role")]
    root: bool,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Args)]
struct Generate {
    /// The key's name: no white space, no `+`
    name: String,
    /// Where to put the private key
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Agent,
    Human,
    Admin,
    Service,
    Runner,
}

impl From<Kind> for PrincipalKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Agent => Self::Agent,
            Kind::Human => Self::Human,
            Kind::Admin => Self::Admin,
            Kind::Service => Self::Service,
            Kind::Runner => Self::Runner,
        }
    }
}

/// Which server, and with which key.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArguments {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub(crate) url: String,
    /// The API key
    #[arg(long, value_name = "KEY", env = "COUNTERSIGN_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
}

impl ServerArguments {
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, self.api_key.clone().map(Key::new))
    }
}

#[derive(Debug, Args)]
struct Owner {
    /// What the owner is
    #[arg(long, value_enum)]
    kind: Kind,
    /// Who the owner is; for an agent, the agent's name
    #[arg(long, value_name = "ID")]
    id: String,
    /// What the key may be used for, such as `proposal:create`; may be given several times
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,
    /// Most risk it may be used for, 0 to 1
    #[arg(long, value_name = "RISK", default_value_t = 1.0)]
    max_risk: f64,
}

impl Owner {
    fn principal(&self) -> Result<Principal, String> {
        Ok(Principal { kind: self.kind.into(), id: self.id.parse().map_err(|e| format!("--id: {e}"))? })
    }

    fn scopes(&self) -> Result<std::collections::BTreeSet<Scope>, String> {
        let known = |text: &String| {
            let names: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
            let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
            found.ok_or_else(|| format!("--scope: `{text}` is not one of {}", names.join(", ")))
        };
        self.scopes.iter().map(known).collect()
    }
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Args)]
struct Enrol {
    /// The public key, as a vkey line
    vkey: String,
    #[command(flatten)]
    owner: Owner,
    /// File of the root key
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Args)]
struct RegisterRunner {
    /// The runner's name
    runner_id: String,
    /// Its public key, as a vkey line
    vkey: String,
    /// File of the root key
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.action {
        Action::Show(which) => with_key(which, |key| key.verifier().to_string()),
        Action::Export(which) => with_key(which, SignerKey::encode),
        Action::Generate(generate) => make(generate),
        Action::Create(create) => block_on(async { create_key(create).await.unwrap_or_else(could_not) }),
        Action::Enrol(enrol) => block_on(async { enrol_key(enrol).await.unwrap_or_else(could_not) }),
        Action::Runner(runner) => block_on(async { register(runner).await.unwrap_or_else(could_not) }),
    }
}

fn with_key(which: &Which, line: impl Fn(&SignerKey) -> String) -> ExitCode {
    let role = match (which.event, which.root) {
        (true, _) => KeyRole::Event,
        (_, true) => KeyRole::Root,
        _ => KeyRole::Checkpoint,
    };
    match KeyFolder::of(&which.data).read(role) {
        Ok(key) => {
            let line = line(&key);
            which.output.data(&json!({"key": line}), || line.clone())
        }
        Err(error) => could_not(error),
    }
}

fn make(generate: &Generate) -> ExitCode {
    match generate_to(&generate.name, &generate.out) {
        Ok(key) => {
            let line = key.verifier().to_string();
            generate.output.data(&json!({"key": line, "key_id": key.verifier().key().key_id()}), || line.clone())
        }
        Err(problem) => could_not(problem),
    }
}

/// Makes a key and writes it to a new file that only its owner can read.
pub(crate) fn generate_to(name: &str, path: &Path) -> Result<SignerKey, String> {
    let name = KeyName::new(name).map_err(|e| e.to_string())?;
    let key = SignerKey::new(name, SecretKey::from_seed(ledger::keys::entropy().map_err(|e| e.to_string())?));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| writeln!(file, "{}", key.encode()).and_then(|()| file.sync_all()));
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(key)
}

async fn create_key(create: &Create) -> Result<ExitCode, String> {
    let request = CreateKey {
        principal: create.owner.principal()?,
        scopes: create.owner.scopes()?,
        effect_scopes: None,
        max_risk: create.owner.max_risk,
        expires: None,
        description: None,
    };
    let made = create.server.client().create_key(&request).await.map_err(|e| e.to_string())?;
    let key = made.key.clone().unwrap_or_default();
    Ok(create.output.data(&made, || format!("{}  {key}  (shown once)", made.key_id)))
}

/// The head that a server names, for a statement.
pub(crate) async fn seen(client: &Client) -> Result<(String, SeenHead), String> {
    let head = client.head().await.map_err(|e| e.to_string())?;
    Ok((head.origin, SeenHead { size: head.size, root: head.root }))
}

async fn enrol_key(enrol: &Enrol) -> Result<ExitCode, String> {
    let client = enrol.server.client();
    let (origin, head) = seen(&client).await?;
    let vkey = proof::note::VerifierKey::parse(&enrol.vkey).map_err(|e| e.to_string())?;
    let record = NewKey {
        key_id: vkey.key().key_id().to_string().parse().map_err(|_| "key id".to_owned())?,
        credential: Credential::Ed25519(*vkey.key()),
        principal: enrol.owner.principal()?,
        scopes: enrol.owner.scopes()?,
        effect_scopes: None,
        max_risk: enrol.owner.max_risk,
        expires: None,
        description: Some(vkey.name().as_str().to_owned()),
    };
    let root = data_folder::read_root(Path::new("."), Some(&enrol.root))?;
    let envelope =
        authored::sign(StatementKind::Key, &origin, head, &record, root.secret()).map_err(|e| e.to_string())?;
    let made = client.enrol_key(envelope).await.map_err(|e| e.to_string())?;
    Ok(enrol.output.data(&made, || format!("enrolled {}", made.key_id)))
}

async fn register(register: &RegisterRunner) -> Result<ExitCode, String> {
    let client = register.server.client();
    let (origin, head) = seen(&client).await?;
    let vkey = proof::note::VerifierKey::parse(&register.vkey).map_err(|e| e.to_string())?;
    let record = NewRunner {
        runner_id: register.runner_id.parse().map_err(|e| format!("{e}"))?,
        public_key: *vkey.key(),
        description: None,
    };
    let root = data_folder::read_root(Path::new("."), Some(&register.root))?;
    let envelope =
        authored::sign(StatementKind::Runner, &origin, head, &record, root.secret()).map_err(|e| e.to_string())?;
    let made = client.register_runner(envelope).await.map_err(|e| e.to_string())?;
    Ok(register.output.data(&made, || format!("registered {} at event {}", register.runner_id, made.seq)))
}
