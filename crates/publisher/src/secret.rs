use std::fmt;

use url::Url;

/// A URL whose query is a secret, such as a shared access signature. `Debug` and `Display` show where it points and never
/// what it carries; it cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Wraps a URL.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self(url)
    }

    /// The URL with its secret, for the one request that needs it.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(self.0.query().map(|_| "REDACTED"));
        shown.set_fragment(None);
        // A user name or a password in front of the host is a secret too.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.fmt(f)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_form_shows_the_signature() {
        let url = SecretUrl::new(Url::parse("https://user:pw@md-x.example/c/b?sv=1&sig=abc%2Fdef#frag").unwrap());
        assert_eq!(url.to_string(), "https://md-x.example/c/b?REDACTED");
        assert_eq!(format!("{url:?}"), url.to_string());
        assert!(url.expose().as_str().contains("abc%2Fdef"));
    }
}
