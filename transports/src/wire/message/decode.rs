//! Messages on their way in.

use crate::wire::field::{
    at_most, attempt, counted, from_json, from_list, from_proto, name, run, text, wrong,
};
use crate::wire::{
    CHECKS_BYTES_MAX, CHECKS_MAX, FRAME_MAX, IMAGES_MAX, LOG_LINE_MAX, LOG_LINES_MAX, PLAN_MAX,
    TEXT_MAX, TRAIL_MAX, WORD_MAX, WireError, pb,
};
use bytes::Bytes;
use phaul_core::failure::{Failure, FailureKind};
use phaul_core::protocol::{
    Answer, Ask, Body, FAREWELL_MAX, FilesHeld, FilesRound, ImageFile, Manifest, Message, Open,
};
use phaul_core::report::Check;

/// What a frame on the control stream turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A message.
    Message(Message),
    /// An ask that is not understood here, or holds what it must not. This is the answer that
    /// the peer is owed; the run at hand fails, the link does not.
    NotUnderstood(Message),
}

/// A message from its frame. An error means that the peer does not keep to the protocol.
pub fn decode(frame: Bytes) -> Result<Decoded, WireError> {
    at_most("message", frame.len(), FRAME_MAX)?;
    let message: pb::Message = from_proto("message", frame)?;
    let run = run(&message.run)?;
    let attempt = attempt(message.attempt)?;
    let body = match message.body {
        Some(pb::message::Body::Ask(ask)) => match self::ask(ask) {
            Ok(ask) => Body::Ask(ask),
            Err(error) => {
                return Ok(Decoded::NotUnderstood(Message {
                    run,
                    attempt,
                    body: Body::Answer(Answer::Failed(not_understood(&error))),
                }));
            }
        },
        Some(pb::message::Body::Answer(answer)) => Body::Answer(self::answer(answer)?),
        Some(pb::message::Body::Trail(json)) => Body::Trail(from_json("trail", &json, TRAIL_MAX)?),
        None => return Err(wrong("body", "an ask, an answer or a trail", "nothing")),
    };
    Ok(Decoded::Message(Message { run, attempt, body }))
}

fn not_understood(error: &WireError) -> Failure {
    Failure::new(
        "ask-not-understood",
        format!("the target does not understand what the source asks: {error}"),
    )
    .hint("run the same version of phaul on both hosts")
}

fn ask(ask: pb::Ask) -> Result<Ask, WireError> {
    let payload = ask.payload;
    Ok(match pb::AskKind::try_from(ask.kind) {
        Ok(pb::AskKind::Open) => Ask::Open(Box::new(open(payload)?)),
        Ok(pb::AskKind::Preflight) => Ask::Preflight(from_json("manifest", &payload, FRAME_MAX)?),
        Ok(pb::AskKind::Reserve) => Ask::Reserve,
        Ok(pb::AskKind::Files) => Ask::Files(files_round(payload)?),
        Ok(pb::AskKind::Restore) => Ask::Restore(images(payload)?),
        Ok(pb::AskKind::Resume) => Ask::Resume(farewell(&payload)?),
        Ok(pb::AskKind::Drop) => Ask::Drop,
        Ok(pb::AskKind::Finish) => Ask::Finish,
        Ok(pb::AskKind::Unspecified) | Err(_) => {
            return Err(wrong("ask.kind", "a kind of this version", ask.kind));
        }
    })
}

fn open(payload: Bytes) -> Result<Open, WireError> {
    let open: pb::Open = from_proto("open", payload)?;
    Ok(Open {
        plan: from_json("plan", &open.plan, PLAN_MAX)?,
        graph: from_json("graph", &open.graph, PLAN_MAX)?,
    })
}

fn files_round(payload: Bytes) -> Result<FilesRound, WireError> {
    let round: pb::FilesRound = from_proto("files", payload)?;
    Ok(FilesRound {
        round: counted("files.round", round.round)?,
        bytes: round.bytes,
        digest: text("files.digest", round.digest, WORD_MAX)?,
    })
}

