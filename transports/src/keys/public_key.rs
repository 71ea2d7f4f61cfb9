//! A host's public key: 32 bytes of Ed25519, as text and as TLS has it.

use super::KeysError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const SCHEME: &str = "phaul-ed25519:";

/// What precedes the 32 bytes in a SubjectPublicKeyInfo (RFC 8410): its length, the algorithm's
/// identifier 1.3.101.112, and the length of the key.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The public key of a host, written `phaul-ed25519:` and 43 letters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub(super) fn from_raw(raw: [u8; 32]) -> Self {
        Self(raw)
    }

    /// As it appears in the TLS handshake.
    pub(crate) fn spki(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }

    /// The key of a SubjectPublicKeyInfo, if it is an Ed25519 key.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason| KeysError::BadKey {
            text: text.chars().take(80).collect(),
            reason,
        };
        let letters = text
            .trim()
            .strip_prefix(SCHEME)
            .ok_or_else(|| bad("it must begin with `phaul-ed25519:`"))?;
        let raw = URL_SAFE_NO_PAD
            .decode(letters)
            .map_err(|_| bad("what follows the colon is not base64url without padding"))?;
        raw.try_into()
            .map(Self)
            .map_err(|_| bad("it must hold 32 bytes, 43 letters"))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeysError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}
