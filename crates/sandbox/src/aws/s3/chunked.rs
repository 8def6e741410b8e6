//! The `aws-chunked` content encoding, in which clients send a checksum behind the body.

use crate::message::Call;

/// A body as the client meant it.
pub struct Decoded {
    pub body: Vec<u8>,
    /// Name in lower case and value of each header behind the body.
    pub trailers: Vec<(String, String)>,
}

/// The body of a call as the client meant it; none if it is malformed.
pub fn decode(call: &Call) -> Option<Decoded> {
    let encoded = call.header("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"));
    if !encoded {
        return Some(Decoded { body: call.body.to_vec(), trailers: Vec::new() });
    }
    let (mut rest, mut body) = (&call.body[..], Vec::new());
    loop {
        let (line, behind) = split_line(rest)?;
        let size = std::str::from_utf8(line).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(Decoded { body, trailers: trailers(behind) });
        }
        body.extend_from_slice(behind.get(..size)?);
        rest = behind.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

fn trailers(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let header = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_lowercase(), v.trim().to_owned()));
    text.lines().filter_map(header).collect()
}
