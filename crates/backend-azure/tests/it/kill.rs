//! Killed at any request, and run again: the same is published, and nothing else is left.

use std::path::PathBuf;

use backend_azure::Source;
use publisher::{Cleanup, Pipeline, RunKey, Target, TargetReport};
use sandbox::Sandbox;
use serde_json::{Map, Value, json};
use vhd::Image;

use crate::{kill_matrix, stage::Stage};

async fn stage(source: Source) -> Stage {
    let mut stage = Stage::new().await;
    stage.config.source = Some(source);
    stage.config.security_type = Some("Standard".into());
    stage
}

impl kill_matrix::Subject for Stage {
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    async fn publish(&self) -> TargetReport {
        self.publish().await
    }

    async fn clean_up(&self, run: &RunKey) -> Cleanup {
        let pipeline = Pipeline::new(self.backend().unwrap());
        pipeline.clean_up(&self.runtime(), run).await.unwrap()
    }

    fn outcome(&self) -> Value {
        let audit = self.audit();
        let lists = audit["azure"].as_object().unwrap().iter();
        let of = |list: &Value| list.as_array().unwrap().iter().map(|entry| resource(self, entry)).collect::<Vec<_>>();
        lists.map(|(kind, list)| (kind.clone(), of(list).into())).collect::<Map<_, _>>().into()
    }
}

fn resource(stage: &Stage, entry: &Value) -> Value {
    let file = entry["content"].as_str().and_then(|path| stage.sandbox.content_file(path));
    let content = file.map(|file| Image::open(file).unwrap().content().unwrap().digest().to_string());
    let mut entry = entry.clone();
    // The sandbox's address is part of the run, the attempt is the process's own, and the source has the run in its name.
    for (object, own) in [("tags", "publish-run"), ("tags", "publish-attempt"), ("properties", "storageProfile")] {
        entry[object].as_object_mut().and_then(|object| object.remove(own));
    }
    json!({
        "id": entry["id"], "state": entry["state"], "regions": entry["regions"], "tags": entry["tags"],
        "properties": entry["properties"],
        "content": content,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_is_finished_by_the_next() {
    kill_matrix::run("Azure", async || stage(Source::ManagedImage).await, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_is_finished_on_another_machine() {
    kill_matrix::run("Azure", async || stage(Source::ManagedImage).await, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_from_a_disk_is_finished_by_the_next() {
    kill_matrix::run("Azure from a disk", async || stage(Source::Disk).await, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_from_a_disk_is_finished_on_another_machine() {
    kill_matrix::run("Azure from a disk", async || stage(Source::Disk).await, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_up_takes_back_nothing_that_another_machine_has_published() {
    kill_matrix::run_and_clean_up(async || stage(Source::ManagedImage).await).await;
}
