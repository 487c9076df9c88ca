//! Names that say that their value is a secret.

/// What a name promises about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A password: any text, even an ordinary word.
    Password,
    /// A passphrase: any text, even several words.
    Passphrase,
    /// A token, key or secret: something generated.
    Token,
    /// An AWS secret access key.
    AwsSecret,
}

/// The last part of a name, in lower case and without separators, and what it promises. The first that fits counts.
const ENDINGS: &[(&[u8], Name)] = &[
    (b"passphrase", Name::Passphrase),
    (b"password", Name::Password),
    (b"passwd", Name::Password),
    (b"pwd", Name::Password),
    (b"secretaccesskey", Name::AwsSecret),
    (b"awssecretkey", Name::AwsSecret),
    (b"awssecret", Name::AwsSecret),
    (b"secret", Name::Token),
    (b"token", Name::Token),
    (b"apikey", Name::Token),
    (b"accesskey", Name::Token),
    (b"secretkey", Name::Token),
    (b"privatekey", Name::Token),
    (b"signingkey", Name::Token),
    (b"encryptionkey", Name::Token),
    (b"masterkey", Name::Token),
    (b"accountkey", Name::Token),
    (b"authkey", Name::Token),
    (b"m87key", Name::Token),
    (b"credential", Name::Token),
    (b"credentials", Name::Token),
];

impl Name {
    /// What the name promises; nothing when it does not speak of secrets.
    pub(super) fn read(name: &[u8]) -> Option<Self> {
        if let Some((_, promise)) = ENDINGS.iter().find(|(ending, _)| ends_with(name, ending)) {
            return Some(*promise);
        }
        let word = name.rsplit(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default();
        word.eq_ignore_ascii_case(b"pass").then_some(Self::Password)
    }
}

/// Whether the letters and digits of a name end with `ending`, whatever their case.
fn ends_with(name: &[u8], ending: &[u8]) -> bool {
    let mut letters = name.iter().rev().filter(|b| b.is_ascii_alphanumeric());
    ending.iter().rev().all(|expected| letters.next().is_some_and(|b| b.eq_ignore_ascii_case(expected)))
}
