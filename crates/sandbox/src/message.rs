//! Requests and replies, read and buffered.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::content::Content;

/// A request, read and buffered.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    /// The path's segments, decoded, none of them empty.
    pub segments: Vec<String>,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    /// Of image data that was thrown away, its end alone.
    pub body: Bytes,
    /// Bytes in the body as it was sent.
    pub length: u64,
    /// Scheme, host and port that the client used.
    pub origin: String,
}

impl Call {
    pub fn new(method: Method, path_and_query: &str, headers: HeaderMap, origin: String) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        Self {
            method,
            segments: path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers,
            body: Bytes::new(),
            length: 0,
            origin,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The body as JSON; null where there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Whether more was sent than was kept.
    pub fn is_discarded(&self) -> bool {
        self.body.len() as u64 != self.length
    }

    /// Whether it is a part of an object that tells what the whole is: the first, with a VHD's table.
    pub fn says_what_it_is(&self) -> bool {
        self.param("partNumber") == Some("1")
    }

    pub fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

/// An answer with all of its body.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// A part of a disk that is sent in place of the body.
    pub disk: Option<(Arc<Content>, Range<u64>)>,
}

impl Reply {
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), disk: None }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json; charset=utf-8", body.to_string())
    }

    pub fn xml(status: u16, body: impl Into<String>) -> Self {
        Self::of(status, "application/xml", format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{}", body.into()))
    }

    pub fn of(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body: body.into(), disk: None }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
