use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use publisher::{CloudName, Event, Region, Reporter};

use super::plain;

/// A bar for each cloud, and one for each region.
#[derive(Debug, Default)]
pub struct Bars {
    all: MultiProgress,
    clouds: Mutex<BTreeMap<CloudName, Cloud>>,
}

#[derive(Debug)]
struct Cloud {
    stage: ProgressBar,
    regions: BTreeMap<Region, ProgressBar>,
}

/// A style from a template of ours; the plain one if it had a fault.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Bars {
    fn stage(&self, cloud: CloudName) -> ProgressBar {
        let mut clouds = self.clouds.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_style(style("{prefix:5} {spinner} {msg}"));
            bar.set_prefix(cloud.to_string());
            bar.enable_steady_tick(Duration::from_millis(120));
            Cloud { stage: bar, regions: BTreeMap::new() }
        };
        clouds.entry(cloud).or_insert_with(make).stage.clone()
    }

    fn region(&self, cloud: CloudName, region: &Region) -> ProgressBar {
        self.stage(cloud);
        let mut clouds = self.clouds.lock().unwrap_or_else(PoisonError::into_inner);
        let make = |after: &ProgressBar| {
            let bar = self.all.insert_after(after, ProgressBar::new(100));
            bar.set_style(style("      {prefix:16} {bar:30} {pos:>3} % {msg}"));
            bar.set_prefix(region.to_string());
            bar
        };
        match clouds.get_mut(&cloud) {
            Some(entry) => {
                let last = entry.regions.values().last().unwrap_or(&entry.stage).clone();
                entry.regions.entry(region.clone()).or_insert_with(|| make(&last)).clone()
            }
            None => ProgressBar::hidden(),
        }
    }
}

impl Reporter for Bars {
    fn report(&self, cloud: CloudName, event: Event) {
        let stage = self.stage(cloud);
        match event {
            Event::TransferStarted { mut progress } => {
                stage.set_length(progress.borrow().total);
                stage.set_style(style(
                    "{prefix:5} {spinner} upload {bar:30} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left",
                ));
                tokio::spawn(async move {
                    while progress.changed().await.is_ok() {
                        stage.set_position(progress.borrow_and_update().done);
                    }
                    stage.set_style(style("{prefix:5} {spinner} {msg}"));
                });
            }
            Event::Region { region, percent } => {
                let bar = self.region(cloud, &region);
                bar.set_position(percent.into());
                if percent == 100 {
                    bar.finish();
                }
            }
            Event::RegionFailed { region, error } => {
                self.region(cloud, &region).abandon_with_message(format!("failed: {error}"))
            }
            // What has to be seen later too, goes above the bars.
            Event::Warning { .. } | Event::Retrying { .. } | Event::Created { .. } => {
                let text = plain::describe(&event).unwrap_or_default();
                // A terminal that went away is no reason to end.
                let _ = self.all.println(format!("{cloud:5}  {text}"));
            }
            event => stage.set_message(plain::describe(&event).unwrap_or_default()),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for cloud in self.clouds.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            cloud.stage.finish_and_clear();
        }
    }
}
