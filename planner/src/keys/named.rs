//! Reading text with a shape of its own: names, paths, addresses.

use super::reader::{Reader, Value};
use super::value::text;
use crate::diagnostic::codes::BAD_VALUE;
use crate::diagnostic::shown;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`.
pub(super) fn name(reader: &mut Reader, value: &Value<'_>) -> Option<String> {
    let text = text(reader, value)?;
    if text.len() <= 64 && text.chars().all(fits_name) {
        return Some(text);
    }
    let meant: String = text
        .chars()
        .map(|c| if fits_name(c) { c } else { '-' })
        .collect();
    let help = match meant.len() {
        0..=64 => format!("did you mean `{meant}`?"),
        length => format!("this one has {length} characters"),
    };
    let label = "expected 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`";
    refuse(reader, value, label, Some(help))
}

/// The id of a container: what runtimes accept.
pub(super) fn id(reader: &mut Reader, value: &Value<'_>) -> Option<String> {
    let text = text(reader, value)?;
    let plain = |c: char| fits_name(c) || c == '+';
    if (1..=255).contains(&text.len()) && text.chars().all(plain) && !text.starts_with(['-', '.']) {
        return Some(text);
    }
    let label = "expected letters, digits, `.`, `_`, `+` and `-`, the first no `.` or `-`";
    refuse(reader, value, label, None)
}

/// Whether a name may have this character.
pub(crate) fn fits_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

/// A path that is not empty.
pub(super) fn path(reader: &mut Reader, value: &Value<'_>) -> Option<PathBuf> {
    text(reader, value).map(PathBuf::from)
}

/// A path that begins with `/`.
pub(super) fn absolute_path(reader: &mut Reader, value: &Value<'_>) -> Option<PathBuf> {
    let text = text(reader, value)?;
    if text.starts_with('/') {
        return Some(PathBuf::from(text));
    }
    let help = "a relative path would depend on where phaul was started".to_owned();
    let label = "expected a path that begins with `/`";
    refuse(reader, value, label, Some(help))
}

/// `host:port`.
pub(super) fn agent(reader: &mut Reader, value: &Value<'_>) -> Option<String> {
    let text = text(reader, value)?;
    match check_agent(&text) {
        Ok(()) => Some(text),
        Err(help) => {
            let label = "expected `host:port`";
            refuse(reader, value, label, Some(help))
        }
    }
}

fn check_agent(text: &str) -> Result<(), String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!(
            "put the address into brackets and add the port: `[{text}]:7420`"
        ));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, port),
        _ => return Err(format!("add the port: {}", shown(&format!("{text}:7420")))),
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || port.parse::<u16>().is_ok_and(|port| port == 0) || port.parse::<u16>().is_err() {
        return Err("the port is a number from 1 to 65535".to_owned());
    }
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return match inner.parse::<Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err("in brackets stands an IPv6 address".to_owned()),
        };
    }
    if host.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("put the address into brackets: `[{host}]:{port}`"));
    }
    let label_fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
    };
    let numeric = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric && host.parse::<IpAddr>().is_err() {
        return Err(format!("{} is not an IPv4 address", shown(host)));
    }
    if host.len() <= 253 && host.trim_end_matches('.').split('.').all(label_fits) {
        Ok(())
    } else {
        Err(format!(
            "{} is not the name or address of a host",
            shown(host)
        ))
    }
}

/// An address with the length of its prefix.
pub(super) fn address_and_prefix(reader: &mut Reader, value: &Value<'_>) -> Option<String> {
    let text = text(reader, value)?;
    let read = text.split_once('/').and_then(|(address, prefix)| {
        let most = match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        prefix.parse::<u8>().ok().filter(|length| *length <= most)
    });
    if read.is_some() {
        return Some(text);
    }
    let help = text
        .parse::<IpAddr>()
        .is_ok()
        .then(|| format!("add the length of the prefix: `{text}/24`"));
    let label = "expected an address and a prefix, such as `10.0.0.5/24`";
    refuse(reader, value, label, help)
}

/// The name of a network interface, as the kernel allows it.
pub(super) fn interface(reader: &mut Reader, value: &Value<'_>) -> Option<String> {
    let text = text(reader, value)?;
    let clean = !text.contains(['/', ':']) && !text.contains(char::is_whitespace);
    if clean && text.len() <= 15 && text != "." && text != ".." {
        return Some(text);
    }
    let label = "expected up to 15 characters without `/`, `:` and blanks";
    refuse(reader, value, label, None)
}

fn refuse<T>(
    reader: &mut Reader,
    value: &Value<'_>,
    label: &str,
    help: Option<String>,
) -> Option<T> {
    let written = value.node.text().unwrap_or_default();
    let message = format!("{} cannot be {}", value.name(), shown(written));
    let found = value.wrong(&BAD_VALUE, message).label(label).help(help);
    reader.report.push(found);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents() {
        for good in [
            "10.77.0.2:7420",
            "[::1]:7420",
            "[fe80::1]:1",
            "b:7420",
            "node-3.example.org:65535",
            "example.org.:7420",
        ] {
            assert_eq!(check_agent(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "b",
            ":7420",
            "b:",
            "b:0",
            "b:65536",
            "b:x",
            "b:+1",
            "::1",
            "::1:7420",
            "[::1]",
            "[b]:7420",
            "10.0.0.256:7420",
            "a b:7420",
            "a/b:7420",
            "-b:1",
            "a..b:1",
            "[]:1",
        ] {
            assert!(check_agent(bad).is_err(), "{bad}");
        }
        assert_eq!(check_agent("b").unwrap_err(), "add the port: `b:7420`");
        assert!(
            check_agent("fe80::1")
                .unwrap_err()
                .contains("`[fe80::1]:7420`")
        );
    }
}
