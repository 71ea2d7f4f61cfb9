//! The id of a run.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The id of a run: 1 to 64 lower-case letters, digits and dashes, so that it can name a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text that is not the id of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id: 1 to 64 of a-z, 0-9 and `-` are expected")]
pub struct NotARunId(pub String);

impl RunId {
    /// A new id from the time (to the second, so that ids sort) and some chance.
    pub fn new(now: jiff::Timestamp, chance: u32) -> Self {
        let time = now.strftime("%Y%m%d-%H%M%S");
        Self(format!("{time}-{:06x}", chance & 0x00ff_ffff))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=64).contains(&text.len());
        let clean = text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits && clean {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotARunId(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = NotARunId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_their_directory_are_refused() {
        for bad in ["", "..", "a/b", "A", "a b", &"x".repeat(65), "a\0"] {
            assert!(bad.parse::<RunId>().is_err(), "{bad:?}");
        }
        let id = RunId::new(jiff::Timestamp::UNIX_EPOCH, 0xabcdef01);
        assert_eq!(id.as_str(), "19700101-000000-cdef01");
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
    }
}
