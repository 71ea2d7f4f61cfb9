//! What goes over a link, byte by byte: the only place that knows protobuf.
//!
//! Everything that comes in is taken for hostile: a size is held against its bound before
//! anything of that size is allocated, and a value that is not what it must be is an error
//! that names its field. What goes out is held against the same bounds, so that whatever
//! [`encode`](message::encode) accepts, the peer's [`decode`](message::decode) accepts too.

pub mod chunk;
pub mod frame;
pub mod hello;
pub mod message;

pub use crate::codec::Codec;

mod field;

/// The largest frame on the control stream after the hello, in bytes.
pub const FRAME_MAX: usize = 8 << 20;
/// The largest frame of the hello, in bytes. Small, because it is read from peers that have
/// proved who they are but not yet that they speak the protocol.
pub const HELLO_MAX: usize = 16 << 10;
/// The largest header of a chunk, in bytes.
pub const HEADER_MAX: usize = 1 << 10;
/// The largest receipt, in bytes.
pub const RECEIPT_MAX: usize = 64;
/// The largest plan and the largest graph, in bytes of JSON.
pub const PLAN_MAX: usize = 1 << 20;
/// All checks of an answer, in bytes of JSON.
pub const CHECKS_BYTES_MAX: usize = 4 << 20;
/// A trail, in bytes of JSON.
pub const TRAIL_MAX: usize = 4 << 10;
/// The images of a workload.
pub const IMAGES_MAX: usize = 65_536;
/// The checks of an answer.
pub const CHECKS_MAX: usize = 1_000;
/// The lines of a failure's log. What is more is cut off at the front when it is sent.
pub const LOG_LINES_MAX: usize = 1_000;
/// A line of a failure's log, in bytes. What is more is cut off at the end when it is sent.
pub const LOG_LINE_MAX: usize = 4 << 10;
/// A failure's cause or hint, in bytes. What is more is cut off at the end when it is sent.
pub const TEXT_MAX: usize = 16 << 10;
/// A code, a version or a capability, in bytes.
pub const WORD_MAX: usize = 128;
/// The capabilities in a hello.
pub const CAPABILITIES_MAX: usize = 32;
/// A file's name, in bytes.
pub const NAME_MAX: usize = 255;
/// The bulk streams of a link.
pub const STREAMS_MAX: u32 = 64;

/// Why something cannot go over the wire, or came over it and is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field does not hold what it must.
    #[error("`{field}` is {got}; expected {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it must hold.
        expected: String,
        /// What it holds, cut to a bearable length.
        got: String,
    },
    /// Something is larger than its bound.
    #[error("{what} has a size of {size}; at most {max} is allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        size: u64,
        /// Its bound.
        max: u64,
    },
    /// Bytes that are not the protobuf message they should be.
    #[error("{what} cannot be read: {reason}")]
    Malformed {
        /// What.
        what: &'static str,
        /// What the decoder said.
        reason: String,
    },
}

#[expect(unreachable_pub, reason = "generated; proto/phaul.proto has the words")]
mod pb {
    include!(concat!(env!("OUT_DIR"), "/phaul.v1.rs"));
}
