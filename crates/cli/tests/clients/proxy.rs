//! A proxy that leads every name to one address, for programs that look at names.

use std::{
    io::{BufRead, BufReader, Read, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

pub struct Proxy(String);

impl Proxy {
    /// Leads to `address` for as long as the tests run.
    pub fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address = address.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let address = address.clone();
                thread::spawn(move || tunnel(client, &address));
            }
        });
        Self(url)
    }

    pub fn url(&self) -> &str {
        &self.0
    }
}

/// What CONNECT asks for (RFC 9110, section 9.3.6). A connection that breaks is the client's business.
fn tunnel(client: TcpStream, address: &str) -> Option<()> {
    let mut head = BufReader::new(client.try_clone().ok()?);
    let mut line = String::new();
    while head.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let server = TcpStream::connect(address).ok()?;
    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (up, down) = (server.try_clone().ok()?, client.try_clone().ok()?);
    let sending = thread::spawn(move || pump(head, up));
    pump(server, down);
    sending.join().ok()
}

fn pump(mut from: impl Read, mut to: TcpStream) {
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
