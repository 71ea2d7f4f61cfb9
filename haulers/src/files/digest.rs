//! Sums up trees.

use super::content::Content;
use super::entry::{Attributes, Kind};

/// What is hashed at once, in bytes.
const ROOM_BYTES: usize = 64 << 10;

/// A digest in the making. Everything goes in with its length or in a fixed form, so that
/// no two different trees are the same to it.
#[derive(Debug, Default)]
pub(super) struct Digest {
    hasher: blake3::Hasher,
    room: Vec<u8>,
}

impl Digest {
    /// A number.
    pub(super) fn number(&mut self, number: u64) {
        self.room.extend_from_slice(&number.to_le_bytes());
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.room.extend_from_slice(bytes);
        if self.room.len() >= ROOM_BYTES {
            self.hasher.update(&self.room);
            self.room.clear();
        }
    }

    /// What kind of entry it is; none if that is not known.
    pub(super) fn kind(&mut self, kind: Option<&Kind>) {
        match kind {
            None => self.number(0),
            Some(Kind::Directory) => self.number(1),
            Some(Kind::File) => self.number(2),
            Some(Kind::Symlink(target)) => {
                self.number(3);
                self.bytes(target);
            }
            Some(Kind::Character { major, minor }) => self.device(4, *major, *minor),
            Some(Kind::Block { major, minor }) => self.device(5, *major, *minor),
            Some(Kind::Fifo) => self.number(6),
            Some(Kind::Socket) => self.number(7),
        }
    }

    fn device(&mut self, kind: u64, major: u32, minor: u32) {
        self.number(kind);
        self.number(u64::from(major) << 32 | u64::from(minor));
    }

    /// Another name for an entry.
    pub(super) fn link(&mut self, to: &[u8]) {
        self.number(8);
        self.bytes(to);
    }

    /// What is set on an entry; none if that is not known.
    pub(super) fn attributes(&mut self, attributes: Option<&Attributes>) {
        let Some(attributes) = attributes else {
            return self.number(u64::MAX);
        };
        self.number(attributes.mode.into());
        self.number(u64::from(attributes.uid) << 32 | u64::from(attributes.gid));
        self.number(attributes.mtime.seconds.cast_unsigned());
        self.number(attributes.mtime.nanoseconds.into());
        self.number(attributes.xattrs.len() as u64);
        for (name, value) in attributes.xattrs.iter() {
            self.bytes(name);
            self.bytes(value);
        }
    }

    /// A file's content.
    pub(super) fn content(&mut self, content: &Content) {
        self.number(content.size_bytes.unwrap_or(u64::MAX));
        for (block, sum) in content.sums() {
            self.number(block);
            self.bytes(sum.as_ref().map_or(&[], <[u8; 16]>::as_slice));
        }
        self.number(u64::MAX);
    }

    /// The digest, in hexadecimal.
    pub(super) fn finish(mut self) -> String {
        self.hasher.update(&self.room);
        self.hasher.finalize().to_hex().to_string()
    }
}
