use super::strategies::message;
use super::*;
use crate::wire::pb;
use crate::wire::{
    CHECKS_MAX, FRAME_MAX, LOG_LINE_MAX, LOG_LINES_MAX, TEXT_MAX, WORD_MAX, WireError,
};
use bytes::Bytes;
use phaul_core::failure::Failure;
use phaul_core::protocol::{Answer, Ask, Body, FAREWELL_MAX, Manifest, Message};
use proptest::prelude::*;
use prost::Message as _;

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
    let endless = pb::FilesRound {
        round: 1,
        bytes: 1,
        digest: "0".repeat(WORD_MAX + 1),
    };
    let spoilt = [
        (ask_of_kind(99, ""), "`ask.kind`"),
        (ask_of_kind(0, ""), "`ask.kind`"),
        (ask_of_kind(pb::AskKind::Preflight.into(), "{"), "manifest"),
        (ask_of_kind(pb::AskKind::Open.into(), ""), "plan"),
        (ask_of_kind(pb::AskKind::Files.into(), ""), "`files.round`"),
        (
            ask_of_kind(pb::AskKind::Files.into(), endless.encode_to_vec()),
            "files.digest",
        ),
        (ask_of_kind(pb::AskKind::Resume.into(), "{"), "farewell"),
        (
            ask_of_kind(pb::AskKind::Resume.into(), vec![b' '; FAREWELL_MAX + 1]),
            "farewell has a size of 4194305",
        ),
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
    let half = pb::FilesHeld {
        attempt: 1,
        ..pb::FilesHeld::default()
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
        (
            answer_of_kind(pb::AnswerKind::Reserved.into(), half.encode_to_vec()),
            "`held.round`",
        ),
        (
            answer_of_kind(pb::AnswerKind::FilesTaken.into(), ""),
            "`taken.round`",
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
    // What a frame has besides the text is the same for all texts of more than 2 MiB.
    let spare = encode(&manifest(3 << 20)).unwrap().len() - (3 << 20);
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
