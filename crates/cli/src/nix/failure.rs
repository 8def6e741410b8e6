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

/// How Nix says that an attribute is nothing to build: up to 2.8 of anything, later of most things, and of text.
const NOT_TO_BE_BUILT: [&str; 3] = ["is not a derivation", "to be a derivation or path", "entries in its context"];

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
    if NOT_TO_BE_BUILT.iter().any(|text| says(text)) {
        return Error::new(
            Kind::Config,
            format!("{attribute} of the flake {flake} is no image: there is nothing to build"),
        )
        .with_hint(listed());
    }
    let error = Error::new(Kind::Local, format!("Nix could not build {reference}"));
    let error = match errors.iter().find_map(|error| derivation(error)) {
        Some(derivation) => error.with_hint(format!("what it said stands above, and in `nix log {derivation}`")),
        None => error,
    };
    match chain(errors) {
        Some(said) => error.caused_by(said),
        None => error,
    }
}

/// The derivation that an error is about.
fn derivation(error: &str) -> Option<&str> {
    error.split('\'').find(|quoted| quoted.starts_with('/') && quoted.ends_with(".drv"))
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
            "while evaluating the flake output attribute 'lib'\nstring 'x' has 0 entries in its context.",
        ] {
            assert_eq!(explained(&[said]).0, "nod of the flake . is no image: there is nothing to build");
        }
    }

    #[test]
    fn a_failed_build_says_why_from_the_outside_in() {
        let broken = "builder for '/nix/store/x-a.drv' failed with exit code 3";
        let (text, causes, hint) = explained(&[broken, "1 dependencies of derivation '/nix/store/x-b.drv' failed"]);
        assert_eq!(text, "Nix could not build .#nod");
        assert_eq!(causes, ["1 dependencies of derivation '/nix/store/x-b.drv' failed", broken]);
        assert_eq!(hint.unwrap(), "what it said stands above, and in `nix log /nix/store/x-a.drv`");
    }
}
