//! The JSON form of receipts.

use alloc::string::String;
use alloc::vec::Vec;

use serde::ser::{SerializeSeq as _, SerializeStruct as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Receipt, ReceiptEntry};
use crate::base64;
use crate::canonical::writer;
use crate::hash::Hash;

const VERSION: u64 = 1;

/// A receipt as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    v: u64,
    checkpoint: String,
    entries: Vec<ReceiptEntry>,
}

impl TryFrom<Wire> for Receipt {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        if wire.v == VERSION {
            Ok(Self { checkpoint: wire.checkpoint, entries: wire.entries })
        } else {
            Err(alloc::format!("expected version {VERSION}, got {}", wire.v))
        }
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Receipt", 3)?;
        fields.serialize_field("checkpoint", &self.checkpoint)?;
        fields.serialize_field("entries", &self.entries)?;
        fields.serialize_field("v", &VERSION)?;
        fields.end()
    }
}

/// Writes the canonical form directly: every appended event is answered with one.
pub(super) fn write(receipt: &Receipt) -> Vec<u8> {
    let leaves: usize = receipt.entries.iter().map(|entry| entry.leaf.len()).sum();
    // Escaping the quotes of a leaf lengthens it by about a tenth; a path is about a kilobyte.
    let capacity = receipt.checkpoint.len().saturating_add(leaves.saturating_mul(5) / 4);
    let mut out = Vec::with_capacity(capacity.saturating_add(1024));
    out.extend_from_slice(b"{\"checkpoint\":");
    writer::string(&receipt.checkpoint, &mut out);
    out.extend_from_slice(b",\"entries\":[");
    for (position, entry) in receipt.entries.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_entry(entry, &mut out);
    }
    out.extend_from_slice(b"],\"v\":");
    writer::unsigned(VERSION, &mut out);
    out.push(b'}');
    out
}

fn write_entry(entry: &ReceiptEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"index\":");
    writer::unsigned(entry.index.get(), out);
    out.extend_from_slice(b",\"leaf\":");
    writer::string(&entry.leaf, out);
    out.extend_from_slice(b",\"path\":[");
    for (position, hash) in entry.path.iter().enumerate() {
        out.extend_from_slice(if position > 0 { b",\"" } else { b"\"" });
        base64::append(hash.as_bytes(), out);
        out.push(b'"');
    }
    out.extend_from_slice(b"]}");
}

pub(super) fn write_path<S: Serializer>(path: &[Hash], serializer: S) -> Result<S::Ok, S::Error> {
    let mut items = serializer.serialize_seq(Some(path.len()))?;
    for hash in path {
        items.serialize_element(&base64::encode(hash.as_bytes()))?;
    }
    items.end()
}

pub(super) fn read_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hash>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let decode = |text: &String| base64::decode_array(text).map(Hash::new);
    texts.iter().map(decode).collect::<Result<_, _>>().map_err(de::Error::custom)
}
