//! Links over QUIC, with mutual raw public keys.
//!
//! ```text
//! dialer                                            listener
//!   control, one stream both ways   Hello  ------>
//!                                          <------  Welcome
//!                                   Message <---->  Message
//!   bulk, N streams                 chunks ------>
//!   receipts, one stream                   <------  counts of the chunks that arrived
//! ```
//!
//! A chunk counts as arrived, and is told in a receipt, when it is checked and in the queue from
//! which the listener's user receives; so a flush returns once everything is there, and what is
//! there can be received even when the link is lost.
//!
//! A link ends when either end is closed or dropped: that is, when every clone of `outgoing`
//! or when `incoming` is dropped. Messages that were accepted before that still go out, chunks
//! only if they were flushed. Whatever a peer does wrong ends its link and nothing else.

mod bulk_in;
mod bulk_out;
mod control;
mod dialer;
mod endpoint;
mod failure;
mod frames;
mod gate;
mod link;
mod listener;
mod options;
mod tls;

pub use dialer::QuicDialer;
pub use listener::QuicListener;
pub use options::{
    DialerOptions, HANDSHAKE, IDLE, KEEP_ALIVE, LINGER, ListenerOptions, Timing, Windows,
};
