//! Frames that were kept while nobody could take them, on their way to the other host.

use super::packet::{Packet, TCP, Towards, complete_checksum};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Most frames that are kept.
pub(super) const FRAMES_MAX: usize = 512;
/// Most bytes of frames that are kept.
pub(super) const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Longest frame in bytes: a packet of 64 KiB with its header.
pub(super) const FRAME_MAX: usize = 65_535 + 14;
/// Bytes of `struct virtio_net_hdr`.
pub(super) const OFFLOAD_HEADER: usize = 10;
/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
const UNSUMMED: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_TCPV4` and `TCPV6`, and the bit for explicit congestion notification.
const PILES: [u8; 2] = [1, 4];
const CONGESTION: u8 = 0x80;

/// Frames, oldest first: at most 512, of 2 MiB together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Frames {
    pub(super) frames: Vec<Frame>,
    /// How many more there were, for which there was no room.
    pub(super) lost: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Frames")]
struct Unchecked {
    frames: Vec<Frame>,
    lost: u64,
}

impl TryFrom<Unchecked> for Frames {
    type Error = String;

    fn try_from(Unchecked { frames, lost }: Unchecked) -> Result<Self, String> {
        let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        if frames.len() > FRAMES_MAX || bytes > BYTES_MAX {
            return Err(format!(
                "{} frames of {bytes} bytes are too many",
                frames.len()
            ));
        }
        Ok(Self { frames, lost })
    }
}

impl Frames {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many more there were, for which there was no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

/// One frame of Ethernet that carries TCP, UDP, ICMP or ICMPv6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub(super) struct Frame {
    bytes: Vec<u8>,
    pile: Option<Pile>,
}

/// Several segments of TCP in one frame, which somebody has yet to cut up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pile {
    /// `VIRTIO_NET_HDR_GSO_*`.
    kind: u8,
    /// Bytes of data of each segment.
    segment: u16,
    /// Where the part begins that is checksummed, and where in it the checksum is.
    start: u16,
    place: u16,
}

/// A frame in the form that travels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "Frame")]
struct Written {
    bytes: String,
    pile: Option<Pile>,
}

impl From<Frame> for Written {
    fn from(frame: Frame) -> Self {
        Self {
            bytes: BASE64_STANDARD.encode(frame.bytes),
            pile: frame.pile,
        }
    }
}

impl TryFrom<Written> for Frame {
    type Error = String;

    fn try_from(Written { bytes, pile }: Written) -> Result<Self, String> {
        if bytes.len() > FRAME_MAX.div_ceil(3) * 4 {
            return Err("a frame is too long".to_owned());
        }
        let bytes = BASE64_STANDARD.decode(bytes).map_err(|e| e.to_string())?;
        Self::checked(bytes, pile).ok_or_else(|| "a frame is none that is kept".to_owned())
    }
}

/// What two frames have in common of which the later one says the same again.
pub(super) type Saying = (IpAddr, IpAddr, Vec<u8>, usize);

impl Frame {
    fn checked(bytes: Vec<u8>, pile: Option<Pile>) -> Option<Self> {
        let packet = Packet::of(&bytes)?;
        let fits = pile.is_none_or(|pile| {
            packet.protocol == TCP
                && !packet.is_fragment
                && PILES.contains(&(pile.kind & !CONGESTION))
                && pile.segment > 0
                && usize::from(pile.start) == packet.carried
                && pile.place == 16
                && packet.carried + 20 <= bytes.len()
        });
        (fits && bytes.len() <= FRAME_MAX).then_some(Self { bytes, pile })
    }

    /// What a socket with offloads received. Checksums that were left open are completed,
    /// unless the frame has yet to be cut up.
    pub(super) fn received(buffer: &[u8]) -> Option<Self> {
        let (header, frame) = buffer.split_first_chunk::<OFFLOAD_HEADER>()?;
        let [flags, kind, _, _, s0, s1, c0, c1, p0, p1] = *header;
        let start = u16::from_ne_bytes([c0, c1]);
        let place = u16::from_ne_bytes([p0, p1]);
        let mut bytes = frame.to_vec();
        // A pile counts as one large segment: its sum is over all of it.
        let pile = (kind != 0).then_some(Pile {
            kind,
            segment: u16::from_ne_bytes([s0, s1]),
            start,
            place,
        });
        if flags & UNSUMMED != 0 && pile.is_none() {
            let start = usize::from(start);
            complete_checksum(&mut bytes, start, start + usize::from(place))?;
        }
        Self::checked(bytes, pile)
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it is one of those that are meant.
    pub(super) fn is_towards(&self, towards: &Towards) -> bool {
        self.packet().is_some_and(|p| towards.has(&self.bytes, &p))
    }

    /// What it carries.
    pub(super) fn packet(&self) -> Option<Packet> {
        Packet::of(&self.bytes)
    }

    /// For a socket with offloads, which has it cut up where needed.
    pub(super) fn for_a_link(&self) -> Vec<u8> {
        let mut header = [0; OFFLOAD_HEADER];
        if let Some(pile) = self.pile {
            header[0] = UNSUMMED;
            header[1] = pile.kind;
            let end = self.headers_end().to_ne_bytes();
            header[2..4].copy_from_slice(&end);
            header[4..6].copy_from_slice(&pile.segment.to_ne_bytes());
            header[6..8].copy_from_slice(&pile.start.to_ne_bytes());
            header[8..].copy_from_slice(&pile.place.to_ne_bytes());
        }
        [&header[..], &self.bytes].concat()
    }

    /// Bytes up to the data of TCP.
    fn headers_end(&self) -> u16 {
        let carried = self.packet().map_or(0, |packet| packet.carried);
        let words = self.bytes.get(carried + 12).map_or(5, |byte| byte >> 4);
        u16::try_from(carried + usize::from(words) * 4).unwrap_or(0)
    }

    /// The packet alone with its checksum complete, as large as it is.
    pub(super) fn for_the_host(&self) -> Option<Vec<u8>> {
        let packet = self.packet()?;
        let mut bytes = self.bytes.get(..packet.whole.end)?.to_vec();
        if let Some(pile) = self.pile {
            let start = usize::from(pile.start);
            complete_checksum(&mut bytes, start, start + usize::from(pile.place))?;
        }
        Some(bytes.split_off(packet.whole.start))
    }

    /// For TCP: the connection, the place in its stream and the kind of segment.
    pub(super) fn saying(&self) -> Option<Saying> {
        let packet = self.packet()?;
        if packet.protocol != TCP || packet.is_fragment {
            return None;
        }
        // Ports and sequence number; the flags, of which PSH does not matter.
        let segment = self.bytes.get(packet.carried..packet.whole.end)?;
        let mut key = segment.get(..8)?.to_vec();
        key.push(segment.get(13)? & !0x08);
        let length = segment
            .len()
            .checked_sub(usize::from(segment.get(12)? >> 4) * 4)?;
        Some((packet.source, packet.destination, key, length))
    }
}
