//! Memory whose every word can be checked: what a page must hold follows from its number and how
//! often it was written.

/// Words of 8 bytes in a page of 4 KiB.
const PAGE_WORDS: usize = 512;

/// Pages of 4 KiB in a MiB.
const MIB_PAGES: u64 = 256;

/// Pseudo-random numbers of which the same seed gives the same.
#[derive(Debug, Clone)]
pub struct Xorshift(u64);

impl Xorshift {
    /// Every seed will do.
    pub fn new(seed: u64) -> Self {
        // Seeds that differ little must not give sequences that do, and 0 would give only 0.
        Self(
            seed.wrapping_add(1)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .max(1),
        )
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }
}

/// Memory filled with a checkable pattern.
#[derive(Debug)]
pub struct PatternMemory {
    words: Vec<u64>,
    /// How often each page was written; it is kept apart from the pages that it vouches for.
    generations: Vec<u64>,
    next_checked: usize,
}

impl PatternMemory {
    /// `mib` MiB, every page written once; at least one page.
    pub fn new(mib: u64) -> Self {
        let pages = usize::try_from(mib * MIB_PAGES)
            .unwrap_or(usize::MAX)
            .max(1);
        let mut memory = Self {
            words: vec![0; pages * PAGE_WORDS],
            generations: vec![0; pages],
            next_checked: 0,
        };
        (0..pages).for_each(|page| memory.rewrite(page));
        memory
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.generations.len()
    }

    /// Writes a page anew, every word of it.
    pub fn rewrite(&mut self, page: usize) {
        self.generations[page] += 1;
        let mut numbers = expected(page, self.generations[page]);
        self.words[page * PAGE_WORDS..][..PAGE_WORDS].fill_with(|| numbers.number());
    }

    /// Checks the next `count` pages, beginning anew after the last.
    ///
    /// # Errors
    /// The number of the first page that does not hold what was written.
    pub fn check_next(&mut self, count: usize) -> Result<(), usize> {
        for _ in 0..count {
            let page = self.next_checked;
            let mut numbers = expected(page, self.generations[page]);
            if self.words[page * PAGE_WORDS..][..PAGE_WORDS]
                .iter()
                .any(|word| *word != numbers.number())
            {
                return Err(page);
            }
            self.next_checked = (page + 1) % self.pages();
        }
        Ok(())
    }
}

fn expected(page: usize, generation: u64) -> Xorshift {
    Xorshift::new((page as u64) << 32 ^ generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_and_rewritten_pages_are_right() {
        let mut memory = PatternMemory::new(1);
        assert_eq!(memory.pages(), 256);
        memory.rewrite(7);
        memory.rewrite(255);
        assert_eq!(memory.check_next(512), Ok(()));
    }

    #[test]
    fn one_changed_word_is_found() {
        let mut memory = PatternMemory::new(1);
        memory.words[3 * PAGE_WORDS + 511] ^= 1;
        assert_eq!(memory.check_next(3), Ok(()));
        assert_eq!(memory.check_next(1), Err(3));
    }

    #[test]
    fn a_page_from_before_its_last_write_is_found() {
        let mut memory = PatternMemory::new(1);
        let old = memory.words[..PAGE_WORDS].to_vec();
        memory.rewrite(0);
        memory.words[..PAGE_WORDS].copy_from_slice(&old);
        assert_eq!(memory.check_next(1), Err(0));
    }

    #[test]
    fn a_page_in_the_place_of_another_is_found() {
        let mut memory = PatternMemory::new(1);
        memory.words.copy_within(..PAGE_WORDS, PAGE_WORDS);
        assert_eq!(memory.check_next(2), Err(1));
    }
}
