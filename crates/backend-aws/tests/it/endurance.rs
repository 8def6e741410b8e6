//! Killed, interrupted and failed at any request, and run again: the same is published, and nothing else is left.

use std::{collections::BTreeMap, sync::Arc};

use backend_aws::{Route, Sharing};
use publisher::{Names, Pipeline, Runtime, Target};
use sandbox::Sandbox;
use serde_json::{Map, Value, json};
use vhd::Image;

use crate::{
    stage::Stage,
    trials::{Subject, chaos, faults, interrupts, kill, secrets},
};

async fn stage(route: Route) -> Stage {
    let mut stage = Stage::new(route).await;
    // Each block is a request, and four are like forty; two parts are like twenty.
    stage.shrink_to(if route == Route::Ebs { 2 << 20 } else { 10 << 20 });
    stage.config.deprecate_after_days = Some(90);
    stage.config.ssm_parameters = Names::parse("/images/{name}");
    stage.config.sharing = Some(Sharing { accounts: Names::parse("210987654321"), ..Sharing::default() });
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
        Box::new(Pipeline::new(self.backend().await.unwrap()))
    }

    /// What S3 has it tells; what blocks a pending snapshot has, the journal alone.
    fn window(&self, has_journal: bool) -> u64 {
        match (self.config.bucket.is_some(), has_journal) {
            (true, _) => 12 * (5 << 20),
            (false, true) => 96 * vhd::CONTENT_BLOCK,
            (false, false) => u64::MAX,
        }
    }

    fn outcome(&self) -> Value {
        let audit = self.audit();
        let regions = audit["aws"].as_object().unwrap().iter();
        regions.map(|(name, region)| (name.clone(), in_region(self, region))).collect::<Map<_, _>>().into()
    }

    /// A region that was only looked at has nothing.
    fn left(&self) -> Value {
        let mut left = self.outcome();
        let is_empty = |list: &Value| list.as_array().is_some_and(Vec::is_empty) || list == &json!({});
        left.as_object_mut().unwrap().retain(|_, region| !region.as_object().unwrap().values().all(is_empty));
        left
    }
}

fn in_region(stage: &Stage, region: &Value) -> Value {
    let list = |kind: &str| region[kind].as_array().cloned().unwrap_or_default();
    let content = |entry: &Value| {
        let file = stage.sandbox.content_file(entry["content"].as_str()?)?;
        Some(Image::open(file).unwrap().content().unwrap().digest().to_string())
    };
    let image = |image: &Value| {
        let mut tags = image["tags"].clone();
        // The sandbox's address is part of it.
        for own in ["publish-run", "publish-attempt"] {
            tags.as_object_mut().unwrap().remove(own).unwrap();
        }
        json!({
            "name": image["name"], "state": image["state"], "tags": tags, "fields": image["fields"],
            "shared": image["shared_with"], "deprecated": image["deprecation"].is_string(), "content": content(image),
        })
    };
    let snapshot =
        |found: &Value| json!({"state": found["state"], "shared": found["shared_with"], "content": content(found)});
    let name = |id: &Value| list("images").iter().find(|image| image["id"] == *id).map(|image| image["name"].clone());
    let parameter = |found: &Value| (found["id"].to_string(), name(&found["value"]));
    json!({
        "images": list("images").iter().map(image).collect::<Vec<_>>(),
        "snapshots": list("snapshots").iter().map(snapshot).collect::<Vec<_>>(),
        "parameters": list("parameters").iter().map(parameter).collect::<BTreeMap<_, _>>(),
        "objects": list("s3_objects"),
        "uploads": list("uploads"),
    })
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_through_s3_is_finished_by_the_next() {
    kill::run("AWS through S3", async || stage(Route::S3).await, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_through_s3_is_finished_on_another_machine() {
    kill::run("AWS through S3", async || stage(Route::S3).await, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_through_ebs_direct_is_finished_by_the_next() {
    kill::run("AWS through EBS direct", async || stage(Route::Ebs).await, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_through_ebs_direct_is_finished_on_another_machine() {
    kill::run("AWS through EBS direct", async || stage(Route::Ebs).await, false).await;
}

#[tokio::test(start_paused = true)]
async fn cleaning_up_takes_back_nothing_that_another_machine_has_published() {
    kill::run_and_clean_up(async || stage(Route::Ebs).await).await;
}

#[tokio::test(start_paused = true)]
async fn an_interruption_of_s3_at_any_request_leaves_nothing() {
    interrupts::run(async || stage(Route::S3).await).await;
}

#[tokio::test(start_paused = true)]
async fn an_interruption_of_ebs_direct_at_any_request_leaves_nothing() {
    interrupts::run(async || stage(Route::Ebs).await).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_of_any_operation_of_s3_ends_well_or_is_told_and_leaves_nothing() {
    faults::run("AWS through S3", async || stage(Route::S3).await).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_of_any_operation_of_ebs_direct_ends_well_or_is_told_and_leaves_nothing() {
    faults::run("AWS through EBS direct", async || stage(Route::Ebs).await).await;
}

#[tokio::test(start_paused = true)]
async fn faults_by_chance_are_outlived_or_told_through_s3() {
    chaos::run("AWS through S3", 50, async || stage(Route::S3).await).await;
}

#[tokio::test(start_paused = true)]
async fn faults_by_chance_are_outlived_or_told_through_ebs_direct() {
    chaos::run("AWS through EBS direct", 50, async || stage(Route::Ebs).await).await;
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_answer_gives_no_secret_away() {
    for route in [Route::S3, Route::Ebs] {
        let variables = stage(route).await.variables();
        secrets::run(async || stage(route).await, &[variables.get("AWS_SECRET_ACCESS_KEY").unwrap()]).await;
    }
}
