use publisher::{Error, Kind, Names, Result};
use serde::{Deserialize, Serialize};

/// Who else may use a gallery. A gallery is private, shared with some, or the community's, and that is decided when it is
/// made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharing {
    /// Ids of subscriptions, 30 at the most.
    pub subscriptions: Names,
    /// Ids of tenants, 5 at the most.
    pub tenants: Names,
    /// Everyone, by the terms and under the name that stand here.
    pub community: Option<Community>,
}

/// What everyone is told who looks at a community gallery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Community {
    /// Where the publisher is on the web.
    pub publisher: String,
    /// The mail address at which the publisher can be asked.
    pub contact: String,
    /// Where the terms of use are.
    pub eula: String,
    /// What the gallery's public name begins with; Azure adds what makes it unique.
    pub prefix: String,
}

/// Limits of direct sharing (Compute Gallery, "Share images", limitations).
const MOST_SUBSCRIPTIONS: usize = 30;
const MOST_TENANTS: usize = 5;

impl Sharing {
    /// The `permissions` of a gallery that is shared in this way.
    pub(crate) fn permissions(&self) -> &'static str {
        if self.community.is_some() {
            "Community"
        } else if self.subscriptions.0.is_empty() && self.tenants.0.is_empty() {
            "Private"
        } else {
            "Groups"
        }
    }

    /// With whom, in words.
    pub(crate) fn describe(&self) -> String {
        let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        match &self.community {
            Some(community) => format!("with everyone, as {}-…", community.prefix),
            None => {
                let (subscriptions, tenants) = (self.subscriptions.0.len(), self.tenants.0.len());
                format!("with {} and {}", many(subscriptions, "subscription"), many(tenants, "tenant"))
            }
        }
    }

    /// # Errors
    /// [`Kind::Config`] for what Azure, or a user who looks for the publisher, would refuse.
    pub(super) fn check(&self) -> Result<()> {
        ids("subscriptions", &self.subscriptions, MOST_SUBSCRIPTIONS)?;
        ids("tenants", &self.tenants, MOST_TENANTS)?;
        let Some(community) = &self.community else { return Ok(()) };
        if !self.subscriptions.0.is_empty() || !self.tenants.0.is_empty() {
            let text =
                "azure.sharing names a community and subscriptions or tenants, and a gallery is one or the other";
            return Err(Error::new(Kind::Config, text).with_hint("what everyone may use need not be shared with some"));
        }
        community.check()
    }
}

impl Community {
    fn check(&self) -> Result<()> {
        let refuse = |field: &str, value: &str, wanted: &str| {
            let field = format!("azure.sharing.community.{field}");
            let text = if value.is_empty() {
                format!("{field} is not set, and a community gallery shows it to everyone")
            } else {
                format!("{field} is \"{value}\"")
            };
            Err(Error::new(Kind::Config, text).with_hint(wanted))
        };
        if !is_web_address(&self.publisher) {
            return refuse("publisher", &self.publisher, "the publisher's own page: https://…");
        }
        if !is_mail_address(&self.contact) {
            return refuse("contact", &self.contact, "a mail address at which someone answers");
        }
        if !is_web_address(&self.eula) {
            return refuse("eula", &self.eula, "where the terms of use are: https://…");
        }
        let length = self.prefix.len();
        if !(5..=16).contains(&length) || !self.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return refuse("prefix", &self.prefix, "5 to 16 letters and digits");
        }
        Ok(())
    }
}

fn ids(setting: &str, ids: &Names, most: usize) -> Result<()> {
    let refuse = |text: String| Err(Error::new(Kind::Config, format!("azure.sharing.{setting} {text}")));
    if ids.0.len() > most {
        return refuse(format!("has {} entries, and Azure takes {most}", ids.0.len()));
    }
    let is_id = |id: &str| {
        let lengths = id.split('-').map(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(part.len()));
        lengths.eq([8, 4, 4, 4, 12].map(Some))
    };
    match ids.0.iter().find(|id| !is_id(id)) {
        Some(wrong) => refuse(format!("has \"{wrong}\", which is no id of one")),
        None => Ok(()),
    }
}

fn is_web_address(text: &str) -> bool {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    url.as_ref().and_then(url::Url::host_str).is_some_and(is_someones)
}

fn is_mail_address(text: &str) -> bool {
    let parts = text.rsplit_once('@').filter(|(user, host)| {
        let has_blanks = text.contains(char::is_whitespace);
        !user.is_empty() && !has_blanks && host.split('.').all(|label| !label.is_empty())
    });
    parts.is_some_and(|(_, host)| is_someones(host))
}

/// Whether a domain can be somebody's. Those that documentation and tests may use (RFC 2606) are nobody's, and neither is
/// the one that is typed in their place.
fn is_someones(domain: &str) -> bool {
    const NOBODYS: [&str; 10] = [
        "example",
        "example.com",
        "example.net",
        "example.org",
        "foo.bar",
        "invalid",
        "local",
        "localhost",
        "test",
        "contoso.com",
    ];
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let within = |other: &str| domain == other || domain.ends_with(&format!(".{other}"));
    domain.contains('.') && !NOBODYS.iter().any(|other| within(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn community() -> Community {
        Community {
            publisher: "https://images.kernel.org/nodes".into(),
            contact: "images@kernel.org".into(),
            eula: "https://images.kernel.org/terms".into(),
            prefix: "nodes2026".into(),
        }
    }

    #[test]
    fn a_community_wants_someone_who_answers_terms_and_a_prefix() {
        community().check().unwrap();
        type Change = fn(&mut Community);
        let changes: [(Change, &str); 9] = [
            (|c| c.contact = String::new(), "contact is not set, and a community gallery shows it to everyone"),
            (|c| c.contact = "test@foo.bar".into(), "contact is \"test@foo.bar\""),
            (|c| c.contact = "me@mail.example.com".into(), "contact is \"me@mail.example.com\""),
            (|c| c.contact = "nobody".into(), "contact is \"nobody\""),
            (|c| c.eula = "see below".into(), "eula is \"see below\""),
            (|c| c.eula = String::new(), "eula is not set"),
            (|c| c.publisher = "https://localhost/".into(), "publisher is \"https://localhost/\""),
            (|c| c.prefix = "four".into(), "prefix is \"four\""),
            (|c| c.prefix = "with-hyphen".into(), "prefix is \"with-hyphen\""),
        ];
        for (change, said) in changes {
            let mut changed = community();
            change(&mut changed);
            let error = changed.check().unwrap_err();
            assert!(error.to_string().starts_with(&format!("azure.sharing.community.{said}")), "{error}");
        }
    }

    #[test]
    fn ids_are_ids_and_not_too_many() {
        let id = "00000000-0000-4000-8000-00000000cafe";
        let with = |subscriptions: Vec<&str>| Sharing {
            subscriptions: Names(subscriptions.into_iter().map(str::to_owned).collect()),
            ..Sharing::default()
        };
        with(vec![id; 30]).check().unwrap();
        let said = |sharing: Sharing| sharing.check().unwrap_err().to_string();
        assert_eq!(said(with(vec![id; 31])), "azure.sharing.subscriptions has 31 entries, and Azure takes 30");
        assert_eq!(said(with(vec!["prod"])), "azure.sharing.subscriptions has \"prod\", which is no id of one");
        let both = Sharing { community: Some(community()), ..with(vec![id]) };
        assert!(said(both).contains("one or the other"));
    }
}
