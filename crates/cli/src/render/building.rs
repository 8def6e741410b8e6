use std::time::Duration;

use indicatif::ProgressBar;

use super::{bars::style, github, message::line, on_terminal};

/// What is said while something is built: lines, and on a terminal what is being done just now below them.
#[derive(Debug)]
pub struct Building {
    now: Option<ProgressBar>,
    _group: Option<github::Group>,
}

impl Building {
    pub fn new(what: &str) -> Self {
        let group = github::group(&format!("Build {what}"));
        let start = || {
            let now = ProgressBar::new_spinner();
            now.set_style(style("build {spinner} {msg}"));
            now.set_message(what.to_owned());
            now.enable_steady_tick(Duration::from_millis(120));
            now
        };
        Self { now: on_terminal().then(start), _group: group }
    }

    /// Something was begun.
    pub fn began(&self, what: &str) {
        match &self.now {
            Some(now) => now.set_message(what.to_owned()),
            None => line(what),
        }
    }

    /// Something that has to be seen later too.
    pub fn line(&self, text: &str) {
        match &self.now {
            Some(now) => now.println(text),
            None => line(text),
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Some(now) = &self.now {
            now.finish_and_clear();
        }
    }
}
