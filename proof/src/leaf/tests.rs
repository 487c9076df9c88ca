use std::string::String;
use std::vec::Vec;

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::canonical::JsonErrorKind;
use crate::dsse::Envelope;
use crate::hash::Hash;
use crate::merkle::leaf_hash;

#[derive(Deserialize)]
struct Vectors {
    seed: String,
    public_key: PublicKey,
    keyid: KeyId,
    payload_type: String,
    leaves: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    payload: String,
    sig: Signature,
    leaf: String,
    leaf_hash: Hash,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/leaf.json")).unwrap()
}

fn signed(payload: &[u8]) -> Vec<u8> {
    let key = SecretKey::from_seed([1; 32]);
    build_leaf(payload, &key.public().key_id(), &sign_event(payload, &key))
}

#[test]
fn vectors_made_independently() {
    let Vectors { seed, public_key, keyid, payload_type, leaves } = vectors();
    assert_eq!(payload_type, EVENT_PAYLOAD_TYPE);
    assert_eq!(public_key.key_id(), keyid);
    let secret = SecretKey::from_seed(hex::decode(seed).unwrap().try_into().unwrap());
    assert_eq!(secret.public(), public_key);
    for Row { payload, sig, leaf, leaf_hash: hash } in leaves {
        assert_eq!(sign_event(payload.as_bytes(), &secret), sig);
        let built = build_leaf(payload.as_bytes(), &keyid, &sig);
        assert_eq!(String::from_utf8(built).unwrap(), leaf);
        assert_eq!(canonical::is_canonical(leaf.as_bytes()), Ok(()));
        assert_eq!(leaf_hash(leaf.as_bytes()), hash);
        let parsed = Leaf::parse(leaf.as_bytes()).unwrap();
        assert_eq!(parsed.payload, payload.as_bytes());
        assert_eq!(parsed.signatures, [EnvelopeSignature { keyid, sig }]);
        assert_eq!(parsed.verify(&public_key), Ok(()));
    }
}

