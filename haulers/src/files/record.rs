//! The stream's records, to bytes and back. What comes from a peer is bounded and looked at here.

use super::content::BLOCK_BYTES;
use super::entry::{
    Attributes, Kind, NAME_BYTES_MAX, PATH_BYTES_MAX, Stamp, XATTR_BYTES_MAX, XATTRS_BYTES_MAX,
    Xattrs, is_plain,
};
use super::fault::garbled;
use bytes::{Buf, Bytes, BytesMut};
use phaul_core::failure::Failure;
use prost::Message;
use std::sync::Arc;

#[allow(missing_docs, unreachable_pub, clippy::pedantic)] // Generated.
mod wire {
    include!(concat!(env!("OUT_DIR"), "/files.rs"));
}

/// The longest record in bytes, without its length.
pub(super) const RECORD_BYTES_MAX: usize = 1_200_000;
/// A longer length than the longest record's is told by this many bytes.
const LENGTH_BYTES: usize = 4;
/// The most extents that a block may have; file systems make none shorter than a sector.
const EXTENTS_MAX: usize = 256;

/// Something about one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The number of its tree.
    pub tree: u32,
    /// Its path beneath the tree's root.
    pub path: Vec<u8>,
    /// What.
    pub what: What,
}

/// What a record says. What speaks of no entry has tree 0 and an empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The round begins.
    Begin {
        /// The target holds nothing as far as the source knows.
        fresh: bool,
    },
    /// The entry goes, with all beneath it.
    Delete,
    /// The entry is made, in the place of whatever is there.
    Make(Kind),
    /// The entry becomes another name for this one.
    Link(Vec<u8>),
    /// The file gets this size in bytes.
    Resize(u64),
    /// All that a block has.
    Block {
        /// Which.
        number: u64,
        /// Its data, by offsets in the block; the rest is zeros.
        extents: Vec<(u32, Bytes)>,
    },
    /// Blocks have nothing but zeros.
    Hole {
        /// The first of them.
        first: u64,
        /// How many they are.
        count: u64,
    },
    /// What is set on the entry.
    Attributes(Attributes),
    /// What the target was never told of goes.
    Sweep,
    /// The round ends.
    End,
}

impl Record {
    /// Appends it with its length.
    pub(super) fn encode(self, stream: &mut BytesMut) -> Result<(), Failure> {
        let record = wire::Record {
            tree: self.tree,
            path: self.path,
            what: Some(to_wire(self.what)),
        };
        record
            .encode_length_delimited(stream)
            .map_err(|error| Failure::new("files-read", format!("cannot send a record: {error}")))
    }

    fn decode(bytes: Bytes) -> Result<Self, Failure> {
        let record = wire::Record::decode(bytes).map_err(garbled)?;
        let what = record
            .what
            .ok_or_else(|| garbled("a record says nothing"))?;
        if !is_plain(&record.path) {
            let path = record.path.escape_ascii().to_string();
            let path: String = path.chars().take(200).collect();
            return Err(garbled(format!("the path `{path}` is not beneath a root")));
        }
        Ok(Self {
            tree: record.tree,
            path: record.path,
            what: from_wire(what)?,
        })
    }
}

