//! One error for what Nix could not do.

use publisher::{Error, Kind};
use thiserror::Error as ThisError;

use super::Reference;

/// What Nix said, the last thing first: each is why the one before it is.
#[derive(Debug, ThisError)]
#[error("{text}")]
struct Said {
    text: String,
    source: Option<Box<Self>>,
}

/// There is no Nix.
pub fn no_nix(reference: &Reference, error: std::io::Error) -> Error {
    Error::new(Kind::Config, format!("{reference} is to be built, and `nix` cannot be run"))
        .caused_by(error)
        .with_hint("install Nix, or name an image that is built: publish azure result/nixos.vhd")
}

/// What kept Nix from building, by what it said. `names` gives what else the flake has to build.
pub fn explain(reference: &Reference, errors: Vec<String>, names: impl FnOnce() -> Option<Vec<String>>) -> Error {
    let says = |text: &str| errors.iter().any(|error| error.contains(text));
    let listed = || match names() {
        Some(names) if !names.is_empty() => format!("it has {}", names.join(", ")),
        _ => format!("`nix flake show {}` lists what it has", reference.flake()),
    };
    let (flake, attribute) = (reference.flake(), reference.attribute());
    if says("does not provide attribute") {
        return Error::new(Kind::Config, format!("the flake {flake} has no {attribute}")).with_hint(listed());
    }
    // The second is how Nix says it from 2.12 on.
    if says("is not a derivation") || says("to be a derivation") {
        return Error::new(
            Kind::Config,
            format!("{attribute} of the flake {flake} is no image: there is nothing to build"),
        )
        .with_hint(listed());
    }
    let error = Error::new(Kind::Local, format!("Nix could not build {reference}"));
    match chain(errors) {
        Some(said) => error.caused_by(said),
        None => error,
    }
}

fn chain(errors: Vec<String>) -> Option<Said> {
    errors.into_iter().fold(None, |source, text| Some(Said { text, source: source.map(Box::new) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(errors: &[&str]) -> (String, Vec<String>, Option<String>) {
        let reference = Reference::of(".#nod").unwrap();
        let names = || Some(vec!["ecs-node".to_owned(), "gc-fwd".to_owned()]);
        let error = explain(&reference, errors.iter().map(ToString::to_string).collect(), names);
        (error.to_string(), error.causes(), error.hint().map(str::to_owned))
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let said =
            explained(&["flake 'git+file:///f' does not provide attribute 'packages.x86_64-linux.nod' or 'nod'"]);
        assert_eq!(said, ("the flake . has no nod".to_owned(), vec![], Some("it has ecs-node, gc-fwd".to_owned())));
    }

    #[test]
    fn what_cannot_be_built_is_no_image() {
        for said in [
            "flake output attribute 'lib' is not a derivation",
            "expected flake output attribute 'lib' to be a derivation or path but found a set",
        ] {
            assert_eq!(explained(&[said]).0, "nod of the flake . is no image: there is nothing to build");
        }
    }

    #[test]
    fn a_failed_build_says_why_from_the_outside_in() {
        let (text, causes, _) = explained(&["builder for 'a.drv' failed with exit code 3", "1 dependencies failed"]);
        assert_eq!(text, "Nix could not build .#nod");
        assert_eq!(causes, ["1 dependencies failed", "builder for 'a.drv' failed with exit code 3"]);
    }
}
