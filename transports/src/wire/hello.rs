//! The first frame of each side: who speaks, which versions, and whether they go on.

use super::field::{at_most, from_proto, text, wrong};
use super::{CAPABILITIES_MAX, HELLO_MAX, STREAMS_MAX, TEXT_MAX, WORD_MAX, WireError, pb};
use bytes::Bytes;
use prost::Message;

const MAGIC: &str = "phaul";

/// The protocol versions that a side understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

impl Versions {
    /// The versions of this software: the newest and, from the second on, the one before.
    pub const OURS: Self = Self { min: 1, max: 1 };

    /// The newest version that both understand.
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// What a side says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The versions that it understands.
    pub versions: Versions,
    /// Its software's name and version.
    pub software: String,
    /// What it can do besides. Words that the other side does not know mean nothing to it.
    pub capabilities: Vec<String>,
    /// How many bulk streams the dialer opens; 0 from the listener.
    pub bulk_streams: u32,
}

/// What the listener says to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Of itself.
    pub hello: Hello,
    /// Whether they go on.
    pub verdict: Verdict,
}

/// Whether two sides go on after the hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They do.
    Accepted {
        /// In this version.
        protocol: u32,
    },
    /// They do not.
    Refused {
        /// A stable word.
        code: String,
        /// For people.
        reason: String,
    },
}

/// The word for a refusal because of the versions.
pub const REFUSED_VERSION: &str = "version";
/// The word for a refusal because of anything else in the hello.
pub const REFUSED_HELLO: &str = "hello";

/// The frame of a dialer's hello.
pub fn encode_hello(hello: &Hello) -> Result<Bytes, WireError> {
    bounded(to_proto(hello).encode_to_vec())
}

/// A dialer's hello from its frame.
pub fn decode_hello(frame: Bytes) -> Result<Hello, WireError> {
    let hello = checked(from_proto("hello", frame)?)?;
    if (1..=STREAMS_MAX).contains(&hello.bulk_streams) {
        Ok(hello)
    } else {
        Err(wrong(
            "bulk_streams",
            format!("1 to {STREAMS_MAX}"),
            hello.bulk_streams,
        ))
    }
}

/// The frame of a listener's welcome.
pub fn encode_welcome(welcome: &Welcome) -> Result<Bytes, WireError> {
    let verdict = match &welcome.verdict {
        Verdict::Accepted { protocol } => pb::welcome::Verdict::Accepted(pb::Accepted {
            protocol: *protocol,
        }),
        Verdict::Refused { code, reason } => pb::welcome::Verdict::Refused(pb::Refused {
            code: code.clone(),
            reason: reason.clone(),
        }),
    };
    let welcome = pb::Welcome {
        hello: Some(to_proto(&welcome.hello)),
        verdict: Some(verdict),
    };
    bounded(welcome.encode_to_vec())
}

/// A listener's welcome from its frame.
pub fn decode_welcome(frame: Bytes) -> Result<Welcome, WireError> {
    let welcome: pb::Welcome = from_proto("welcome", frame)?;
    let hello = welcome
        .hello
        .ok_or_else(|| wrong("hello", "a hello", "nothing"))?;
    let verdict = match welcome.verdict {
        Some(pb::welcome::Verdict::Accepted(accepted)) => Verdict::Accepted {
            protocol: accepted.protocol,
        },
        Some(pb::welcome::Verdict::Refused(refused)) => Verdict::Refused {
            code: text("code", refused.code, WORD_MAX)?,
            reason: text("reason", refused.reason, TEXT_MAX)?,
        },
        None => return Err(wrong("verdict", "accepted or refused", "nothing")),
    };
    Ok(Welcome {
        hello: checked(hello)?,
        verdict,
    })
}

fn bounded(frame: Vec<u8>) -> Result<Bytes, WireError> {
    at_most("hello", frame.len(), HELLO_MAX)?;
    Ok(frame.into())
}

fn to_proto(hello: &Hello) -> pb::Hello {
    pb::Hello {
        magic: MAGIC.to_owned(),
        protocol_min: hello.versions.min,
        protocol_max: hello.versions.max,
        software: hello.software.clone(),
        capabilities: hello.capabilities.clone(),
        bulk_streams: hello.bulk_streams,
    }
}

/// A word that can be shown to people as it is.
fn printable(field: &'static str, word: String) -> Result<String, WireError> {
    if word.chars().any(char::is_control) {
        return Err(wrong(field, "no control characters", word));
    }
    text(field, word, WORD_MAX)
}

