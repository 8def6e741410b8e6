use std::{collections::VecDeque, num::NonZero, sync::Arc, thread};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use vhd::{Extent, Layout};

use super::{
    Progress, Sink,
    line::{Line, Load, Sent},
    plan,
    reader::{self, Prepared},
};
use crate::{Cx, Durable, Error, Event, Kind, Result, TransferReport};

/// Sends a layout into a sink, and returns what that took.
///
/// # Errors
/// The first failure that does not pass. Chunks that were on their way are abandoned.
pub async fn run<U: Durable, S: Sink>(cx: &Cx<U>, layout: Arc<dyn Layout>, sink: Arc<S>) -> Result<TransferReport> {
    let reads = plan::reads(&*layout, sink.cut());
    let total = reads.iter().map(|read| read.length).sum();
    let (progress, watcher) = watch::channel(Progress { total, ..Progress::default() });
    cx.emit(Event::TransferStarted { progress: watcher });

    let started = Instant::now();
    let line = Arc::new(Line::new(cx, sink));
    let mut on_its_way = JoinSet::new();
    let sent = send_all(&line, &layout, reads, &progress, &mut on_its_way).await;
    on_its_way.shutdown().await;
    let mut report = sent?;
    cx.check_cancelled()?;
    report.bytes_skipped = layout.length().saturating_sub(report.bytes_sent);
    report.seconds = started.elapsed().as_secs_f64();
    cx.totals.add(&report);
    Ok(report)
}

