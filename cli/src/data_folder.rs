//! A data folder: making one, and opening it with its keys and policy.

use clap::Args;
use domain::authored::{self, SeenHead, StatementKind};
use domain::command::Command;
use domain::event::PrincipalKind;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::ledger::{Genesis, Profile};
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use ledger::durable::Staging;
use ledger::keys::{KeyFolder, KeyRole};
use ledger::{Ledger, Options, Publish, Sequencer};
use proof::note::SignerKey;
use std::path::{Path, PathBuf};

/// The readable policy that a new ledger starts with.
pub(crate) const DEFAULT_POLICY: [(&str, &str); 3] = [
    ("agents.toml", include_str!("../../policy/default/agents.toml")),
    ("approvals.toml", include_str!("../../policy/default/approvals.toml")),
    ("effects.toml", include_str!("../../policy/default/effects.toml")),
];
const DEFAULT_MANIFEST: &str = include_str!("../../policy/default/manifest.json");

/// A problem in words a person can act on.
pub(crate) type Problem = String;

/// What a new ledger is to be.
#[derive(Debug)]
pub(crate) struct Founding<'a> {
    pub(crate) profile: Profile,
    /// Where the root key lies or is to lie, if not beside the data.
    pub(crate) root: Option<&'a Path>,
    /// The log's name; one is made up when absent.
    pub(crate) origin: Option<&'a str>,
    /// The first API key, an admin's.
    pub(crate) admin_key: &'a str,
}

/// Sizes that tests make small, so that what happens once in a long while happens at once.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Sizes {
    /// For tests: events from one snapshot to the next
    #[arg(long, hide = true, value_name = "N")]
    snapshot_every: Option<u64>,
    /// For tests: the size of each segment of the journal
    #[arg(long, hide = true, value_name = "BYTES")]
    segment_bytes: Option<u64>,
}

impl Sizes {
    fn of(self, mut options: Options) -> Options {
        if let Some(events) = self.snapshot_every {
            options = options.with_snapshot_every(events);
        }
        if let Some(bytes) = self.segment_bytes {
            options = options.with_segment_bytes(bytes);
        }
        options
    }
}

/// An open ledger and what its composition needs.
pub(crate) struct OpenFolder {
    pub(crate) ledger: Ledger,
    pub(crate) sequencer: Sequencer,
    pub(crate) salt: [u8; 32],
}

/// Whether there is a ledger.
pub(crate) fn exists(dir: &Path) -> bool {
    KeyFolder::of(dir).path(KeyRole::Checkpoint).exists()
}

/// The bundle and manifest that a new ledger starts with.
pub(crate) fn default_policy() -> Result<Policy, Problem> {
    let bundle = Bundle::compile(&DEFAULT_POLICY).map_err(|e| e.to_string())?;
    let manifest = Manifest::parse(DEFAULT_MANIFEST.as_bytes()).map_err(|e| e.to_string())?;
    Ok(Policy::new(bundle, manifest))
}

/// An API key nobody could guess.
pub(crate) fn new_api_key() -> Result<String, Problem> {
    Ok(format!("cs_{}", hex::encode(ledger::keys::entropy().map_err(|e| e.to_string())?)))
}

/// The admin key that the environment names, if it does.
pub(crate) fn admin_key_from_environment() -> Option<String> {
    ["COUNTERSIGN_API_KEY", "M87_API_KEY"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|key| !key.is_empty()))
}

/// The record of an admin's API key.
pub(crate) fn admin_record(salt: &[u8; 32], key: &str) -> Result<NewKey, Problem> {
    let hash = api::api_key_hash(salt, key);
    let id: String = hash.to_string().chars().take(16).collect();
    Ok(NewKey {
        key_id: format!("key_{id}").parse().map_err(|_| "cannot name the key".to_owned())?,
        credential: Credential::Api(hash),
        principal: Principal {
            kind: PrincipalKind::Admin,
            id: "bootstrap".parse().map_err(|_| "cannot name the admin".to_owned())?,
        },
        scopes: Scope::ALL.into_iter().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: Some("the first admin key".into()),
    })
}

/// Makes keys and a genesis, and commits it.
pub(crate) fn create(dir: &Path, founding: &Founding<'_>) -> Result<OpenFolder, Problem> {
    create_as(dir, founding, Publish::Heads, Sizes::default())
}

