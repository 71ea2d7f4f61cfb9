//! Frames on a stream of bytes: the length as a 32-bit little-endian number, then so many bytes.

use super::WireError;
use super::field::at_most;
use bytes::{Buf, Bytes, BytesMut};

/// The bytes of a frame's length.
pub const PREFIX: usize = 4;

/// The prefix of a frame with this payload.
pub fn prefix(payload: &[u8]) -> Bytes {
    // A payload is bounded by `FRAME_MAX` before it gets here.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    Bytes::copy_from_slice(&length.to_le_bytes())
}

/// Cuts a stream of bytes into frames, however the bytes are split on their way.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    prefix: [u8; PREFIX],
    prefix_read: usize,
    body: Option<Collector>,
}

impl FrameDecoder {
    /// Takes bytes off the front of `input` until a frame is whole; what follows it is left.
    /// No frame means that all input was taken and more is needed. The length is held against
    /// `max` before anything is allocated for it.
    pub fn feed(
        &mut self,
        what: &'static str,
        max: usize,
        input: &mut Bytes,
    ) -> Result<Option<Bytes>, WireError> {
        if self.body.is_none() {
            while self.prefix_read < PREFIX && input.has_remaining() {
                self.prefix[self.prefix_read] = input.get_u8();
                self.prefix_read += 1;
            }
            if self.prefix_read < PREFIX {
                return Ok(None);
            }
            let length = u32::from_le_bytes(self.prefix) as usize;
            at_most(what, length, max)?;
            self.body = Some(Collector::new(length));
        }
        let whole = self.body.as_mut().and_then(|body| body.feed(input));
        if whole.is_some() {
            *self = Self::default();
        }
        Ok(whole)
    }

    /// Whether the stream may end here: not in the middle of a frame.
    pub fn is_between_frames(&self) -> bool {
        self.prefix_read == 0
    }
}

/// Collects a known number of bytes.
#[derive(Debug)]
pub(super) struct Collector {
    missing: usize,
    bytes: BytesMut,
}

impl Collector {
    pub(super) fn new(length: usize) -> Self {
        Self {
            missing: length,
            bytes: BytesMut::with_capacity(length),
        }
    }

    /// Takes what is missing off the front of `input`; gives all bytes once none is missing.
    pub(super) fn feed(&mut self, input: &mut Bytes) -> Option<Bytes> {
        let take = self.missing.min(input.len());
        self.bytes.extend_from_slice(&input.split_to(take));
        self.missing -= take;
        (self.missing == 0).then(|| std::mem::take(&mut self.bytes).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(payloads: &[Vec<u8>]) -> Vec<u8> {
        payloads
            .iter()
            .flat_map(|payload| [&prefix(payload)[..], payload].concat())
            .collect()
    }

    /// Feeds `bytes` in pieces that end at the cuts, and collects what comes out.
    fn decode(bytes: &[u8], cuts: &[usize], max: usize) -> Result<(Vec<Bytes>, bool), WireError> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut decoder = FrameDecoder::default();
        let mut frames = Vec::new();
        let mut start = 0;
        for end in ends {
            let mut piece = Bytes::copy_from_slice(&bytes[start..end]);
            while let Some(frame) = decoder.feed("frame", max, &mut piece)? {
                frames.push(frame);
            }
            assert!(piece.is_empty(), "without a frame all input is taken");
            start = end;
        }
        Ok((frames, decoder.is_between_frames()))
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_the_stream_is_split(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
            cuts in prop::collection::vec(any::<usize>(), 0..40),
        ) {
            let (frames, whole) = decode(&framed(&payloads), &cuts, 200).unwrap();
            prop_assert_eq!(frames, payloads);
            prop_assert!(whole);
        }

        #[test]
        fn any_bytes_give_frames_within_the_bound_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            if let Ok((frames, _)) = decode(&bytes, &cuts, 64) {
                prop_assert!(frames.iter().all(|frame| frame.len() <= 64));
            }
        }

        #[test]
        fn a_stream_that_ends_within_a_frame_is_seen_to(
            payload in prop::collection::vec(any::<u8>(), 1..100),
            kept in any::<prop::sample::Index>(),
        ) {
            let bytes = framed(&[payload]);
            let kept = 1 + kept.index(bytes.len() - 1);
            let (frames, whole) = decode(&bytes[..kept], &[], 100).unwrap();
            prop_assert!(frames.is_empty() && !whole);
        }
    }

    #[test]
    fn a_length_over_the_bound_is_refused_when_only_the_length_was_read() {
        let mut input = Bytes::copy_from_slice(&u32::MAX.to_le_bytes());
        let error = FrameDecoder::default()
            .feed("hello", 16, &mut input)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "hello has a size of 4294967295; at most 16 is allowed"
        );
    }
}
