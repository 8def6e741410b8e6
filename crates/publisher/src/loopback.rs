use url::{Host, Url};

/// Whether a URL leads to this machine's own loopback, to which no proxy leads.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in [
            "https://127.0.0.1:8443",
            "https://127.9.9.9",
            "https://[::1]:1/x",
            "https://localhost",
            "https://a.localhost",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://127.example.com", "https://localhost.example.com", "https://10.0.0.1", "no url"] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
