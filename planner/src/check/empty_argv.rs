//! Every command has a program.

use crate::diagnostic::{Diagnostic, rule, shown};
use crate::keys::{Draft, Reader};
use phaul_core::graph::{Side, StateName};
use phaul_core::plan::{StateHooks, Verify};
use std::collections::BTreeMap;

rule! {
    EMPTY_ARGV = "empty-argv", Error;
    means "A command has no program.";
    why "There is nothing to run.";
    example "hooks: { source: { freeze: { before: [[]] } } }";
}

pub(super) fn check(draft: &Draft, reader: &mut Reader) {
    let mut without_program = Vec::new();
    if let Some(hooks) = &draft.hooks {
        in_hooks(Side::Source, &hooks.source, &mut without_program);
        in_hooks(Side::Target, &hooks.target, &mut without_program);
    }
    for (number, verify) in draft.verify.iter().flatten().enumerate() {
        if let Verify::Exec { argv, .. } = verify
            && !has_program(argv)
        {
            without_program.push(format!("verify[{number}].exec.argv"));
        }
    }
    for path in without_program {
        let Some(setting) = reader.settings.get(&path) else {
            continue;
        };
        let message = format!("{} has no program", shown(&path));
        let found = Diagnostic::at(&EMPTY_ARGV, setting.spot(), message)
            .label("nothing to run")
            .help(Some("name a program, or remove the command".to_owned()));
        reader.report.push(found);
    }
}

fn in_hooks(side: Side, hooks: &BTreeMap<StateName, StateHooks>, found: &mut Vec<String>) {
    for (state, hooks) in hooks {
        for (when, commands) in [("before", &hooks.before), ("after", &hooks.after)] {
            let without = commands
                .iter()
                .enumerate()
                .filter(|(_, argv)| !has_program(argv));
            found.extend(
                without.map(|(number, _)| format!("hooks.{side}.{state}.{when}[{number}]")),
            );
        }
    }
}

fn has_program(argv: &[String]) -> bool {
    argv.first().is_some_and(|program| !program.is_empty())
}
