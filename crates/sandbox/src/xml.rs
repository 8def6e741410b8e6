//! Writing XML.

use std::fmt::Write;

/// An element under construction.
#[derive(Debug, Default)]
pub struct Xml(String);

impl Xml {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an element that holds text.
    #[must_use]
    pub fn text(mut self, name: &str, text: impl ToString) -> Self {
        let text = text.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // Writing to a string does not fail.
        let _ = write!(self.0, "<{name}>{text}</{name}>");
        self
    }

    /// Adds an element that holds text, if there is any.
    #[must_use]
    pub fn maybe(self, name: &str, text: Option<impl ToString>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds an element that holds elements.
    #[must_use]
    pub fn child(mut self, name: &str, inner: Self) -> Self {
        let _ = write!(self.0, "<{name}>{}</{name}>", inner.0);
        self
    }

    /// Adds all of another list of elements.
    #[must_use]
    pub fn append(mut self, other: Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// Adds an element of `item`s, as EC2 writes its lists.
    #[must_use]
    pub fn items(self, name: &str, items: impl IntoIterator<Item = Self>) -> Self {
        let list = items.into_iter().fold(Self::new(), |list, item| list.child("item", item));
        self.child(name, list)
    }

    /// The document with `root` (which may carry a namespace) around it.
    #[must_use]
    pub fn document(self, root: &str, namespace: Option<&str>) -> String {
        let namespace = namespace.map(|uri| format!(" xmlns=\"{uri}\"")).unwrap_or_default();
        format!("<{root}{namespace}>{}</{root}>", self.0)
    }
}
