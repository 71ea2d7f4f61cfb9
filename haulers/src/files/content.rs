//! What is known of a file's content: its size and a sum for each block.

use std::collections::BTreeMap;
use std::ops::Range;

/// The length of a block in bytes: what is compared, sent and put in place as one.
pub(super) const BLOCK_BYTES: u64 = 128 << 10;

/// The beginning of a block's BLAKE3 sum, without the zeros at the block's end, so that a sum
/// holds whatever the file's size is. A block of zeros has none.
pub(super) type Sum = [u8; 16];

/// Sums up a block.
pub(super) fn sum(block: &[u8]) -> Option<Sum> {
    let last = block.iter().rposition(|byte| *byte != 0)?;
    let sum = blake3::hash(&block[..=last]);
    sum.as_bytes().first_chunk().copied()
}

/// How many blocks a file of this size has.
pub(super) fn block_count(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(BLOCK_BYTES)
}

/// What is known of a file's content. Blocks of zeros, holes among them, take no room here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Content {
    /// Its size; none if that is not known.
    pub size_bytes: Option<u64>,
    /// The blocks that have more than zeros; none for one of which nothing is known.
    blocks: BTreeMap<u64, Option<Sum>>,
}

impl Content {
    /// An empty file's.
    pub(super) const fn empty() -> Self {
        Self {
            size_bytes: Some(0),
            blocks: BTreeMap::new(),
        }
    }

    /// Cuts or extends it. Returns the blocks of which something was cut.
    pub(super) fn resize(&mut self, size_bytes: u64) -> Vec<u64> {
        self.size_bytes = Some(size_bytes);
        let cut = self.blocks.split_off(&block_count(size_bytes));
        let partly = self.blocks.range(size_bytes / BLOCK_BYTES..);
        let partly = partly.map(|(block, _)| *block);
        partly.chain(cut.into_keys()).collect()
    }

    /// A block has what gave this sum.
    pub(super) fn set(&mut self, block: u64, sum: Option<Sum>) {
        match sum {
            Some(_) => self.blocks.insert(block, sum),
            None => self.blocks.remove(&block),
        };
    }

    /// Blocks have nothing but zeros. Returns those that had more.
    pub(super) fn clear(&mut self, blocks: Range<u64>) -> Vec<u64> {
        let cleared: Vec<u64> = self.beside_zeros(blocks).collect();
        for block in &cleared {
            self.blocks.remove(block);
        }
        cleared
    }

    /// Nothing is known of a block.
    pub(super) fn doubt(&mut self, block: u64) {
        self.blocks.insert(block, None);
    }

    /// Whether a block is sure to have what gives this sum.
    pub(super) fn has(&self, block: u64, sum: Option<Sum>) -> bool {
        match self.blocks.get(&block) {
            None => sum.is_none(),
            Some(known) => known.is_some() && *known == sum,
        }
    }

    /// Those of the blocks that have, or may have, more than zeros.
    pub(super) fn beside_zeros(&self, blocks: Range<u64>) -> impl Iterator<Item = u64> {
        // A range that ends before it begins is none to the map.
        let blocks = blocks.start..blocks.end.max(blocks.start);
        self.blocks.range(blocks).map(|(block, _)| *block)
    }

    /// The blocks that have more than zeros, and their sums.
    pub(super) fn sums(&self) -> impl Iterator<Item = (u64, Option<Sum>)> {
        self.blocks.iter().map(|(block, sum)| (*block, *sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_make_no_difference() {
        assert_eq!(sum(b""), None);
        assert_eq!(sum(&[0; 5]), None);
        assert_eq!(sum(b"ab"), sum(b"ab\0\0"));
        assert_ne!(sum(b"ab"), sum(b"\0ab"));
    }

    #[test]
    fn a_cut_doubts_what_it_touched() {
        let mut content = Content::empty();
        content.resize(4 * BLOCK_BYTES);
        for block in [0, 1, 3] {
            content.set(block, sum(b"x"));
        }
        assert_eq!(content.resize(BLOCK_BYTES + 1), [1, 3]);
        assert_eq!(content.beside_zeros(0..9).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(content.resize(9 * BLOCK_BYTES), [0_u64; 0]);
        assert_eq!(content.resize(BLOCK_BYTES), [1]);
    }

    #[test]
    fn an_unknown_block_has_nothing_for_sure() {
        let mut content = Content::empty();
        assert!(content.has(7, None));
        content.doubt(7);
        assert!(!content.has(7, None));
        content.set(7, sum(b"x"));
        assert!(content.has(7, sum(b"x")) && !content.has(7, None));
        assert_eq!(content.clear(0..8), [7]);
        assert!(content.has(7, None));
    }
}
