//! What a broken connection means: for the dialer, and for a link.

use crate::keys::PublicKey;
use crate::life::{By, Life, closed_by_peer};
use phaul_core::failure::Failure;
use quinn::{ApplicationClose, ConnectionError, ReadError, TransportErrorCode, VarInt, WriteError};

/// Why an end closes a connection; a number that goes with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// In good order.
    Done,
    /// The peer does not keep to the protocol.
    Violation,
    /// The peer is not let in.
    Refused,
}

impl Close {
    const ALL: [Self; 3] = [Self::Done, Self::Violation, Self::Refused];

    pub(super) fn code(self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Done => 0,
            Self::Violation => 1,
            Self::Refused => 2,
        })
    }

    fn of(close: &ApplicationClose) -> (Option<Self>, String) {
        let why = Self::ALL
            .into_iter()
            .find(|why| why.code() == close.error_code);
        (why, said(&close.reason))
    }
}

/// What the peer gives as a reason, fit for a log: bounded, and without control characters.
fn said(reason: &[u8]) -> String {
    String::from_utf8_lossy(reason)
        .chars()
        .filter(|letter| !letter.is_control())
        .take(500)
        .collect()
}

/// Ends a link because its connection broke.
pub(super) fn broken(life: &Life, error: &ConnectionError) {
    match error {
        ConnectionError::ApplicationClosed(close) => match Close::of(close) {
            (Some(Close::Violation), reason) => {
                let cause = format!("the peer says that this side broke the protocol: {reason}");
                life.end(By::Them, Failure::lost("peer-protocol", cause));
            }
            (_, reason) => life.end(By::Them, closed_by_peer(&reason)),
        },
        // Only ever after this end has ended the link: it is no news then.
        ConnectionError::LocallyClosed => {}
        ConnectionError::TimedOut => life.end(
            By::Them,
            Failure::lost("link-lost", "the link is lost: the peer is silent"),
        ),
        other => life.end(
            By::Them,
            Failure::lost("link-lost", format!("the link is lost: {other}")),
        ),
    }
}

/// Ends a link because one of its streams cannot be read.
pub(super) fn unreadable(life: &Life, error: &ReadError) {
    match error {
        ReadError::ConnectionLost(error) => broken(life, error),
        other => life.violated(other),
    }
}

/// Ends a link because one of its streams cannot be written.
pub(super) fn unwritable(life: &Life, error: &WriteError) {
    match error {
        WriteError::ConnectionLost(error) => broken(life, error),
        // The peer lets go of the link; if it says why, that arrives with the close.
        WriteError::Stopped(_) => life.end(By::Them, closed_by_peer("it takes no more data")),
        other => life.violated(other),
    }
}

/// Whom a dialer wants to reach, for its failures.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// `host:port`, as in the plan.
    pub(super) address: String,
    /// The name under which the peer is trusted here.
    pub(super) name: String,
    /// The key that goes with the name.
    pub(super) key: PublicKey,
    /// The key of this host.
    pub(super) own: PublicKey,
}

impl Wanted {
    /// Why a connection could not be made, given the key that the peer presented, if it did.
    pub(super) fn refusal(
        &self,
        error: &ConnectionError,
        presented: Option<Option<PublicKey>>,
    ) -> Failure {
        if let Some(found) = presented.filter(|found| *found != Some(self.key)) {
            return self.somebody_else(found);
        }
        match error {
            ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
                code if code == u64::from(TransportErrorCode::CONNECTION_REFUSED) => self.busy(),
                code if is_about_our_key(code) => self.untrusted(),
                _ => self.no_agent(error),
            },
            ConnectionError::ApplicationClosed(close) => match Close::of(close) {
                (Some(Close::Refused), reason) => self.refused("peer-refused", &reason),
                (Some(Close::Done), reason) => self.unreachable(&reason),
                _ => self.no_agent(error),
            },
            ConnectionError::TransportError(_) | ConnectionError::VersionMismatch => {
                self.no_agent(error)
            }
            _ => self.unreachable(&error.to_string()),
        }
    }

    /// Nobody answers.
    pub(super) fn unreachable(&self, why: &str) -> Failure {
        let address = &self.address;
        Failure::lost(
            "peer-unreachable",
            format!("no agent can be reached at {address}: {why}"),
        )
        .hint(format!(
            "does `phaul agent` run there, and do UDP packets to {address} get through?"
        ))
    }

    /// The peer said no, for a reason of its own.
    pub(super) fn refused(&self, code: &str, reason: &str) -> Failure {
        Failure::new(
            code,
            format!(
                "the agent at {} refuses the link: {}",
                self.address,
                said(reason.as_bytes())
            ),
        )
    }

    /// What answers does not speak the protocol.
    pub(super) fn no_agent(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(
            "peer-protocol",
            format!(
                "what answers at {} does not speak phaul's protocol: {error}",
                self.address
            ),
        )
        .hint("is this the address of a `phaul agent`?")
    }

    fn busy(&self) -> Failure {
        Failure::lost(
            "peer-busy",
            format!("the agent at {} takes no links now", self.address),
        )
        .hint("its log says why")
    }

    fn untrusted(&self) -> Failure {
        Failure::new(
            "peer-untrusted",
            format!("the agent at {} does not trust this host", self.address),
        )
        .hint(format!(
            "on the target: `phaul keys trust NAME {}`",
            self.own
        ))
    }

    fn somebody_else(&self, found: Option<PublicKey>) -> Failure {
        let found = found.map_or("no key of phaul's".to_owned(), |key| key.to_string());
        Failure::new(
            "peer-identity",
            format!(
                "the agent at {} is not `{}`: its key is {found}, not {}",
                self.address, self.name, self.key
            ),
        )
        .hint(format!(
            "if `{0}` has a new key: `phaul keys revoke {0}`, then `phaul keys trust {0} KEY` \
             with what `phaul keys show` prints there; if not, this is not the host you want",
            self.name
        ))
    }
}

/// Whether a TLS alert (RFC 8446, section 6.2) says that our key was not accepted.
fn is_about_our_key(code: u64) -> bool {
    let bad_certificate = 42;
    let certificate_unknown = 46;
    let unknown_ca = 48;
    let access_denied = 49;
    let certificate_required = 116;
    [
        bad_certificate,
        certificate_unknown,
        unknown_ca,
        access_denied,
        certificate_required,
    ]
    .iter()
    .any(|alert| code == u64::from(TransportErrorCode::crypto(*alert)))
}
