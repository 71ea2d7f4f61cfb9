//! Words in messages: shown safely, listed, and guessed when they are misspelt.

/// The longest piece of a plan that a message repeats, in characters.
const SHOWN_MAX: usize = 60;

/// A piece of a plan for a message: in backticks, cut, nothing in it moves the cursor.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(SHOWN_MAX).map(visible).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        out.push('…');
    }
    format!("`{out}`")
}

/// The character, or a visible one in its place where it would act on a terminal.
pub(crate) fn visible(character: char) -> char {
    match character {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        // C1 controls, line separators, and what turns the direction of text or has no width.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' => '\u{fffd}',
        _ => character,
    }
}

/// The words in backticks, with commas.
pub(crate) fn alternatives<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// The word that was probably meant.
pub(crate) fn nearest<'w>(
    written: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    let written = plain(written);
    words
        .into_iter()
        // Lengths that differ by more than is forgiven need no comparing.
        .filter(|word| {
            word.len().abs_diff(written.len()) <= word.len().max(written.len()).div_ceil(3)
        })
        .map(|word| (strsim::osa_distance(&written, &plain(word)), word))
        .filter(|(distance, word)| *distance <= word.len().max(written.len()).div_ceil(3))
        .filter(|(distance, word)| *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Case and the character between words are often what is wrong. Longer words than any that is
/// looked for are cut, so that comparing them stays cheap.
fn plain(word: &str) -> String {
    word.chars()
        .take(64)
        .map(|character| match character {
            '_' => '-',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_recognised() {
        let words = ["strategy", "tracker", "restore", "converge"];
        assert_eq!(nearest("stratgy", words), Some("strategy"));
        assert_eq!(nearest("Converge", words), Some("converge"));
        assert_eq!(nearest("on-failure", ["on_failure"]), Some("on_failure"));
        assert_eq!(nearest("colour", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest("x", ["id"]), None);
    }

    #[test]
    fn hostile_text_is_shown_safely() {
        assert_eq!(
            shown("a\u{1b}[31m\u{9b}\u{202e}"),
            "`a\u{241b}[31m\u{fffd}\u{fffd}`"
        );
        assert_eq!(shown(&"é".repeat(1000)).chars().count(), SHOWN_MAX + 3);
    }
}
