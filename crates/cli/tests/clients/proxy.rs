//! A proxy that leads every name to one address, for programs that look at names.

use std::{
    io::{BufRead, BufReader, Read, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// Listens for as long as the tests run, with a thread for each connection; gives where.
pub fn listen(serve: impl Fn(TcpStream) -> Option<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(client));
        }
    });
    address
}

pub struct Proxy(String);

impl Proxy {
    /// Leads to `address` for as long as the tests run.
    pub fn to(address: &str) -> Self {
        let address = address.to_owned();
        Self(format!("http://{}", listen(move |client| tunnel(client, &address))))
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

/// Passes on what comes, until no more does.
pub fn pump(mut from: impl Read, mut to: TcpStream) {
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
