//! Messages of every kind, for property tests.

use phaul_core::failure::{Failure, FailureKind};
use phaul_core::graph::{
    AskKind, Condition, Edge, EventKind, Guard, Node, Parts, Phase, Side, StateName, Work,
};
use phaul_core::plan::{Container, Haul, Pid, PidSource, Plan, Rate, Target, Transport};
use phaul_core::protocol::{
    Answer, Ask, Body, FilesHeld, FilesRound, ImageFile, Manifest, Message, Open,
};
use phaul_core::report::{Check, CheckResult, Trail};
use proptest::prelude::*;
use proptest::sample::select;

fn side() -> impl Strategy<Value = Side> {
    select(vec![Side::Source, Side::Target])
}

fn plan() -> impl Strategy<Value = Plan> {
    let haul = prop_oneof![
        "\\PC{1,20}".prop_map(|id| Haul::Runc(Container {
            id,
            root: None,
            bundle: Some("/srv/web".into()),
        })),
        (1..i32::MAX).prop_map(|pid| Haul::Pid(Pid {
            root: PidSource::Pid(pid),
            shell_job: true,
        })),
    ];
    (haul, "\\PC{0,40}", prop::option::of(any::<u64>())).prop_map(|(haul, name, rate)| {
        let target = Target {
            agent: "b:7420".to_owned(),
            identity: "b".to_owned(),
            id: None,
            paths: [("/srv/web".into(), "/data/web".into())].into(),
        };
        let mut plan = Plan::new(name, haul, target);
        let Transport::Quic(quic) = &mut plan.transport;
        quic.rate = rate.map(|bits_per_second| Rate { bits_per_second });
        plan
    })
}

fn graph() -> impl Strategy<Value = Parts> {
    let state = || select(StateName::ALL.to_vec());
    let node =
        (state(), select(Phase::ALL.to_vec()), any::<bool>()).prop_map(|(state, phase, makes)| {
            Node {
                state,
                phase,
                work: makes.then_some(Work::Restore),
                ask: makes.then_some(AskKind::Restore),
                makes,
            }
        });
    let guard = (select(Condition::ALL.to_vec()), any::<bool>())
        .prop_map(|(condition, holds)| Guard { condition, holds });
    let edge = (
        state(),
        state(),
        select(EventKind::ALL.to_vec()),
        prop::option::of(guard),
    )
        .prop_map(|(from, to, event, guard)| Edge {
            from,
            to,
            event,
            guard,
            retry: None,
        });
    (
        side(),
        prop::collection::vec(node, 0..6),
        prop::collection::vec(edge, 0..6),
    )
        .prop_map(|(side, nodes, edges)| Parts { side, nodes, edges })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(".{0,6}", inner, 0..5)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn images() -> impl Strategy<Value = Vec<ImageFile>> {
    let image = ("[^/\0]{3,60}", any::<u64>()).prop_map(|(name, size)| ImageFile { name, size });
    prop::collection::vec(image, 0..20)
}

fn files_round() -> impl Strategy<Value = FilesRound> {
    (1..=u32::MAX, any::<u64>(), "[0-9a-f]{0,128}").prop_map(|(round, bytes, digest)| FilesRound {
        round,
        bytes,
        digest,
    })
}

fn held() -> impl Strategy<Value = FilesHeld> {
    (1..=u32::MAX, 1..=u32::MAX, any::<u64>()).prop_map(|(attempt, round, bytes)| FilesHeld {
        attempt,
        round,
        bytes,
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        (plan(), graph()).prop_map(|(plan, graph)| Ask::Open(Box::new(Open { plan, graph }))),
        json().prop_map(|json| Ask::Preflight(Manifest(json))),
        files_round().prop_map(Ask::Files),
        images().prop_map(Ask::Restore),
        json().prop_map(|json| Ask::Resume(Manifest(json))),
        select(vec![Ask::Reserve, Ask::Drop, Ask::Finish]),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    let kinds = vec![
        FailureKind::Final,
        FailureKind::Lost,
        FailureKind::Busy,
        FailureKind::Refused,
    ];
    (
        "[a-z-]{1,20}",
        ".{0,60}",
        prop::option::of(".{0,60}"),
        prop::collection::vec("(?s).{0,60}", 0..8),
        select(kinds),
    )
        .prop_map(|(code, cause, hint, log, kind)| Failure {
            code,
            cause,
            hint,
            log,
            kind,
        })
}

fn check() -> impl Strategy<Value = Check> {
    let results = vec![
        CheckResult::Passed,
        CheckResult::Warned,
        CheckResult::Failed,
    ];
    (
        side(),
        select(results),
        ".{0,40}",
        prop::option::of(".{0,9}"),
    )
        .prop_map(|(side, result, text, hint)| Check {
            id: "cpu".to_owned(),
            side,
            result,
            waived: false,
            text,
            hint,
        })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        prop::collection::vec(check(), 0..9).prop_map(Answer::Checked),
        prop::option::of(held()).prop_map(|held| Answer::Reserved { held }),
        (1..=u32::MAX).prop_map(|round| Answer::FilesTaken { round }),
        any::<u64>().prop_map(|ago_ms| Answer::Resumed { ago_ms }),
        failure().prop_map(Answer::Failed),
        select(vec![
            Answer::Opened,
            Answer::Prepared,
            Answer::Dropped,
            Answer::Finished,
        ]),
    ]
}

fn trail() -> impl Strategy<Value = Trail> {
    let events = prop::option::of(select(EventKind::ALL.to_vec()));
    (
        select(StateName::ALL.to_vec()),
        side(),
        0..1i64 << 40,
        events,
    )
        .prop_map(|(state, side, micros, event)| Trail {
            state,
            side,
            entered: serde_json::from_str(&format!("\"{}\"", time(micros))).unwrap(),
            left: None,
            event,
        })
}

/// A time of day as JSON has it, so that this crate needs no calendar of its own.
fn time(micros: i64) -> String {
    let seconds = micros / 1_000_000 % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "2026-11-01T{hours:02}:{minutes:02}:{:02}.{:06}Z",
        seconds % 60,
        micros % 1_000_000
    )
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    let body = prop_oneof![
        ask().prop_map(Body::Ask),
        answer().prop_map(Body::Answer),
        trail().prop_map(Body::Trail),
    ];
    ("[a-z0-9-]{1,64}", 1..=u32::MAX, body).prop_map(|(run, attempt, body)| Message {
        run: run.parse().unwrap(),
        attempt,
        body,
    })
}
