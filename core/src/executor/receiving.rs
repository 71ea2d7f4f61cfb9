//! What has arrived of one attempt: its images here, its files in [`ReceivingFiles`].

use super::deadlines;
use super::ports::Disk;
use super::receiving_files::ReceivingFiles;
use crate::failure::Failure;
use crate::protocol::{Chunk, ImageFile, Part};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What is received of a run, shared by the run and the links that bring it.
#[derive(Default)]
pub(super) struct Receiving {
    state: Mutex<Option<Arrivals>>,
    more: Notify,
    pub(super) files: ReceivingFiles,
}

struct Arrivals {
    attempt: u32,
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    /// By image: where each piece begins, and its length.
    pieces: BTreeMap<String, BTreeMap<u64, u64>>,
    failed: Option<Failure>,
}

impl Receiving {
    /// From now on pieces of this attempt are written to the directory.
    pub(super) fn begin(&self, attempt: u32, dir: PathBuf, disk: Arc<dyn Disk>) {
        *self.lock() = Some(Arrivals {
            attempt,
            dir,
            disk,
            pieces: BTreeMap::new(),
            failed: None,
        });
    }

    /// Pieces are no longer taken.
    pub(super) fn end(&self) {
        *self.lock() = None;
        self.files.close();
    }

    /// Takes a piece; one of another attempt, or when nothing is expected, is passed over.
    /// Waits while what takes files in cannot keep up.
    pub(super) async fn take(&self, chunk: Chunk) {
        match &chunk.part {
            Part::Image(name) => self.take_image(&chunk, name),
            Part::Files { round } => {
                let (attempt, round) = (chunk.attempt, *round);
                self.files
                    .take(attempt, round, chunk.offset, chunk.data)
                    .await;
            }
        }
    }

    fn take_image(&self, chunk: &Chunk, name: &str) {
        let mut state = self.lock();
        let Some(arrivals) = state.as_mut().filter(|a| a.attempt == chunk.attempt) else {
            return;
        };
        let written = arrivals
            .disk
            .write(&arrivals.dir, name, chunk.offset, &chunk.data);
        match written {
            Ok(()) => {
                let pieces = arrivals.pieces.entry(name.to_owned()).or_default();
                pieces.insert(chunk.offset, chunk.data.len() as u64);
            }
            Err(failure) => arrivals.failed = Some(failure),
        }
        drop(state);
        self.more.notify_waiters();
    }

    /// Waits until every image has arrived whole.
    pub(super) async fn complete(&self, images: &[ImageFile]) -> Result<(), Failure> {
        loop {
            let more = self.more.notified();
            let Some(missing) = self.missing(images)? else {
                return Ok(());
            };
            let waited = tokio::time::timeout(deadlines::STALL, more).await;
            if waited.is_err() {
                return Err(Failure::lost(
                    "images-incomplete",
                    format!("the image {missing} has not arrived whole"),
                ));
            }
        }
    }

    fn missing(&self, images: &[ImageFile]) -> Result<Option<String>, Failure> {
        let state = self.lock();
        let Some(arrivals) = state.as_ref() else {
            return Err(Failure::lost("images-gone", "no images are expected now"));
        };
        if let Some(failure) = &arrivals.failed {
            return Err(failure.clone());
        }
        for image in images {
            let arrived = arrivals.pieces.get(&image.name).map_or(0, contiguous);
            if image.size == 0 {
                // An empty image has no pieces, and CRIU wants to see it all the same.
                arrivals.disk.write(&arrivals.dir, &image.name, 0, &[])?;
            } else if arrived != image.size {
                return Ok(Some(image.name.clone()));
            }
        }
        Ok(None)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arrivals>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The length that is covered from the start on without a gap.
fn contiguous(pieces: &BTreeMap<u64, u64>) -> u64 {
    let mut end = 0;
    for (from, len) in pieces {
        if *from > end {
            break;
        }
        end = end.max(from.saturating_add(*len));
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_not_covered() {
        let covered = |pieces: &[(u64, u64)]| contiguous(&pieces.iter().copied().collect());
        assert_eq!(covered(&[]), 0);
        assert_eq!(covered(&[(0, 10), (10, 5)]), 15);
        assert_eq!(covered(&[(0, 10), (11, 5)]), 10);
        assert_eq!(covered(&[(0, 10), (5, 10)]), 15);
        assert_eq!(covered(&[(5, 10)]), 0);
        assert_eq!(covered(&[(0, u64::MAX), (1, u64::MAX)]), u64::MAX);
    }
}
