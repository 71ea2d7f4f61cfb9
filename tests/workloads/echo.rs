//! What `wl-client` and `wl-echo` say to each other: a number of 8 bytes, and an answer of as many
//! that follows from it.

use super::pattern::Xorshift;

/// One message, in either direction.
pub type Message = [u8; 8];

/// What is sent as number `number`.
pub fn question(number: u64) -> Message {
    number.to_le_bytes()
}

/// What must come back: nothing that a cable or a shell could send by accident.
pub fn answer(number: u64) -> Message {
    Xorshift::new(number).number().to_le_bytes()
}

/// The number that a message asks about.
pub fn number(question: Message) -> u64 {
    u64::from_le_bytes(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_no_echo_and_belongs_to_one_question() {
        for asked in 1..1000 {
            assert_eq!(number(question(asked)), asked);
            assert_ne!(answer(asked), question(asked));
            assert_ne!(answer(asked), answer(asked + 1));
        }
    }
}
