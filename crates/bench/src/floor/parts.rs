use std::{fmt::Write, fs::File, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use vhd::Extent;

use super::{Piecework, aws::Signer, connection::Connection, send_all};
use crate::Result;

const PART: u64 = 8 << 20;
const CONNECTIONS: usize = 8;

struct Parts {
    signer: Signer,
    path: String,
    upload: String,
}

impl Piecework for Parts {
    fn request(&self, piece: &Extent, bytes: Bytes) -> Result<Request<Full<Bytes>>> {
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes);
        let path = format!("{}?partNumber={}&uploadId={}", self.path, piece.offset / PART + 1, self.upload);
        let headers = [("x-amz-checksum-crc64nvme", BASE64_STANDARD.encode(crc.to_be_bytes()))];
        self.signer.request("PUT", &path, &headers, bytes)
    }
}

pub async fn send(image: &Path, key: &str) -> Result<()> {
    let file = File::open(image)?;
    let length = file.metadata()?.len();
    let signer = Signer::new("s3")?;
    let (url, path) = (signer.url.clone(), format!("/publish-sandbox/{key}"));
    let mut connection = Connection::open(&url).await?;
    let begin = signer.request("POST", &format!("{path}?uploads="), &[], Bytes::new())?;
    let (_, begun) = connection.ask(begin).await?;
    let begun = String::from_utf8(begun.to_vec())?;
    let upload = begun.split("<UploadId>").nth(1).and_then(|rest| rest.split("</UploadId>").next());
    let upload = upload.ok_or("an upload without an id")?.to_owned();
    let pieces: Vec<_> = vhd::extent::split(&[Extent { offset: 0, length }], PART).collect();
    let answers =
        send_all(Parts { signer, path: path.clone(), upload: upload.clone() }, file, pieces, &url, CONNECTIONS).await?;
    let mut list = "<CompleteMultipartUpload>".to_owned();
    for (index, answer) in answers.iter().enumerate() {
        let etag = answer.headers.get("etag").ok_or("a part without an ETag")?.to_str()?;
        write!(list, "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", index + 1)?;
    }
    list.push_str("</CompleteMultipartUpload>");
    let complete = Signer::new("s3")?.request("POST", &format!("{path}?uploadId={upload}"), &[], list.into())?;
    Connection::open(&url).await?.send(complete).await?;
    Ok(())
}
