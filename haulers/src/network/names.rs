//! Names of links and hardware addresses, as the kernel takes them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest name of a link in bytes (`IFNAMSIZ` without the zero).
const NAME_MAX: usize = 15;

/// A link's name: 1 to 15 printable ASCII characters that mean nothing in a path or a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct LinkName(String);

impl LinkName {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"/:%*?[]\\".contains(&byte);
        // `all` and `default` name no link in /proc/sys/net.
        let taken = [".", "..", "all", "default"].contains(&name);
        if name.is_empty() || name.len() > NAME_MAX || taken || !name.bytes().all(allowed) {
            return Err(format!("{name:?} is no name of a network link"));
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for LinkName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<LinkName> for String {
    fn from(name: LinkName) -> Self {
        name.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hardware address of Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    /// Everybody.
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it may be a link's own: not a group's and not all zeroes.
    pub(crate) fn is_of_a_link(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let octets: Vec<u8> = text
                .split(':')
                .map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok())?)
                .collect::<Option<_>>()?;
            octets.try_into().ok().map(Self)
        };
        parse().ok_or_else(|| format!("{text:?} is no hardware address"))
    }
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{last:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_elsewhere_are_refused() {
        for name in ["eth0", "br-0a1b2c3d4e5f", "veth1@x", "eth0.100"] {
            assert!(name.parse::<LinkName>().is_ok(), "{name}");
        }
        let bad = ["", ".", "..", "all", "a/b", "a:0", "a%d", "a b", "ä"];
        for name in bad.into_iter().chain(["sixteen-letters-"]) {
            assert!(name.parse::<LinkName>().is_err(), "{name}");
        }
    }

    #[test]
    fn hardware_addresses_are_read_as_written() {
        let mac: Mac = "02:00:0a:4d:01:32".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:0a:4d:01:32");
        assert!(mac.is_of_a_link() && !Mac::BROADCAST.is_of_a_link());
        for text in [
            "",
            "02:00:0a:4d:01",
            "02:00:0a:4d:01:32:00",
            "2:0:a:4d:1:+3",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
