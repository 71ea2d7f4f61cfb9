use super::*;
use phaul_core::plan::{Haul, Pid, PidSource, Target};

pub(crate) fn plan() -> Plan {
    let haul = Haul::Pid(Pid {
        root: PidSource::Pid(1234),
        shell_job: false,
    });
    let to = Target {
        agent: "10.77.0.2:7420".into(),
        identity: "b".into(),
        id: None,
        paths: Default::default(),
    };
    Plan::new("example", haul, to)
}

#[test]
fn every_plan_compiles_to_valid_graphs() {
    for gate in [Gate::None, Gate::Ask] {
        for (attempts, files) in [(1, Vec::new()), (3, tree()), (1, tree())] {
            let mut plan = plan();
            plan.gate = gate;
            plan.retry.attempts = attempts;
            plan.files = files;
            let graphs = compile(&plan).unwrap_or_else(|broken| panic!("{broken:#?}"));
            assert_eq!(
                graphs.source.node(S::Gate).is_some(),
                gate == Gate::Ask,
                "the gate is there exactly when the plan asks for it"
            );
        }
    }
}

fn tree() -> Vec<FileSet> {
    vec![FileSet::Tree {
        path: "/srv/web".into(),
        exclude: Vec::new(),
    }]
}

#[test]
fn files_are_copied_in_rounds_exactly_when_the_plan_has_a_tree() {
    let shared = FileSet::Shared {
        path: "/srv/web".into(),
    };
    for (files, copied) in [(tree(), true), (vec![shared, FileSet::None], false)] {
        let mut plan = plan();
        plan.files = files;
        let graph = compile(&plan).unwrap().source;
        for state in [S::CopyFiles, S::FinalFiles] {
            assert_eq!(graph.node(state).is_some(), copied, "{state}");
            assert_eq!(graph.main_path().contains(&state), copied, "{state}");
        }
        let again: Vec<&Edge> = graph.leaving(S::CopyFiles).collect();
        let again = again.iter().find(|edge| edge.to == S::CopyFiles);
        assert_eq!(again.map(|edge| edge.retry), copied.then_some(None));
    }
}

#[test]
fn the_way_to_success_is_the_contract() {
    let graphs = compile(&plan()).unwrap();
    let names = |graph: &Graph| {
        let names: Vec<&str> = graph.main_path().iter().map(|s| s.name()).collect();
        names.join(" > ")
    };
    assert_eq!(
        names(&graphs.source),
        "connect > preflight > reserve > freeze > final-memory > restore > commit > resume > clean > done"
    );
    assert_eq!(
        names(&graphs.target),
        "accept > reserve > receive > restore > prepared > resume > clean > done"
    );
}

#[test]
fn the_way_with_files_is_the_contract() {
    let mut plan = plan();
    plan.files = tree();
    plan.gate = Gate::Ask;
    let graphs = compile(&plan).unwrap();
    let names: Vec<&str> = graphs.source.main_path().iter().map(|s| s.name()).collect();
    assert_eq!(
        names.join(" > "),
        "connect > preflight > reserve > copy-files > gate > freeze > final-memory > final-files > restore > commit > resume > clean > done"
    );
}

#[test]
fn a_review_says_when_another_round_is_made() {
    let mut plan = plan();
    plan.files = tree();
    let graphs = compile(&plan).unwrap();
    let text = crate::render::render(&graphs, crate::render::Format::Text);
    for line in [
        "- done, if another round of files is worth it: once more\n",
        "- done, unless another round of files is worth it: to freeze\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn different_plans_have_different_digests() {
    let mut other = plan();
    other.gate = Gate::Ask;
    let (one, two) = (compile(&plan()).unwrap(), compile(&other).unwrap());
    assert_ne!(one.source.digest(), two.source.digest());
    assert_eq!(
        one.source.digest(),
        compile(&plan()).unwrap().source.digest()
    );
}
