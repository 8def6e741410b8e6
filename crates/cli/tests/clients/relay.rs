//! A way to a server on which one byte arrives otherwise than it was sent.

use std::{
    io::{Read, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// How many bytes of a connection are left as they are: beyond the head of any request, and within the first large body.
const SPARED: usize = 64 << 10;

/// Leads to `address` for as long as the tests run, and spoils one byte on the first connection that brings enough of them.
/// Returns where it listens.
pub fn spoiling(address: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let (address, is_done) = (address.to_owned(), Arc::new(AtomicBool::new(false)));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (address, is_done) = (address.clone(), is_done.clone());
            thread::spawn(move || lead(client, &address, &is_done));
        }
    });
    own
}

/// A connection that breaks is the client's business.
fn lead(client: TcpStream, address: &str, is_done: &AtomicBool) -> Option<()> {
    let server = TcpStream::connect(address).ok()?;
    let (mut up, mut from) = (server.try_clone().ok()?, client.try_clone().ok()?);
    let (mut answers, mut down) = (server, client);
    let answering = thread::spawn(move || {
        let _ = copy(&mut answers, &mut down);
        let _ = down.shutdown(Shutdown::Write);
    });
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
