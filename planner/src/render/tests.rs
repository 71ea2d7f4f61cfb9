//! What is written is read as the same plan again.

use super::to_yaml;
use crate::keys::{self, Reader};
use crate::source::Source;
use crate::{load, yaml};
use phaul_core::graph::{Side, StateName};
use phaul_core::plan::{
    Address, Bytes, Cgroups, Checks, Compression, Container, Converge, Criu, FileSet, Gate, Haul,
    Hooks, Keep, Memory, Millis, Network, OnFailure, Otherwise, Percent, Pid, PidSource, Plan,
    Quic, Rate, RestoreMode, Retry, StateHooks, Strategy as Copying, Target, Tcp, Tracker,
    Transport, Verify, Waiver,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::path::PathBuf;

/// Reads a plan without asking what this version can do.
fn read(text: &str) -> Plan {
    let mut reader = Reader::default();
    let root = yaml::parse(&Source::file("plan.yaml", text), &mut reader.report);
    let draft = root.and_then(|root| keys::draft(&mut reader, &root));
    let found = reader.report.finish();
    assert!(found.is_empty(), "{found:#?}\n{text}");
    draft
        .and_then(|draft| draft.plan("unnamed"))
        .expect("what is written can be read")
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "\\PC{1,12}",
        "[-:#'\"{}\\[\\], &*!|>%@~yno0-9.]{1,8}"
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._-]{1,64}"
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_+][A-Za-z0-9._+-]{0,63}"
}

