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

/// That Nix knows the flake and not the attribute.
fn is_absent(error: &str) -> bool {
    error.starts_with("flake '") && error.contains("does not provide attribute")
}

/// That an attribute is nothing to build, as Nix says it up to 2.8 of anything, and later of most things and of text. What a flake
/// itself says may be alike, and is about something else.
fn is_not_to_be_built(error: &str) -> bool {
    let before = error.starts_with("flake output attribute '") && error.ends_with("is not a derivation");
    let later = error.starts_with("expected flake output attribute '");
    let text =
        error.contains("while evaluating the flake output attribute '") && error.contains("entries in its context");
    before || later || text
}

/// Whether what went wrong is that something is named wrongly.
pub fn is_about_names(errors: &[String]) -> bool {
    errors.iter().any(|error| is_absent(error) || is_not_to_be_built(error))
}

/// What kept Nix from building, by what it said. `there` is what else the flake has to build.
pub fn explain(reference: &Reference, errors: Vec<String>, there: Option<Vec<String>>) -> Error {
    let (flake, attribute) = (reference.flake(), reference.attribute());
    let listed = || match there.filter(|names| !names.is_empty()) {
        Some(names) => format!("it has {}", names.join(", ")),
        None => format!("`nix flake show {flake}` lists what it has"),
    };
    let error = if errors.iter().any(|error| is_absent(error)) {
        Error::new(Kind::Config, format!("the flake {flake} has no {attribute}")).with_hint(listed())
    } else if errors.iter().any(|error| is_not_to_be_built(error)) {
        let text = format!("{attribute} of the flake {flake} is no image: there is nothing to build");
        Error::new(Kind::Config, text).with_hint(listed())
    } else {
        let error = Error::new(Kind::Local, format!("Nix could not build {reference}"));
        match errors.iter().find_map(|error| derivation(error)) {
            Some(derivation) => error.with_hint(format!("what it said stands above, and in `nix log {derivation}`")),
            None => error,
        }
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
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let there = is_about_names(&errors).then(|| vec!["ecs-node".to_owned(), "gc-fwd".to_owned()]);
        let error = explain(&reference, errors, there);
        (error.to_string(), error.causes(), error.hint().map(str::to_owned))
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let nix = "flake 'git+file:///f' does not provide attribute 'packages.x86_64-linux.nod' or 'nod'";
        let hint = Some("it has ecs-node, gc-fwd".to_owned());
        assert_eq!(explained(&[nix]), ("the flake . has no nod".to_owned(), vec![nix.to_owned()], hint));
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
    fn what_a_flake_says_itself_is_not_taken_for_nix() {
        for said in ["services.x: \'foo\' is not a derivation", "package \'p\' does not provide attribute \'q\'"] {
            let (text, causes, _) = explained(&[said]);
            assert_eq!((text.as_str(), causes.as_slice()), ("Nix could not build .#nod", &[said.to_owned()][..]));
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
