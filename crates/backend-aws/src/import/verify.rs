//! A snapshot read back, and compared with the image block by block.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_ebs::types::Block;
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{StreamExt, TryStreamExt, stream};
use publisher::{Cx, Error, Event, Kind, Result};
use sha2::{Digest, Sha256};

use crate::{
    Aws, Undo,
    error::{classify, soon},
};

/// How long one attempt at one block may take.
const ATTEMPT: Duration = Duration::from_secs(60);

/// Blocks that are read at the same time.
const AT_ONCE: usize = 16;

/// Compares a completed snapshot with the image, if that is asked for. EBS direct reads no snapshot that is pending, and
/// none that is public.
///
/// # Errors
/// [`Kind::Invalid`] if it holds anything else.
pub async fn verify(aws: &Aws, cx: &Cx<Undo>, snapshot: &str) -> Result<()> {
    if !aws.config.verify.unwrap_or_default() {
        return Ok(());
    }
    cx.emit(Event::Waiting { what: format!("reading {snapshot} back"), percent: None });
    let content = aws.decided()?.image.content()?;
    let wanted: BTreeMap<u32, [u8; 32]> = content.blocks().iter().map(|block| (block.index, block.sha256)).collect();
    let listed = list(aws, cx, snapshot).await?;
    let compare = |block: Block| {
        let wanted = &wanted;
        async move {
            let index = u32::try_from(block.block_index().unwrap_or_default()).unwrap_or_default();
            let found = read(aws, cx, snapshot, &block).await?;
            match wanted.get(&index) {
                Some(hash) if *hash == <[u8; 32]>::from(Sha256::digest(&found)) => Ok(index),
                // Blocks of zeros are listed too if they were written, as those of an encrypted snapshot are.
                None if vhd::zero::is_zero(&found) => Ok(index),
                _ => Err(differs(snapshot, index)),
            }
        }
    };
    let seen: Vec<u32> = stream::iter(listed).map(compare).buffer_unordered(AT_ONCE).try_collect().await?;
    let seen: std::collections::BTreeSet<_> = seen.into_iter().collect();
    match wanted.keys().find(|index| !seen.contains(index)) {
        Some(missing) => Err(differs(snapshot, *missing)),
        None => Ok(()),
    }
}

fn differs(snapshot: &str, index: u32) -> Error {
    let offset = u64::from(index) * vhd::CONTENT_BLOCK;
    Error::new(Kind::Invalid, format!("{snapshot} is not the image: it differs in the block at byte {offset}"))
        .with_hint("publish again; nothing was registered")
}

async fn list(aws: &Aws, cx: &Cx<Undo>, snapshot: &str) -> Result<Vec<Block>> {
    let ebs = aws.clients.ebs(aws.home()?);
    let (mut blocks, mut next) = (Vec::new(), None);
    loop {
        let request = || {
            let request = ebs.list_snapshot_blocks().snapshot_id(snapshot).set_next_token(next.clone());
            async { request.send().await.map_err(classify).map_err(soon) }
        };
        let page = cx.retry("listing the snapshot's blocks", request).await?;
        blocks.extend(page.blocks.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(blocks);
        }
    }
}

async fn read(aws: &Aws, cx: &Cx<Undo>, snapshot: &str, block: &Block) -> Result<Vec<u8>> {
    let ebs = aws.clients.ebs(aws.home()?);
    let once = || async {
        let answer = ebs
            .get_snapshot_block()
            .snapshot_id(snapshot)
            .block_index(block.block_index().unwrap_or_default())
            .block_token(block.block_token().unwrap_or_default())
            .send()
            .await
            .map_err(classify)?;
        let sealed = answer.checksum().map(str::to_owned);
        let body = answer.block_data.collect().await;
        let bytes = body
            .map(|bytes| bytes.to_vec())
            .map_err(|error| Error::new(Kind::Transient, "the block was cut off on its way").caused_by(error))?;
        if sealed.is_some_and(|sealed| sealed != BASE64_STANDARD.encode(Sha256::digest(&bytes))) {
            return Err(Error::new(Kind::Transient, "the block was damaged on its way"));
        }
        Ok(bytes)
    };
    // The client's own time-outs end with the head of an answer.
    let request = || async {
        let late = |_| Err(Error::new(Kind::Transient, "the block did not arrive in time"));
        tokio::time::timeout(ATTEMPT, once()).await.unwrap_or_else(late)
    };
    cx.retry("reading the snapshot back", request).await
}
