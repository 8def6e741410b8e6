use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory for what is read and on its way: all transfers of a process share it, and it is used again. What an allocator gives
/// back to the kernel, it gets back page by page, each of them cleared; on a fast line that is a third of the whole cost.
#[derive(Clone, Debug)]
pub struct Buffers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    /// One permit for each KiB that may be in use.
    free: Arc<Semaphore>,
    most_kib: u32,
    /// What is kept for the next that wants as much, by capacity.
    idle: Mutex<BTreeMap<usize, Vec<Vec<u8>>>>,
}

/// Of what is in use, so much may be kept when it no longer is: one part.
const KEPT: usize = 4;

impl Buffers {
    /// Buffers of `most_kib` KiB together.
    pub fn new(most_kib: u32) -> Self {
        let free = Arc::new(Semaphore::new(most_kib as usize));
        Self(Arc::new(Pool { free, most_kib, idle: Mutex::default() }))
    }

    /// A buffer of `length` bytes that hold anything, as soon as there is room for it. One that is larger than all of them
    /// together is had when there is no other.
    pub async fn take(&self, length: usize) -> Buffer {
        // Few sizes, so that what comes back serves the next.
        let capacity = length.next_multiple_of(512 << 10);
        let kib = u32::try_from(capacity >> 10).unwrap_or(u32::MAX).min(self.0.most_kib);
        // The semaphore is never closed.
        let permit = self.0.free.clone().acquire_many_owned(kib).await.ok();
        let kept = self.0.idle().get_mut(&capacity).and_then(Vec::pop);
        let mut bytes = kept.unwrap_or_else(|| vec![0; capacity]);
        bytes.truncate(length);
        bytes.resize(length, 0);
        Buffer { bytes, pool: self.0.clone(), _permit: permit }
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
    _permit: Option<OwnedSemaphorePermit>,
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
        let mut idle = self.pool.idle();
        let kept: usize = idle.iter().map(|(capacity, buffers)| capacity * buffers.len()).sum();
        if kept + bytes.capacity() <= (self.pool.most_kib as usize >> 10 << 20) / KEPT {
            idle.entry(bytes.capacity()).or_default().push(bytes);
        }
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
    async fn what_is_larger_than_all_is_had_alone() {
        let buffers = Buffers::new(1 << 10);
        let first = buffers.take(1).await;
        let large = buffers.take(5 << 20);
        tokio::pin!(large);
        assert!(futures::poll!(&mut large).is_pending());
        drop(first);
        drop(large.await);
        assert_eq!(buffers.0.idle().keys().collect::<Vec<_>>(), Vec::<&usize>::new(), "too large to be kept");
    }
}
