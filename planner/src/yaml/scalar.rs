//! What a scalar without quotes is, by YAML 1.2's core schema, with one deviation that other
//! readers share: what looks like a number with leading zeros, such as `0755`, is text.

use super::NodeKind;

/// The value of a scalar without quotes.
pub(super) fn resolve(text: &str) -> NodeKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeKind::Null,
        "true" | "True" | "TRUE" => NodeKind::Flag(true),
        "false" | "False" | "FALSE" => NodeKind::Flag(false),
        _ => number(text).unwrap_or_else(|| NodeKind::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<NodeKind> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    if let Some(whole) = prefixed(unsigned, "0x", 16).or_else(|| prefixed(unsigned, "0o", 8)) {
        return Some(NodeKind::Whole(sign * whole));
    }
    let digit = |byte: &u8| byte.is_ascii_digit();
    let mut first = unsigned.bytes();
    if first.next() == Some(b'0') && first.next().as_ref().is_some_and(digit) {
        return None;
    }
    if !unsigned.is_empty() && unsigned.as_bytes().iter().all(digit) {
        // A number with more digits than this holds is too large for every key.
        let whole = unsigned.parse().unwrap_or(i128::MAX);
        return Some(NodeKind::Whole(sign * whole));
    }
    is_float(text, unsigned).then_some(NodeKind::Float)
}

fn prefixed(digits: &str, prefix: &str, radix: u32) -> Option<i128> {
    let digits = digits.strip_prefix(prefix)?;
    let clean = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    clean.then(|| i128::from_str_radix(digits, radix).unwrap_or(i128::MAX))
}

fn is_float(text: &str, unsigned: &str) -> bool {
    let by_name = matches!(unsigned, ".inf" | ".Inf" | ".INF");
    let not_a_number = matches!(text, ".nan" | ".NaN" | ".NAN");
    // Beside what YAML has, Rust reads words such as `inf` and `nan`.
    let by_digits = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.parse::<f64>().is_ok();
    by_name || not_a_number || by_digits
}

/// Words that readers of YAML 1.1 take for something else than text.
const WORDS_OF_1_1: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Whether the text can be written without quotes and is text for every reader.
pub(super) fn is_safe_plain(text: &str) -> bool {
    let first_fits = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let rest_fits = text.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b'+')
    });
    let word = text.to_ascii_lowercase();
    first_fits && rest_fits && !WORDS_OF_1_1.contains(&word.as_str())
}
