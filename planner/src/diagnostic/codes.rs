//! The rules that every plan meets while it is read. Those about what a plan means are in
//! [`crate::check`], one a file.

use super::{Rule, rule};

/// Every rule there is, for explanations and reference pages.
pub fn all() -> Vec<&'static Rule> {
    let reading = [
        &PLAN_UNREADABLE,
        &PLAN_TOO_LARGE,
        &PLAN_NOT_TEXT,
        &PLAN_EMPTY,
        &YAML_SYNTAX,
        &YAML_LIMIT,
        &YAML_TAG,
        &ONE_DOCUMENT,
        &UNKNOWN_KEY,
        &DUPLICATE_KEY,
        &MISSING_KEY,
        &EXACTLY_ONE,
        &WRONG_TYPE,
        &BAD_VALUE,
        &MISSING_UNIT,
        &OUT_OF_RANGE,
        &UNKNOWN_STATE,
        &BAD_OVERRIDE,
    ];
    reading.into_iter().chain(crate::check::rules()).collect()
}

rule! {
    PLAN_UNREADABLE = "plan-unreadable", Error;
    means "The plan could not be read from its file.";
    why "The file is missing, is a directory, or may not be read.";
}
rule! {
    PLAN_TOO_LARGE = "plan-too-large", Error;
    means "The plan's text is larger than 1 MiB.";
    why "A plan is written and reviewed by people; a text of that size is another file.";
}
rule! {
    PLAN_NOT_TEXT = "plan-not-text", Error;
    means "The file is not UTF-8 text.";
    why "Plans are UTF-8 without control characters, so that what is reviewed is what is read.";
}
rule! {
    PLAN_EMPTY = "plan-empty", Error;
    means "There is nothing in the plan.";
    why "A plan has at least `version`, `haul` and `to`.";
}
rule! {
    YAML_SYNTAX = "yaml-syntax", Error;
    means "The text is not YAML.";
    why "Nothing behind the place that is shown could be read; more may be wrong there.";
    example "haul: { pid: { pid: 4242 }";
}
rule! {
    YAML_LIMIT = "yaml-limit", Error;
    means "The YAML is nested too deeply, or grows too large through its aliases.";
    why "A few lines of YAML can stand for more values than fit into memory.";
    example "name: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
}
rule! {
    YAML_TAG = "yaml-tag", Error;
    means "A value has a YAML tag, such as `!!str` or `!secret`.";
    why "Tags mean different things to different programs; a plan means the same to all.";
    example "name: !secret web";
}
rule! {
    ONE_DOCUMENT = "one-document", Error;
    means "The file has more than one YAML document.";
    why "A plan is one migration. A second document would be ignored, or run without review.";
    example "gate: none\n---\ngate: ask";
}
rule! {
    UNKNOWN_KEY = "unknown-key", Error;
    means "A key stands where a plan has no such key.";
    why "A misspelt key that is passed over would leave its default in force, unnoticed.";
    example "memory: { stratgy: auto }";
}
rule! {
    DUPLICATE_KEY = "duplicate-key", Error;
    means "A key stands twice in the same mapping.";
    why "Programs disagree which of the two counts.";
    example "gate: none\ngate: ask";
}
rule! {
    MISSING_KEY = "missing-key", Error;
    means "A key that has no default is missing.";
    why "phaul does not guess what is hauled and where to.";
    example "to: { agent: 10.77.0.2:7420 }";
}
rule! {
    EXACTLY_ONE = "exactly-one", Error;
    means "Of several keys, exactly one must be given, and it is none or more.";
    why "A plan hauls one workload, by one hauler, over one transport.";
    example "haul: { pid: { pid: 4242, pidfile: /run/web.pid } }";
}
rule! {
    WRONG_TYPE = "wrong-type", Error;
    means "A value has the wrong type, such as text for a number.";
    why "Values are not converted silently: `5` and `\"5\"`, `no` and `false` are different.";
    example "memory: { converge: { rounds: many } }";
}
rule! {
    BAD_VALUE = "bad-value", Error;
    means "A value has the right type and still says nothing that phaul knows.";
    why "The value would have no effect, or another one than meant.";
    example "memory: { strategy: fast }";
}
rule! {
    MISSING_UNIT = "missing-unit", Error;
    means "A quantity has no unit.";
    why "`300` may be seconds or milliseconds; the reader of a plan should not have to guess.";
    example "memory: { converge: { downtime: 300 } }";
}
rule! {
    OUT_OF_RANGE = "out-of-range", Error;
    means "A number is too small or too large.";
    why "The value would make no sense: no attempt at all, or thousands of streams.";
    example "retry: { attempts: 0 }";
}
rule! {
    UNKNOWN_STATE = "unknown-state", Error;
    means "A hook is tied to a state that this side does not have.";
    why "The hook would never run.";
    example "hooks: { target: { freeze: { before: [[/usr/local/bin/drain]] } } }";
}
rule! {
    BAD_OVERRIDE = "bad-override", Error;
    means "A `--set` is not of the form KEY=VALUE, or leads through a value that has no keys.";
    why "An override that is passed over would leave the plan's own value in force.";
}
