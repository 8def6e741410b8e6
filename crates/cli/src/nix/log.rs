//! What Nix says while it works, in the form of `--log-format internal-json`: a line each, for programs.
//!
//! Nix has no specification of it. The numbers are those of `ActivityType` and `ResultType` in its `logging.hh`, and have been the
//! same from 2.4 on.

use std::collections::BTreeMap;

use console::strip_ansi_codes;
use serde::Deserialize;
use serde_json::Value;

/// An activity that builds a derivation; its first field is the derivation's path.
const ACTIVITY_BUILD: u64 = 105;
/// A result that is a line of a build's log.
const RESULT_LOG_LINE: u64 = 101;
/// Levels: what ends it, what is a warning, and the last one that people are told of unless they ask for more.
const ERROR: u64 = 0;
const WARNING: u64 = 1;
const INFO: u64 = 3;

/// Something that Nix says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// It has begun with something.
    Began(String),
    /// A line of the log of what is being built.
    Built { name: String, line: String },
    /// Something to know.
    Note(String),
    /// What went wrong.
    Error(String),
}

/// Reads what Nix says, line by line.
#[derive(Debug, Default)]
pub struct Log {
    /// What the activities build that are under way.
    builds: BTreeMap<u64, String>,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Entry {
    Start {
        id: u64,
        level: u64,
        #[serde(rename = "type")]
        kind: u64,
        text: String,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Stop {
        id: u64,
    },
    Result {
        id: u64,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Msg {
        level: u64,
        msg: String,
    },
    #[serde(other)]
    Other,
}

impl Log {
    /// What a line says, if it is for people.
    pub fn read(&mut self, line: &str) -> Option<Said> {
        let Some(json) = line.strip_prefix("@nix ") else {
            // What a program says that Nix runs, such as git.
            return Some(plain(line)).filter(|line| !line.is_empty()).map(Said::Note);
        };
        let first = |fields: &[Value]| fields.first().and_then(Value::as_str).map(plain);
        match serde_json::from_str(json).ok()? {
            Entry::Start { id, level, kind, text, fields } => {
                if kind == ACTIVITY_BUILD
                    && let Some(derivation) = first(&fields)
                {
                    self.builds.insert(id, name_of(&derivation).to_owned());
                }
                (level <= INFO && !text.is_empty()).then(|| Said::Began(plain(&text)))
            }
            Entry::Stop { id } => {
                self.builds.remove(&id);
                None
            }
            Entry::Result { id, kind: RESULT_LOG_LINE, fields } => {
                Some(Said::Built { name: self.builds.get(&id).cloned().unwrap_or_default(), line: first(&fields)? })
            }
            Entry::Msg { level: ERROR, msg } => {
                let msg = plain(&msg);
                // `builtins.trace` speaks as loudly as an error, and with it the warnings of a configuration.
                Some(if msg.starts_with("trace:") { Said::Note(msg) } else { Said::Error(without_marks(&msg)) })
            }
            Entry::Msg { level, msg } => (level <= WARNING).then(|| Said::Note(plain(&msg))),
            Entry::Result { .. } | Entry::Other => None,
        }
    }
}

/// Text without colours and other things that a terminal would do; its line breaks stay.
fn plain(text: &str) -> String {
    strip_ansi_codes(text).chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect()
}

/// An error without the word at its beginning, and at that of what it was caused by.
fn without_marks(error: &str) -> String {
    let line = |line: &str| {
        let text = line.trim_start();
        match text.strip_prefix("error:") {
            Some(rest) => line[..line.len() - text.len()].to_owned() + rest.trim_start(),
            None => line.to_owned(),
        }
    };
    error.lines().map(line).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// What a derivation is called: `ecs-node` of `/nix/store/…-ecs-node.drv`.
fn name_of(derivation: &str) -> &str {
    let file = derivation.rsplit('/').next().unwrap_or(derivation);
    let name = file.split_once('-').map_or(file, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_told_line_by_line() {
        let mut log = Log::default();
        let mut read = |json: &str| log.read(&format!("@nix {json}"));
        let start = r#"{"action":"start","fields":["/nix/store/xzz-ecs-node.drv","",1,1],"id":9,"level":3,"text":"building 'x'","type":105}"#;
        assert_eq!(read(start), Some(Said::Began("building 'x'".to_owned())));
        let line = r#"{"action":"result","fields":["half \u001b[1mdone\u001b[0m"],"id":9,"type":101}"#;
        assert_eq!(read(line), Some(Said::Built { name: "ecs-node".to_owned(), line: "half done".to_owned() }));
        assert_eq!(read(r#"{"action":"result","fields":[0,1,0,0],"id":9,"type":105}"#), None);
        assert_eq!(read(r#"{"action":"stop","id":9}"#), None);
        assert_eq!(read(r#"{"action":"start","id":7,"level":6,"text":"querying info","type":0}"#), None);
        assert_eq!(read(r#"{"action":"something new"}"#), None);
        assert_eq!(read("{broken"), None);
    }

    #[test]
    fn errors_warnings_and_what_others_say() {
        let mut log = Log::default();
        let error = r#"@nix {"action":"msg","column":null,"level":0,"msg":"\u001b[31;1merror:\u001b[0m flake 'path:/f' does not\nprovide"}"#;
        assert_eq!(log.read(error), Some(Said::Error("flake 'path:/f' does not\nprovide".to_owned())));
        let nested = r#"@nix {"action":"msg","level":0,"msg":"error:\n  … while evaluating\n\n  error: bad option"}"#;
        assert_eq!(log.read(nested), Some(Said::Error("… while evaluating\n\n  bad option".to_owned())));
        let trace = r#"@nix {"action":"msg","level":0,"msg":"trace: evaluation warning: no key"}"#;
        assert_eq!(log.read(trace), Some(Said::Note("trace: evaluation warning: no key".to_owned())));
        let warning = r#"@nix {"action":"msg","level":1,"msg":"Git tree '/f' is dirty"}"#;
        assert_eq!(log.read(warning), Some(Said::Note("Git tree '/f' is dirty".to_owned())));
        assert_eq!(log.read(r#"@nix {"action":"msg","level":5,"msg":"copied source"}"#), None);
        assert_eq!(log.read("fatal: not a git repository"), Some(Said::Note("fatal: not a git repository".to_owned())));
        assert_eq!(log.read(""), None);
    }
}
