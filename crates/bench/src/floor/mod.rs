//! The least that a client has to do: find the data, read it, compute the checksum that the protocol wants, and send it over
//! plain connections, many at a time. No SDK, no retry, no journal, nothing that is checked.

mod aws;
mod blocks;
mod connection;
mod pages;
mod parts;

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use url::Url;
use vhd::Extent;

use crate::Result;
use connection::Connection;

/// What the floor sends, and where.
#[derive(Debug, clap::Subcommand)]
pub enum Job {
    /// The pages of a fixed VHD to the address of a disk
    Pages { image: PathBuf, address: Url },
    /// The blocks of a raw disk to a new snapshot
    Blocks { image: PathBuf },
    /// A file to a new object
    Parts { image: PathBuf, key: String },
}

pub async fn run(job: &Job) -> Result<()> {
    match job {
        Job::Pages { image, address } => pages::send(image, address).await,
        Job::Blocks { image } => blocks::send(image).await,
        Job::Parts { image, key } => parts::send(image, key).await,
    }
}

/// A request with a piece of the image.
trait Piecework: Send + Sync + 'static {
    /// The request; called where the piece was read.
    fn request(&self, piece: &Extent, bytes: Bytes) -> Result<Request<Full<Bytes>>>;
}

/// Sends all pieces over so many connections; the head of each answer, by piece.
async fn send_all(
    work: impl Piecework,
    file: File,
    pieces: Vec<Extent>,
    url: &Url,
    connections: usize,
) -> Result<Vec<http::response::Parts>> {
    let (work, file, pieces) = (Arc::new(work), Arc::new(file), Arc::new(pieces));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections.min(pieces.len()) {
        let (work, file, pieces, next, url) = (work.clone(), file.clone(), pieces.clone(), next.clone(), url.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(&url).await?;
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(piece) = pieces.get(index) else { return Ok(answers) };
                let mut bytes = vec![0; piece.length as usize];
                file.read_exact_at(&mut bytes, piece.offset)?;
                let request = work.request(piece, bytes.into())?;
                answers.push((index, connection.send(request).await?));
            }
        });
    }
    let mut answers = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let done: Result<Vec<_>> = done?;
        answers.extend(done?);
    }
    answers.sort_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}
