//! What can be said of one entry by itself: it is a canonical leaf, the event key signed it, its payload is an event.

use domain::event::{Event, EventError};
use domain::replay::Recorded;
use proof::canonical::JsonErrorKind;
use proof::leaf::LeafError;
use proof::{EnvelopeError, Hash, Leaf, LeafIndex, PublicKey, merkle, sha256};

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
    /// The event.
    pub(crate) recorded: Recorded,
}

/// Checks the entry at `index`.
pub(crate) fn check(index: LeafIndex, bytes: &[u8], event_key: &PublicKey) -> Result<Entry, Finding> {
    let leaf = Leaf::parse(bytes).map_err(|error| malformed(index, &error))?;
    check_signature(index, &leaf, event_key)?;
    let event = Event::parse(leaf.payload).map_err(|error| {
        let rule = match error {
            EventError::Malformed(_) => Rule::Event,
            EventError::UnknownVersion(_) | EventError::UnknownType(_) => Rule::EventUnknown,
        };
        Finding::at(index, rule, error)
    })?;
    Ok(Entry {
        index,
        leaf_hash: merkle::leaf_hash(bytes),
        payload_hash: sha256(leaf.payload),
        recorded: Recorded { event, payload: leaf.payload.to_vec() },
    })
}

/// The ledger writes exactly one signature; a second one would be a second spelling of the same event.
pub(crate) fn check_signature(index: LeafIndex, leaf: &Leaf<'_>, event_key: &PublicKey) -> Result<(), Finding> {
    let [signature] = leaf.signatures.as_slice() else {
        return Err(Finding::expected(index, Rule::EventKey, "one signature", leaf.signatures.len()));
    };
    leaf.verify(event_key).map_err(|error| match error {
        EnvelopeError::NotSigned { keyid } => Finding::expected(
            index,
            Rule::EventKey,
            format_args!("a signature by the event key {keyid}"),
            format_args!("one by {}", signature.keyid),
        ),
        EnvelopeError::BadSignature { .. } => Finding::at(index, Rule::EventSignature, error),
    })
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
