//! Quantities with their unit in the type, written as the plan writes them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A span of time in milliseconds, written `300ms`, `10s`, `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// A number of bytes, written `256KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A data rate in bits a second, written `900Mbit/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate {
    /// Bits a second.
    pub bits_per_second: u64,
}

/// A share in whole percent, written `10%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub u32);

impl Millis {
    /// The same span as the standard library has it.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

/// Writes `value` with the largest unit that divides it without rest.
fn with_unit(f: &mut fmt::Formatter<'_>, value: u64, units: &[(u64, &str)]) -> fmt::Result {
    let (size, name) = units
        .iter()
        .find(|(size, _)| value > 0 && value.is_multiple_of(*size))
        .or(units.last())
        .copied()
        .unwrap_or((1, ""));
    write!(f, "{}{name}", value / size)
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_unit(
            f,
            self.0,
            &[(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")],
        )
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_unit(
            f,
            self.0,
            &[
                (1 << 40, "TiB"),
                (1 << 30, "GiB"),
                (1 << 20, "MiB"),
                (1 << 10, "KiB"),
                (1, "B"),
            ],
        )
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_unit(
            f,
            self.bits_per_second,
            &[
                (1_000_000_000, "Gbit/s"),
                (1_000_000, "Mbit/s"),
                (1_000, "kbit/s"),
                (1, "bit/s"),
            ],
        )
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_a_plan_writes_them() {
        assert_eq!(Millis(300).to_string(), "300ms");
        assert_eq!(Millis(600_000).to_string(), "10m");
        assert_eq!(Millis(0).to_string(), "0ms");
        assert_eq!(Bytes(256 * 1024).to_string(), "256KiB");
        assert_eq!(Bytes(1000).to_string(), "1000B");
        let rate = Rate {
            bits_per_second: 900_000_000,
        };
        assert_eq!(rate.to_string(), "900Mbit/s");
        assert_eq!(Percent(10).to_string(), "10%");
    }
}
