//! Keeping the frames that nobody can take, so that they can be sent again.
//!
//! A sender whose frame is lost waits for its retransmission timer, which doubles: 0.2, 0.6,
//! 1.4 seconds. With its frames sent again it waits for as long as the pause lasts, no longer.
//! A socket sees frames before any rule drops them, and those that go out by a link too: on the
//! host's end of a pair these are the frames towards the container.

use super::frames::{BYTES_MAX, FRAME_MAX, FRAMES_MAX, Frame, Frames, OFFLOAD_HEADER, Saying};
use super::names::LinkName;
use super::netns::Netns;
use super::packet::{TOWARDS_MAX, Towards, receiver};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use phaul_core::failure::Failure;
use socket2::Socket;
use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use tokio::sync::oneshot;

/// Bytes that wait in the kernel at most, by its own count, which is up to four times the data.
const ROOM: usize = 4 * BYTES_MAX;

/// A capture that goes on until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Closed, it tells the thread to end.
    enough: UnixStream,
    kept: oneshot::Receiver<Kept>,
}

impl Capture {
    /// Begins to keep the frames of a link that are meant.
    ///
    /// # Errors
    ///
    /// `network-link-missing` if there is no such link; `network-socket` if there can be no
    /// socket; `network-capture` if more addresses are meant than can be, or no thread begins.
    pub(crate) async fn start(
        netns: &Netns,
        link: &LinkName,
        towards: Towards,
    ) -> Result<Self, Failure> {
        if let Towards::Ips(ips) = &towards
            && ips.len() > TOWARDS_MAX
        {
            let cause = format!("frames for {} addresses cannot be kept", ips.len());
            return Err(Failure::new("network-capture", cause));
        }
        let (netns, link) = (netns.clone(), link.clone());
        super::off_runtime(move || {
            let socket = receiver(&netns, &link, &towards, ROOM)?;
            Self::of(socket).map_err(|error| {
                let cause = format!("the frames of {link} cannot be waited for: {error}");
                Failure::new("network-capture", cause)
            })
        })
        .await
    }

    fn of(socket: Socket) -> io::Result<Self> {
        let (enough, stopped) = UnixStream::pair()?;
        let (done, kept) = oneshot::channel();
        let thread = thread::Builder::new().name("phaul-capture".to_owned());
        thread.spawn(move || {
            // Said before the socket is closed, which takes the kernel 10 to 20 ms. Nobody
            // listens if the capture was dropped.
            let _unheard = done.send(keep(&socket, &stopped));
        })?;
        Ok(Self { enough, kept })
    }

    /// Ends it: the frames that were kept, with those that came in until now.
    ///
    /// # Errors
    ///
    /// `network-capture` if the thread that kept them ended early.
    pub(crate) async fn stop(self) -> Result<Frames, Failure> {
        let Self { enough, kept } = self;
        drop(enough);
        kept.await.map(Kept::frames).map_err(|_| {
            let cause = "the frames that were kept are lost: their thread ended early";
            Failure::lost("network-capture", cause)
        })
    }
}

fn keep(socket: &Socket, stopped: &UnixStream) -> Kept {
    let mut kept = Kept::default();
    let mut buffer = vec![0; OFFLOAD_HEADER + FRAME_MAX];
    loop {
        let mut waiting = [
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        let polled = poll(&mut waiting, PollTimeout::NONE);
        let end = waiting[1].any().unwrap_or(true);
        kept.drain(socket, &mut buffer);
        if end || !matches!(polled, Ok(_) | Err(Errno::EINTR)) {
            return kept;
        }
    }
}

/// The frames so far. The oldest stay, since a stream goes on from its first gap only; of a
/// segment of TCP that is sent again the newest copy has the oldest one's place.
#[derive(Debug, Default)]
struct Kept {
    frames: Vec<Frame>,
    said: HashMap<Saying, usize>,
    bytes: usize,
    lost: u64,
}

impl Kept {
    /// Takes what waits in the socket.
    fn drain(&mut self, mut socket: &Socket, buffer: &mut [u8]) {
        loop {
            match socket.read(buffer) {
                Ok(length) => {
                    let frame = buffer.get(..length).and_then(Frame::received);
                    frame.into_iter().for_each(|frame| self.take(frame));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The link was switched off, and may be switched on again.
                Err(error) if error.raw_os_error() == Some(Errno::ENETDOWN as i32) => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, frame: Frame) {
        let saying = frame.saying();
        if let Some(&place) = saying.as_ref().and_then(|saying| self.said.get(saying))
            && let Some(older) = self.frames.get_mut(place)
            && self.bytes - older.len() + frame.len() <= BYTES_MAX
        {
            self.bytes = self.bytes - older.len() + frame.len();
            *older = frame;
            return;
        }
        if self.frames.len() == FRAMES_MAX || self.bytes + frame.len() > BYTES_MAX {
            self.lost += 1;
            return;
        }
        if let Some(saying) = saying {
            self.said.insert(saying, self.frames.len());
        }
        self.bytes += frame.len();
        self.frames.push(frame);
    }

    fn frames(self) -> Frames {
        Frames {
            frames: self.frames,
            lost: self.lost,
        }
    }
}
