use super::*;
use crate::wire::pb;
use crate::wire::{
    CHECKS_MAX, FRAME_MAX, LOG_LINE_MAX, LOG_LINES_MAX, TEXT_MAX, WORD_MAX, WireError,
};
use bytes::Bytes;
use phaul_core::failure::{Failure, FailureKind};
use phaul_core::graph::{
    AskKind, Condition, Edge, EventKind, Guard, Node, Parts, Phase, Side, StateName, Work,
};
use phaul_core::plan::{Container, Haul, Pid, PidSource, Plan, Rate, Target, Transport};
use phaul_core::protocol::{Answer, Ask, Body, ImageFile, Manifest, Message, Open};
use phaul_core::report::{Check, CheckResult, Trail};
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message as _;

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

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        (plan(), graph()).prop_map(|(plan, graph)| Ask::Open(Box::new(Open { plan, graph }))),
        json().prop_map(|json| Ask::Preflight(Manifest(json))),
        images().prop_map(Ask::Restore),
        select(vec![Ask::Reserve, Ask::Resume, Ask::Drop, Ask::Finish]),
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
        any::<u64>().prop_map(|resume_ms| Answer::Resumed { resume_ms }),
        failure().prop_map(Answer::Failed),
        select(vec![
            Answer::Opened,
            Answer::Reserved,
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

fn message() -> impl Strategy<Value = Message> {
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

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(message in message()) {
        let frame = encode(&message).unwrap();
        prop_assert_eq!(decode(frame), Ok(Decoded::Message(message)));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(bytes.into());
    }

    #[test]
    fn a_spoilt_message_is_a_message_or_an_error(
        message in message(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        kept in any::<prop::sample::Index>(),
    ) {
        let mut frame = encode(&message).unwrap().to_vec();
        let length = frame.len();
        frame[at.index(length)] = byte;
        frame.truncate(kept.index(length + 1));
        let _ = decode(frame.into());
    }
}

fn said(body: Body) -> Message {
    Message {
        run: "r-1".parse().unwrap(),
        attempt: 2,
        body,
    }
}

fn ask_of_kind(kind: i32, payload: impl Into<Bytes>) -> Bytes {
    let message = pb::Message {
        run: "r-1".to_owned(),
        attempt: 2,
        body: Some(pb::message::Body::Ask(pb::Ask {
            kind,
            payload: payload.into(),
        })),
    };
    message.encode_to_vec().into()
}

fn answer_of_kind(kind: i32, payload: impl Into<Bytes>) -> Bytes {
    let message = pb::Message {
        run: "r-1".to_owned(),
        attempt: 2,
        body: Some(pb::message::Body::Answer(pb::Answer {
            kind,
            payload: payload.into(),
        })),
    };
    message.encode_to_vec().into()
}

#[test]
fn an_ask_that_is_not_understood_is_owed_an_answer() {
    let restore = pb::AskKind::Restore.into();
    let evil = pb::ImageFile {
        name: "../../etc/passwd".to_owned(),
        size: 1,
    };
    let spoilt = [
        (ask_of_kind(99, ""), "`ask.kind`"),
        (ask_of_kind(0, ""), "`ask.kind`"),
        (ask_of_kind(pb::AskKind::Preflight.into(), "{"), "manifest"),
        (ask_of_kind(pb::AskKind::Open.into(), ""), "plan"),
        (
            ask_of_kind(restore, evil.encode_length_delimited_to_vec()),
            "`images.name`",
        ),
        (
            ask_of_kind(restore, vec![0; 70_000]),
            "images has a size of 65537",
        ),
    ];
    for (frame, field) in spoilt {
        let Ok(Decoded::NotUnderstood(answer)) = decode(frame) else {
            panic!("{field}: an answer is owed");
        };
        assert_eq!((answer.run.as_str(), answer.attempt), ("r-1", 2));
        let Body::Answer(Answer::Failed(failure)) = answer.body else {
            panic!("{field}: the answer is a failure");
        };
        assert_eq!(failure.code, "ask-not-understood");
        assert!(failure.cause.contains(field), "{}", failure.cause);
    }
}

#[test]
fn a_message_that_breaks_the_protocol_is_refused_by_field() {
    let failed = pb::AnswerKind::Failed.into();
    let failure = |change: fn(&mut pb::Failure)| {
        let mut failure = pb::Failure {
            kind: pb::FailureKind::Lost.into(),
            ..pb::Failure::default()
        };
        change(&mut failure);
        answer_of_kind(failed, failure.encode_to_vec())
    };
    let bare = pb::Message {
        run: "r-1".to_owned(),
        attempt: 1,
        body: None,
    };
    let checks = format!("[{}]", vec!["0"; CHECKS_MAX + 1].join(","));
    let spoilt = [
        (bare.encode_to_vec().into(), "`body`"),
        (
            pb::Message {
                run: "..".to_owned(),
                ..bare.clone()
            }
            .encode_to_vec()
            .into(),
            "`run`",
        ),
        (
            pb::Message { attempt: 0, ..bare }.encode_to_vec().into(),
            "`attempt`",
        ),
        (answer_of_kind(99, ""), "`answer.kind`"),
        (
            answer_of_kind(pb::AnswerKind::Checked.into(), checks),
            "checks",
        ),
        (failure(|failure| failure.kind = 17), "`failure.kind`"),
        (
            failure(|failure| failure.cause = "x".repeat(TEXT_MAX + 1)),
            "failure.cause",
        ),
        (
            failure(|failure| failure.log = vec![0; LOG_LINES_MAX + 1].into()),
            "failure.log",
        ),
        (vec![0xff; 40].into(), "message"),
    ];
    for (frame, field) in spoilt {
        let error = decode(frame).unwrap_err().to_string();
        assert!(error.starts_with(field), "{field}: {error}");
    }
}

#[test]
fn unknown_fields_of_a_newer_peer_are_passed_over() {
    let message = said(Body::Ask(Ask::Reserve));
    let mut frame = encode(&message).unwrap().to_vec();
    frame.extend([0xf8, 0x07, 0x2a]); // field 127 is the number 42
    assert_eq!(decode(frame.into()), Ok(Decoded::Message(message)));
}

#[test]
fn a_failure_with_an_endless_log_still_arrives() {
    let lines = |count: usize| {
        (0..count)
            .map(|n| format!("{n} {}", "é".repeat(5_000)))
            .collect()
    };
    let failure = Failure::new("c".repeat(300), "x".repeat(99_999)).log(lines(1_500));
    let frame = encode(&said(Body::Answer(Answer::Failed(failure)))).unwrap();
    let Ok(Decoded::Message(message)) = decode(frame) else {
        panic!("it must arrive");
    };
    let Body::Answer(Answer::Failed(failure)) = message.body else {
        panic!("as a failure");
    };
    assert_eq!(failure.log.len(), LOG_LINES_MAX);
    assert!(
        failure.log[0].starts_with("500 "),
        "the newest lines are kept"
    );
    assert!((LOG_LINE_MAX - 3..=LOG_LINE_MAX).contains(&failure.log[0].len()));
    assert_eq!(
        (failure.code.len(), failure.cause.len()),
        (WORD_MAX, TEXT_MAX)
    );
}

#[test]
fn a_message_over_the_bound_is_not_sent() {
    let manifest = |length: usize| {
        said(Body::Ask(Ask::Preflight(Manifest(
            "x".repeat(length).into(),
        ))))
    };
    let spare = encode(&manifest(FRAME_MAX - 100)).unwrap().len() - (FRAME_MAX - 100);
    assert_eq!(
        encode(&manifest(FRAME_MAX - spare)).unwrap().len(),
        FRAME_MAX
    );
    let error = encode(&manifest(FRAME_MAX - spare + 1)).unwrap_err();
    assert!(matches!(
        error,
        WireError::TooLarge {
            what: "message",
            ..
        }
    ));
}
