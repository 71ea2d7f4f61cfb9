//! Reading single values: text, numbers, quantities, words, lists.

use super::key::Kind;
use super::reader::{Reader, Value};
use super::units::{self, Fault};
use crate::diagnostic::codes::{BAD_VALUE, MISSING_UNIT, OUT_OF_RANGE};
use crate::diagnostic::{alternatives, shown};
use crate::yaml::NodeKind;
use phaul_core::plan::{Bytes, Millis, Percent, Rate};
use serde::de::{DeserializeOwned, IntoDeserializer};

/// A whole number within the limits of its kind.
pub(super) fn whole<T: TryFrom<u32>>(reader: &mut Reader, value: &Value<'_>) -> Option<T> {
    let Kind::Whole(least, most) = *value.kind else {
        unreachable!("only a key of this kind is read as a whole number")
    };
    let NodeKind::Whole(number) = value.node.kind else {
        let unquoted = value.node.text().filter(|text| text.parse::<u32>().is_ok());
        let help = unquoted.map(|number| format!("write it without quotes: `{number}`"));
        reader.wrong_type(value, help);
        return None;
    };
    let within = u32::try_from(number)
        .ok()
        .filter(|number| (least..=most).contains(number));
    if within.is_none() {
        let range = match least == most {
            true => least.to_string(),
            false => format!("from {least} to {most}"),
        };
        out_of_range(reader, value, &range);
    }
    within.and_then(|number| T::try_from(number).ok())
}

fn out_of_range(reader: &mut Reader, value: &Value<'_>, range: &str) {
    let message = format!("{} must be {range}", value.name());
    let found = value
        .wrong(&OUT_OF_RANGE, message)
        .label(format!("not {range}"));
    reader.report.push(found);
}

/// `true` or `false`.
pub(super) fn flag(reader: &mut Reader, value: &Value<'_>) -> Option<bool> {
    if let NodeKind::Flag(flag) = value.node.kind {
        return Some(flag);
    }
    let meant = match value.node.text().map(str::to_ascii_lowercase).as_deref() {
        Some("yes" | "on" | "y" | "true") => Some("true"),
        Some("no" | "off" | "n" | "false") => Some("false"),
        _ => None,
    };
    reader.wrong_type(value, meant.map(|flag| format!("did you mean `{flag}`?")));
    None
}

/// A line of text that is not empty.
pub(super) fn text(reader: &mut Reader, value: &Value<'_>) -> Option<String> {
    let text = line(reader, value)?;
    if text.is_empty() {
        let found = value.wrong(&BAD_VALUE, format!("{} is empty", value.name()));
        reader.report.push(found.label("nothing in it"));
        return None;
    }
    Some(text.to_owned())
}

/// A line of text, which may be empty.
pub(super) fn line<'n>(reader: &mut Reader, value: &Value<'n>) -> Option<&'n str> {
    let node = value.node;
    let Some(text) = node.text() else {
        let scalar = matches!(
            node.kind,
            NodeKind::Flag(_) | NodeKind::Whole(_) | NodeKind::Float
        );
        let written = node.place.text();
        let help = scalar.then(|| format!("write it in quotes: `\"{}\"`", written.trim()));
        reader.wrong_type(value, help);
        return None;
    };
    if text.contains(|character: char| character.is_control()) {
        let message = format!(
            "{} must be one line without control characters",
            value.name()
        );
        reader
            .report
            .push(value.wrong(&BAD_VALUE, message).label("not one line"));
        return None;
    }
    Some(text)
}

/// One of the words of its kind, as the type that has them as its variants.
pub(super) fn chosen<T: DeserializeOwned>(reader: &mut Reader, value: &Value<'_>) -> Option<T> {
    let word = word(reader, value)?;
    let chosen =
        T::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(word));
    debug_assert!(
        chosen.is_ok(),
        "`{word}` is in the table and not in the plan's type"
    );
    chosen.ok()
}

