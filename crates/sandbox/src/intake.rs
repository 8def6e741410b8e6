//! Reading a request's body: all of it, or, where image data is to be discarded, what little of it is looked at.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::link::Gate;

/// More than any client of ours or of AWS puts into one request.
const LARGEST_BODY: usize = 256 << 20;
/// How many of the last bytes of discarded image data are kept: a VHD's footer is among them.
const TAIL: usize = 4096;

/// What came of a body.
pub struct Taken {
    pub bytes: Bytes,
    /// Length of the body, of which `bytes` may be the end alone.
    pub length: u64,
}

/// Reads a body as fast as the line brings it; of one that is `discarded` the end alone is kept. None if it breaks off.
pub async fn read(body: Incoming, gate: &Gate, discarded: bool) -> Option<Taken> {
    let mut body = Limited::new(body, LARGEST_BODY);
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        gate.pass(data.len()).await;
        length += data.len() as u64;
        if discarded && data.len() >= TAIL {
            kept.clear();
        }
        kept.push(data);
    }
    let bytes = match kept.len() {
        1 => kept.remove(0),
        _ => kept
            .iter()
            .fold(BytesMut::new(), |mut whole, piece| {
                whole.extend_from_slice(piece);
                whole
            })
            .freeze(),
    };
    let skipped = if discarded { bytes.len().saturating_sub(TAIL) } else { 0 };
    Some(Taken { bytes: bytes.slice(skipped..), length })
}
