use std::{collections::BTreeMap, io::Write, path::Path, time::Duration};

use publisher::{Error, Kind, Result};
use sandbox::{Link, Pace, Settings};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::{Format, Sandbox},
    exit::Exit,
    render::message,
};

pub async fn sandbox(args: &Sandbox) -> Result<Exit> {
    let local = |what: String| move |error: std::io::Error| Error::new(Kind::Local, what).caused_by(error);
    let temporary = match &args.state_dir {
        Some(_) => None,
        None => Some(TempDir::new().map_err(local("cannot make a temporary folder".into()))?),
    };
    let dir = args.state_dir.as_deref().or(temporary.as_ref().map(TempDir::path)).unwrap_or(Path::new("."));
    let settings = Settings {
        listen: args.listen,
        state_dir: dir.to_owned(),
        pace: if args.instant { Pace::instant() } else { Pace::live() },
        link: Link {
            latency: Duration::from_millis(args.latency),
            bytes_per_second: args.rate.map(|megabytes| megabytes.max(1) * 1_000_000),
            plain_disks: args.plain_disks,
        },
        discard: args.discard,
    };
    let sandbox = sandbox::Sandbox::start(settings).await;
    let sandbox = sandbox.map_err(|error| Error::new(Kind::Local, "the sandbox cannot be started").caused_by(error))?;
    let environment = match args.format {
        Format::Human => sandbox.environment().to_shell(),
        Format::Json => {
            let variables: BTreeMap<_, _> = sandbox.environment().iter().map(|(k, v)| (k, v.to_owned())).collect();
            serde_json::to_string_pretty(&variables).map(|text| text + "\n").unwrap_or_default()
        }
    };
    match &args.env_file {
        // Whoever waits for the file finds it whole.
        Some(path) => {
            let partial = path.with_extension("partial");
            std::fs::write(&partial, environment)
                .and_then(|()| std::fs::rename(&partial, path))
                .map_err(local(format!("cannot write {}", path.display())))?;
            message::line(&format!("the sandbox listens on {}; source {}", sandbox.url(), path.display()));
        }
        None => {
            std::io::stdout()
                .write_all(environment.as_bytes())
                .map_err(local("cannot write the environment".into()))?;
            message::line(&format!("the sandbox listens on {}", sandbox.url()));
        }
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(local("cannot watch for signals".into()))?;
    tokio::select! {
        () = sandbox.wait() => Err(Error::new(Kind::Local, "the sandbox ended by itself")),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
        _ = terminate.recv() => Ok(Exit::Done),
    }
}
