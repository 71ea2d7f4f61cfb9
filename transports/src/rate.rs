//! A limit on bytes a second: a bucket that fills with time and is emptied by sending.

use phaul_core::plan::Rate;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How much of the rate an idle sender may save up. Enough to keep the link busy while the
/// sender is descheduled, too little to fill the queues on the way.
const BURST: Duration = Duration::from_millis(50);

/// A limit that everything which goes out together shares.
#[derive(Debug)]
pub(crate) struct RateLimit {
    bucket: Mutex<Bucket>,
    changed: Notify,
}

impl RateLimit {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self {
            bucket: Mutex::new(Bucket::new(rate, Instant::now())),
            changed: Notify::new(),
        }
    }

    /// Changes the limit, also for those who wait already.
    pub(crate) fn set(&self, rate: Option<Rate>) {
        self.bucket().set(rate, Instant::now());
        self.changed.notify_waiters();
    }

    /// Waits until so many bytes may go out.
    pub(crate) async fn take(&self, bytes: u64) {
        let due = self.bucket().take(bytes, Instant::now());
        loop {
            // Made before looking, so that no change in between is missed.
            let changed = self.changed.notified();
            let pause = self.bucket().pause(due, Instant::now());
            if pause.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = changed => {}
            }
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        // Numbers only: there is no half-made change to be afraid of.
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bits earned by the passing of time, and bits taken. Whoever takes may go as soon as all
/// that was taken before is earned, so that they go in their order.
#[derive(Debug)]
struct Bucket {
    rate: Option<Rate>,
    earned: u128,
    taken: u128,
    since: Instant,
}

impl Bucket {
    fn new(rate: Option<Rate>, now: Instant) -> Self {
        Self {
            rate,
            earned: 0,
            taken: 0,
            since: now,
        }
    }

    fn bits_per_second(&self) -> Option<u128> {
        self.rate
            .map(|rate| u128::from(rate.bits_per_second.max(1)))
    }

    fn set(&mut self, rate: Option<Rate>, now: Instant) {
        self.earn(now);
        self.rate = rate;
    }

    fn earn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_nanos();
        self.since = self.since.max(now);
        self.earned = match self.bits_per_second() {
            Some(rate) => {
                let saved = self.taken + rate * BURST.as_nanos() / NANOS;
                (self.earned + rate * passed / NANOS).min(saved)
            }
            None => self.taken,
        };
    }

    fn take(&mut self, bytes: u64, now: Instant) -> u128 {
        self.earn(now);
        let due = self.taken;
        self.taken += u128::from(bytes) * 8;
        due
    }

    /// How long it takes until what is due is earned.
    fn pause(&mut self, due: u128, now: Instant) -> Duration {
        self.earn(now);
        let missing = due.saturating_sub(self.earned);
        let Some(rate) = self.bits_per_second() else {
            return Duration::ZERO;
        };
        let nanos = (missing * NANOS).div_ceil(rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Nanoseconds in a second.
const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const fn kbit(kbits_per_second: u64) -> Option<Rate> {
        Some(Rate {
            bits_per_second: kbits_per_second * 1000,
        })
    }

    async fn seconds_to_take(limit: &RateLimit, chunks: u32, bytes: u64) -> f64 {
        let start = Instant::now();
        for _ in 0..chunks {
            limit.take(bytes).await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_go_out_at_the_rate() {
        let limit = RateLimit::new(kbit(800));
        // 100 kB a second; the first chunk goes at once.
        let seconds = seconds_to_take(&limit, 11, 10_000).await;
        assert!((0.94..1.1).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn idleness_saves_up_only_a_little() {
        let limit = RateLimit::new(kbit(800));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let seconds = seconds_to_take(&limit, 11, 10_000).await;
        assert!((0.9..1.1).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_for_all_together() {
        let limit = RateLimit::new(kbit(800));
        let start = Instant::now();
        tokio::join!(
            seconds_to_take(&limit, 5, 10_000),
            seconds_to_take(&limit, 5, 10_000),
            limit.take(10_000),
        );
        let seconds = start.elapsed().as_secs_f64();
        assert!((0.9..1.1).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_no_wait() {
        let limit = RateLimit::new(None);
        assert!(seconds_to_take(&limit, 1000, 1 << 20).await < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_felt_by_those_who_wait() {
        let limit = RateLimit::new(kbit(1));
        limit.take(1 << 20).await;
        let start = Instant::now();
        tokio::join!(limit.take(1), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            limit.set(kbit(8_000_000));
        });
        let seconds = start.elapsed().as_secs_f64();
        assert!((1.0..1.1).contains(&seconds), "{seconds}");
        limit.set(None);
        assert!(seconds_to_take(&limit, 10, 1 << 20).await < 0.001);
    }
}
