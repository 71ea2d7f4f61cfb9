//! Whom this host trusts, by name.

use super::{Keys, KeysError, OTHERS_CHANGE, PEERS, PublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the file. A newer one may mean what this software would not honour.
const VERSION: u32 = 1;

/// A peer that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustedPeer {
    /// The name that plans and logs have for it.
    pub name: String,
    /// Its public key.
    pub key: PublicKey,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    peers: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: PublicKey,
}

impl Keys {
    /// Trusts a peer by this name. To say so again changes nothing; a name keeps its key and
    /// a key its name until they are revoked.
    pub fn trust(&self, name: &str, key: PublicKey) -> Result<(), KeysError> {
        let name = checked(name)?;
        let lock = self.directory.lock()?;
        let mut file = self.peers()?;
        match file.peers.get(name) {
            Some(entry) if entry.key == key => return Ok(()),
            Some(entry) => {
                return Err(KeysError::NameTaken {
                    name: name.to_owned(),
                    key: entry.key,
                });
            }
            None => {}
        }
        if let Some((name, _)) = file.peers.iter().find(|(_, entry)| entry.key == key) {
            return Err(KeysError::KeyTaken {
                key,
                name: name.clone(),
            });
        }
        file.peers.insert(name.to_owned(), Entry { key });
        lock.replace(PEERS, &self.bytes(&file)?, 0o600)
    }

    /// The peers that are trusted, by name.
    pub fn list(&self) -> Result<Vec<TrustedPeer>, KeysError> {
        let peers = self.peers()?.peers.into_iter();
        Ok(peers
            .map(|(name, entry)| TrustedPeer {
                name,
                key: entry.key,
            })
            .collect())
    }

    /// Trusts the peer no longer. A link that it has stays until it ends; it gets no new one.
    pub fn revoke(&self, name: &str) -> Result<(), KeysError> {
        let name = checked(name)?;
        let lock = self.directory.lock()?;
        let mut file = self.peers()?;
        if file.peers.remove(name).is_none() {
            return Err(unknown(name, file));
        }
        lock.replace(PEERS, &self.bytes(&file)?, 0o600)
    }

    /// The key that this name means.
    pub(crate) fn key_of(&self, name: &str) -> Result<PublicKey, KeysError> {
        let name = checked(name)?;
        let file = self.peers()?;
        match file.peers.get(name) {
            Some(entry) => Ok(entry.key),
            None => Err(unknown(name, file)),
        }
    }

    fn peers(&self) -> Result<File, KeysError> {
        let Some(bytes) = self.directory.read(PEERS, OTHERS_CHANGE)? else {
            return Ok(File {
                version: VERSION,
                peers: BTreeMap::new(),
            });
        };
        let file: File =
            serde_json::from_slice(&bytes).map_err(|error| self.damaged(PEERS, error))?;
        if file.version != VERSION {
            let reason = format!("version {} is not version {VERSION}", file.version);
            return Err(self.damaged(PEERS, reason));
        }
        Ok(file)
    }

    fn bytes(&self, file: &File) -> Result<Vec<u8>, KeysError> {
        serde_json::to_vec_pretty(file).map_err(|error| self.damaged(PEERS, error))
    }
}

fn unknown(name: &str, file: File) -> KeysError {
    KeysError::UnknownName {
        name: name.to_owned(),
        known: file.peers.into_keys().collect(),
    }
}

fn checked(name: &str) -> Result<&str, KeysError> {
    let fits = (1..=64).contains(&name.len());
    let clean = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if fits && clean {
        Ok(name)
    } else {
        Err(KeysError::BadName {
            name: name.chars().take(80).collect(),
        })
    }
}