#[test]
fn a_leaf_is_built_in_one_allocation() {
    let leaf = signed(br#"{"a":1}"#);
    assert_eq!(leaf.capacity(), leaf.len());
}

#[test]
fn an_event_leaves_as_an_envelope_without_signing_again() {
    let bytes = signed(br#"{"a":1}"#);
    let leaf = Leaf::parse(&bytes).unwrap();
    let envelope = Envelope {
        payload_type: EVENT_PAYLOAD_TYPE.into(),
        payload: leaf.payload.to_vec(),
        signatures: leaf.signatures.clone(),
    };
    assert_eq!(envelope.verify(&SecretKey::from_seed([1; 32]).public()), Ok(()));
}

#[test]
fn another_key_or_payload_does_not_verify() {
    let bytes = signed(br#"{"a":1}"#);
    let (key, other) = (SecretKey::from_seed([1; 32]).public(), SecretKey::from_seed([2; 32]).public());
    let leaf = Leaf::parse(&bytes).unwrap();
    assert_eq!(leaf.verify(&key), Ok(()));
    assert_eq!(leaf.verify(&other), Err(EnvelopeError::NotSigned { keyid: other.key_id() }));
    let changed = String::from_utf8(bytes).unwrap().replace(r#""a":1"#, r#""a":2"#);
    let bad = Err(EnvelopeError::BadSignature { keyid: key.key_id() });
    assert_eq!(Leaf::parse(changed.as_bytes()).unwrap().verify(&key), bad);
}

#[test]
fn several_signatures_are_read() {
    let leaf = String::from_utf8(signed(b"{}")).unwrap();
    let (_, signature) = leaf.split_once('[').unwrap();
    let signature = signature.strip_suffix("]}").unwrap();
    let with = |count: usize| {
        let list = std::vec![signature; count].join(",");
        std::format!("{{\"payload\":{{}},\"signatures\":[{list}]}}")
    };
    for count in [1, 2, MAX_ENVELOPE_SIGNATURES] {
        assert_eq!(Leaf::parse(with(count).as_bytes()).unwrap().signatures.len(), count);
    }
    let too_many = with(MAX_ENVELOPE_SIGNATURES + 1);
    assert_eq!(Leaf::parse(too_many.as_bytes()), Err(LeafError::TooManySignatures));
    assert_eq!(Leaf::parse(with(0).as_bytes()), Err(LeafError::Frame { offset: 28 }));
}

#[test]
fn other_forms_are_refused() {
    let good = String::from_utf8(signed(br#"{"a":1}"#)).unwrap();
    let frame = |offset| LeafError::Frame { offset };
    let sig_at = good.find("\"sig\":\"").unwrap() + 7;
    let keyid_at = good.find("\"keyid\":\"").unwrap() + 9;
    let end = good.len();
    let cases = [
        (String::new(), frame(0)),
        (std::format!(" {good}"), frame(0)),
        (std::format!("{good}\n"), frame(end)),
        (std::format!("{good}{good}"), frame(end)),
        (good.replace("\"payload\":", "\"payload\": "), LeafError::PayloadType),
        (good.replace("\"payload\"", "\"Payload\""), frame(2)),
        (good.replace(r#"{"a":1}"#, "[1]"), LeafError::PayloadType),
        (good.replace(r#"{"a":1}"#, "1"), LeafError::PayloadType),
        (good.replace("\"sig\"", "\"Sig\""), frame(sig_at - 6)),
        (good.replace("\"}]}", "\",\"x\":1}]}"), frame(end - 3)),
        (good.replace("]}", "],\"x\":1}"), frame(end - 1)),
        (good.replace("ed25519:", "ed25519-"), LeafError::Signature { offset: keyid_at }),
        (good.replace("==", "="), LeafError::Signature { offset: sig_at }),
        (good.split_at(end - 1).0.into(), frame(end - 1)),
        (good.split_at(sig_at + 3).0.into(), LeafError::Signature { offset: sig_at }),
    ];
    for (leaf, error) in cases {
        assert_eq!(Leaf::parse(leaf.as_bytes()), Err(error), "{leaf}");
    }
    // Every cut is refused.
    for len in 0..end {
        assert!(Leaf::parse(good.split_at(len).0.as_bytes()).is_err(), "{len}");
    }
}

#[test]
fn the_payload_must_be_canonical() {
    for (payload, kind, offset) in [
        (r#"{"b":1,"a":2}"#, JsonErrorKind::NotCanonical, 18),
        (r#"{"a":1,"a":2}"#, JsonErrorKind::NotCanonical, 18),
        (r#"{"a": 1}"#, JsonErrorKind::NotCanonical, 16),
        (r#"{"a":1.0}"#, JsonErrorKind::NotCanonical, 16),
        (r#"{"a":9007199254740992}"#, JsonErrorKind::IntegerRange, 16),
        (r#"{"a":"\ud800"}"#, JsonErrorKind::LoneSurrogate, 17),
    ] {
        let bytes = signed(payload.as_bytes());
        let Err(LeafError::Payload(error)) = Leaf::parse(&bytes) else { panic!("{payload} is refused") };
        assert_eq!((error.kind(), error.offset()), (&kind, offset), "{payload}");
    }
    let mut bytes = signed(br#"{"a":"x"}"#);
    bytes[17] = 0xFF;
    assert!(matches!(Leaf::parse(&bytes), Err(LeafError::Payload(_))));
}

#[test]
fn size_and_nesting_are_bounded() {
    let fixed = signed(br#"{"a":""}"#).len();
    let payload = |len: usize| canonical::to_vec(&json!({"a": "x".repeat(len)})).unwrap();
    let largest = signed(&payload(MAX_LEAF_BYTES - fixed));
    assert_eq!(largest.len(), MAX_LEAF_BYTES);
    assert!(Leaf::parse(&largest).is_ok());
    let got = MAX_LEAF_BYTES + 1;
    assert_eq!(Leaf::parse(&signed(&payload(got - fixed))), Err(LeafError::Size { got }));

    // A payload that is canonical on its own is canonical in a leaf.
    let depth = canonical::MAX_DEPTH;
    let nested = |depth: usize| "{\"a\":".repeat(depth) + "0" + &"}".repeat(depth);
    assert!(Leaf::parse(&signed(nested(depth).as_bytes())).is_ok());
    let deeper = signed(nested(depth + 1).as_bytes());
    assert!(matches!(Leaf::parse(&deeper), Err(LeafError::Payload(_))));
}
