//! Every command has a program.

use crate::diagnostic::{Diagnostic, rule, shown};
use crate::keys::Reader;
use crate::settings::{Setting, Shape};

rule! {
    EMPTY_ARGV = "empty-argv", Error;
    means "A command has no program.";
    why "There is nothing to run.";
    example "hooks: { source: { freeze: { before: [[]] } } }";
}

pub(super) fn check(reader: &mut Reader) {
    let without = |(path, setting): &(&str, &Setting)| match &setting.shape {
        Shape::Empty => is_command(path),
        Shape::Word(program) => {
            program.is_empty() && path.strip_suffix("[0]").is_some_and(is_command)
        }
        _ => false,
    };
    let commands = reader.settings.iter().filter(without);
    let found: Vec<Diagnostic> = commands
        .map(|(path, setting)| {
            let message = format!("{} has no program", shown(path));
            Diagnostic::at(&EMPTY_ARGV, setting.spot(), message)
                .label("nothing to run")
                .help(Some("name a program, or remove the command".to_owned()))
        })
        .collect();
    for found in found {
        reader.report.push(found);
    }
}

/// Whether the path is that of a program with its arguments: `hooks.source.freeze.before[0]`.
fn is_command(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    let of_a_hook = path.starts_with("hooks.")
        && (last.starts_with("before[") || last.starts_with("after["))
        && last.matches('[').count() == 1;
    of_a_hook || path.ends_with(".exec.argv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_lists_of_them_and_from_their_arguments() {
        assert!(is_command("hooks.source.freeze.before[0]"));
        assert!(is_command("verify[2].exec.argv"));
        for other in [
            "hooks.source.freeze.before",
            "hooks.source.freeze.before[0][0]",
            "verify[0].exec",
            "verify[0].exec.argv[0]",
            "criu.options[0]",
        ] {
            assert!(!is_command(other), "{other}");
        }
    }
}
