//! `phaul keys`: who this host is, and whom it trusts.

use crate::arguments::{Format, KeysVerb};
use crate::exit_code::{Done, Exit, Stop};
use crate::state_dir::StateDir;
use crate::ui;
use phaul_core::failure::Failure;
use phaul_transports::keys::{Keys, KeysError, PublicKey};
use serde_json::json;

pub(crate) fn keys(state: &StateDir, verb: KeysVerb) -> Done {
    let keys = Keys::new(state.root());
    match verb {
        KeysVerb::Init { format } => print_key(&keys.init().map_err(stop)?, format),
        KeysVerb::Show { format } => print_key(&keys.public_key().map_err(stop)?, format),
        KeysVerb::Trust { name, key, format } => {
            let key: PublicKey = key.parse().map_err(stop)?;
            keys.trust(&name, key).map_err(stop)?;
            said(format, &format!("{name} is trusted"), &name);
        }
        KeysVerb::List { format } => {
            let peers = keys.list().map_err(stop)?;
            match format {
                Format::Human => peers
                    .iter()
                    .for_each(|peer| ui::line(&format!("{}  {}", peer.name, peer.key))),
                Format::Json => ui::json(
                    &peers
                        .iter()
                        .map(|peer| json!({ "name": peer.name, "key": peer.key.to_string() }))
                        .collect::<Vec<_>>(),
                ),
            }
        }
        KeysVerb::Revoke { name, format } => {
            keys.revoke(&name).map_err(stop)?;
            said(format, &format!("{name} is trusted no longer"), &name);
        }
    }
    Ok(Exit::Ok)
}

fn print_key(key: &PublicKey, format: Format) {
    match format {
        Format::Human => ui::line(&key.to_string()),
        Format::Json => ui::json(&json!({ "key": key.to_string() })),
    }
}

fn said(format: Format, text: &str, name: &str) {
    match format {
        Format::Human => ui::line(text),
        Format::Json => ui::json(&json!({ "name": name })),
    }
}

/// What is wrong with a key or a name is the command line's fault, the rest is the host's.
fn stop(error: KeysError) -> Stop {
    let exit = match &error {
        KeysError::BadKey { .. }
        | KeysError::BadName { .. }
        | KeysError::UnknownName { .. }
        | KeysError::NameTaken { .. }
        | KeysError::KeyTaken { .. } => Exit::Usage,
        _ => Exit::Other,
    };
    Stop {
        exit,
        ..Stop::from(Failure::from(error))
    }
}