fn to_wire(what: What) -> wire::record::What {
    use wire::record::What as To;
    match what {
        What::Begin { fresh } => To::Begin(wire::Begin { fresh }),
        What::Delete => To::Delete(wire::Nothing {}),
        What::Make(kind) => To::Make(kind_to_wire(kind)),
        What::Link(to) => To::Link(to),
        What::Resize(size_bytes) => To::Resize(size_bytes),
        What::Block { number, extents } => To::Block(wire::Block {
            number,
            extents: extents
                .into_iter()
                .map(|(offset, data)| wire::Extent { offset, data })
                .collect(),
        }),
        What::Hole { first, count } => To::Hole(wire::Hole { first, count }),
        What::Attributes(attributes) => To::Attributes(wire::Attributes {
            mode: attributes.mode,
            uid: attributes.uid,
            gid: attributes.gid,
            mtime_seconds: attributes.mtime.seconds,
            mtime_nanoseconds: attributes.mtime.nanoseconds,
            xattrs: attributes
                .xattrs
                .iter()
                .map(|(name, value)| wire::Xattr {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect(),
        }),
        What::Sweep => To::Sweep(wire::Nothing {}),
        What::End => To::End(wire::Nothing {}),
    }
}

fn kind_to_wire(kind: Kind) -> wire::Make {
    use wire::Type;
    let (r#type, target, major, minor) = match kind {
        Kind::Directory => (Type::Directory, Vec::new(), 0, 0),
        Kind::File => (Type::File, Vec::new(), 0, 0),
        Kind::Symlink(target) => (Type::Symlink, target.into_vec(), 0, 0),
        Kind::Character { major, minor } => (Type::Character, Vec::new(), major, minor),
        Kind::Block { major, minor } => (Type::Block, Vec::new(), major, minor),
        Kind::Fifo => (Type::Fifo, Vec::new(), 0, 0),
        Kind::Socket => (Type::Socket, Vec::new(), 0, 0),
    };
    wire::Make {
        r#type: r#type.into(),
        target,
        major,
        minor,
    }
}

fn from_wire(what: wire::record::What) -> Result<What, Failure> {
    use wire::record::What as From;
    Ok(match what {
        From::Begin(begin) => What::Begin { fresh: begin.fresh },
        From::Delete(_) => What::Delete,
        From::Make(make) => What::Make(kind_from_wire(make)?),
        From::Link(to) if is_plain(&to) => What::Link(to),
        From::Link(_) => return Err(garbled("a link leads out of its tree")),
        From::Resize(size) if i64::try_from(size).is_ok() => What::Resize(size),
        From::Resize(size) => return Err(garbled(format!("a file of {size} bytes"))),
        From::Block(block) => What::Block {
            number: block.number,
            extents: extents(block.extents)?,
        },
        From::Hole(hole) => What::Hole {
            first: hole.first,
            count: hole.count,
        },
        From::Attributes(attributes) => What::Attributes(attributes_from_wire(attributes)?),
        From::Sweep(_) => What::Sweep,
        From::End(_) => What::End,
    })
}

fn kind_from_wire(make: wire::Make) -> Result<Kind, Failure> {
    use wire::Type;
    let (major, minor) = (make.major, make.minor);
    Ok(match make.r#type() {
        Type::Directory => Kind::Directory,
        Type::File => Kind::File,
        Type::Symlink => {
            let fits = (1..=PATH_BYTES_MAX).contains(&make.target.len());
            if !fits || make.target.contains(&0) {
                return Err(garbled("a symlink that leads nowhere"));
            }
            Kind::Symlink(make.target.into())
        }
        Type::Character => Kind::Character { major, minor },
        Type::Block => Kind::Block { major, minor },
        Type::Fifo => Kind::Fifo,
        Type::Socket => Kind::Socket,
        Type::None => return Err(garbled(format!("an entry of type {}", make.r#type))),
    })
}

/// They must be in order and apart, in one block.
fn extents(extents: Vec<wire::Extent>) -> Result<Vec<(u32, Bytes)>, Failure> {
    if extents.len() > EXTENTS_MAX {
        return Err(garbled(format!("a block of {} extents", extents.len())));
    }
    let mut end = 0;
    for extent in &extents {
        let offset = u64::from(extent.offset);
        if offset < end {
            return Err(garbled("a block's extents overlap"));
        }
        end = offset + extent.data.len() as u64;
    }
    if end > BLOCK_BYTES {
        return Err(garbled("an extent ends beyond its block"));
    }
    let extents = extents.into_iter();
    Ok(extents.map(|extent| (extent.offset, extent.data)).collect())
}

fn attributes_from_wire(attributes: wire::Attributes) -> Result<Attributes, Failure> {
    if attributes.mode > 0o7777 {
        return Err(garbled(format!("the mode {:o}", attributes.mode)));
    }
    // This number means to a kernel that the owner stays.
    if attributes.uid == u32::MAX || attributes.gid == u32::MAX {
        return Err(garbled("an owner that nobody can be"));
    }
    if attributes.mtime_nanoseconds >= 1_000_000_000 {
        return Err(garbled("a time with more than a second of nanoseconds"));
    }
    let mut total_bytes = 0;
    let mut xattrs = Xattrs::new();
    for wire::Xattr { name, value } in attributes.xattrs {
        total_bytes += name.len() + value.len();
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && value.len() <= XATTR_BYTES_MAX;
        if !fits || name.contains(&0) || total_bytes > XATTRS_BYTES_MAX {
            return Err(garbled("an attribute whose name or value nobody can have"));
        }
        xattrs.insert(name, value);
    }
    Ok(Attributes {
        mode: attributes.mode,
        uid: attributes.uid,
        gid: attributes.gid,
        mtime: Stamp {
            seconds: attributes.mtime_seconds,
            nanoseconds: attributes.mtime_nanoseconds,
        },
        xattrs: Arc::new(xattrs),
    })
}

/// Takes records out of a stream that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    rest: BytesMut,
}

impl Decoder {
    /// More of the stream. All whole records should have been taken out before.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.rest.extend_from_slice(piece);
    }

    /// The next whole record, and how many bytes of the stream it took.
    pub(super) fn next(&mut self) -> Result<Option<(Record, u64)>, Failure> {
        let length = match prost::decode_length_delimiter(&self.rest[..]) {
            Ok(length) if length <= RECORD_BYTES_MAX => length,
            Err(_) if self.rest.len() < LENGTH_BYTES => return Ok(None),
            Ok(length) => return Err(garbled(format!("a record of {length} bytes"))),
            Err(error) => return Err(garbled(error)),
        };
        let prefix = prost::length_delimiter_len(length);
        if self.rest.len() < prefix + length {
            return Ok(None);
        }
        self.rest.advance(prefix);
        let record = Record::decode(self.rest.split_to(length).freeze())?;
        Ok(Some((record, (prefix + length) as u64)))
    }

    /// Whether the stream so far ended with a whole record.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
