//! What a diagnostic code means.

use std::fmt;

/// A rule that a plan must keep, with its stable code and its explanation.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The stable word, in kebab case.
    pub code: &'static str,
    /// How bad breaking it is.
    pub severity: Severity,
    /// What it means.
    pub means: &'static str,
    /// Why it is a rule.
    pub why: &'static str,
    /// Lines of a plan that break it; empty where no plan can.
    pub example: &'static str,
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The plan cannot be carried out.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Declares a rule once: its explanation becomes documentation and data.
macro_rules! rule {
    ($name:ident = $code:literal, $severity:ident; means $means:literal; why $why:literal;) => {
        #[doc = concat!("`", $code, "`: ", $means, "\n\n# Why\n\n", $why)]
        pub static $name: $crate::diagnostic::Rule = $crate::diagnostic::Rule {
            code: $code,
            severity: $crate::diagnostic::Severity::$severity,
            means: $means,
            why: $why,
            example: "",
        };
    };
    ($name:ident = $code:literal, $severity:ident; means $means:literal; why $why:literal;
     example $example:literal;) => {
        #[doc = concat!("`", $code, "`: ", $means, "\n\n# Why\n\n", $why)]
        #[doc = concat!("\n\n# Example\n\n```yaml\n", $example, "\n```")]
        pub static $name: $crate::diagnostic::Rule = $crate::diagnostic::Rule {
            code: $code,
            severity: $crate::diagnostic::Severity::$severity,
            means: $means,
            why: $why,
            example: $example,
        };
    };
}
pub(crate) use rule;
