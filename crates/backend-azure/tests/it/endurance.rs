//! Killed, interrupted and failed at any request, and run again: the same is published, and nothing else is left.

use std::sync::Arc;

use backend_azure::Source;
use publisher::{Pipeline, Runtime, Target};
use sandbox::Sandbox;
use serde_json::{Map, Value, json};
use vhd::Image;

use crate::{
    stage::Stage,
    trials::{Subject, chaos, faults, interrupts, kill, secrets},
};

async fn stage(source: Source) -> Stage {
    let mut stage = Stage::new().await;
    stage.config.source = Some(source);
    stage.config.security_type = Some("Standard".into());
    stage
}

impl Subject for Stage {
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn image(&self) -> &Arc<Image> {
        &self.image
    }

    fn runtime(&self) -> Runtime {
        self.runtime()
    }

    async fn target(&self) -> Box<dyn Target> {
        Box::new(Pipeline::new(self.backend().unwrap()))
    }

    /// Sixteen pages are on their way at first, and what is on the disk can be read back.
    fn window(&self, _: bool) -> u64 {
        16 * (4 << 20)
    }

    fn outcome(&self) -> Value {
        let audit = self.audit();
        let lists = audit["azure"].as_object().unwrap().iter();
        let of = |list: &Value| list.as_array().unwrap().iter().map(|entry| resource(self, entry)).collect::<Vec<_>>();
        lists.map(|(kind, list)| (kind.clone(), of(list).into())).collect::<Map<_, _>>().into()
    }

    fn left(&self) -> Value {
        let mut left = self.outcome();
        for shared in ["resource_groups", "galleries", "image_definitions"] {
            left.as_object_mut().unwrap().remove(shared).unwrap();
        }
        left
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

#[tokio::test(start_paused = true)]
async fn a_killed_run_is_finished_by_the_next() {
    kill::run("Azure", async || stage(Source::ManagedImage).await, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_is_finished_on_another_machine() {
    kill::run("Azure", async || stage(Source::ManagedImage).await, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_from_a_disk_is_finished_by_the_next() {
    kill::run("Azure from a disk", async || stage(Source::Disk).await, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_from_a_disk_is_finished_on_another_machine() {
    kill::run("Azure from a disk", async || stage(Source::Disk).await, false).await;
}

#[tokio::test(start_paused = true)]
async fn cleaning_up_takes_back_nothing_that_another_machine_has_published() {
    kill::run_and_clean_up(async || stage(Source::ManagedImage).await).await;
}

#[tokio::test(start_paused = true)]
async fn an_interruption_at_any_request_leaves_nothing() {
    interrupts::run(async || stage(Source::ManagedImage).await).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_of_any_operation_ends_well_or_is_told_and_leaves_nothing() {
    faults::run("Azure", async || stage(Source::ManagedImage).await).await;
}

#[tokio::test(start_paused = true)]
async fn faults_by_chance_are_outlived_or_told() {
    chaos::run("Azure", 50, async || stage(Source::ManagedImage).await).await;
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_answer_gives_no_secret_away() {
    let variables = stage(Source::ManagedImage).await.variables();
    // How each signature of the sandbox begins, and each token.
    let secrets = ["sandbox-signature-", "eyJhbGciOiJub25l", variables.get("AZURE_CLIENT_SECRET").unwrap()];
    secrets::run(async || stage(Source::ManagedImage).await, &secrets).await;
}
