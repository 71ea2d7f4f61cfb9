//! The compiler's own check: a graph that breaks a rule is refused.

use crate::diagnostic::{Diagnostic, rule};
use crate::keys::Reader;
use crate::source::Source;
use phaul_core::graph::Broken;

rule! {
    GRAPH_REFUSED = "graph-refused", Error;
    means "The plan compiles to a graph that breaks a rule of valid graphs.";
    why "Such a run could end without deciding where the workload runs. It is a defect of phaul.";
}

pub(crate) fn refused_by_the_compiler(name: &str, broken: &[Broken], reader: &mut Reader) {
    let source = Source::file(name, "");
    for broken in broken {
        let message = format!("the plan cannot be compiled: {broken}");
        let found = Diagnostic::whole(&GRAPH_REFUSED, &source, message).help(Some(
            "please report this plan: it is a defect of phaul".to_owned(),
        ));
        reader.report.push(found);
    }
}
