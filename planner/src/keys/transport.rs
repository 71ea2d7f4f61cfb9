//! The section `transport`: how the bytes travel.

use super::key::{Key, Kind, Word};
use super::reader::{Choice, Fields, Reader, Value};
use super::{section, value};
use phaul_core::plan::{Quic, Transport};

section! {
    pub(super) TRANSPORT = "How the bytes travel: exactly one transport.";
    QUIC = Key::required(
        "quic",
        Kind::Section(&QUIC_SETTINGS),
        "QUIC, mutually authenticated by raw public keys",
    ),
}

section! {
    QUIC_SETTINGS = "Settings of the QUIC transport.";
    STREAMS = Key::or("streams", Kind::Whole(1, 64), "4", "bulk streams in parallel"),
    RATE = Key::optional(
        "rate",
        Kind::Rate,
        "no limit",
        "the upper limit for all bulk streams together",
    ),
    COMPRESSION = Key::or(
        "compression",
        Kind::Words(COMPRESSIONS),
        "auto",
        "how bulk data is compressed",
    ),
}

const COMPRESSIONS: &[Word] = &[
    Word::new("auto", "compressed where that makes it smaller"),
    Word::new("off", "never compressed"),
    Word::new("lz4", "LZ4"),
    Word::new("zstd", "Zstandard"),
];

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Transport> {
    reader.one_of(value, |reader, choice| match choice {
        Choice::Key(_, value) => quic(reader, &value).map(Transport::Quic),
        Choice::Word => None,
    })
}

fn quic(reader: &mut Reader, value: &Value<'_>) -> Option<Quic> {
    let fields = Fields::open(reader, value)?;
    let streams = fields.get(reader, &STREAMS, value::whole);
    let rate = fields.get(reader, &RATE, value::rate);
    let compression = fields.get(reader, &COMPRESSION, value::chosen);
    Some(Quic {
        streams: streams?,
        rate,
        compression: compression?,
    })
}