fn word(reader: &mut Reader, value: &Value<'_>) -> Option<&'static str> {
    match &value.node.kind {
        NodeKind::Text(text) => reader.word(value, text),
        _ => {
            let words = alternatives(value.kind.words().iter().map(|word| word.name));
            reader.wrong_type(value, Some(format!("possible here: {words}")));
            None
        }
    }
}

/// A span of time, not shorter than its kind asks for.
pub(super) fn duration(reader: &mut Reader, value: &Value<'_>) -> Option<Millis> {
    let Kind::Duration(least) = *value.kind else {
        unreachable!("only a key of this kind is read as a duration")
    };
    let read = quantity(reader, value, units::duration)?;
    if read.0 < least {
        out_of_range(reader, value, &format!("at least {}", Millis(least)));
        return None;
    }
    Some(read)
}

/// A number of bytes.
pub(super) fn bytes(reader: &mut Reader, value: &Value<'_>) -> Option<Bytes> {
    quantity(reader, value, units::bytes)
}

/// A data rate above zero.
pub(super) fn rate(reader: &mut Reader, value: &Value<'_>) -> Option<Rate> {
    let read = quantity(reader, value, units::rate)?;
    if read.bits_per_second == 0 {
        out_of_range(reader, value, "above zero");
        return None;
    }
    Some(read)
}

/// A share, at most as large as its kind allows.
pub(super) fn percent(reader: &mut Reader, value: &Value<'_>) -> Option<Percent> {
    let Kind::Percent(most) = *value.kind else {
        unreachable!("only a key of this kind is read as a share")
    };
    let read = quantity(reader, value, units::percent)?;
    if read.0 > most {
        out_of_range(reader, value, &format!("at most {most}%"));
        return None;
    }
    Some(read)
}

/// A shortest and a longest pause.
pub(super) fn backoff(reader: &mut Reader, value: &Value<'_>) -> Option<(Millis, Millis)> {
    quantity(reader, value, units::backoff)
}

fn quantity<T>(
    reader: &mut Reader,
    value: &Value<'_>,
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> Option<T> {
    let written = match &value.node.kind {
        NodeKind::Text(text) => text.as_str(),
        NodeKind::Whole(_) | NodeKind::Float => value.node.place.text(),
        _ => {
            reader.wrong_type(value, None);
            return None;
        }
    };
    let name = value.name();
    let noun = value.kind.noun();
    let did_you_mean = |meant: String| format!("did you mean {}?", shown(&meant));
    let found = match parse(written) {
        Ok(quantity) => return Some(quantity),
        Err(Fault::NoUnit(meant)) => value
            .wrong(&MISSING_UNIT, format!("{name} has no unit"))
            .label(format!("expected {noun}"))
            .help(Some(did_you_mean(meant))),
        Err(Fault::Unit { known, meant }) => {
            let units = format!("the units are {}", alternatives(known));
            let help = match meant {
                Some(meant) => format!("{} {units}", did_you_mean(meant)),
                None => units,
            };
            let message = format!("{name} has an unknown unit");
            let found = value.wrong(&BAD_VALUE, message);
            found.label("this unit is not known").help(Some(help))
        }
        Err(Fault::Shape) => value
            .wrong(&BAD_VALUE, format!("{name} cannot be {}", shown(written)))
            .label(format!("expected {noun}"))
            .help(Some("write whole numbers, each with its unit".to_owned())),
        Err(Fault::TooLarge) => value
            .wrong(
                &OUT_OF_RANGE,
                format!("{name} is larger than phaul can count"),
            )
            .label("too large"),
    };
    reader.report.push(found);
    None
}

/// A list; every item is read, and the list counts only if all could be.
pub(super) fn list<T>(
    reader: &mut Reader,
    value: &Value<'_>,
    read: impl Fn(&mut Reader, &Value<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let (Kind::List(kind) | Kind::ListOr(kind, _)) = value.kind else {
        unreachable!("only a key of this kind is read as a list")
    };
    let NodeKind::List(items) = &value.node.kind else {
        let written = value.node.place.text();
        let scalar = !matches!(value.node.kind, NodeKind::Map(_) | NodeKind::Null);
        let short = scalar && written.len() <= 40 && !written.contains(['\n', ',', '[', ']']);
        reader.wrong_type(value, short.then(|| format!("did you mean `[{written}]`?")));
        return None;
    };
    let read: Vec<Option<T>> = items
        .iter()
        .enumerate()
        .map(|(number, node)| {
            let item = value.item(kind, number, node);
            reader.note(&item);
            read(reader, &item)
        })
        .collect();
    read.into_iter().collect()
}

/// A program with its arguments; arguments may be empty. That there is a program is a rule of its own.
pub(super) fn argv(reader: &mut Reader, value: &Value<'_>) -> Option<Vec<String>> {
    let NodeKind::List(items) = &value.node.kind else {
        let written = value.node.text().filter(|text| text.len() <= 40);
        let words = written.map(|text| text.split_whitespace().collect::<Vec<_>>().join(", "));
        reader.wrong_type(
            value,
            words.map(|words| format!("did you mean `[{words}]`?")),
        );
        return None;
    };
    let read: Vec<Option<String>> = items
        .iter()
        .enumerate()
        .map(|(number, node)| {
            let item = value.item(&Kind::Text, number, node);
            reader.note(&item);
            line(reader, &item).map(str::to_owned)
        })
        .collect();
    read.into_iter().collect()
}