fn path() -> impl Strategy<Value = PathBuf> {
    "/\\PC{0,12}".prop_map(PathBuf::from)
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(all: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(all.to_vec())
}

fn haul() -> impl Strategy<Value = Haul> {
    let root = prop_oneof![
        (2..=4_194_304_i32).prop_map(PidSource::Pid),
        path().prop_map(PidSource::Pidfile),
    ];
    let pid =
        (root, any::<bool>()).prop_map(|(root, shell_job)| Haul::Pid(Pid { root, shell_job }));
    let by_id = (id(), option::of(path()), option::of(path()));
    let by_id = (by_id, any::<bool>()).prop_map(|((id, root, bundle), runc)| {
        let container = Container { id, root, bundle };
        if runc {
            Haul::Runc(container)
        } else {
            Haul::Crun(container)
        }
    });
    let by_name = (name(), option::of(path()), 0..3_u8).prop_map(|(id, root, kind)| {
        let container = Container {
            id,
            root,
            bundle: None,
        };
        match kind {
            0 => Haul::Podman(container),
            1 => Haul::Docker(container),
            _ => Haul::Lxc(container),
        }
    });
    prop_oneof![pid, by_id, by_name]
}

fn target() -> impl Strategy<Value = Target> {
    let agent = one_of(&["b:7420", "10.77.0.2:1", "[fd00::2]:65535"]).prop_map(str::to_owned);
    let paths = btree_map(path(), path(), 0..3);
    (agent, name(), option::of(id()), paths).prop_map(|(agent, identity, id, paths)| Target {
        agent,
        identity,
        id,
        paths,
    })
}

fn transport() -> impl Strategy<Value = Transport> {
    use Compression::{Auto, Lz4, Off, Zstd};
    let rate = option::of(1..u64::MAX);
    (1..=64_u32, rate, one_of(&[Auto, Off, Lz4, Zstd])).prop_map(|(streams, rate, compression)| {
        Transport::Quic(Quic {
            streams,
            rate: rate.map(|bits_per_second| Rate { bits_per_second }),
            compression,
        })
    })
}

fn memory() -> impl Strategy<Value = Memory> {
    use Otherwise::{Fail, Freeze, Throttle};
    let strategies = [
        Copying::Auto,
        Copying::Restart,
        Copying::StopCopy,
        Copying::PreCopy,
        Copying::PostCopy,
        Copying::Hybrid,
    ];
    let otherwise = one_of(&[Freeze, Throttle, Otherwise::PostCopy, Fail]);
    let converge = (
        1..u64::MAX,
        any::<u64>(),
        1..=10_000_u32,
        0..=1_000_u32,
        1..u64::MAX,
        otherwise,
    );
    let trackers = [
        Tracker::Auto,
        Tracker::UffdWp,
        Tracker::SoftDirty,
        Tracker::Content,
    ];
    let restores = [RestoreMode::Auto, RestoreMode::Full, RestoreMode::Warm];
    (
        one_of(&strategies),
        one_of(&trackers),
        one_of(&restores),
        converge,
    )
        .prop_map(|(strategy, tracker, restore, bounds)| Memory {
            strategy,
            tracker,
            restore,
            converge: Converge {
                downtime: Millis(bounds.0),
                remaining: Bytes(bounds.1),
                rounds: bounds.2,
                growth: Percent(bounds.3),
                within: Millis(bounds.4),
                otherwise: bounds.5,
            },
        })
}

fn files() -> impl Strategy<Value = Vec<FileSet>> {
    let tree = (line().prop_map(PathBuf::from), vec(line(), 0..3))
        .prop_map(|(path, exclude)| FileSet::Tree { path, exclude });
    let shared = path().prop_map(|path| FileSet::Shared { path });
    prop_oneof![
        Just(vec![FileSet::None]),
        vec(prop_oneof![tree, shared], 0..3)
    ]
}

fn network() -> impl Strategy<Value = Network> {
    let interface = || one_of(&["eth0", "br-lan", "no"]).prop_map(str::to_owned);
    let ip = one_of(&["10.0.0.5/24", "fd00::5/64"]).prop_map(str::to_owned);
    let address =
        (ip, interface(), interface()).prop_map(|(ip, from, to)| Address { ip, from, to });
    (
        one_of(&[Tcp::Keep, Tcp::Close, Tcp::Refuse]),
        vec(address, 0..3),
    )
        .prop_map(|(tcp, addresses)| Network { tcp, addresses })
}

fn hooks() -> impl Strategy<Value = Hooks> {
    let side = |side: Side| {
        let states: Vec<StateName> = StateName::ALL
            .iter()
            .copied()
            .filter(|state| state.belongs_to(side))
            .collect();
        let commands = || vec(vec("\\PC{0,8}", 1..3), 0..3);
        let around =
            (commands(), commands()).prop_map(|(before, after)| StateHooks { before, after });
        btree_map(prop::sample::select(states), around, 0..3)
    };
    (side(Side::Source), side(Side::Target)).prop_map(|(source, target)| Hooks { source, target })
}

fn verify() -> impl Strategy<Value = Vec<Verify>> {
    let exec = (vec("\\PC{0,8}", 1..3), 1..u64::MAX).prop_map(|(argv, within)| Verify::Exec {
        argv,
        within: Millis(within),
    });
    vec(prop_oneof![Just(Verify::Pages), exec], 0..3)
}

prop_compose! {
    fn plan()(
        name in name(),
        haul in haul(),
        to in target(),
        transport in transport(),
        memory in memory(),
        files in files(),
        network in network(),
        cgroups in one_of(&[Cgroups::Auto, Cgroups::Full, Cgroups::Soft, Cgroups::Strict, Cgroups::Ignore]),
        options in vec(line(), 0..3),
        waive in vec(line().prop_map(Waiver), 0..3),
        (gate, on_failure) in (one_of(&[Gate::None, Gate::Ask]), one_of(&[OnFailure::Rollback, OnFailure::Hold])),
        keep in one_of(&[Keep::None, Keep::Images, Keep::Source]),
        verify in verify(),
        hooks in hooks(),
        (attempts, first, longest) in (1..=1_000_u32, any::<u64>(), any::<u64>()),
    ) -> Plan {
        Plan {
            transport,
            memory,
            files,
            network,
            criu: Criu { cgroups, options },
            checks: Checks { waive },
            gate,
            verify,
            hooks,
            retry: Retry {
                attempts,
                backoff_first: Millis(first),
                backoff_longest: Millis(longest),
            },
            on_failure,
            keep,
            ..Plan::new(name, haul, to)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_plan_that_is_written_is_read_as_the_same_plan(plan in plan()) {
        let text = to_yaml(&plan);
        prop_assert_eq!(read(&text), plan);
        let theirs = serde_yaml::from_str::<serde_yaml::Value>(&text);
        prop_assert!(theirs.is_ok(), "another reader refuses it: {:?}\n{}", theirs, text);
    }
}

#[test]
fn the_defaults_of_the_keys_are_those_of_the_plan() {
    let text = "version: 1\nhaul: { pid: { pid: 4242 } }\nto: { agent: b:7420, identity: b }\n";
    let loaded = load("web.yaml", text.as_bytes(), &[]);
    let plan = loaded.plan.expect("it is a plan");
    let expected = Plan::new("web", plan.haul.clone(), plan.to.clone());
    assert_eq!(plan, expected);
    assert_eq!(read(&to_yaml(&plan)), plan);
}
