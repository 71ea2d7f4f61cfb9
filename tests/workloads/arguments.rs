//! The command lines of the workloads: paths, for most one at most, and `--name number` pairs.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a workload was called with.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The first argument without a name.
    pub path: Option<PathBuf>,
    /// All arguments without a name.
    pub paths: Vec<PathBuf>,
    numbers: BTreeMap<&'static str, u64>,
}

impl Arguments {
    /// Of this process, with one path at most. Where they are wrong it says so and ends the process.
    pub fn or_exit(usage: &str, defaults: &[(&'static str, u64)]) -> Self {
        Self::with_paths_or_exit(usage, defaults, 1)
    }

    /// The same with so many paths at most.
    pub fn with_paths_or_exit(
        usage: &str,
        defaults: &[(&'static str, u64)],
        paths_max: usize,
    ) -> Self {
        Self::parse(std::env::args().skip(1), defaults, paths_max).unwrap_or_else(|reason| {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{reason}\nusage: {usage}");
            std::process::exit(2)
        })
    }

    /// From words; `defaults` says which numbers there are.
    fn parse(
        mut words: impl Iterator<Item = String>,
        defaults: &[(&'static str, u64)],
        paths_max: usize,
    ) -> Result<Self, String> {
        let mut arguments = Self {
            path: None,
            paths: Vec::new(),
            numbers: defaults.iter().copied().collect(),
        };
        while let Some(word) = words.next() {
            if let Some(name) = word.strip_prefix("--") {
                let known = defaults.iter().find(|(known, _)| *known == name);
                let (known, _) = known.ok_or_else(|| format!("there is no `{word}`"))?;
                let value = words.next().and_then(|value| value.parse().ok());
                arguments.numbers.insert(
                    known,
                    value.ok_or_else(|| format!("`{word}` needs a number"))?,
                );
            } else if arguments.paths.len() == paths_max {
                return Err(format!("`{word}` is one path too many"));
            } else {
                arguments.paths.push(PathBuf::from(word));
            }
        }
        arguments.path = arguments.paths.first().cloned();
        Ok(arguments)
    }

    /// A number that has a default.
    ///
    /// # Panics
    /// When the workload asks for one that it gave no default for.
    pub fn number(&self, name: &str) -> u64 {
        self.numbers[name]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(
            line.split_whitespace().map(str::to_owned),
            &[("every", 10), ("mib", 64)],
            2,
        )
    }

    #[test]
    fn numbers_have_defaults_and_can_be_given() {
        let arguments = parse("--every 5 /a /b").unwrap();
        assert_eq!(arguments.path, Some("/a".into()));
        assert_eq!(arguments.paths, ["/a", "/b"].map(PathBuf::from));
        assert_eq!(
            (arguments.number("every"), arguments.number("mib")),
            (5, 64)
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(parse("--often 5").unwrap_err(), "there is no `--often`");
        assert_eq!(parse("--every").unwrap_err(), "`--every` needs a number");
        assert_eq!(parse("--every x").unwrap_err(), "`--every` needs a number");
        assert_eq!(parse("/a /b /c").unwrap_err(), "`/c` is one path too many");
    }
}
