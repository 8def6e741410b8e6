use crate::aws::{query::Params, state::Tags};

/// What EC2 alone has in its forms.
impl Params {
    /// `Filter.N.Name` with `Filter.N.Value.M`; one action says `Filters`.
    pub fn filters(&self) -> Vec<(&str, Vec<&str>)> {
        ["Filter", "Filters"]
            .iter()
            .flat_map(|prefix| {
                (1..).map_while(move |index| {
                    let name = self.get(&format!("{prefix}.{index}.Name"))?;
                    Some((name, self.list(&format!("{prefix}.{index}.Value"))))
                })
            })
            .collect()
    }

    /// The tags for resources of `kind`.
    pub fn tags(&self, kind: &str) -> Tags {
        let mut tags = Tags::new();
        for index in 1.. {
            let prefix = format!("TagSpecification.{index}");
            let Some(found) = self.get(&format!("{prefix}.ResourceType")) else { break };
            if found == kind {
                tags.extend(self.plain_tags(&format!("{prefix}.Tag")));
            }
        }
        tags
    }

    /// `Tag.N.Key` with `Tag.N.Value`.
    pub fn plain_tags(&self, prefix: &str) -> Tags {
        (1..)
            .map_while(|index| {
                let key = self.get(&format!("{prefix}.{index}.Key"))?;
                Some((key.to_owned(), self.get(&format!("{prefix}.{index}.Value")).unwrap_or_default().to_owned()))
            })
            .collect()
    }
}

/// Whether a resource with these tags and fields passes all filters.
pub fn passes(filters: &[(&str, Vec<&str>)], tags: &Tags, field: impl Fn(&str) -> Option<String>) -> bool {
    filters.iter().all(|(name, values)| {
        let found = match *name {
            "tag-key" => return values.iter().any(|key| tags.contains_key(*key)),
            name => match name.strip_prefix("tag:") {
                Some(key) => tags.get(key).cloned(),
                None => field(name),
            },
        };
        found.is_some_and(|found| values.iter().any(|value| matches(value.as_bytes(), found.as_bytes())))
    })
}

/// Whether a text is what a filter's value says, in which `*` is any text and `?` any character (EC2, "Filter your
/// resources").
pub fn matches(value: &[u8], text: &[u8]) -> bool {
    match value.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        Some((b'?', rest)) => text.split_first().is_some_and(|(_, text)| matches(rest, text)),
        Some((wanted, rest)) => text.split_first().is_some_and(|(first, text)| first == wanted && matches(rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_filter_may_have_wildcards() {
        for (value, text, expected) in [
            ("node-1.0.0", "node-1.0.0", true),
            ("node-*", "node-1.0.0", true),
            ("node-*", "node", false),
            ("*-1.?.0", "node-1.2.0", true),
            ("node", "node-1", false),
        ] {
            assert_eq!(matches(value.as_bytes(), text.as_bytes()), expected, "{value} {text}");
        }
    }
}
