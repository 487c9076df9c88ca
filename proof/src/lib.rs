//! Was this said, and is it in the log?
//!
//! This crate answers those two questions about bytes, and nothing else. It holds the formats
//! and the mathematics of the log: canonical JSON, hashes, the Merkle tree and its proofs,
//! Ed25519 signatures, signed notes, checkpoints, cosignatures, tiles, envelopes, event leaves,
//! commitments and receipts.
//!
//! # In scope
//!
//! * Parsing every one of these formats strictly, from bytes that nobody vouches for. Each value
//!   has one spelling, and any other spelling is refused, so that what was hashed and signed can
//!   be told from what merely looks like it.
//! * Building and checking RFC 6962 inclusion and consistency proofs.
//! * Ed25519 (RFC 8032) with strict verification: weak keys and malleable signatures never pass.
//!
//! # Out of scope
//!
//! * What an event *means*: no agent, policy, decision or job is known here. A stranger could use
//!   this crate for another log.
//! * Input and output, clocks, randomness, async, threads: the crate is `no_std` with `alloc`.
//!   Keys and salts are made elsewhere and handed in as bytes.
//! * Trust: which keys to believe is the caller's choice; functions here take the key as an
//!   argument and never find one inside the thing they check.
//!
//! # Map
//!
//! | module | question |
//! |---|---|
//! | [`index`] | which leaf, and how many |
//! | [`hash`], [`base64`] | 32 bytes of SHA-256; bytes as text |
//! | [`canonical`] | the one JSON spelling of a value (RFC 8785, I-JSON) |
//! | [`merkle`] | roots, inclusion, consistency |
//! | [`key`] | public and secret keys, signatures, key ids |
//! | [`note`], [`checkpoint`] | C2SP signed notes and the tree heads inside them |
//! | [`tile`] | C2SP tile and entry-bundle addresses and bytes |
//! | [`dsse`], [`leaf`] | signed envelopes; what the tree hashes |
//! | [`commitment`] | salted commitments to bodies kept beside the log |
//! | [`receipt`], [`tlog_proof`] | portable proofs |
//! | [`witness`] | what a witness cosigns, and what it refuses |
//! | [`policy`] | which logs and witnesses somebody believes, and how many of them |
//! | [`limits`] | every bound, and its reason |

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod base64;
pub mod canonical;
pub mod checkpoint;
pub mod commitment;
pub mod dsse;
pub mod hash;
pub mod index;
pub mod key;
pub mod leaf;
pub mod limits;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod receipt;
pub mod tile;
pub mod tlog_proof;
pub mod witness;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use commitment::{Commitment, Salt};
pub use dsse::{Envelope, EnvelopeError, EnvelopeSignature};
pub use hash::{Hash, Sha256, sha256};
pub use index::{LeafIndex, TreeSize};
pub use key::{KeyError, KeyId, KeyName, PublicKey, SecretKey, Signature, SignatureError};
pub use leaf::{Leaf, LeafError};
pub use note::{Note, NoteError, SignerKey, VerifierKey};
pub use policy::{TrustPolicy, TrustPolicyError};
pub use receipt::{Receipt, ReceiptEntry, ReceiptError, VerifiedReceipt};
