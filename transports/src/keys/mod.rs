//! This host's identity, and whom it trusts: the directory `keys` of the state directory.
//!
//! ```text
//! keys/             0700
//!   identity.pem    0600  the Ed25519 key of this host, PKCS #8
//!   peers.json            the public keys that are trusted, by name
//!   lock                  held while one of them is written
//! ```
//!
//! Both files are replaced whole, under the lock: a reader sees the old one or the new one,
//! and of two writers at the same time both get their way.

mod error;
mod files;
mod peers;
mod public_key;

pub use error::KeysError;
pub use peers::TrustedPeer;
pub use public_key::PublicKey;

use files::Directory;
use rcgen::{KeyPair, PKCS_ED25519};
use std::path::Path;

const IDENTITY: &str = "identity.pem";
const PEERS: &str = "peers.json";

/// Bits of a file's mode that let somebody else than its owner read or change it.
const OTHERS: u32 = 0o077;
/// Bits of a file's mode that let somebody else than its owner change it.
const OTHERS_CHANGE: u32 = 0o022;

/// The identity of this host and the peers that it trusts.
#[derive(Debug, Clone)]
pub struct Keys {
    directory: Directory,
}

/// The key with which this host proves who it is.
pub(crate) struct Identity {
    /// The private key, as PKCS #8 DER.
    pub(crate) private: Vec<u8>,
    /// Its public half.
    pub(crate) public: PublicKey,
}

impl Keys {
    /// The store under this state directory. Nothing is read or made yet.
    pub fn new(state_directory: &Path) -> Self {
        Self {
            directory: Directory::new(state_directory.join("keys")),
        }
    }

    /// Makes this host's key unless it has one; either way gives the public half.
    pub fn init(&self) -> Result<PublicKey, KeysError> {
        let lock = self.directory.lock()?;
        if self.directory.read(IDENTITY, OTHERS)?.is_none() {
            let pair = KeyPair::generate_for(&PKCS_ED25519)
                .map_err(|error| self.damaged(IDENTITY, error))?;
            let pem = pair.serialize_pem();
            lock.create(IDENTITY, pem.as_bytes(), 0o600)?;
        }
        self.public_key()
    }

    /// This host's public key, for its peers to trust.
    pub fn public_key(&self) -> Result<PublicKey, KeysError> {
        Ok(self.identity()?.public)
    }

    pub(crate) fn identity(&self) -> Result<Identity, KeysError> {
        let Some(pem) = self.directory.read(IDENTITY, OTHERS)? else {
            return Err(KeysError::NoKey {
                path: self.directory.path(IDENTITY),
            });
        };
        let pem = String::from_utf8(pem).map_err(|error| self.damaged(IDENTITY, error))?;
        let pair = KeyPair::from_pem(&pem).map_err(|error| self.damaged(IDENTITY, error))?;
        let public = <[u8; 32]>::try_from(pair.public_key_raw())
            .ok()
            .filter(|_| pair.algorithm() == &PKCS_ED25519)
            .ok_or_else(|| self.damaged(IDENTITY, "not an Ed25519 key"))?;
        Ok(Identity {
            private: pair.serialize_der(),
            public: PublicKey::from_raw(public),
        })
    }

    fn damaged(&self, name: &str, reason: impl ToString) -> KeysError {
        KeysError::Damaged {
            path: self.directory.path(name),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
