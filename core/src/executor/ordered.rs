//! Puts the pieces of a stream in order: bulk streams deliver them as they come.

use bytes::Bytes;
use std::collections::BTreeMap;

/// What may wait for an earlier piece, in bytes. A source keeps far within it.
const WAITING_MAX: usize = 64 << 20;

/// What a piece costs besides its bytes, so that many small ones are bounded too.
const PIECE_COST: usize = 256;

/// A stream whose pieces arrive in any order.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    /// Where the next piece begins.
    next: u64,
    waiting: BTreeMap<u64, Bytes>,
    cost: usize,
}

/// More waits for an earlier piece than may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Ordered {
    /// Takes a piece. One without bytes, or that was there before, is passed over.
    pub(super) fn put(&mut self, offset: u64, data: Bytes) -> Result<(), TooMuch> {
        if data.is_empty() || offset < self.next || self.waiting.contains_key(&offset) {
            return Ok(());
        }
        let cost = data.len() + PIECE_COST;
        if offset != self.next && self.cost + cost > WAITING_MAX {
            return Err(TooMuch);
        }
        self.cost += cost;
        self.waiting.insert(offset, data);
        Ok(())
    }

    /// The next piece in order, if it is there.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let data = self.waiting.remove(&self.next)?;
        self.cost -= data.len() + PIECE_COST;
        self.next += data.len() as u64;
        Some(data)
    }

    /// How many bytes were given out.
    pub(super) fn given(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn popped(ordered: &mut Ordered) -> Vec<u8> {
        let pieces = std::iter::from_fn(|| ordered.pop());
        pieces.flat_map(|piece| piece.to_vec()).collect()
    }

    #[test]
    fn pieces_come_out_in_order_however_they_come_in() {
        let stream: Vec<u8> = (0..200).collect();
        for stride in [1, 3, 7, 11] {
            let mut ordered = Ordered::default();
            let mut out = Vec::new();
            for number in 0..20 {
                let offset = number * stride % 20 * 10;
                let piece = Bytes::copy_from_slice(&stream[offset..offset + 10]);
                ordered.put(offset as u64, piece.clone()).unwrap();
                ordered.put(offset as u64, piece).unwrap();
                out.extend(popped(&mut ordered));
            }
            assert_eq!(
                (out, ordered.given(), ordered.cost),
                (stream.clone(), 200, 0)
            );
        }
    }

    #[test]
    fn what_waits_is_bounded_also_when_it_is_small() {
        let mut ordered = Ordered::default();
        let mut offset = 1;
        while ordered.put(offset, Bytes::from_static(b"x")).is_ok() {
            offset += 2;
        }
        assert!(offset as usize / 2 <= WAITING_MAX / PIECE_COST);
        let first = Bytes::from_static(b"x");
        ordered.put(0, first).expect("what is next never waits");
        assert_eq!(popped(&mut ordered), b"xx");
    }

    #[test]
    fn nothing_and_what_was_there_before_are_passed_over() {
        let mut ordered = Ordered::default();
        ordered.put(0, Bytes::new()).unwrap();
        assert_eq!(ordered.pop(), None);
        ordered.put(0, Bytes::from_static(b"ab")).unwrap();
        assert_eq!(popped(&mut ordered), b"ab");
        ordered.put(0, Bytes::from_static(b"ab")).unwrap();
        assert_eq!((ordered.pop(), ordered.given()), (None, 2));
    }
}
