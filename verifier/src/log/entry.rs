//! What can be said of one entry by itself: it is a canonical leaf, the event key signed it, its payload is an event.

use domain::event::{Event, EventError};
use domain::replay::Recorded;
use proof::canonical::JsonErrorKind;
use proof::leaf::{LeafError, MAX_LEAF_BYTES};
use proof::{EnvelopeSignature, Hash, Leaf, LeafIndex, PublicKey, Signature, base64, merkle, sha256};

use super::link::Link;
use crate::rule::{Finding, Rule};

/// An entry that holds by itself.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where it stands.
    pub(crate) index: LeafIndex,
    /// Of the whole leaf.
    pub(crate) leaf_hash: Hash,
    /// Of the payload, for the next event's `prev`.
    pub(crate) payload_hash: Hash,
    /// Its place in the chain.
    pub(crate) link: Link,
    /// The event, unless only the structure is looked at.
    pub(crate) recorded: Option<Recorded>,
}

/// What is looked at in each entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks<'a> {
    /// The log's name.
    pub(crate) origin: &'a str,
    pub(crate) event_key: &'a PublicKey,
    /// Form and header only: neither the event's signature nor its content.
    pub(crate) structure_only: bool,
}

/// Checks the entry at `index`.
pub(crate) fn check(index: LeafIndex, bytes: &[u8], checks: Checks<'_>) -> Result<Entry, Finding> {
    let leaf_hash = merkle::leaf_hash(bytes);
    let Checks { origin, event_key, structure_only } = checks;
    if structure_only {
        let payload = match split_leaf(bytes, event_key) {
            Some((payload, _)) => payload,
            None => parse_leaf(index, bytes, event_key)?.payload,
        };
        let link = Link::scan(payload, index, origin).map_err(|finding| {
            // Perhaps it is not even a leaf: then that is what is wrong.
            parse_leaf(index, bytes, event_key).err().unwrap_or(finding)
        })?;
        return Ok(Entry { index, leaf_hash, payload_hash: sha256(payload), link, recorded: None });
    }
    let leaf = match split_leaf(bytes, event_key) {
        Some((payload, signature)) => Leaf { payload, signatures: vec![signature] },
        None => parse_leaf(index, bytes, event_key)?,
    };
    let event = Event::parse(leaf.payload);
    if let Err(EventError::Malformed(_)) = event {
        // Perhaps it is not even canonical JSON: then that is what is wrong.
        parse_leaf(index, bytes, event_key)?;
    }
    check_signature(index, &leaf, event_key)?;
    let event = event.map_err(|error| {
        let rule = match error {
            EventError::Malformed(_) => Rule::Event,
            EventError::UnknownVersion(_) | EventError::UnknownType(_) => Rule::EventUnknown,
        };
        Finding::at(index, rule, error)
    })?;
    let link = Link::of(&event, index, origin);
    let recorded = Some(Recorded { event, payload: leaf.payload.to_vec() });
    Ok(Entry { index, leaf_hash, payload_hash: sha256(leaf.payload), link, recorded })
}

/// Reads a leaf of whatever form, and says what is wrong with it.
fn parse_leaf<'a>(index: LeafIndex, bytes: &'a [u8], event_key: &PublicKey) -> Result<Leaf<'a>, Finding> {
    let leaf = Leaf::parse(bytes).map_err(|error| malformed(index, &error))?;
    only_signature(index, &leaf, event_key).map(|()| leaf)
}

const BEFORE: &[u8] = b"{\"payload\":";
const BETWEEN: &[u8] = b",\"signatures\":[{\"keyid\":\"";
const SIG: &[u8] = b"\",\"sig\":\"";
const BEHIND: &[u8] = b"\"}]}";
/// Base64 characters of a signature.
const SIG_CHARS: usize = 88;
/// `ed25519:` and 32 hex digits.
const KEY_ID_CHARS: usize = 40;

/// Takes the usual leaf apart: one signature, which claims to be by the event key. What stands for the payload has not
/// been looked at; if it is a canonical object, this is the leaf that [`Leaf::parse`] reads.
fn split_leaf<'a>(bytes: &'a [u8], event_key: &PublicKey) -> Option<(&'a [u8], EnvelopeSignature)> {
    let keyid = event_key.key_id();
    if bytes.len() > MAX_LEAF_BYTES {
        return None;
    }
    let rest = bytes.strip_prefix(BEFORE)?.strip_suffix(BEHIND)?;
    let (rest, sig) = rest.split_at_checked(rest.len().checked_sub(SIG_CHARS)?)?;
    let (payload, between) =
        rest.split_at_checked(rest.len().checked_sub(BETWEEN.len() + KEY_ID_CHARS + SIG.len())?)?;
    let named = between.strip_prefix(BETWEEN)?.strip_suffix(SIG)?;
    if std::str::from_utf8(named).ok()?.parse() != Ok(keyid) || payload.first() != Some(&b'{') {
        return None;
    }
    let sig = base64::decode(std::str::from_utf8(sig).ok()?).ok()?;
    Some((payload, EnvelopeSignature { keyid, sig: Signature::new(sig.try_into().ok()?) }))
}

/// The ledger writes exactly one signature; a second one would be a second spelling of the same event.
fn only_signature(index: LeafIndex, leaf: &Leaf<'_>, event_key: &PublicKey) -> Result<(), Finding> {
    let [signature] = leaf.signatures.as_slice() else {
        return Err(Finding::expected(index, Rule::EventKey, "one signature", leaf.signatures.len()));
    };
    let keyid = event_key.key_id();
    if signature.keyid == keyid {
        return Ok(());
    }
    let expected = format!("a signature by the event key {keyid}");
    Err(Finding::expected(index, Rule::EventKey, expected, format_args!("one by {}", signature.keyid)))
}

/// Checks that the event key signed the event, and nobody else.
pub(crate) fn check_signature(index: LeafIndex, leaf: &Leaf<'_>, event_key: &PublicKey) -> Result<(), Finding> {
    only_signature(index, leaf, event_key)?;
    leaf.verify(event_key).map_err(|error| Finding::at(index, Rule::EventSignature, error))
}

/// Names what is wrong with bytes that are no leaf.
pub(crate) fn malformed(index: LeafIndex, error: &LeafError) -> Finding {
    let rule = match error {
        LeafError::Payload(json) if *json.kind() == JsonErrorKind::NotCanonical => Rule::LeafSpelling,
        LeafError::Signature { .. } => Rule::EventSignature,
        LeafError::Size { .. }
        | LeafError::Frame { .. }
        | LeafError::PayloadType
        | LeafError::Payload(_)
        | LeafError::TooManySignatures => Rule::Leaf,
    };
    Finding::at(index, rule, error)
}

/// Splits a bundle into its entries, up to where it breaks off.
pub(crate) fn split(bundle: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let next = rest
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        let Some((entry, behind)) = next else {
            return (entries, true);
        };
        entries.push(entry);
        rest = behind;
    }
    (entries, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_read_up_to_where_it_breaks_off() {
        let whole = b"\0\x02ab\0\0\0\x01c";
        assert_eq!(split(whole), (vec![&b"ab"[..], b"", b"c"], false));
        assert_eq!(split(&whole[..8]), (vec![&b"ab"[..], b""], true));
        assert_eq!(split(&whole[..1]), (vec![], true));
        assert_eq!(split(b""), (vec![], false));
    }
}
