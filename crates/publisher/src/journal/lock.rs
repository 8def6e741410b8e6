use std::{
    fs::{File, TryLockError},
    io,
    time::Duration,
};

/// Locks a journal, for as long as the file is open; false if another process holds it. Whoever only looks, as `publish runs`
/// does, holds it for a moment.
pub fn take(file: &File) -> io::Result<bool> {
    for _ in 0..50 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(true),
        }
    }
    Ok(false)
}
