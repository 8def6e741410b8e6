//! A server of somebody else's, for as long as a test needs it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// It ends with this.
pub struct Service {
    process: Child,
    pub url: String,
}

impl Service {
    /// Starts a server that says where it listens, behind these words.
    pub fn start(command: &mut Command, words: &str) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let process = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        // What the command keeps of the pipe would keep it open when the server has gone.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut service = Self { process, url: String::new() };
        let mut lines = BufReader::new(reader).lines();
        let url = lines.by_ref().take(50).find_map(|line| Some(line.unwrap().split_once(words)?.1.trim().to_owned()));
        service.url = url.unwrap_or_else(|| panic!("it does not say where it listens: \"{words}\""));
        // What it says from there on is nobody's business, but has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
