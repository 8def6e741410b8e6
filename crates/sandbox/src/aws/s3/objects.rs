use std::{fs::File, io::Write, os::unix::fs::FileExt, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use md5::{Digest, Md5};
use sha2::Sha256;

use super::{chunked, error, in_bucket, place};
use crate::{
    aws::{crc64nvme, state::Object},
    ids,
    message::{Call, Reply},
    server::World,
};

/// A checksum header, and how it is computed.
type Checksum = (&'static str, fn(&[u8]) -> String);

const CHECKSUMS: [Checksum; 5] = [
    ("x-amz-checksum-crc64nvme", crc64nvme),
    ("x-amz-checksum-crc32", |bytes| crc32(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes)),
    ("x-amz-checksum-crc32c", |bytes| crc32(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes)),
    ("x-amz-checksum-sha256", |bytes| BASE64_STANDARD.encode(Sha256::digest(bytes))),
    ("content-md5", |bytes| BASE64_STANDARD.encode(Md5::digest(bytes))),
];

fn crc32(algorithm: crc_fast::CrcAlgorithm, bytes: &[u8]) -> String {
    BASE64_STANDARD.encode((crc_fast::checksum(algorithm, bytes) as u32).to_be_bytes())
}

/// Takes a body that was thrown away for what it is said to be, and stores its end.
fn store_end(world: &World, call: &Call) -> std::io::Result<Object> {
    let length = call.header("x-amz-decoded-content-length").and_then(|length| length.parse().ok());
    let length = length.unwrap_or(call.length);
    let path = new_file(world);
    let file = File::create(&path)?;
    file.set_len(length)?;
    file.write_all_at(&call.body, length.saturating_sub(call.body.len() as u64))?;
    let said = |(name, _): Checksum| Some((name, call.header(name)?.to_owned()));
    Ok(Object { path, length, etag: ids::random(), checksum: CHECKSUMS.into_iter().find_map(said) })
}

/// Checks a body against every checksum that came with it, and stores it.
pub fn store(world: &World, call: &Call) -> Result<Object, Reply> {
    if call.is_discarded() {
        return store_end(world, call).map_err(|failure| error(500, "InternalError", &failure.to_string()));
    }
    let decoded = chunked::decode(call);
    let chunked::Decoded { body, trailers } =
        decoded.ok_or_else(|| error(400, "IncompleteBody", "The aws-chunked body is malformed."))?;
    let given = |name: &str| {
        let trailer = trailers.iter().find(|(trailer, _)| trailer == name).map(|(_, value)| value.as_str());
        trailer.or_else(|| call.header(name))
    };
    let mut checksum = None;
    for (name, compute) in CHECKSUMS {
        let Some(given) = given(name) else { continue };
        if given != compute(&body) {
            return Err(error(
                400,
                "BadDigest",
                &format!("The {name} you specified did not match the calculated checksum."),
            ));
        }
        if name != "content-md5" {
            checksum = Some((name, given.to_owned()));
        }
    }
    if let Some(hash) = call.header("x-amz-content-sha256").filter(|hash| hash.len() == 64) {
        let computed: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        if hash != computed {
            return Err(error(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match.",
            ));
        }
    }
    let etag: String = Md5::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = new_file(world);
    let written = File::create(&path).and_then(|mut file| file.write_all(&body));
    written.map_err(|failure| error(500, "InternalError", &failure.to_string()))?;
    Ok(Object { path, length: body.len() as u64, etag, checksum })
}

/// A path for an object's bytes.
pub fn new_file(world: &World) -> PathBuf {
    world.content_dir.join(ids::random())
}

pub fn put(world: &World, call: &Call) -> Result<Reply, Reply> {
    let object = store(world, call)?;
    let mut reply = Reply::empty(200).with("etag", format!("\"{}\"", object.etag));
    if let Some((name, value)) = &object.checksum {
        reply = reply.with(name, value.clone());
    }
    in_bucket(world, call, |bucket| {
        bucket.objects.insert(place(call).1, object);
        Ok(reply)
    })
}

pub fn get(world: &World, call: &Call) -> Result<Reply, Reply> {
    in_bucket(world, call, |bucket| {
        let object = bucket.objects.get(&place(call).1);
        let object = object.ok_or_else(|| error(404, "NoSuchKey", "The specified key does not exist."))?;
        let common = |reply: Reply| {
            reply
                .with("etag", format!("\"{}\"", object.etag))
                .with("accept-ranges", "bytes")
                .with("last-modified", "Sat, 01 Jan 2000 00:00:00 GMT")
        };
        if call.method == Method::HEAD {
            let mut reply = common(Reply::empty(200)).with("content-length", object.length.to_string());
            if let (Some((name, value)), Some("ENABLED")) = (&object.checksum, call.header("x-amz-checksum-mode")) {
                reply = reply.with(name, value.clone()).with("x-amz-checksum-type", "FULL_OBJECT");
            }
            return Ok(reply);
        }
        let range = call.header("range").and_then(|range| {
            let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok()?.saturating_add(1).min(object.length)))
        });
        let (start, end) = range.unwrap_or((0, object.length));
        if start > end {
            return Err(error(416, "InvalidRange", "The requested range is not satisfiable"));
        }
        let mut bytes = vec![0; (end - start) as usize];
        let read = object.open().and_then(|file| file.read_exact_at(&mut bytes, start));
        read.map_err(|failure| error(500, "InternalError", &failure.to_string()))?;
        let reply = common(Reply::of(if range.is_some() { 206 } else { 200 }, "application/octet-stream", bytes));
        Ok(match range {
            Some(_) => reply.with("content-range", format!("bytes {start}-{}/{}", end - 1, object.length)),
            None => reply,
        })
    })
}

pub fn delete(world: &World, call: &Call) -> Result<Reply, Reply> {
    in_bucket(world, call, |bucket| {
        bucket.objects.remove(&place(call).1);
        Ok(Reply::empty(204))
    })
}
