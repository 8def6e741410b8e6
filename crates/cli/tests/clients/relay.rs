//! A way to a server on which one byte arrives otherwise than it was sent.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::proxy::{listen, pump};

/// How many bytes of a connection are left as they are: beyond the head of any request, and within the first large body.
const SPARED: usize = 64 << 10;

/// Leads to `address` for as long as the tests run, and spoils one byte on the first connection that brings enough of them.
/// Returns where it listens.
pub fn spoiling(address: &str) -> String {
    let (address, is_done) = (address.to_owned(), AtomicBool::new(false));
    listen(move |client| lead(client, &address, &is_done))
}

/// A connection that breaks is the client's business.
fn lead(client: TcpStream, address: &str, is_done: &AtomicBool) -> Option<()> {
    let server = TcpStream::connect(address).ok()?;
    let (mut up, mut from) = (server.try_clone().ok()?, client.try_clone().ok()?);
    let answering = thread::spawn(move || pump(server, client));
    let (mut buffer, mut passed) = (vec![0; 32 << 10], 0);
    loop {
        let read = from.read(&mut buffer).ok().filter(|read| *read > 0);
        let Some(read) = read else { break };
        passed += read;
        if passed > SPARED && !is_done.swap(true, Ordering::Relaxed) {
            buffer[read - 1] ^= 1;
        }
        up.write_all(&buffer[..read]).ok()?;
    }
    let _ = up.shutdown(Shutdown::Write);
    answering.join().ok()
}