fn farewell(payload: &[u8]) -> Result<Manifest, WireError> {
    if payload.is_empty() {
        return Ok(Manifest::none());
    }
    from_json("farewell", payload, FAREWELL_MAX)
}

fn held(payload: Bytes) -> Result<Option<FilesHeld>, WireError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let held: pb::FilesHeld = from_proto("held", payload)?;
    Ok(Some(FilesHeld {
        attempt: counted("held.attempt", held.attempt)?,
        round: counted("held.round", held.round)?,
        bytes: held.bytes,
    }))
}

fn images(payload: Bytes) -> Result<Vec<ImageFile>, WireError> {
    from_list::<pb::ImageFile>("images", payload, IMAGES_MAX)?
        .into_iter()
        .map(|image| {
            Ok(ImageFile {
                name: name("images.name", image.name)?,
                size: image.size,
            })
        })
        .collect()
}

fn answer(answer: pb::Answer) -> Result<Answer, WireError> {
    let payload = answer.payload;
    Ok(match pb::AnswerKind::try_from(answer.kind) {
        Ok(pb::AnswerKind::Opened) => Answer::Opened,
        Ok(pb::AnswerKind::Checked) => Answer::Checked(checks(&payload)?),
        Ok(pb::AnswerKind::Reserved) => Answer::Reserved {
            held: held(payload)?,
        },
        Ok(pb::AnswerKind::FilesTaken) => Answer::FilesTaken {
            round: counted(
                "taken.round",
                from_proto::<pb::FilesTaken>("taken", payload)?.round,
            )?,
        },
        Ok(pb::AnswerKind::Prepared) => Answer::Prepared,
        Ok(pb::AnswerKind::Resumed) => Answer::Resumed {
            ago_ms: from_proto::<pb::Resumed>("resumed", payload)?.ago_ms,
        },
        Ok(pb::AnswerKind::Dropped) => Answer::Dropped,
        Ok(pb::AnswerKind::Finished) => Answer::Finished,
        Ok(pb::AnswerKind::Failed) => Answer::Failed(failure(from_proto("failure", payload)?)?),
        Ok(pb::AnswerKind::Unspecified) | Err(_) => {
            return Err(wrong("answer.kind", "a kind of this version", answer.kind));
        }
    })
}

fn checks(payload: &[u8]) -> Result<Vec<Check>, WireError> {
    let checks: Vec<Check> = from_json("checks", payload, CHECKS_BYTES_MAX)?;
    at_most("checks", checks.len(), CHECKS_MAX)?;
    Ok(checks)
}

fn failure(failure: pb::Failure) -> Result<Failure, WireError> {
    let log = from_list::<pb::LogLine>("failure.log", failure.log, LOG_LINES_MAX)?
        .into_iter()
        .map(|line| text("failure.log", line.text, LOG_LINE_MAX))
        .collect::<Result<_, _>>()?;
    let hint = failure
        .hint
        .map(|hint| text("failure.hint", hint, TEXT_MAX))
        .transpose()?;
    Ok(Failure {
        code: text("failure.code", failure.code, WORD_MAX)?,
        cause: text("failure.cause", failure.cause, TEXT_MAX)?,
        hint,
        log,
        kind: match pb::FailureKind::try_from(failure.kind) {
            Ok(pb::FailureKind::Final) => FailureKind::Final,
            Ok(pb::FailureKind::Lost) => FailureKind::Lost,
            Ok(pb::FailureKind::Busy) => FailureKind::Busy,
            Ok(pb::FailureKind::Refused) => FailureKind::Refused,
            Ok(pb::FailureKind::Unspecified) | Err(_) => {
                let expected = "a kind of this version";
                return Err(wrong("failure.kind", expected, failure.kind));
            }
        },
    })
}
