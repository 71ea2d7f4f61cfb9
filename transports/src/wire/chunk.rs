//! Chunks on a bulk stream, and the receipts for them.

use super::field::{at_most, attempt, counted, from_proto, name, run, wrong};
use super::frame::{Collector, FrameDecoder, PREFIX, prefix};
use super::{HEADER_MAX, RECEIPT_MAX, WireError, pb};
use crate::codec::Codec;
use bytes::Bytes;
use phaul_core::protocol::{CHUNK_MAX, Chunk, Part};
use phaul_core::run::RunId;
use prost::Message;

/// What is said of a chunk before its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The run it belongs to.
    pub run: RunId,
    /// The attempt it belongs to.
    pub attempt: u32,
    /// What it is a piece of.
    pub part: Part,
    /// Where in that it stands.
    pub offset: u64,
    /// Its bytes.
    pub raw_length: usize,
    /// Its bytes on the wire.
    pub stored_length: usize,
    /// How they are stored there.
    pub codec: Codec,
    /// The sum of the raw bytes.
    pub crc32c: u32,
}

/// A chunk as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The frame of its header, with its prefix.
    pub header: [Bytes; 2],
    /// Its bytes as they are stored.
    pub stored: Bytes,
}

impl Packed {
    /// A chunk, stored in the given way if that makes it smaller.
    pub fn new(chunk: &Chunk, codec: Codec) -> Result<Self, WireError> {
        at_most("chunk", chunk.data.len(), CHUNK_MAX)?;
        let (file, files_round) = match &chunk.part {
            Part::Image(file) => (name("file", file.clone())?, 0),
            Part::Files { round } => (String::new(), counted("files_round", *round)?),
        };
        within_file(chunk.offset, chunk.data.len())?;
        let (codec, stored) = codec.store(&chunk.data);
        let header = pb::ChunkHeader {
            run: chunk.run.to_string(),
            attempt: attempt(chunk.attempt)?,
            file,
            offset: chunk.offset,
            raw_length: length(&chunk.data),
            stored_length: length(&stored),
            codec: match codec {
                Codec::Raw => pb::Codec::Raw,
                Codec::Lz4 => pb::Codec::Lz4,
                Codec::Zstd => pb::Codec::Zstd,
            }
            .into(),
            crc32c: crc32c::crc32c(&chunk.data),
            files_round,
        };
        let header = Bytes::from(header.encode_to_vec());
        Ok(Self {
            header: [prefix(&header), header],
            stored,
        })
    }

    /// Its bytes on the wire, header and all.
    pub fn size(&self) -> u64 {
        (PREFIX + self.header[1].len() + self.stored.len()) as u64
    }
}

/// The length of what is bounded by [`CHUNK_MAX`].
fn length(bytes: &Bytes) -> u32 {
    const { assert!(CHUNK_MAX <= u32::MAX as usize) };
    bytes.len() as u32
}

/// Files end where the system's offsets end.
fn within_file(offset: u64, length: usize) -> Result<(), WireError> {
    match offset.checked_add(length as u64) {
        Some(end) if i64::try_from(end).is_ok() => Ok(()),
        _ => Err(wrong("offset", "a place in a file", offset)),
    }
}

/// Either an image or a round of files.
fn part(file: String, files_round: u32) -> Result<Part, WireError> {
    match (file.is_empty(), files_round) {
        (_, 0) => name("file", file).map(Part::Image),
        (true, round) => Ok(Part::Files { round }),
        (false, _) => Err(wrong("file", "nothing, beside a round of files", file)),
    }
}

fn header(frame: Bytes) -> Result<Header, WireError> {
    let header: pb::ChunkHeader = from_proto("chunk header", frame)?;
    let raw_length = header.raw_length as usize;
    let stored_length = header.stored_length as usize;
    at_most("raw_length", raw_length, CHUNK_MAX)?;
    let codec = match pb::Codec::try_from(header.codec) {
        Ok(pb::Codec::Raw) => Codec::Raw,
        Ok(pb::Codec::Lz4) => Codec::Lz4,
        Ok(pb::Codec::Zstd) => Codec::Zstd,
        Ok(pb::Codec::Unspecified) | Err(_) => {
            return Err(wrong("codec", "one that was agreed on", header.codec));
        }
    };
    let honest = match codec {
        Codec::Raw => stored_length == raw_length,
        Codec::Lz4 | Codec::Zstd => (1..raw_length).contains(&stored_length),
    };
    if !honest {
        return Err(wrong(
            "stored_length",
            format!("what {codec:?} makes of {raw_length} bytes"),
            stored_length,
        ));
    }
    within_file(header.offset, raw_length)?;
    Ok(Header {
        run: run(&header.run)?,
        attempt: attempt(header.attempt)?,
        part: part(header.file, header.files_round)?,
        offset: header.offset,
        raw_length,
        stored_length,
        codec,
        crc32c: header.crc32c,
    })
}

