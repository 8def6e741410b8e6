//! Multipart uploads.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{NAMESPACE, error, in_bucket, objects, place};
use crate::{
    aws::state::{Bucket, Object, Upload},
    ids,
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

/// Smallest part but for the last (S3, "Multipart upload limits").
const SMALLEST_PART: u64 = 5 << 20;
const CRC64: &str = "x-amz-checksum-crc64nvme";

fn no_such_upload() -> Reply {
    error(404, "NoSuchUpload", "The specified upload does not exist.")
}

fn upload_id(call: &Call) -> &str {
    call.param("uploadId").unwrap_or_default()
}

pub fn create(world: &World, call: &Call) -> Result<Reply, Reply> {
    let (name, key) = place(call);
    let id = ids::random();
    in_bucket(world, call, |bucket| {
        let upload = Upload { key: key.clone(), parts: BTreeMap::new() };
        bucket.uploads.insert(id.clone(), upload);
        Ok(())
    })?;
    let body = Xml::new().text("Bucket", name).text("Key", key).text("UploadId", id);
    Ok(Reply::xml(200, body.document("InitiateMultipartUploadResult", Some(NAMESPACE))))
}

pub fn put_part(world: &World, call: &Call) -> Result<Reply, Reply> {
    let number = call.param("partNumber").and_then(|number| number.parse::<u32>().ok());
    let number = number.filter(|number| (1..=10_000).contains(number));
    let number =
        number.ok_or_else(|| error(400, "InvalidArgument", "Part number must be an integer between 1 and 10000."))?;
    let part = objects::store(world, call)?;
    let mut reply = Reply::empty(200).with("etag", format!("\"{}\"", part.etag));
    if let Some((name, value)) = &part.checksum {
        reply = reply.with(name, value.clone());
    }
    in_bucket(world, call, |bucket| {
        bucket.uploads.get_mut(upload_id(call)).ok_or_else(no_such_upload)?.parts.insert(number, part);
        Ok(reply)
    })
}

pub fn complete(world: &World, call: &Call) -> Result<Reply, Reply> {
    let (name, key) = place(call);
    let listed =
        listed_parts(call).ok_or_else(|| error(400, "MalformedXML", "The XML you provided was not well-formed."))?;
    in_bucket(world, call, |bucket| {
        let upload = bucket.uploads.get(upload_id(call)).ok_or_else(no_such_upload)?;
        check_parts(upload, &listed)?;
        if call.header("if-none-match") == Some("*") && bucket.objects.contains_key(&key) {
            return Err(error(
                412,
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            ));
        }
        let object = assemble(world, call, upload, &listed)?;
        let mut body = Xml::new()
            .text("Location", format!("{}/{name}/{key}", call.origin))
            .text("Bucket", name)
            .text("Key", &key)
            .text("ETag", format!("\"{}\"", object.etag));
        if let Some((_, value)) = &object.checksum {
            body = body.text("ChecksumCRC64NVME", value).text("ChecksumType", "FULL_OBJECT");
        }
        bucket.uploads.remove(upload_id(call));
        bucket.objects.insert(key.clone(), object);
        Ok(Reply::xml(200, body.document("CompleteMultipartUploadResult", Some(NAMESPACE))))
    })
}

/// Number and ETag of each part in the request.
fn listed_parts(call: &Call) -> Option<Vec<(u32, String)>> {
    let text = std::str::from_utf8(&call.body).ok()?;
    let document = roxmltree::Document::parse(text).ok()?;
    let parts =
        document.descendants().filter(|node| node.has_tag_name((NAMESPACE, "Part")) || node.has_tag_name("Part"));
    let parts = parts.map(|part| {
        let text =
            |name: &str| part.children().find(|child| child.tag_name().name() == name).and_then(|child| child.text());
        Some((text("PartNumber")?.parse().ok()?, text("ETag")?.trim_matches('"').to_owned()))
    });
    parts.collect()
}

fn check_parts(upload: &Upload, listed: &[(u32, String)]) -> Result<(), Reply> {
    if listed.is_empty() || !listed.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(error(400, "InvalidPartOrder", "The list of parts was not in ascending order."));
    }
    for (index, (number, etag)) in listed.iter().enumerate() {
        let part = upload.parts.get(number).filter(|part| part.etag == *etag);
        let part =
            part.ok_or_else(|| error(400, "InvalidPart", "One or more of the specified parts could not be found."))?;
        if part.length < SMALLEST_PART && index + 1 < listed.len() {
            return Err(error(
                400,
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed object size.",
            ));
        }
    }
    Ok(())
}

