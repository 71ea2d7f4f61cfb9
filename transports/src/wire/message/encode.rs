//! Messages on their way out.

use crate::wire::field::{at_most, attempt, counted, name, text, to_json, to_list};
use crate::wire::{
    CHECKS_BYTES_MAX, CHECKS_MAX, FRAME_MAX, IMAGES_MAX, LOG_LINE_MAX, LOG_LINES_MAX, PLAN_MAX,
    TEXT_MAX, TRAIL_MAX, WORD_MAX, WireError, pb,
};
use bytes::Bytes;
use phaul_core::failure::{Failure, FailureKind};
use phaul_core::protocol::{
    Answer, Ask, Body, FAREWELL_MAX, FilesHeld, FilesRound, ImageFile, Manifest, Message, Open,
};
use prost::Message as _;

/// The frame of a message, without its prefix.
pub fn encode(message: &Message) -> Result<Bytes, WireError> {
    let body = match &message.body {
        Body::Ask(ask) => pb::message::Body::Ask(self::ask(ask)?),
        Body::Answer(answer) => pb::message::Body::Answer(self::answer(answer)?),
        Body::Trail(trail) => pb::message::Body::Trail(to_json("trail", trail, TRAIL_MAX)?),
    };
    let message = pb::Message {
        run: message.run.to_string(),
        attempt: attempt(message.attempt)?,
        body: Some(body),
    };
    at_most("message", message.encoded_len(), FRAME_MAX)?;
    Ok(message.encode_to_vec().into())
}

fn ask(ask: &Ask) -> Result<pb::Ask, WireError> {
    let (kind, payload) = match ask {
        Ask::Open(open) => (pb::AskKind::Open, self::open(open)?),
        Ask::Preflight(manifest) => (
            pb::AskKind::Preflight,
            to_json("manifest", manifest, FRAME_MAX)?,
        ),
        Ask::Reserve => (pb::AskKind::Reserve, Bytes::new()),
        Ask::Files(round) => (pb::AskKind::Files, files_round(round)?),
        Ask::Restore(images) => (pb::AskKind::Restore, self::images(images)?),
        Ask::Resume(farewell) => (pb::AskKind::Resume, self::farewell(farewell)?),
        Ask::Drop => (pb::AskKind::Drop, Bytes::new()),
        Ask::Finish => (pb::AskKind::Finish, Bytes::new()),
    };
    Ok(pb::Ask {
        kind: kind.into(),
        payload,
    })
}

fn open(open: &Open) -> Result<Bytes, WireError> {
    let open = pb::Open {
        plan: to_json("plan", &open.plan, PLAN_MAX)?,
        graph: to_json("graph", &open.graph, PLAN_MAX)?,
    };
    Ok(open.encode_to_vec().into())
}

fn files_round(round: &FilesRound) -> Result<Bytes, WireError> {
    let round = pb::FilesRound {
        round: counted("files.round", round.round)?,
        bytes: round.bytes,
        digest: text("files.digest", round.digest.clone(), WORD_MAX)?,
    };
    Ok(round.encode_to_vec().into())
}

/// One that says nothing takes no bytes.
fn farewell(farewell: &Manifest) -> Result<Bytes, WireError> {
    if farewell.0.is_null() {
        return Ok(Bytes::new());
    }
    to_json("farewell", farewell, FAREWELL_MAX)
}

fn held(held: &FilesHeld) -> Result<Bytes, WireError> {
    let held = pb::FilesHeld {
        attempt: counted("held.attempt", held.attempt)?,
        round: counted("held.round", held.round)?,
        bytes: held.bytes,
    };
    Ok(held.encode_to_vec().into())
}

fn images(images: &[ImageFile]) -> Result<Bytes, WireError> {
    at_most("images", images.len(), IMAGES_MAX)?;
    for image in images {
        name("images.name", image.name.clone())?;
    }
    Ok(to_list(images.iter().map(|image| pb::ImageFile {
        name: image.name.clone(),
        size: image.size,
    })))
}

fn answer(answer: &Answer) -> Result<pb::Answer, WireError> {
    let (kind, payload) = match answer {
        Answer::Opened => (pb::AnswerKind::Opened, Bytes::new()),
        Answer::Checked(checks) => {
            at_most("checks", checks.len(), CHECKS_MAX)?;
            let json = to_json("checks", checks, CHECKS_BYTES_MAX)?;
            (pb::AnswerKind::Checked, json)
        }
        Answer::Reserved { held } => {
            let held = held.as_ref().map(self::held).transpose()?;
            (pb::AnswerKind::Reserved, held.unwrap_or_default())
        }
        Answer::FilesTaken { round } => {
            let taken = pb::FilesTaken {
                round: counted("taken.round", *round)?,
            };
            (pb::AnswerKind::FilesTaken, taken.encode_to_vec().into())
        }
        Answer::Prepared => (pb::AnswerKind::Prepared, Bytes::new()),
        Answer::Resumed { ago_ms } => {
            let resumed = pb::Resumed { ago_ms: *ago_ms };
            (pb::AnswerKind::Resumed, resumed.encode_to_vec().into())
        }
        Answer::Dropped => (pb::AnswerKind::Dropped, Bytes::new()),
        Answer::Finished => (pb::AnswerKind::Finished, Bytes::new()),
        Answer::Failed(failure) => (
            pb::AnswerKind::Failed,
            self::failure(failure).encode_to_vec().into(),
        ),
    };
    Ok(pb::Answer {
        kind: kind.into(),
        payload,
    })
}

/// A failure always fits: what happened must arrive, if need be without the end of a long line.
fn failure(failure: &Failure) -> pb::Failure {
    let spare = failure.log.len().saturating_sub(LOG_LINES_MAX);
    let newest = failure.log.iter().skip(spare);
    pb::Failure {
        code: cut(&failure.code, WORD_MAX),
        cause: cut(&failure.cause, TEXT_MAX),
        hint: failure.hint.as_ref().map(|hint| cut(hint, TEXT_MAX)),
        log: to_list(newest.map(|line| pb::LogLine {
            text: cut(line, LOG_LINE_MAX),
        })),
        kind: match failure.kind {
            FailureKind::Final => pb::FailureKind::Final,
            FailureKind::Lost => pb::FailureKind::Lost,
            FailureKind::Busy => pb::FailureKind::Busy,
            FailureKind::Refused => pb::FailureKind::Refused,
        }
        .into(),
    }
}

/// The beginning of a text, in at most so many bytes.
fn cut(text: &str, max: usize) -> String {
    let fits = |(start, letter): &(usize, char)| start + letter.len_utf8() <= max;
    text.char_indices()
        .take_while(fits)
        .map(|(_, letter)| letter)
        .collect()
}
