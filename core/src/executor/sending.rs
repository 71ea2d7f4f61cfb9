//! Sends the images of a frozen workload.

use super::recorder::{Progress, Recorder};
use super::source::SourceWorld;
use crate::failure::Failure;
use crate::journal::Record;
use crate::machine::Worked;
use crate::protocol::{CHUNK_MAX, Chunk, Part};
use crate::report::{EventBody, Round};
use std::time::{Duration, Instant};

impl SourceWorld {
    pub(super) async fn send(
        &mut self,
        attempt: u32,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure> {
        let bulk = self.line.bulk().ok_or_else(super::line::gone)?;
        let Some(frozen) = &self.frozen else {
            return Err(Failure::new("no-images", "there are no images to send"));
        };
        let total: u64 = frozen.images.iter().map(|image| image.size).sum();
        let dir = self.parts.hauler.images();
        let progress: Progress = recorder.events();
        let began = Instant::now();
        let (mut read, mut sent) = (0_u64, 0_u64);
        let mut told = began;
        for image in &frozen.images {
            let mut offset = 0;
            while offset < image.size {
                let left = usize::try_from(image.size - offset).unwrap_or(CHUNK_MAX);
                let len = left.min(CHUNK_MAX);
                let data = self.parts.disk.read(&dir, &image.name, offset, len)?;
                sent += bulk
                    .send(Chunk {
                        run: self.run.clone(),
                        attempt,
                        part: Part::Image(image.name.clone()),
                        offset,
                        data,
                    })
                    .await?;
                offset += len as u64;
                read += len as u64;
                if told.elapsed() > Duration::from_millis(200) {
                    told = Instant::now();
                    progress.tell("memory", read, total);
                }
            }
        }
        bulk.flush().await?;
        progress.tell("memory", total, total);
        let round = Round {
            kind: "memory".into(),
            number: 1,
            pages: frozen.pages,
            bytes: sent,
            ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            why: "the workload is frozen".into(),
        };
        recorder.emit(EventBody::from(&round));
        recorder.write(Record::Copied { round })?;
        Ok(Worked::Well)
    }
}
