use clap::CommandFactory;
use publisher::{Error, Kind, Result};

use crate::{
    args::{Args, Completions, Man},
    exit::Exit,
    render,
};

/// Prints what completes the command line in a shell.
pub fn completions(args: &Completions) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "publish", &mut script);
    render::print(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

/// Writes a manual page for the program, and one for each command.
pub fn man(args: &Man) -> Result<Exit> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Args::command(), dir))
        .map_err(|error| Error::new(Kind::Local, format!("cannot write to {}", dir.display())).caused_by(error))?;
    Ok(Exit::Done)
}
