use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory for what is read and on its way: all transfers of a process share it, and it is used again. What an allocator gives
/// back to the kernel, it gets back page by page, each of them cleared; on a fast line that is a third of the whole cost.
#[derive(Clone, Debug)]
pub struct Buffers {
    pool: Arc<Pool>,
    /// One permit for each KiB that this transfer may have of it.
    own: Arc<Semaphore>,
    own_kib: u32,
}

#[derive(Debug)]
struct Pool {
    /// One permit for each KiB that may be in use.
    free: Arc<Semaphore>,
    most_kib: u32,
    /// What is kept for the next that wants as much, by capacity.
    idle: Mutex<BTreeMap<usize, Vec<Vec<u8>>>>,
}

/// One part of it in so many is kept beside when it is no longer in use.
const KEPT: usize = 4;
/// The parts of it that one transfer may have, of so many: a cloud that does not answer does not keep another's data waiting.
const SHARE: (u32, u32) = (3, 4);

impl Buffers {
    /// Buffers of `most_kib` KiB together.
    pub fn new(most_kib: u32) -> Self {
        let semaphore = |kib: u32| Arc::new(Semaphore::new(kib as usize));
        let pool = Arc::new(Pool { free: semaphore(most_kib), most_kib, idle: Mutex::default() });
        Self { pool, own: semaphore(most_kib), own_kib: most_kib }
    }

    /// The same, for one transfer.
    pub fn share(&self) -> Self {
        let own_kib = self.pool.most_kib / SHARE.1 * SHARE.0;
        Self { pool: self.pool.clone(), own: Arc::new(Semaphore::new(own_kib as usize)), own_kib }
    }

    /// A buffer of `length` bytes that hold anything, as soon as there is room for it. One that is larger than all of them
    /// together is had when there is no other.
    pub async fn take(&self, length: usize) -> Buffer {
        // Few sizes, so that what comes back serves the next.
        let capacity = length.next_multiple_of(512 << 10);
        let kib = u32::try_from(capacity >> 10).unwrap_or(u32::MAX);
        // The semaphores are never closed.
        let own = self.own.clone().acquire_many_owned(kib.min(self.own_kib)).await.ok();
        let all = self.pool.free.clone().acquire_many_owned(kib.min(self.pool.most_kib)).await.ok();
        let kept = self.pool.idle().get_mut(&capacity).and_then(Vec::pop);
        let mut bytes = kept.unwrap_or_else(|| vec![0; capacity]);
        bytes.truncate(length);
        bytes.resize(length, 0);
        Buffer { bytes, pool: self.pool.clone(), _permits: [own, all] }
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<Vec<u8>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that go back to where they came from.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Buffer {
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let (mut idle, most) = (self.pool.idle(), self.pool.most_kib as usize * 1024 / KEPT);
        if bytes.capacity() > most {
            return;
        }
        // Larger ones make room: what is asked for now is what has just been used.
        while idle.iter().map(|(capacity, buffers)| capacity * buffers.len()).sum::<usize>() + bytes.capacity() > most {
            let largest = idle.values_mut().rev().find(|buffers| !buffers.is_empty());
            let Some(largest) = largest else { break };
            largest.pop();
        }
        idle.entry(bytes.capacity()).or_default().push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_is_in_use_than_may_be_and_what_was_is_used_again() {
        let buffers = Buffers::new(2 << 10);
        let first = buffers.take(512 << 10).await;
        let place = first.as_ref().as_ptr();
        let second = buffers.take(1_500_000).await;
        assert_eq!(second.as_ref().len(), 1_500_000);
        let third = buffers.take(100);
        tokio::pin!(third);
        assert!(futures::poll!(&mut third).is_pending(), "two mebibytes are in use");
        drop(first);
        let third = third.await;
        assert_eq!((third.as_ref().as_ptr(), third.as_ref().len()), (place, 100));
    }

    #[tokio::test]
    async fn what_is_larger_than_all_is_had_alone_and_not_kept() {
        let buffers = Buffers::new(4 << 10);
        let first = buffers.take(1).await;
        let large = buffers.take(5 << 20);
        tokio::pin!(large);
        assert!(futures::poll!(&mut large).is_pending());
        drop(first);
        drop(large.await);
        let kept: Vec<_> = buffers.pool.idle().iter().map(|(capacity, kept)| (*capacity, kept.len())).collect();
        assert_eq!(kept, [(512 << 10, 1)], "the small one alone");
    }

    #[tokio::test]
    async fn one_transfer_does_not_get_all_and_another_goes_on() {
        let buffers = Buffers::new(4 << 10);
        let (one, other) = (buffers.share(), buffers.share());
        let held = [one.take(1 << 20).await, one.take(1 << 20).await, one.take(1 << 20).await];
        let more = one.take(1);
        tokio::pin!(more);
        assert!(futures::poll!(&mut more).is_pending(), "three quarters are its own");
        assert_eq!(other.take(1 << 20).await.as_ref().len(), 1 << 20);
        drop(held);
        more.await;
    }
}
