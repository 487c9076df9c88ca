use std::string::ToString;
use std::vec::Vec;

use super::*;

/// The encodings of the eight points of small order, and the other spellings that decoders which
/// do not check for canonical form take for them.
const SMALL_ORDER: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];
const SMALL_ORDER_NOT_CANONICAL: [&str; 6] = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

/// RFC 8032 7.1, tests 1 to 3: seed, public key, message, signature.
const RFC_8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn rfc_8032_vectors() {
    for [seed, public, message, signature] in RFC_8032 {
        let message = hex::decode(message).unwrap();
        let secret = SecretKey::from_seed(bytes(seed));
        assert_eq!(secret.public().as_bytes(), &bytes(public));
        assert_eq!(secret.sign(&message).as_bytes(), &bytes(signature));
        let key = PublicKey::from_bytes(&bytes(public)).unwrap();
        let signature = Signature::new(bytes(signature));
        assert_eq!(key.verify(&message, &signature), Ok(()));
        assert_eq!(key.verify(b"other", &signature), Err(SignatureError::Invalid));
        assert_eq!(SecretKey::from_seed(*secret.seed()).public(), key);
    }
}

#[test]
fn weak_keys_are_refused() {
    for digits in SMALL_ORDER {
        assert_eq!(PublicKey::from_bytes(&bytes(digits)), Err(KeyError::Weak), "{digits}");
    }
    for digits in SMALL_ORDER_NOT_CANONICAL {
        assert!(PublicKey::from_bytes(&bytes(digits)).is_err(), "{digits}");
    }
}

#[test]
fn keys_have_one_encoding() {
    // Every y below 19 can also be spelled y + p.
    let p = bytes::<32>("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    for y in 0..19 {
        for sign in [0, 0x80] {
            let mut encoding = p;
            encoding[0] += y;
            encoding[31] |= sign;
            assert_eq!(PublicKey::from_bytes(&encoding), Err(KeyError::NotCanonical));
        }
    }
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert_eq!(PublicKey::from_bytes(&off_curve), Err(KeyError::NotAPoint));
}

#[test]
fn signatures_with_a_point_of_small_order_are_refused() {
    // A lax verifier takes R of small order and s = 0 under a key of small order for any message.
    // Such a key is refused before; such an R must be refused under a good key too.
    let key = SecretKey::from_seed([7; 32]).public();
    for digits in SMALL_ORDER.iter().chain(&SMALL_ORDER_NOT_CANONICAL) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&bytes::<32>(digits));
        let signature = Signature::new(signature);
        assert_eq!(key.verify(b"any", &signature), Err(SignatureError::Invalid), "{digits}");
    }
}

/// The order of the group, little-endian.
const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn s_is_reduced() {
    let secret = SecretKey::from_seed([7; 32]);
    let good = secret.sign(b"message");
    let mut carry = 0_u16;
    let mut malleated = *good.as_bytes();
    for (s, l) in malleated[32..].iter_mut().zip(bytes::<32>(L)) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let key = secret.public();
    assert_eq!(key.verify(b"message", &good), Ok(()));
    let malleated = Signature::new(malleated);
    assert_eq!(key.verify(b"message", &malleated), Err(SignatureError::Invalid));
}

#[test]
fn every_flipped_bit_of_a_signature_counts() {
    let secret = SecretKey::from_seed([7; 32]);
    let good = secret.sign(b"message");
    for bit in 0..512 {
        let mut flipped = *good.as_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verdict = secret.public().verify(b"message", &Signature::new(flipped));
        assert_eq!(verdict, Err(SignatureError::Invalid), "bit {bit}");
    }
}

#[test]
fn lengths_of_signatures() {
    assert!(Signature::from_slice(&[0; 64]).is_ok());
    for got in [0, 63, 65] {
        let error = Signature::from_slice(&std::vec![0; got]).unwrap_err();
        assert_eq!(error, SignatureError::Length { got });
    }
}

#[test]
fn key_ids_are_prefixes_of_digests() {
    let key = SecretKey::from_seed([7; 32]).public();
    let digest = sha256(key.as_bytes()).to_string();
    let text = key.key_id().to_string();
    assert_eq!(text, std::format!("ed25519:{}", &digest.as_str().split_at(32).0));
    assert_eq!(text.len(), KeyId::TEXT_LEN);
    assert_eq!(text.parse::<KeyId>().unwrap(), key.key_id());
    for other in [
        text.to_uppercase(),
        text.replace("ed25519:", ""),
        text.replace("ed25519", "rsa"),
        std::format!("{text}0"),
        text.replace(':', ": "),
    ] {
        assert_eq!(other.parse::<KeyId>(), Err(KeyError::Id), "{other}");
    }
}

#[test]
fn json_forms() {
    let secret = SecretKey::from_seed([7; 32]);
    let (key, id, signature) = (secret.public(), secret.public().key_id(), secret.sign(b""));
    let texts = [
        serde_json::to_string(&key).unwrap(),
        serde_json::to_string(&id).unwrap(),
        serde_json::to_string(&signature).unwrap(),
    ];
    assert_eq!(texts[0], std::format!("\"{}\"", base64::encode(key.as_bytes())));
    assert_eq!(serde_json::from_str::<PublicKey>(&texts[0]).unwrap(), key);
    assert_eq!(serde_json::from_str::<KeyId>(&texts[1]).unwrap(), id);
    assert_eq!(serde_json::from_str::<Signature>(&texts[2]).unwrap(), signature);
    let weak = std::format!("\"{}\"", base64::encode(&bytes::<32>(SMALL_ORDER[0])));
    assert!(serde_json::from_str::<PublicKey>(&weak).is_err());
    assert!(serde_json::from_str::<Signature>(&texts[0]).is_err());
}

#[test]
fn nothing_secret_is_printed() {
    let seed: Vec<u8> = (100..132).collect();
    let secret = SecretKey::from_seed(seed.try_into().unwrap());
    let printed = std::format!("{secret:?}");
    assert_eq!(printed, std::format!("SecretKey({})", secret.public().key_id()));
}
