use super::*;
use crate::executor::ports::FileSink;
use std::time::Duration;

/// Keeps the bytes; its digest is their number and whether they are in order. It fails
/// where it meets a zero.
#[derive(Default)]
struct Bucket {
    bytes: Vec<u8>,
    slow: Duration,
}

impl FileSink for Bucket {
    fn begin(&mut self) -> Result<(), Failure> {
        self.bytes.clear();
        Ok(())
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        std::thread::sleep(self.slow);
        if data.contains(&0) {
            return Err(Failure::new("disk-full", "there is no room"));
        }
        self.bytes.extend(data);
        Ok(())
    }

    fn held(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn end(&mut self) -> Result<String, Failure> {
        Ok(format!("{} {}", self.bytes.len(), self.bytes.is_sorted()))
    }
}

async fn receiving(slow: Duration) -> ReceivingFiles {
    let files = ReceivingFiles::default();
    let bucket = Bucket {
        slow,
        ..Bucket::default()
    };
    files.keep(Box::new(bucket));
    assert_eq!(files.begin(1).await, Ok(None));
    files
}

fn round(round: u32, bytes: u64, digest: &str) -> FilesRound {
    FilesRound {
        round,
        bytes,
        digest: digest.into(),
    }
}

/// Pieces of two bytes, 1 to 100, in an order that is not theirs.
async fn send(files: &ReceivingFiles, attempt: u32, round: u32) {
    for number in 0..50 {
        let at = number * 7 % 50;
        let data = Bytes::from(vec![at as u8 + 1; 2]);
        files.take(attempt, round, at * 2, data).await;
    }
}

#[tokio::test]
async fn pieces_in_any_order_are_a_round_and_it_can_be_asked_about_again() {
    let files = receiving(Duration::ZERO).await;
    let asked = round(1, 100, "100 true");
    send(&files, 1, 1).await;
    for _ in 0..2 {
        assert_eq!(files.complete(1, &asked).await, Ok(()));
    }
    // Late pieces of it, and those of another attempt, are nothing to it.
    send(&files, 1, 1).await;
    send(&files, 2, 2).await;
    assert_eq!(files.complete(1, &round(2, 0, "0 true")).await, Ok(()));
    let held = files.begin(2).await.unwrap().unwrap();
    assert_eq!((held.attempt, held.round, held.bytes), (1, 2, 0));
}

#[tokio::test]
async fn other_files_than_the_sources_are_not_held() {
    let files = receiving(Duration::ZERO).await;
    send(&files, 1, 1).await;
    let differ = files.complete(1, &round(1, 100, "100 false")).await;
    assert_eq!(differ.unwrap_err().code, "files-differ");
    assert_eq!(files.begin(2).await, Ok(None));
}

#[tokio::test]
async fn a_sink_that_fails_is_told_of_at_once_and_to_who_asks() {
    let files = receiving(Duration::ZERO).await;
    let (run, mut inbox) = mpsc::channel(4);
    files.belongs_to(run.downgrade());
    files.take(1, 1, 0, Bytes::from_static(&[0])).await;
    let Some(Incoming::Trouble { attempt, failure }) = inbox.recv().await else {
        panic!("the run is told");
    };
    assert_eq!((attempt, &*failure.code), (1, "disk-full"));
    let asked = files.complete(1, &round(1, 100, "")).await;
    assert_eq!(asked.unwrap_err().code, "disk-full");
    send(&files, 1, 1).await; // passed over, and held up by nobody
}

#[tokio::test]
async fn what_a_slow_sink_has_taken_is_known_when_a_round_is_given_up() {
    let files = receiving(Duration::from_millis(3)).await;
    let sent = tokio::time::timeout(Duration::from_millis(60), send(&files, 1, 1)).await;
    assert!(sent.is_err(), "the sink holds up who sends");
    let held = files.begin(2).await.unwrap().unwrap();
    assert!((2..100).contains(&held.bytes), "{held:?}");
    send(&files, 2, 1).await;
    let asked = round(1, 100, "100 true");
    assert_eq!(files.complete(2, &asked).await, Ok(()));
    files.give_up().await.unwrap();
    let gone = files.complete(2, &asked).await;
    assert_eq!(gone.unwrap_err().code, "no-files");
}

#[tokio::test(start_paused = true)]
async fn a_round_that_does_not_come_is_lost() {
    let files = receiving(Duration::ZERO).await;
    let missing = files.complete(1, &round(1, 100, "")).await;
    assert_eq!(missing.unwrap_err().code, "files-incomplete");
}
