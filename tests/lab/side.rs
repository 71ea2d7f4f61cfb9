//! The two hosts' names.

use std::fmt;
use std::str::FromStr;

use super::error::Error;

/// One of the lab's two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Host `a`, 10.77.0.1.
    A,
    /// Host `b`, 10.77.0.2.
    B,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its name, which is its host name, too.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Side {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::BOTH
            .into_iter()
            .find(|side| side.name() == text)
            .ok_or_else(|| Error::BadSide(text.to_owned()))
    }
}