fn checked(hello: pb::Hello) -> Result<Hello, WireError> {
    if hello.magic != MAGIC {
        return Err(wrong("magic", format!("{MAGIC:?}"), hello.magic));
    }
    let versions = Versions {
        min: hello.protocol_min,
        max: hello.protocol_max,
    };
    if versions.min == 0 || versions.min > versions.max {
        return Err(wrong(
            "protocol_min",
            "1 up to `protocol_max`",
            (versions.min, versions.max),
        ));
    }
    at_most("capabilities", hello.capabilities.len(), CAPABILITIES_MAX)?;
    let capabilities = hello
        .capabilities
        .into_iter()
        .map(|word| printable("capabilities", word))
        .collect::<Result<_, _>>()?;
    Ok(Hello {
        versions,
        software: printable("software", hello.software)?,
        capabilities,
        bulk_streams: hello.bulk_streams,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hello() -> impl Strategy<Value = Hello> {
        let versions = (1..5u32, 0..5u32).prop_map(|(min, more)| Versions {
            min,
            max: min + more,
        });
        let words = prop::collection::vec("[a-z0-9-]{0,20}", 0..6);
        (versions, "\\PC{0,32}", words, 1..=STREAMS_MAX).prop_map(
            |(versions, software, capabilities, bulk_streams)| Hello {
                versions,
                software,
                capabilities,
                bulk_streams,
            },
        )
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            any::<u32>().prop_map(|protocol| Verdict::Accepted { protocol }),
            ("[a-z]{1,9}", "\\PC{0,80}")
                .prop_map(|(code, reason)| Verdict::Refused { code, reason }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(hello in hello(), verdict in verdict()) {
            let frame = encode_hello(&hello).unwrap();
            prop_assert_eq!(decode_hello(frame), Ok(hello.clone()));
            let welcome = Welcome { hello, verdict };
            let frame = encode_welcome(&welcome).unwrap();
            prop_assert_eq!(decode_welcome(frame), Ok(welcome));
        }

        #[test]
        fn any_bytes_are_a_hello_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode_hello(bytes.clone().into());
            let _ = decode_welcome(bytes.into());
        }
    }

    #[test]
    fn the_newest_version_of_both_is_taken() {
        let versions = |min, max| Versions { min, max };
        assert_eq!(versions(1, 2).common(versions(2, 3)), Some(2));
        assert_eq!(versions(2, 3).common(versions(1, 2)), Some(2));
        assert_eq!(versions(1, 1).common(versions(1, 2)), Some(1));
        assert_eq!(versions(1, 1).common(versions(2, 3)), None);
        assert_eq!(versions(3, 4).common(versions(1, 2)), None);
    }

    fn said(change: impl FnOnce(&mut pb::Hello)) -> Result<Hello, WireError> {
        let mut hello = to_proto(&Hello {
            versions: Versions::OURS,
            software: "phaul".to_owned(),
            capabilities: Vec::new(),
            bulk_streams: 4,
        });
        change(&mut hello);
        decode_hello(hello.encode_to_vec().into())
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (result, field) in [
            (said(|hello| hello.magic = "http".into()), "`magic`"),
            (said(|hello| hello.protocol_min = 0), "`protocol_min`"),
            (said(|hello| hello.protocol_min = 9), "`protocol_min`"),
            (said(|hello| hello.bulk_streams = 0), "`bulk_streams`"),
            (said(|hello| hello.bulk_streams = 65), "`bulk_streams`"),
            (said(|hello| hello.software = "x".repeat(200)), "software"),
            (
                said(|hello| hello.software = "\x1b[2J".into()),
                "`software`",
            ),
            (
                said(|hello| hello.capabilities = vec!["x".into(); 33]),
                "capabilities",
            ),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }

    #[test]
    fn unknown_fields_of_a_newer_peer_are_passed_over() {
        let hello = Hello {
            versions: Versions { min: 1, max: 2 },
            software: "phaul 9".to_owned(),
            capabilities: vec!["levitation".to_owned()],
            bulk_streams: 2,
        };
        let mut frame = encode_hello(&hello).unwrap().to_vec();
        frame.extend([0xf8, 0x07, 0x2a]); // field 127 is the number 42
        assert_eq!(decode_hello(frame.into()), Ok(hello));
    }
}
