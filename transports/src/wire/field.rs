//! Checks of single values. Each gives the value back, or an error that names its field.

use super::{NAME_MAX, WireError};
use bytes::Bytes;
use phaul_core::run::RunId;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How much of a wrong value is shown in an error.
const SHOWN_MAX: usize = 80;

/// The error for a field that holds something else than it must.
pub(super) fn wrong(
    field: &'static str,
    expected: impl Into<String>,
    got: impl std::fmt::Debug,
) -> WireError {
    WireError::Field {
        field,
        expected: expected.into(),
        got: format!("{got:?}").chars().take(SHOWN_MAX).collect(),
    }
}

/// Holds a size against its bound.
pub(super) fn at_most(what: &'static str, size: usize, max: usize) -> Result<(), WireError> {
    if size <= max {
        return Ok(());
    }
    Err(WireError::TooLarge {
        what,
        size: size as u64,
        max: max as u64,
    })
}

/// A text of at most so many bytes.
pub(super) fn text(field: &'static str, value: String, max: usize) -> Result<String, WireError> {
    at_most(field, value.len(), max)?;
    Ok(value)
}

/// A file's name: one path component.
pub(super) fn name(field: &'static str, value: String) -> Result<String, WireError> {
    let sized = (1..=NAME_MAX).contains(&value.len());
    let one = !matches!(value.as_str(), "." | "..") && !value.contains(['/', '\0']);
    if sized && one {
        Ok(value)
    } else {
        Err(wrong(
            field,
            format!("one path component of 1 to {NAME_MAX} bytes"),
            value,
        ))
    }
}

/// What counts from 1.
pub(super) fn counted(field: &'static str, value: u32) -> Result<u32, WireError> {
    if value >= 1 {
        Ok(value)
    } else {
        Err(wrong(field, "1 or more", value))
    }
}

/// The id of a run.
pub(super) fn run(value: &str) -> Result<RunId, WireError> {
    value
        .parse()
        .map_err(|_| wrong("run", "1 to 64 of a-z, 0-9 and `-`", value))
}

/// The number of an attempt.
pub(super) fn attempt(value: u32) -> Result<u32, WireError> {
    counted("attempt", value)
}

/// A value from its JSON.
pub(super) fn from_json<T: DeserializeOwned>(
    field: &'static str,
    json: &[u8],
    max: usize,
) -> Result<T, WireError> {
    at_most(field, json.len(), max)?;
    serde_json::from_slice(json).map_err(|error| WireError::Malformed {
        what: field,
        reason: error.to_string().chars().take(SHOWN_MAX * 4).collect(),
    })
}

/// The JSON of a value.
pub(super) fn to_json<T: Serialize>(
    field: &'static str,
    value: &T,
    max: usize,
) -> Result<Bytes, WireError> {
    let json = serde_json::to_vec(value).map_err(|error| WireError::Malformed {
        what: field,
        reason: error.to_string(),
    })?;
    at_most(field, json.len(), max)?;
    Ok(json.into())
}

/// A protobuf message from its bytes.
pub(super) fn from_proto<T: prost::Message + Default>(
    what: &'static str,
    bytes: Bytes,
) -> Result<T, WireError> {
    T::decode(bytes).map_err(|error| WireError::Malformed {
        what,
        reason: error.to_string(),
    })
}

/// A list of protobuf messages, each with its length before it. Not a `repeated` field: that
/// would be allocated before its length can be held against the bound.
pub(super) fn from_list<T: prost::Message + Default>(
    field: &'static str,
    mut bytes: Bytes,
    max: usize,
) -> Result<Vec<T>, WireError> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        at_most(field, list.len() + 1, max)?;
        let item =
            T::decode_length_delimited(&mut bytes).map_err(|error| WireError::Malformed {
                what: field,
                reason: error.to_string(),
            })?;
        list.push(item);
    }
    Ok(list)
}

/// The bytes of a list, as [`from_list`] reads them.
pub(super) fn to_list<T: prost::Message>(items: impl Iterator<Item = T>) -> Bytes {
    let mut bytes = Vec::new();
    for item in items {
        bytes.extend(item.encode_length_delimited_to_vec());
    }
    bytes.into()
}