/// Has pieces read ahead of the window, and chunks sent within it.
async fn send_all<U: Durable, S: Sink>(
    line: &Arc<Line<U, S>>,
    layout: &Arc<dyn Layout>,
    reads: Vec<Extent>,
    progress: &watch::Sender<Progress>,
    on_its_way: &mut JoinSet<Result<Sent<S::Seal>>>,
) -> Result<TransferReport> {
    // More threads than cores would read no faster.
    let readers = thread::available_parallelism().map_or(2, NonZero::get);
    let buffers = line.cx.runtime().buffers.share();
    let mut report = TransferReport::default();
    let mut waiting = reads.into_iter();
    let mut reading = FuturesUnordered::new();
    let mut ready = VecDeque::new();
    loop {
        // What is on its way when the run is to end is waited for, and nothing follows it.
        let goes_on = !line.cx.cancel().is_cancelled();
        let window = line.window.size();
        while goes_on && reading.len() < readers && reading.len() + ready.len() < window {
            let Some(piece) = waiting.next() else { break };
            let (sink, cost) = (line.sink.clone(), line.cost.clone());
            reading.push(reader::read(layout.clone(), sink, buffers.clone(), cost, piece));
        }
        while goes_on && on_its_way.len() < window {
            let Some(load) = ready.pop_front() else { break };
            let line = line.clone();
            // Tasks of their own, so that all cores sign and encrypt.
            on_its_way.spawn(async move { line.send(load).await });
        }
        tokio::select! {
            Some(joined) = on_its_way.join_next() => {
                let sent = joined.map_err(|error| Error::new(Kind::Local, "sending failed").caused_by(error))?;
                let (bytes, vain) = match sent {
                    Err(error) if error.kind() == Kind::Cancelled => continue,
                    Ok(Sent::Arrived { bytes, vain }) => (bytes, vain),
                    // First in line, where the window may have less room by now.
                    Ok(Sent::Again(load)) => {
                        ready.push_front(load);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                report.bytes_sent += bytes;
                report.requests += 1;
                report.retries += vain;
                progress.send_modify(|progress| {
                    progress.done += bytes;
                    progress.sent += bytes;
                    progress.requests += 1;
                });
            }
            Some(prepared) = reading.next(), if goes_on => {
                let Prepared { covered, chunks } = prepared?;
                let left: u64 = chunks.iter().map(|(chunk, _)| chunk.bytes.len() as u64).sum();
                progress.send_modify(|progress| progress.done += covered - left);
                ready.extend(chunks.into_iter().map(|(chunk, seal)| Load { chunk, seal, attempt: 1, vain: 0 }));
            }
            else => return Ok(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use async_trait::async_trait;
    use bytes::Bytes;
    use tokio::time::sleep;
    use vhd::{FixedVhd, Image, Raw, zero};

    use super::*;
    use crate::{
        CloudName, Mode, RunKey, Runtime, Silent,
        journal::Journal,
        transfer::{
            Chunk, Cut, Limits, Pace,
            line::{ATTEMPT, PATIENCE},
        },
    };

    /// Keeps what it is sent; fails as told.
    #[derive(Debug)]
    struct Keep {
        cut: Cut,
        kept: Mutex<BTreeMap<u64, Bytes>>,
        failures: Mutex<Vec<Kind>>,
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
        /// How many were on their way as each began.
        at_each: Mutex<Vec<usize>>,
        /// How many get no answer.
        stalls: AtomicUsize,
    }

    impl Keep {
        fn new(cut: Cut, failures: &[Kind]) -> Arc<Self> {
            Arc::new(Self {
                cut,
                kept: Mutex::default(),
                failures: Mutex::new(failures.to_vec()),
                at_once: AtomicUsize::new(0),
                most_at_once: AtomicUsize::new(0),
                at_each: Mutex::default(),
                stalls: AtomicUsize::new(0),
            })
        }

        fn joined(&self, length: u64) -> Vec<u8> {
            let mut disk = vec![0; length as usize];
            for (offset, bytes) in self.kept.lock().unwrap().iter() {
                let end = (*offset as usize + bytes.len()).min(disk.len());
                disk[*offset as usize..end].copy_from_slice(&bytes[..end - *offset as usize]);
            }
            disk
        }
    }

    #[async_trait]
    impl Sink for Keep {
        type Seal = usize;

        fn cut(&self) -> Cut {
            self.cut
        }

        fn limits(&self) -> Limits {
            Limits { start: 4, most: 8, pace: Pace::Free }
        }

        fn may_send_twice(&self) -> bool {
            !matches!(self.cut, Cut::Parts { .. })
        }

        fn seal(&self, chunk: &Chunk) -> Result<usize> {
            Ok(chunk.bytes.len())
        }

        async fn put(&self, chunk: &Chunk, seal: &usize) -> Result<()> {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            self.at_each.lock().unwrap().push(now);
            // On the paused clock, which moves only when nothing else can: whatever may be on its way is.
            sleep(Duration::from_millis(10)).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            assert_eq!(*seal, chunk.bytes.len());
            if self.stalls.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                std::future::pending::<()>().await;
            }
            if let Some(kind) = self.failures.lock().unwrap().pop() {
                return Err(Error::new(kind, "as told"));
            }
            let before = self.kept.lock().unwrap().insert(chunk.offset, chunk.bytes.clone());
            assert_eq!(before, None, "nothing is sent twice");
            Ok(())
        }
    }

    fn cx() -> Cx<String> {
        let runtime = Runtime::new(Arc::new(Silent), None);
        Cx::new(CloudName("test"), RunKey::new([]), runtime, Mode::Publish, Journal::in_memory())
    }

    /// A disk of 9 MiB with data here and there, and pages of real zeros among it.
    fn disk(dir: &std::path::Path) -> (Arc<Image>, Vec<u8>) {
        let mut bytes = vec![0_u8; 9 << 20];
        for (start, end) in [(0, 1), (5000, 200_000), (3 << 20, 6 << 20), ((9 << 20) - 1, 9 << 20)] {
            bytes[start..end].fill(0xa5);
        }
        bytes[4 << 20..(4 << 20) + 300_000].fill(0);
        let path = dir.join("disk.raw");
        std::fs::write(&path, &bytes).unwrap();
        (Arc::new(Image::open(path).unwrap()), bytes)
    }

    const CUTS: [Cut; 4] = [
        Cut::Spans { longest: 1 << 20, page: 4096 },
        Cut::Blocks { size: 512 << 10, skip_zeros: true },
        Cut::Blocks { size: 512 << 10, skip_zeros: false },
        Cut::Parts { size: 700_001 },
    ];

    #[tokio::test(start_paused = true)]
    async fn every_cut_brings_the_whole_disk_and_no_needless_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let (image, bytes) = disk(dir.path());
        for cut in CUTS {
            let sink = Keep::new(cut, &[]);
            let layout = Arc::new(Raw::new(image.clone(), image.virtual_size()).unwrap());
            let report = run(&cx(), layout, sink.clone()).await.unwrap();
            assert_eq!(sink.joined(9 << 20), bytes, "{cut:?}");
            let sent: u64 = sink.kept.lock().unwrap().values().map(|bytes| bytes.len() as u64).sum();
            assert_eq!(report.bytes_sent, sent);
            assert_eq!(report.requests, sink.kept.lock().unwrap().len() as u64);
            if !matches!(cut, Cut::Blocks { skip_zeros: false, .. } | Cut::Parts { .. }) {
                assert!(sink.kept.lock().unwrap().values().all(|bytes| !zero::is_zero(bytes)), "{cut:?}");
            }
            assert!(sink.most_at_once.load(Ordering::SeqCst) <= 8, "the window's limit");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_footer_at_an_odd_place_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let (image, bytes) = disk(dir.path());
        let layout = Arc::new(FixedVhd::new(image, 20 << 20).unwrap());
        let sink = Keep::new(CUTS[0], &[]);
        run(&cx(), layout.clone(), sink.clone()).await.unwrap();
        let vhd = sink.joined((20 << 20) + 512);
        assert_eq!(vhd[..9 << 20], bytes);
        assert_eq!(&vhd[20 << 20..][..8], b"conectix");
        let starts_and_ends = |(offset, bytes): (&u64, &Bytes)| offset % 512 == 0 && bytes.len() % 512 == 0;
        assert!(sink.kept.lock().unwrap().iter().all(starts_and_ends), "what Put Page takes");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_sent_again_and_what_does_not_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let (image, bytes) = disk(dir.path());
        let layout = || Arc::new(Raw::new(image.clone(), image.virtual_size()).unwrap());
        for cut in CUTS {
            let sink = Keep::new(cut, &[Kind::Transient, Kind::Throttled, Kind::Transient]);
            let report = run(&cx(), layout(), sink.clone()).await.unwrap();
            assert_eq!(sink.joined(9 << 20), bytes, "{cut:?}");
            assert_eq!(report.retries, 3);
            let sink = Keep::new(cut, &[Kind::Denied]);
            assert_eq!(run(&cx(), layout(), sink).await.unwrap_err().kind(), Kind::Denied);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_that_gets_no_answer_holds_nothing_up_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let (image, bytes) = disk(dir.path());
        let sink = Keep::new(CUTS[1], &[]);
        sink.stalls.store(3, Ordering::SeqCst);
        let layout = Arc::new(Raw::new(image.clone(), image.virtual_size()).unwrap());
        let began = Instant::now();
        let report = run(&cx(), layout, sink.clone()).await.unwrap();
        assert_eq!((report.retries, sink.joined(9 << 20) == bytes), (3, true));
        assert!(began.elapsed() < 2 * ATTEMPT, "all of them are given up at the same time: {:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_that_takes_far_longer_than_others_is_sent_once_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dense.raw");
        std::fs::write(&path, vec![7; 64 << 19]).unwrap();
        let image = Arc::new(Image::open(path).unwrap());
        let layout = || Arc::new(Raw::new(image.clone(), image.virtual_size()).unwrap());
        let sink = Keep::new(CUTS[1], &[]);
        sink.stalls.store(2, Ordering::SeqCst);
        let began = Instant::now();
        let report = run(&cx(), layout(), sink.clone()).await.unwrap();
        assert_eq!((report.retries, report.requests), (2, 64));
        assert!(began.elapsed() < PATIENCE * 2, "{:?}", began.elapsed());
        // Where a second arrival would do harm, the first is waited for until it counts as lost.
        let sink = Keep::new(CUTS[3], &[]);
        sink.stalls.store(2, Ordering::SeqCst);
        let began = Instant::now();
        let report = run(&cx(), layout(), sink.clone()).await.unwrap();
        assert_eq!(report.retries, 2);
        assert!(began.elapsed() >= ATTEMPT, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_what_is_on_its_way_and_health_brings_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dense.raw");
        std::fs::write(&path, vec![7; 64 << 19]).unwrap();
        let image = Arc::new(Image::open(path).unwrap());
        let sink = Keep::new(CUTS[1], &[Kind::Throttled]);
        let layout = Arc::new(Raw::new(image.clone(), image.virtual_size()).unwrap());
        assert_eq!(run(&cx(), layout, sink.clone()).await.unwrap().retries, 1);
        let at_each = sink.at_each.lock().unwrap().clone();
        // The first of four was throttled; the three that were on their way with it end, and then there are two, and soon three.
        assert_eq!(at_each[..4].iter().max(), Some(&4), "{at_each:?}");
        assert!(at_each[4..6].iter().all(|now| *now <= 2), "{at_each:?}");
        assert!(at_each[6..12].iter().all(|now| *now <= 3), "{at_each:?}");
        assert!(at_each[40..].iter().any(|now| *now > 4), "{at_each:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_on_its_way_when_the_run_is_to_end_arrives_and_nothing_follows_it() {
        let dir = tempfile::tempdir().unwrap();
        let (image, _) = disk(dir.path());
        for cut in CUTS {
            let (cx, sink) = (cx(), Keep::new(cut, &[Kind::Transient]));
            let layout = Arc::new(Raw::new(image.clone(), image.virtual_size()).unwrap());
            let cancel = async {
                while sink.at_each.lock().unwrap().is_empty() {
                    tokio::task::yield_now().await;
                }
                cx.cancel().cancel();
            };
            let (sent, ()) = tokio::join!(run(&cx, layout, sink.clone()), cancel);
            assert_eq!(sent.unwrap_err().kind(), Kind::Cancelled, "{cut:?}");
            let (begun, kept) = (sink.at_each.lock().unwrap().len(), sink.kept.lock().unwrap().len());
            // One was told to fail, and is not sent again.
            assert_eq!((begun <= 4, kept), (true, begun - 1), "{cut:?}: {begun}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_only_fails_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let (image, _) = disk(dir.path());
        let sink = Keep::new(CUTS[1], &[Kind::Transient; 1000]);
        let layout = Arc::new(Raw::new(image.clone(), image.virtual_size()).unwrap());
        let error = run(&cx(), layout, sink.clone()).await.unwrap_err();
        assert!(error.to_string().starts_with("gave up sending bytes"), "{error}");
        assert!(sink.failures.lock().unwrap().len() > 200, "within the run's one budget");
    }
}