/// Joins the parts, and checks the whole against what the client says of it.
fn assemble(world: &World, call: &Call, upload: &Upload, listed: &[(u32, String)]) -> Result<Object, Reply> {
    let path = objects::new_file(world);
    let joined = || -> io::Result<(u64, Option<u64>)> {
        let mut file = File::create(&path)?;
        if world.discard {
            return Ok((join_ends(&file, upload, listed)?, None));
        }
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        let mut length = 0;
        for part in listed.iter().filter_map(|(number, _)| upload.parts.get(number)) {
            let mut bytes = Vec::new();
            part.open()?.read_to_end(&mut bytes)?;
            crc.update(&bytes);
            length += bytes.len() as u64;
            file.write_all(&bytes)?;
        }
        Ok((length, Some(crc.finalize())))
    };
    let (length, crc) = joined().map_err(|failure| error(500, "InternalError", &failure.to_string()))?;
    let etag = format!("{}-{}", &ids::random(), listed.len());
    // Of what was thrown away, nothing but what the client says.
    let said = || call.header(CRC64).map(str::to_owned);
    let checksum = crc.map(|crc| BASE64_STANDARD.encode(crc.to_be_bytes())).or_else(said).map(|text| (CRC64, text));
    let object = Object { path, length, etag, checksum };
    let given = |name: &str| call.header(name);
    if given(CRC64).is_some_and(|given| object.checksum.as_ref().is_none_or(|(_, computed)| computed != given)) {
        return Err(error(400, "BadDigest", "The CRC64NVME you specified did not match the calculated checksum."));
    }
    if given("x-amz-mp-object-size").is_some_and(|size| size != length.to_string()) {
        return Err(error(
            400,
            "InvalidRequest",
            "The provided 'x-amz-mp-object-size' header does not match what was computed.",
        ));
    }
    Ok(object)
}

/// Joins the first part and the end of the last, which tell what the object is, with as much as lies between them.
fn join_ends(whole: &File, upload: &Upload, listed: &[(u32, String)]) -> io::Result<u64> {
    const END: u64 = 512;
    let parts: Vec<_> = listed.iter().filter_map(|(number, _)| upload.parts.get(number)).collect();
    let length = parts.iter().map(|part| part.length).sum();
    whole.set_len(length)?;
    if let (Some(first), Some(last)) = (parts.first(), parts.last()) {
        io::copy(&mut first.open()?, &mut &*whole)?;
        let end = last.length.min(END);
        let mut bytes = vec![0; end as usize];
        last.open()?.read_exact_at(&mut bytes, last.length - end)?;
        whole.write_all_at(&bytes, length - end)?;
    }
    Ok(length)
}

pub fn abort(world: &World, call: &Call) -> Result<Reply, Reply> {
    in_bucket(world, call, |bucket: &mut Bucket| {
        bucket.uploads.remove(upload_id(call)).map(|_| Reply::empty(204)).ok_or_else(no_such_upload)
    })
}

pub fn list_parts(world: &World, call: &Call) -> Result<Reply, Reply> {
    let (name, key) = place(call);
    in_bucket(world, call, |bucket| {
        let upload = bucket.uploads.get(upload_id(call)).ok_or_else(no_such_upload)?;
        let mut body = Xml::new()
            .text("Bucket", name)
            .text("Key", &key)
            .text("UploadId", upload_id(call))
            .text("IsTruncated", false);
        for (number, part) in &upload.parts {
            let entry = Xml::new()
                .text("PartNumber", number)
                .text("ETag", format!("\"{}\"", part.etag))
                .text("Size", part.length);
            let crc = part.checksum.as_ref().filter(|(name, _)| *name == CRC64).map(|(_, value)| value);
            body = body.child("Part", entry.maybe("ChecksumCRC64NVME", crc));
        }
        Ok(Reply::xml(200, body.document("ListPartsResult", Some(NAMESPACE))))
    })
}

pub fn list(world: &World, call: &Call) -> Result<Reply, Reply> {
    let prefix = call.param("prefix").unwrap_or_default();
    in_bucket(world, call, |bucket| {
        let mut body = Xml::new().text("Bucket", place(call).0).text("Prefix", prefix).text("IsTruncated", false);
        for (id, upload) in bucket.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix)) {
            let entry =
                Xml::new().text("Key", &upload.key).text("UploadId", id).text("Initiated", "2026-01-02T03:04:05.000Z");
            body = body.child("Upload", entry);
        }
        Ok(Reply::xml(200, body.document("ListMultipartUploadsResult", Some(NAMESPACE))))
    })
}
