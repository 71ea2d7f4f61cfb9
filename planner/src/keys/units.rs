//! Quantities as plans write them: a whole number and a unit.

use phaul_core::plan::{Bytes, Millis, Percent, Rate};

/// A unit and how much of the quantity it stands for.
type Unit = (&'static str, u64);

const TIMES: &[Unit] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZES: &[Unit] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

const RATES: &[Unit] = &[
    ("bit/s", 1),
    ("kbit/s", 1_000),
    ("Mbit/s", 1_000_000),
    ("Gbit/s", 1_000_000_000),
    ("B/s", 8),
    ("KiB/s", 8 << 10),
    ("MiB/s", 8 << 20),
    ("GiB/s", 8 << 30),
    ("kB/s", 8_000),
    ("MB/s", 8_000_000),
    ("GB/s", 8_000_000_000),
];

/// What people write for a unit, and which one they mean.
const MEANT: &[(&str, &str)] = &[
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("milliseconds", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("bytes", "B"),
    ("k", "KiB"),
    ("m", "MiB"),
    ("g", "GiB"),
    ("t", "TiB"),
    ("ki", "KiB"),
    ("mi", "MiB"),
    ("gi", "GiB"),
    ("ti", "TiB"),
    ("bps", "bit/s"),
    ("kbps", "kbit/s"),
    ("mbps", "Mbit/s"),
    ("gbps", "Gbit/s"),
    ("kbit", "kbit/s"),
    ("mbit", "Mbit/s"),
    ("gbit", "Gbit/s"),
];

/// Why a text is not the quantity that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A number without a unit; with the quantity that was probably meant.
    NoUnit(String),
    /// The unit is none of these; with the quantity that was probably meant.
    Unit {
        known: Vec<&'static str>,
        meant: Option<String>,
    },
    /// It is not a whole number and a unit.
    Shape,
    /// It is larger than phaul can count.
    TooLarge,
}

/// A span of time: `300ms`, `1m30s`.
pub(crate) fn duration(text: &str) -> Result<Millis, Fault> {
    duration_or(text, "ms")
}

/// A span of time; `usual` is the unit that is suggested when there is none.
fn duration_or(text: &str, usual: &str) -> Result<Millis, Fault> {
    let text = text.trim();
    let mut at = 0;
    let mut total = 0_u64;
    let mut last = u64::MAX;
    while at == 0 || at < text.len() {
        let rest = &text[at..];
        // A part ends where a digit follows on a unit.
        let end = rest
            .char_indices()
            .find(|(to, next)| *to > 0 && next.is_ascii_digit() && !ends_in_digit(&rest[..*to]))
            .map_or(rest.len(), |(to, _)| to);
        let usual = if at == 0 { usual } else { "s" };
        let (value, unit) = quantity(&rest[..end], TIMES, usual)
            .map_err(|fault| fault.within(&text[..at], &rest[end..]))?;
        // From the largest unit to the smallest, each at most once.
        if unit >= last {
            return Err(Fault::Shape);
        }
        last = unit;
        total = total.checked_add(value).ok_or(Fault::TooLarge)?;
        at += end.max(1);
    }
    Ok(Millis(total))
}

/// A number of bytes: `64MiB`, `10MB`.
pub(crate) fn bytes(text: &str) -> Result<Bytes, Fault> {
    quantity(text.trim(), SIZES, "MiB").map(|(value, _)| Bytes(value))
}

/// A data rate: `900Mbit/s`, `100MiB/s`.
pub(crate) fn rate(text: &str) -> Result<Rate, Fault> {
    let (bits_per_second, _) = quantity(text.trim(), RATES, "Mbit/s")?;
    Ok(Rate { bits_per_second })
}

/// A share: `10%`.
pub(crate) fn percent(text: &str) -> Result<Percent, Fault> {
    let (value, _) = quantity(text.trim(), &[("%", 1)], "%")?;
    u32::try_from(value)
        .map(Percent)
        .map_err(|_| Fault::TooLarge)
}

/// A shortest and a longest pause: `1s..30s`.
pub(crate) fn backoff(text: &str) -> Result<(Millis, Millis), Fault> {
    let (first, longest) = text.split_once("..").ok_or(Fault::Shape)?;
    let end = |before: &str, text: &str, after: &str| {
        duration_or(text, "s").map_err(|fault| fault.within(before, after))
    };
    let first_ms = end("", first, &format!("..{longest}"))?;
    let longest_ms = end(&format!("{first}.."), longest, "")?;
    Ok((first_ms, longest_ms))
}

impl Fault {
    /// The same fault of a longer text, of which the faulty one is a part.
    fn within(self, before: &str, after: &str) -> Self {
        match self {
            Self::NoUnit(meant) => Self::NoUnit(format!("{before}{meant}{after}")),
            Self::Unit { known, meant } => Self::Unit {
                known,
                meant: meant.map(|meant| format!("{before}{meant}{after}")),
            },
            other => other,
        }
    }
}

fn ends_in_digit(text: &str) -> bool {
    text.ends_with(|last: char| last.is_ascii_digit())
}

/// The quantity in its smallest unit, and the size of the unit it is written in.
fn quantity(text: &str, units: &[Unit], usual: &str) -> Result<(u64, u64), Fault> {
    let end = text
        .find(|next: char| !next.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    if number.is_empty() || unit.starts_with(['.', ',', '_']) {
        return Err(Fault::Shape);
    }
    if unit.is_empty() {
        return Err(Fault::NoUnit(format!("{number}{usual}")));
    }
    let Some((_, size)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(Fault::Unit {
            known: units.iter().map(|(name, _)| *name).collect(),
            meant: meant(unit, units).map(|unit| format!("{number}{unit}")),
        });
    };
    let number: u64 = number.parse().map_err(|_| Fault::TooLarge)?;
    let value = number.checked_mul(*size).ok_or(Fault::TooLarge)?;
    Ok((value, *size))
}

fn meant(unit: &str, units: &[Unit]) -> Option<&'static str> {
    let lower: String = unit.chars().take(16).collect::<String>().to_lowercase();
    let known = |wanted: &str| units.iter().find(|(name, _)| *name == wanted);
    let by_case = units.iter().find(|(name, _)| name.to_lowercase() == lower);
    MEANT
        .iter()
        .filter(|(written, _)| *written == lower)
        .find_map(|(_, unit)| known(unit))
        .or(by_case)
        .map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            ("300ms", 300),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1h0m5ms", 3_600_005),
            ("2d", 172_800_000),
            ("0ms", 0),
            ("5 s", 5_000),
        ];
        for (text, millis) in table {
            assert_eq!(duration(text), Ok(Millis(millis)), "{text}");
        }
        let no_unit = |meant: &str| Err(Fault::NoUnit(meant.to_owned()));
        assert_eq!(duration("300"), no_unit("300ms"));
        assert_eq!(duration("1m30"), no_unit("1m30s"));
        for text in ["", "s", "-1s", "1.5s", "1s1m", "1s1s", "x", "1_000ms", "٣s"] {
            assert_eq!(duration(text), Err(Fault::Shape), "{text}");
        }
        assert_eq!(duration("99999999999999999999ms"), Err(Fault::TooLarge));
        assert_eq!(duration("18446744073709551615h"), Err(Fault::TooLarge));
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(bytes("64MiB"), Ok(Bytes(64 << 20)));
        assert_eq!(bytes("10MB"), Ok(Bytes(10_000_000)));
        assert_eq!(bytes("0B"), Ok(Bytes(0)));
        let table = [
            ("900Mbit/s", 900_000_000),
            ("1Gbit/s", 1_000_000_000),
            ("64kbit/s", 64_000),
            ("1KiB/s", 8_192),
            ("100MiB/s", 838_860_800),
            ("10MB/s", 80_000_000),
        ];
        for (text, bits_per_second) in table {
            assert_eq!(rate(text), Ok(Rate { bits_per_second }), "{text}");
        }
    }

    #[test]
    fn shares_and_ranges() {
        assert_eq!(percent("10%"), Ok(Percent(10)));
        assert_eq!(percent("10"), Err(Fault::NoUnit("10%".into())));
        assert_eq!(percent("9999999999%"), Err(Fault::TooLarge));
        assert_eq!(backoff("1s..30s"), Ok((Millis(1_000), Millis(30_000))));
        assert_eq!(backoff("1..30s"), Err(Fault::NoUnit("1s..30s".into())));
        assert_eq!(backoff("1s..30"), Err(Fault::NoUnit("1s..30s".into())));
        assert_eq!(backoff("1s"), Err(Fault::Shape));
    }

    #[test]
    fn a_wrong_unit_leads_to_the_right_one() {
        let meant = |fault| match fault {
            Fault::Unit { meant, .. } => meant,
            other => panic!("{other:?}"),
        };
        assert_eq!(meant(duration("5min").unwrap_err()), Some("5m".into()));
        assert_eq!(meant(duration("5S").unwrap_err()), Some("5s".into()));
        assert_eq!(meant(duration("5y").unwrap_err()), None);
        assert_eq!(meant(bytes("64M").unwrap_err()), Some("64MiB".into()));
        assert_eq!(meant(bytes("64mib").unwrap_err()), Some("64MiB".into()));
        assert_eq!(
            meant(rate("900Mbps").unwrap_err()),
            Some("900Mbit/s".into())
        );
        assert_eq!(meant(rate("1Gbit").unwrap_err()), Some("1Gbit/s".into()));
    }

    /// What is shown of a plan can be written into one.
    #[test]
    fn quantities_are_read_as_they_are_shown() {
        for value in [0, 1, 999, 1_000, 60_000, 90_000, 3_600_000, u64::MAX] {
            assert_eq!(duration(&Millis(value).to_string()), Ok(Millis(value)));
            assert_eq!(bytes(&Bytes(value).to_string()), Ok(Bytes(value)));
            let value = Rate {
                bits_per_second: value,
            };
            assert_eq!(rate(&value.to_string()), Ok(value));
        }
    }
}
