//! Page blobs behind a disk's access: `PUT ?comp=page`, `GET ?comp=pagelist`, `GET`, `HEAD`.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use md5::{Digest, Md5};

use super::error::storage;
use crate::{
    content::Content,
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

/// Largest Put Page (Blob service, "Put Page", remarks).
const LARGEST_WRITE: u64 = 4 << 20;

pub fn operation(call: &Call) -> &'static str {
    match (&call.method, call.param("comp")) {
        (&Method::PUT, Some("page")) if call.header("x-ms-page-write") == Some("clear") => "ClearPage",
        (&Method::PUT, Some("page")) => "PutPage",
        (&Method::GET, Some("pagelist")) => "GetPageRanges",
        (&Method::GET, _) => "GetBlob",
        (&Method::HEAD, _) => "GetBlobProperties",
        (&Method::PUT, _) if call.header("x-ms-blob-type") == Some("PageBlob") => "PutBlob",
        (&Method::PUT, Some("properties")) => "SetBlobProperties",
        _ => "UnknownBlobOperation",
    }
}

pub fn answer(world: &World, call: &Call) -> Reply {
    handle(world, call)
        .unwrap_or_else(|refusal| refusal)
        .with("x-ms-version", call.header("x-ms-version").unwrap_or("2026-04-06"))
}

fn handle(world: &World, call: &Call) -> Result<Reply, Reply> {
    let content = opened(world, call)?;
    match operation(call) {
        "PutPage" => put(call, &content),
        "ClearPage" => clear(call, &content),
        "GetPageRanges" => Ok(page_list(&content)),
        "GetBlobProperties" => Ok(properties(&content)),
        "GetBlob" => get(call, &content),
        // A disk's page blob is there, and cannot be made or described. azcopy knows by the host's name alone that it is a disk's,
        // and where nothing is kept it may as well be measured at an address without one.
        made @ ("PutBlob" | "SetBlobProperties") if world.discard => {
            Ok(Reply::empty(if made == "PutBlob" { 201 } else { 200 })
                .with("etag", "\"0x1\"")
                .with("last-modified", "Sat, 01 Jan 2000 00:00:00 GMT"))
        }
        _ => Err(storage(400, "InvalidQueryParameterValue", "A disk takes page operations only.")),
    }
}

/// The disk that the signature opens.
fn opened(world: &World, call: &Call) -> Result<Arc<Content>, Reply> {
    let state = world.azure.state();
    let denied = || storage(403, "AuthenticationFailed", "Server failed to authenticate the request.");
    let disk =
        state.resources.values().find(|resource| resource.sas.as_ref().is_some_and(|sas| sas.name == call.segments[0]));
    let (disk, sas) = disk.and_then(|disk| Some((disk, disk.sas.as_ref()?))).ok_or_else(denied)?;
    let signature = call.param("sig").and_then(|signature| signature.strip_suffix('='));
    if signature != Some(&sas.signature) || world.clock.now() > sas.expires {
        return Err(denied());
    }
    if disk.validated && !call.is_read() {
        return Err(storage(403, "AuthorizationPermissionMismatch", "This signature does not permit writing."));
    }
    disk.content.clone().ok_or_else(denied)
}

/// The range of a request, first and one past the last byte.
fn range(call: &Call) -> Option<(u64, u64)> {
    let header = call.header("x-ms-range").or_else(|| call.header("range"))?;
    let (start, end) = header.strip_prefix("bytes=")?.split_once('-')?;
    Some((start.parse().ok()?, end.parse::<u64>().ok()?.checked_add(1)?))
}

fn page_range(call: &Call, content: &Content) -> Result<(u64, u64), Reply> {
    let (start, end) =
        range(call).ok_or_else(|| storage(400, "InvalidHeaderValue", "The value of Range is not correct."))?;
    if start >= end || start % 512 != 0 || end % 512 != 0 || end > content.length() {
        return Err(storage(416, "InvalidPageRange", "The page range specified is invalid."));
    }
    Ok((start, end))
}

