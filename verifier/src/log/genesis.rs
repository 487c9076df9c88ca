//! The first event: who the log is, and which keys speak for it.

use domain::authored::{self, StatementKind};
use domain::event::ledger::LedgerCreated;
use domain::event::{Event, EventData};
use proof::note::KeyKind;
use proof::{Hash, Leaf, LeafIndex, PublicKey, VerifierKey};

use super::entry;
use crate::rule::{Finding, Rule};

/// What the genesis says, once its signatures hold. It is a claim until the checkpoint key or the root key is pinned.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) origin: String,
    pub(crate) root: VerifierKey,
    pub(crate) event: PublicKey,
    pub(crate) checkpoint: VerifierKey,
    pub(crate) policy: Hash,
    pub(crate) manifest: Hash,
}

impl Identity {
    /// Whether this is the log whose checkpoints `key` signs, and whose root key is the one that the user pinned.
    pub(crate) fn check(&self, key: &VerifierKey, root: Option<&VerifierKey>) -> Result<(), Finding> {
        if self.checkpoint != *key {
            let named = format!("the genesis of `{}` names {:08x}", self.origin, self.checkpoint.hash());
            let expected = format!("checkpoint key {:08x} of `{}`", key.hash(), key.name());
            return Err(Finding::expected(FIRST, Rule::CheckpointKey, expected, named));
        }
        match root {
            Some(root) if *root != self.root => {
                let (expected, got) = (root.key().key_id(), self.root.key().key_id());
                Err(Finding::expected(FIRST, Rule::RootKey, format_args!("root key {expected}"), got))
            }
            _ => Ok(()),
        }
    }
}

const FIRST: LeafIndex = LeafIndex::new(0);

/// Reads the genesis from the first leaf: its keys, the event signature by the event key that it names, and root's
/// statement over all of it.
pub(crate) fn read(leaf: &[u8]) -> Result<Identity, Finding> {
    let leaf = Leaf::parse(leaf).map_err(|error| entry::malformed(FIRST, &error))?;
    // The keys to check it with stand inside, so it is read first and believed afterwards.
    let event = Event::parse(leaf.payload).map_err(|error| Finding::at(FIRST, Rule::Event, error))?;
    let EventData::LedgerCreated(created) = &event.data else {
        return Err(Finding::expected(
            FIRST,
            Rule::Genesis,
            "`ledger.created`",
            format_args!("`{}`", event.data.type_name()),
        ));
    };
    let identity = identity(created)?;
    entry::check_signature(FIRST, &leaf, &identity.event)?;
    check_root(created, &identity)?;
    Ok(identity)
}

fn identity(created: &LedgerCreated) -> Result<Identity, Finding> {
    let genesis = &created.genesis;
    let key = |what: &str, line: &str| {
        let key = VerifierKey::parse(line)
            .map_err(|error| Finding::at(FIRST, Rule::Genesis, format_args!("{what} key: {error}")))?;
        match key.kind() {
            KeyKind::Ed25519 => Ok(key),
            KeyKind::Cosignature => {
                Err(Finding::at(FIRST, Rule::Genesis, format_args!("the {what} key is a witness's")))
            }
        }
    };
    let checkpoint = key("checkpoint", &genesis.checkpoint)?;
    if checkpoint.name().as_str() != genesis.origin {
        let got = format!("a checkpoint key named `{}`", checkpoint.name());
        return Err(Finding::expected(FIRST, Rule::Genesis, format_args!("the origin `{}`", genesis.origin), got));
    }
    Ok(Identity {
        origin: genesis.origin.clone(),
        root: key("root", &genesis.root)?,
        event: *key("event", &genesis.event)?.key(),
        checkpoint,
        policy: genesis.policy,
        manifest: genesis.manifest,
    })
}

fn check_root(created: &LedgerCreated, identity: &Identity) -> Result<(), Finding> {
    let (envelope, origin) = (&created.authored, identity.origin.as_str());
    authored::check(envelope, identity.root.key(), StatementKind::Genesis, origin, &created.genesis)
        .map(|_| ())
        .map_err(|no| Finding::at(FIRST, Rule::RootStatement, no))
}
