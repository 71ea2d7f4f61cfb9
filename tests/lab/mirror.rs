//! The Debian mirror that this machine itself uses.

use std::fs;
use std::path::Path;

use super::error::{Error, Result};

const APT: &str = "/etc/apt";

/// The address of the first Debian archive in the machine's apt sources.
pub(crate) fn of_this_machine() -> Result<String> {
    let apt = Path::new(APT);
    let mut files: Vec<_> = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "sources" || extension == "list")
        })
        .collect();
    files.sort();
    files.insert(0, apt.join("sources.list"));
    files
        .iter()
        .filter_map(|path| Some((path, fs::read_to_string(path).ok()?)))
        .find_map(|(path, text)| {
            if path.extension()? == "sources" {
                from_stanzas(&text)
            } else {
                from_lines(&text)
            }
        })
        .ok_or_else(|| {
            Error::Unfit(format!(
                "no Debian archive in the apt sources beneath {APT}: the lab's rootfs comes from it"
            ))
        })
}

/// From a deb822 file: stanzas of `Key: value`.
fn from_stanzas(text: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| {
        let value = |key: &str| {
            stanza.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(key).then(|| value.trim())
            })
        };
        let binary = value("Types")?.split_whitespace().any(|kind| kind == "deb");
        let enabled = value("Enabled").is_none_or(|enabled| !enabled.eq_ignore_ascii_case("no"));
        let archive = value("Suites")?.split_whitespace().any(is_archive_suite);
        let address = value("URIs")?.split_whitespace().next()?;
        (binary && enabled && archive).then(|| address.to_owned())
    })
}

/// From one-line style: `deb [options] address suite component...`.
fn from_lines(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let (address, suite) = (words.next()?, words.next()?);
        is_archive_suite(suite).then(|| address.to_owned())
    })
}

/// Security updates and the like live in archives of their own, without the whole distribution.
fn is_archive_suite(suite: &str) -> bool {
    !suite.contains('-') && !suite.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deb822_file_gives_its_main_archive() {
        let text = "Types: deb\nURIs: http://security.example/\nSuites: stable-security\n\n\
                    # a comment: of no meaning\nTypes: deb-src\nURIs: http://source.example/\nSuites: stable\n\n\
                    Types: deb deb-src\nURIs: http://main.example/debian\nSuites: stable stable-updates\n";
        assert_eq!(
            from_stanzas(text).as_deref(),
            Some("http://main.example/debian")
        );
    }

    #[test]
    fn a_disabled_stanza_is_passed_over() {
        let text = "Enabled: no\nTypes: deb\nURIs: http://off.example/\nSuites: stable\n";
        assert_eq!(from_stanzas(text), None);
    }

    #[test]
    fn a_one_line_file_gives_its_main_archive() {
        let text = "# deb http://no.example x main\ndeb http://sec.example stable-security main\n\
                    deb [arch=amd64 signed-by=/k] http://main.example/debian stable main contrib\n";
        assert_eq!(
            from_lines(text).as_deref(),
            Some("http://main.example/debian")
        );
    }
}
