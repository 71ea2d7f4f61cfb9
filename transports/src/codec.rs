//! How the bytes of a chunk are stored on the wire.

use bytes::Bytes;
use phaul_core::plan::Compression;

/// Zstandard's fastest ordinary level: on a link faster than it can compress, more would cost
/// downtime instead of saving it.
const ZSTD_LEVEL: i32 = 1;

/// How the bytes of a chunk are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// As they are.
    Raw,
    /// As one LZ4 block.
    Lz4,
    /// As one Zstandard frame.
    Zstd,
}

impl Codec {
    /// The word with which a listener says in its hello that it can read a codec.
    pub(crate) const CAPABILITIES: [(&'static str, Self); 2] =
        [("lz4", Self::Lz4), ("zstd", Self::Zstd)];

    /// The codec that a plan asks for, or raw if the peer cannot read it.
    pub(crate) fn for_peer(wanted: Compression, capabilities: &[String]) -> Self {
        let word = match wanted {
            Compression::Off => return Self::Raw,
            Compression::Auto | Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        };
        Self::CAPABILITIES
            .into_iter()
            .find(|(name, _)| *name == word && capabilities.iter().any(|has| has == word))
            .map_or(Self::Raw, |(_, codec)| codec)
    }

    /// The bytes as they are stored, and how: compressed only if that makes them fewer.
    pub(crate) fn store(self, raw: &Bytes) -> (Self, Bytes) {
        let stored = match self {
            Self::Raw => None,
            Self::Lz4 => Some(lz4_flex::block::compress(raw)),
            // Compressing fails only for want of memory; then it goes out as it is.
            Self::Zstd => zstd::bulk::compress(raw, ZSTD_LEVEL).ok(),
        };
        match stored {
            Some(stored) if stored.len() < raw.len() => (self, stored.into()),
            _ => (Self::Raw, raw.clone()),
        }
    }

    /// The bytes as they were, if there are exactly `length` of them. Never allocates more.
    pub(crate) fn restore(self, stored: Bytes, length: usize) -> Option<Bytes> {
        let raw = match self {
            Self::Raw => stored,
            Self::Lz4 => lz4_flex::block::decompress(&stored, length).ok()?.into(),
            Self::Zstd => zstd::bulk::decompress(&stored, length).ok()?.into(),
        };
        (raw.len() == length).then_some(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Codec; 3] = [Codec::Raw, Codec::Lz4, Codec::Zstd];

    fn capabilities(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_plan_chooses_among_what_the_peer_can_read() {
        let both = capabilities(&["levitation", "zstd", "lz4"]);
        let cases = [
            (Compression::Auto, Codec::Lz4),
            (Compression::Lz4, Codec::Lz4),
            (Compression::Zstd, Codec::Zstd),
            (Compression::Off, Codec::Raw),
        ];
        for (wanted, codec) in cases {
            assert_eq!(Codec::for_peer(wanted, &both), codec);
            assert_eq!(Codec::for_peer(wanted, &[]), Codec::Raw);
        }
        let old = capabilities(&["lz4"]);
        assert_eq!(Codec::for_peer(Compression::Zstd, &old), Codec::Raw);
    }

    #[test]
    fn what_does_not_get_smaller_stays_raw() {
        let mut state = 1u64;
        let mut step = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let noise: Bytes = (0..4096).map(|_| step()).collect();
        for codec in ALL {
            assert_eq!(codec.store(&Bytes::new()), (Codec::Raw, Bytes::new()));
            assert_eq!(codec.store(&noise), (Codec::Raw, noise.clone()));
        }
        let (codec, stored) = Codec::Lz4.store(&vec![7; 4096].into());
        assert!(codec == Codec::Lz4 && stored.len() < 100);
    }

    proptest! {
        #[test]
        fn what_is_stored_is_restored(
            unit in prop::collection::vec(any::<u8>(), 0..40),
            times in 0..200usize,
        ) {
            let raw = Bytes::from(unit.repeat(times));
            for wanted in ALL {
                let (codec, stored) = wanted.store(&raw);
                prop_assert_eq!(codec.restore(stored, raw.len()), Some(raw.clone()));
            }
        }

        #[test]
        fn a_wrong_length_or_nonsense_is_nothing(
            stored in prop::collection::vec(any::<u8>(), 0..200),
            length in 0..4096usize,
        ) {
            for codec in ALL {
                let raw = codec.restore(stored.clone().into(), length);
                prop_assert!(raw.is_none_or(|raw| raw.len() == length));
            }
            let (codec, short) = Codec::Lz4.store(&vec![0; 4096].into());
            prop_assert_eq!(codec.restore(short, length), None);
        }
    }
}
