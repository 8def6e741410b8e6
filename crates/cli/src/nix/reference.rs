use std::fmt;

/// A flake and what in it is to be built, as `.#ecs-node` or `github:acme/images#ecs-node` (Nix manual, "nix", "Flake output
/// attribute").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    text: String,
    hash: usize,
}

impl Reference {
    /// A text that has the form of one.
    pub fn of(text: &str) -> Option<Self> {
        Some(Self { text: text.to_owned(), hash: text.find('#')? })
    }

    /// The flake: `.` of `.#ecs-node`.
    pub fn flake(&self) -> &str {
        &self.text[..self.hash]
    }

    /// The attribute, without the outputs that are asked for: `ecs-node` of `.#ecs-node^out`. `default`, as Nix has it, where
    /// none is named.
    pub fn attribute(&self) -> &str {
        let attribute = &self.text[self.hash + 1..];
        let attribute = attribute.split_once('^').map_or(attribute, |(attribute, _)| attribute);
        if attribute.is_empty() { "default" } else { attribute }
    }

    /// What the attribute is called: its last part, or the host of a NixOS configuration's.
    pub fn name(&self) -> &str {
        let parts = parts(self.attribute());
        match parts.as_slice() {
            ["nixosConfigurations", host, ..] => host,
            [.., last] => last,
            [] => "default",
        }
    }

    /// The same flake's attribute under this one.
    pub fn below(&self, attribute: &str) -> String {
        format!("{}#{}.{attribute}", self.flake(), self.attribute())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parts of an attribute's path, between dots that are in no quotes.
fn parts(path: &str) -> Vec<&str> {
    let mut quoted = false;
    let between = |c: char| {
        quoted ^= c == '"';
        c == '.' && !quoted
    };
    path.split(between).map(|part| part.trim_matches('"')).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_flake_an_attribute_and_a_name() {
        for (text, flake, attribute, name) in [
            (".#ecs-node", ".", "ecs-node", "ecs-node"),
            (
                "path:/images#packages.x86_64-linux.ecs-node",
                "path:/images",
                "packages.x86_64-linux.ecs-node",
                "ecs-node",
            ),
            ("github:acme/images/main?dir=nix#gc-fwd^out", "github:acme/images/main?dir=nix", "gc-fwd", "gc-fwd"),
            (
                ".#nixosConfigurations.web.config.system.build.images.azure",
                ".",
                "nixosConfigurations.web.config.system.build.images.azure",
                "web",
            ),
            (".#packages.x86_64-linux.\"node-1.2\"", ".", "packages.x86_64-linux.\"node-1.2\"", "node-1.2"),
            (".#", ".", "default", "default"),
        ] {
            let reference = Reference::of(text).unwrap();
            assert_eq!((reference.flake(), reference.attribute(), reference.name()), (flake, attribute, name));
        }
        assert_eq!(Reference::of("result/nixos.vhd"), None);
        assert_eq!(Reference::of(".#a^out").unwrap().below("passthru.filePath"), ".#a.passthru.filePath");
    }
}
