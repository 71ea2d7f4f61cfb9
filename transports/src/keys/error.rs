//! What can be wrong with keys, and what to do about it.

use super::PublicKey;
use phaul_core::failure::Failure;
use std::io;
use std::path::PathBuf;

/// What is wrong with a key, a name or the store of both.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A text that is not a public key.
    #[error("`{text}` is not a public key: {reason}")]
    BadKey {
        /// The text, cut to a bearable length.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that is not the name of a peer.
    #[error(
        "`{name}` is not a name for a peer: 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-` are expected"
    )]
    BadName {
        /// The text, cut to a bearable length.
        name: String,
    },
    /// No peer is trusted under this name.
    #[error("no peer is trusted under the name `{name}`")]
    UnknownName {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The name already means another key.
    #[error("the name `{name}` is already bound to another key, {key}")]
    NameTaken {
        /// The name.
        name: String,
        /// The key that it is bound to.
        key: PublicKey,
    },
    /// The key already has another name.
    #[error("the key {key} is already trusted under the name `{name}`")]
    KeyTaken {
        /// The key.
        key: PublicKey,
        /// The name that it has.
        name: String,
    },
    /// This host has no key yet.
    #[error("this host has no key: there is no {}", path.display())]
    NoKey {
        /// Where it would be.
        path: PathBuf,
    },
    /// Others than its owner could have read or changed the file.
    #[error("{} has mode {mode:04o}: others than its owner can get at it", path.display())]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it may have.
        allowed: u32,
    },
    /// The file does not hold what it must.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system did not do what it was asked.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was asked.
        doing: &'static str,
        /// Of which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl KeysError {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadKey { .. } => "keys-bad-key",
            Self::BadName { .. } => "keys-bad-name",
            Self::UnknownName { .. } => "keys-unknown-name",
            Self::NameTaken { .. } => "keys-name-taken",
            Self::KeyTaken { .. } => "keys-key-taken",
            Self::NoKey { .. } => "keys-none",
            Self::TooOpen { .. } => "keys-too-open",
            Self::Damaged { .. } => "keys-damaged",
            Self::Io { .. } => "keys-io",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::BadKey { .. } => "take the line that `phaul keys show` prints on the peer".into(),
            Self::UnknownName { known, .. } if known.is_empty() => {
                "no peer is trusted yet: `phaul keys trust NAME KEY`".into()
            }
            Self::UnknownName { known, .. } => format!("there are: {}", known.join(", ")),
            Self::NameTaken { name, .. } => {
                format!("if the peer has a new key: `phaul keys revoke {name}`, then trust it")
            }
            Self::KeyTaken { name, .. } => {
                format!("a key has one name; to rename it: `phaul keys revoke {name}` first")
            }
            Self::NoKey { .. } => "make it with `phaul keys init`".into(),
            Self::TooOpen { path, allowed, .. } => {
                format!("`chmod {allowed:04o} {}`", path.display())
            }
            Self::BadName { .. } | Self::Damaged { .. } | Self::Io { .. } => return None,
        })
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let cause = match &error {
            KeysError::Io { source, .. } => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        Self {
            hint: error.hint(),
            ..Self::new(error.code(), cause)
        }
    }
}