/// The same, with another choice of the heads that are published, and other sizes.
pub(crate) fn create_as(
    dir: &Path,
    founding: &Founding<'_>,
    publish: Publish,
    sizes: Sizes,
) -> Result<OpenFolder, Problem> {
    if exists(dir) {
        return Err(format!("{} holds a ledger already", dir.display()));
    }
    check_no_log(dir)?;
    let policy = default_policy()?;
    ledger::durable::ensure_dir(dir, ledger::durable::Mode::Private).map_err(|e| e.to_string())?;
    // Nobody else founds here meanwhile; the journal takes the lock over.
    let lock = ledger::lock::DirLock::acquire(dir).map_err(|e| e.to_string())?;
    let begun = |role| KeyFolder::of(dir).path(role).exists();
    if exists(dir) || begun(KeyRole::Event) || founding.root.is_none() && begun(KeyRole::Root) {
        return Err(format!("{} was begun before: making a ledger was interrupted; remove the folder", dir.display()));
    }
    let staging = Staging::open(dir).map_err(|e| e.to_string())?;
    let origin = match founding.origin {
        Some(origin) => origin.to_owned(),
        None => made_up_origin()?,
    };
    let keys = KeyFolder::of(dir);
    let root = root_key(dir, founding, &staging, &origin)?;
    let event = keys.create(&staging, KeyRole::Event, &origin).map_err(|e| e.to_string())?;
    let salt = keys.create_api_key_salt(&staging).map_err(|e| e.to_string())?;
    // The checkpoint key comes last: it is what says that there is a ledger here.
    let checkpoint = keys.create(&staging, KeyRole::Checkpoint, &origin).map_err(|e| e.to_string())?;
    drop(staging);
    drop(lock);
    let genesis = Genesis {
        origin: origin.clone(),
        profile: founding.profile,
        root: root.verifier().to_string(),
        event: event.verifier().to_string(),
        checkpoint: checkpoint.verifier().to_string(),
        policy: policy.bundle_digest(),
        manifest: policy.manifest_digest(),
        keys: vec![admin_record(&salt, founding.admin_key)?],
    };
    let authored = authored::sign(StatementKind::Genesis, &origin, SeenHead::empty(), &genesis, root.secret())
        .map_err(|e| e.to_string())?;
    let options = sizes.of(Options::new(event, checkpoint).with_publish(publish));
    let (ledger, sequencer, _) = ledger::open(dir, options, Some(policy)).map_err(|e| e.to_string())?;
    let mut folder = OpenFolder { ledger, sequencer, salt };
    crate::server::submit(&mut folder, Command::CreateLedger { genesis, authored })?;
    Ok(folder)
}

/// Opens a ledger that exists. Heads are published as its last server did: one that published none without its witnesses
/// must not be undone by a command that only looks.
pub(crate) fn open(dir: &Path) -> Result<OpenFolder, Problem> {
    open_as(dir, api::witness::remembered_mode(dir).unwrap_or_default().publish(), Sizes::default())
}

/// The same, with this choice of the heads that are published, and these sizes.
pub(crate) fn open_as(dir: &Path, publish: Publish, sizes: Sizes) -> Result<OpenFolder, Problem> {
    let keys = KeyFolder::of(dir);
    let event = keys.read(KeyRole::Event).map_err(|e| e.to_string())?;
    let checkpoint = keys.read(KeyRole::Checkpoint).map_err(|e| e.to_string())?;
    let options = sizes.of(Options::new(event, checkpoint).with_publish(publish));
    let (ledger, sequencer, report) = ledger::open(dir, options, None).map_err(|e| e.to_string())?;
    let salt = keys.api_key_salt().map_err(|e| e.to_string())?;
    // Whoever opens a folder says what was put right in it.
    let site = report.site();
    let repaired = site.missing.iter().chain(&site.damaged).map(|file| format!("made again: {}", file.display()));
    for note in report.dropped().into_iter().chain(repaired) {
        crate::output::note(&note);
    }
    Ok(OpenFolder { ledger, sequencer, salt })
}

/// A log without keys is no place to found another: it was restored without them, or not to its end.
fn check_no_log(dir: &Path) -> Result<(), Problem> {
    if dir.join("restoring").exists() {
        return Err(format!("{}: a restore was interrupted; run `countersign restore` again", dir.display()));
    }
    if dir.join("journal").exists() || dir.join("public").join("checkpoint").exists() {
        let keys = dir.join("keys");
        return Err(format!(
            "{} holds a log but not its keys: put `event.key`, `checkpoint.key` and `api-salt` into {}",
            dir.display(),
            keys.display()
        ));
    }
    Ok(())
}

fn made_up_origin() -> Result<String, Problem> {
    let entropy = ledger::keys::entropy().map_err(|e| e.to_string())?;
    let name: String = hex::encode(entropy).chars().take(12).collect();
    Ok(format!("countersign.local/{name}"))
}

/// The root key: read where it lies, else made there. In a `dev` ledger it may lie beside the data.
fn root_key(dir: &Path, founding: &Founding<'_>, staging: &Staging, origin: &str) -> Result<SignerKey, Problem> {
    let keys = KeyFolder::of(dir);
    let Some(path) = founding.root else {
        if founding.profile == Profile::Prod {
            return Err("a `prod` ledger needs `--root FILE`: the root key must not lie beside the data".into());
        }
        return keys.create(staging, KeyRole::Root, origin).map_err(|e| e.to_string());
    };
    if founding.profile == Profile::Prod && inside(dir, path) {
        return Err(format!("{} lies inside the data folder; a `prod` root key must not", path.display()));
    }
    if path.exists() {
        return ledger::keys::read(path).map_err(|e| e.to_string());
    }
    let key = ledger::keys::generate(&KeyRole::Root.key_name(origin)).map_err(|e| e.to_string())?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut file = rustix::fs::open(
        path,
        rustix::fs::OFlags::CREATE
            | rustix::fs::OFlags::EXCL
            | rustix::fs::OFlags::WRONLY
            | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .map(std::fs::File::from)
    .map_err(|e| format!("cannot make {}: {e}", path.display()))?;
    let written =
        std::io::Write::write_all(&mut file, format!("{}\n", key.encode()).as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    ledger::durable::sync_dir(&parent).map_err(|e| e.to_string())?;
    Ok(key)
}

fn inside(dir: &Path, path: &Path) -> bool {
    let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_owned());
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    real(parent).starts_with(real(dir))
}

/// The root key of a ledger, from where it lies beside the data or from a named file.
pub(crate) fn read_root(dir: &Path, file: Option<&Path>) -> Result<SignerKey, Problem> {
    match file {
        Some(path) => ledger::keys::read(path).map_err(|e| e.to_string()),
        None => {
            KeyFolder::of(dir).read(KeyRole::Root).map_err(|e| format!("{e}; name the root key with `--root FILE`"))
        }
    }
}