/// The chunk of a header and its stored bytes, if they are what the header says.
fn unpack(header: Header, stored: Bytes) -> Result<Chunk, WireError> {
    let Some(data) = header.codec.restore(stored, header.raw_length) else {
        let expected = format!("the length that {:?} restores", header.codec);
        return Err(wrong("raw_length", expected, header.raw_length));
    };
    let sum = crc32c::crc32c(&data);
    if sum != header.crc32c {
        return Err(wrong("crc32c", format!("{sum:#010x}"), header.crc32c));
    }
    Ok(Chunk {
        run: header.run,
        attempt: header.attempt,
        part: header.part,
        offset: header.offset,
        data,
    })
}

/// Cuts a bulk stream into chunks, however its bytes are split on their way.
#[derive(Debug, Default)]
pub struct ChunkDecoder {
    head: FrameDecoder,
    body: Option<(Header, Collector)>,
}

impl ChunkDecoder {
    /// Takes bytes off the front of `input` until a chunk is whole; what follows it is left.
    /// No chunk means that all input was taken and more is needed.
    pub fn feed(&mut self, input: &mut Bytes) -> Result<Option<Chunk>, WireError> {
        if self.body.is_none() {
            let Some(frame) = self.head.feed("chunk header", HEADER_MAX, input)? else {
                return Ok(None);
            };
            let header = header(frame)?;
            let collector = Collector::new(header.stored_length);
            self.body = Some((header, collector));
        }
        let whole = self.body.as_mut().and_then(|(_, body)| body.feed(input));
        match (whole, self.body.take()) {
            (Some(stored), Some((header, _))) => unpack(header, stored).map(Some),
            (_, body) => {
                self.body = body;
                Ok(None)
            }
        }
    }

    /// Whether the stream may end here: not in the middle of a chunk.
    pub fn is_between_chunks(&self) -> bool {
        self.body.is_none() && self.head.is_between_frames()
    }
}

/// How many chunks of a bulk stream have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Which stream; the first is 0.
    pub stream: u32,
    /// How many, from the beginning.
    pub chunks: u64,
}

impl Receipt {
    /// Its frame, without the prefix.
    pub fn encode(self) -> Bytes {
        let receipt = pb::Receipt {
            stream: self.stream,
            chunks: self.chunks,
        };
        receipt.encode_to_vec().into()
    }

    /// From its frame, for a link with so many bulk streams.
    pub fn decode(frame: Bytes, streams: u32) -> Result<Self, WireError> {
        at_most("receipt", frame.len(), RECEIPT_MAX)?;
        let receipt: pb::Receipt = from_proto("receipt", frame)?;
        if receipt.stream >= streams {
            let expected = format!("less than {streams}");
            return Err(wrong("receipt.stream", expected, receipt.stream));
        }
        Ok(Self {
            stream: receipt.stream,
            chunks: receipt.chunks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(data: impl Into<Bytes>) -> Chunk {
        Chunk {
            run: "r-1".parse().unwrap(),
            attempt: 1,
            part: Part::Image("pages-1.img".to_owned()),
            offset: 4096,
            data: data.into(),
        }
    }

    fn chunks() -> impl Strategy<Value = Chunk> {
        let data = (prop::collection::vec(any::<u8>(), 0..30), 0..90usize)
            .prop_map(|(unit, times)| Bytes::from(unit.repeat(times)));
        let part = prop_oneof![
            "[a-z.-]{3,255}".prop_map(Part::Image),
            (1..=u32::MAX).prop_map(|round| Part::Files { round }),
        ];
        ("[a-z0-9-]{1,64}", 1..9u32, part, 0..1u64 << 62, data).prop_map(
            |(run, attempt, part, offset, data)| Chunk {
                run: run.parse().unwrap(),
                attempt,
                part,
                offset,
                data,
            },
        )
    }

    fn bytes_of(packed: &Packed) -> Vec<u8> {
        [&packed.header[0][..], &packed.header[1], &packed.stored].concat()
    }

    fn decode(bytes: &[u8], piece: usize) -> Result<(Vec<Chunk>, bool), WireError> {
        let mut decoder = ChunkDecoder::default();
        let mut chunks = Vec::new();
        for piece in bytes.chunks(piece) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(chunk) = decoder.feed(&mut piece)? {
                chunks.push(chunk);
            }
        }
        Ok((chunks, decoder.is_between_chunks()))
    }

    proptest! {
        #[test]
        fn chunks_are_the_same_however_the_stream_is_split(
            sent in prop::collection::vec(chunks(), 0..6),
            piece in 1..500usize,
            codec in prop::sample::select(vec![Codec::Raw, Codec::Lz4, Codec::Zstd]),
        ) {
            let mut bytes = Vec::new();
            for chunk in &sent {
                let packed = Packed::new(chunk, codec).unwrap();
                prop_assert_eq!(packed.size(), bytes_of(&packed).len() as u64);
                bytes.extend(bytes_of(&packed));
            }
            prop_assert_eq!(decode(&bytes, piece), Ok((sent, true)));
        }

        #[test]
        fn any_bytes_are_chunks_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            piece in 1..50usize,
        ) {
            let _ = decode(&bytes, piece);
        }

        #[test]
        fn a_flipped_bit_is_noticed_or_changes_only_the_header(
            at in any::<prop::sample::Index>(),
            bit in 0..8u32,
        ) {
            let sent = chunk(vec![0x5a; 300]);
            let mut bytes = bytes_of(&Packed::new(&sent, Codec::Lz4).unwrap());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok((chunks, _)) = decode(&bytes, 100) {
                prop_assert!(chunks.iter().all(|chunk| chunk.data == sent.data));
            }
        }

        #[test]
        fn receipts_are_read_as_they_were_written(stream in 0..64u32, chunks in any::<u64>()) {
            let receipt = Receipt { stream, chunks };
            prop_assert_eq!(Receipt::decode(receipt.encode(), 64), Ok(receipt));
            prop_assert!(Receipt::decode(receipt.encode(), stream).is_err());
        }

        #[test]
        fn any_bytes_are_a_receipt_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Receipt::decode(bytes.into(), 4);
        }
    }