fn put(call: &Call, content: &Content) -> Result<Reply, Reply> {
    let (start, end) = page_range(call, content)?;
    if end - start > LARGEST_WRITE {
        return Err(storage(
            413,
            "RequestBodyTooLarge",
            "The request body is too large and exceeds the maximum permissible limit.",
        ));
    }
    if call.length != end - start {
        return Err(storage(400, "InvalidHeaderValue", "Content-Length does not match the range."));
    }
    if call.is_discarded() {
        content
            .write_end(&call.body, start, end)
            .map_err(|_| storage(500, "InternalError", "The disk cannot be written."))?;
        return Ok(Reply::empty(201).with("etag", "\"0x1\""));
    }
    let crc = BASE64_STANDARD.encode(crc64(&call.body).to_le_bytes());
    match (call.header("content-md5"), call.header("x-ms-content-crc64")) {
        (Some(_), Some(_)) => {
            return Err(storage(
                400,
                "InvalidInput",
                "Both x-ms-content-crc64 header and Content-MD5 header are present.",
            ));
        }
        (Some(md5), None) if md5 != BASE64_STANDARD.encode(Md5::digest(&call.body)) => {
            return Err(storage(400, "Md5Mismatch", "The MD5 value specified in the request did not match."));
        }
        (None, Some(given)) if given != crc => {
            return Err(storage(400, "Crc64Mismatch", "The CRC64 value specified in the request did not match."));
        }
        _ => {}
    }
    content.write(&call.body, start).map_err(|_| storage(500, "InternalError", "The disk cannot be written."))?;
    Ok(Reply::empty(201)
        .with("x-ms-content-crc64", crc)
        .with("etag", "\"0x1\"")
        .with("x-ms-request-server-encrypted", "true"))
}

fn clear(call: &Call, content: &Content) -> Result<Reply, Reply> {
    let (start, end) = page_range(call, content)?;
    content.clear(start, end - start).map_err(|_| storage(500, "InternalError", "The disk cannot be written."))?;
    Ok(Reply::empty(201).with("etag", "\"0x1\""))
}

fn page_list(content: &Content) -> Reply {
    let list = content.written().into_iter().fold(Xml::new(), |list, range| {
        list.child("PageRange", Xml::new().text("Start", range.offset).text("End", range.end() - 1))
    });
    Reply::xml(200, list.document("PageList", None)).with("x-ms-blob-content-length", content.length().to_string())
}

fn properties(content: &Content) -> Reply {
    Reply::empty(200)
        .with("content-length", content.length().to_string())
        .with("content-type", "application/octet-stream")
        .with("x-ms-blob-type", "PageBlob")
        .with("accept-ranges", "bytes")
        .with("etag", "\"0x1\"")
        .with("last-modified", "Sat, 01 Jan 2000 00:00:00 GMT")
}

fn get(call: &Call, content: &Content) -> Result<Reply, Reply> {
    const MOST: u64 = 64 << 20;
    let (start, end) = range(call).unwrap_or((0, content.length()));
    let end = end.min(content.length());
    if start >= end {
        return Err(storage(
            416,
            "InvalidRange",
            "The range specified is invalid for the current size of the resource.",
        ));
    }
    if end - start > MOST {
        return Err(storage(400, "InvalidRange", "The sandbox answers at most 64 MiB at a time."));
    }
    let bytes =
        content.read(start, (end - start) as usize).map_err(|_| storage(500, "InternalError", "Reading failed."))?;
    let status = if range(call).is_some() { 206 } else { 200 };
    Ok(Reply::of(status, "application/octet-stream", bytes)
        .with("content-range", format!("bytes {start}-{}/{}", end - 1, content.length()))
        .with("x-ms-blob-type", "PageBlob"))
}

/// Azure's CRC64 is CRC-64/NVME, sent as little-endian bytes.
fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}