    /// The error for a chunk of 64 zeros whose header was changed.
    fn refusal(change: impl FnOnce(&mut pb::ChunkHeader)) -> String {
        let packed = Packed::new(&chunk(vec![0; 64]), Codec::Lz4).unwrap();
        let mut header = pb::ChunkHeader::decode(packed.header[1].clone()).unwrap();
        change(&mut header);
        let header = header.encode_to_vec();
        let bytes = [&prefix(&header)[..], &header, &packed.stored].concat();
        decode(&bytes, 1000).unwrap_err().to_string()
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let cases = [
            (refusal(|h| h.raw_length = 2 << 20), "raw_length"),
            (refusal(|h| h.raw_length = 63), "`raw_length`"),
            (refusal(|h| h.raw_length = 65), "`raw_length`"),
            (refusal(|h| h.stored_length = u32::MAX), "`stored_length`"),
            (refusal(|h| h.stored_length = 0), "`stored_length`"),
            (refusal(|h| h.codec = 1), "`stored_length`"),
            (refusal(|h| h.codec = 9), "`codec`"),
            (refusal(|h| h.crc32c ^= 1), "`crc32c`"),
            (refusal(|h| h.file = "../x".into()), "`file`"),
            (refusal(|h| h.file = "..".into()), "`file`"),
            (refusal(|h| h.file = "a\0".into()), "`file`"),
            (refusal(|h| h.file = "x".repeat(256)), "`file`"),
            (refusal(|h| h.file = String::new()), "`file`"),
            (refusal(|h| h.file = "x".repeat(2000)), "chunk header"),
            (refusal(|h| h.files_round = 1), "`file`"),
            (refusal(|h| h.run = "A".into()), "`run`"),
            (refusal(|h| h.attempt = 0), "`attempt`"),
            (refusal(|h| h.offset = u64::MAX), "`offset`"),
            (refusal(|h| h.offset = 1 << 63), "`offset`"),
        ];
        for (error, field) in cases {
            assert!(error.starts_with(field), "{field}: {error}");
        }
    }

    #[test]
    fn a_chunk_that_the_peer_would_refuse_is_not_sent() {
        let wrong = [
            chunk(vec![0; CHUNK_MAX + 1]),
            Chunk {
                part: Part::Image("a/b".to_owned()),
                ..chunk("x")
            },
            Chunk {
                part: Part::Image(String::new()),
                ..chunk("x")
            },
            Chunk {
                part: Part::Files { round: 0 },
                ..chunk("x")
            },
            Chunk {
                attempt: 0,
                ..chunk("x")
            },
            Chunk {
                offset: u64::MAX,
                ..chunk("x")
            },
        ];
        for chunk in wrong {
            assert!(Packed::new(&chunk, Codec::Raw).is_err(), "{:?}", chunk.part);
        }
        assert!(Packed::new(&chunk(vec![0; CHUNK_MAX]), Codec::Raw).is_ok());
    }
}
