//! Killed at any request, and run again: the same is published, and nothing else is left.

use std::{collections::BTreeMap, path::PathBuf};

use backend_aws::{Route, Sharing};
use publisher::{Cleanup, Names, Pipeline, RunKey, Target, TargetReport};
use sandbox::Sandbox;
use serde_json::{Map, Value, json};
use vhd::Image;

use crate::{kill_matrix, stage::Stage};

async fn stage(route: Route) -> Stage {
    let mut stage = Stage::new(route).await;
    // Each block is a request, and four are like forty; two parts are like twenty.
    stage.shrink_to(if route == Route::Ebs { 2 << 20 } else { 10 << 20 });
    stage.config.deprecate_after_days = Some(90);
    stage.config.ssm_parameters = Names::parse("/images/{name}");
    stage.config.sharing = Some(Sharing { accounts: Names::parse("210987654321"), ..Sharing::default() });
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
        let pipeline = Pipeline::new(self.backend().await.unwrap());
        pipeline.clean_up(&self.runtime(), run).await.unwrap()
    }

    fn outcome(&self) -> Value {
        let audit = self.audit();
        let regions = audit["aws"].as_object().unwrap().iter();
        regions.map(|(name, region)| (name.clone(), in_region(self, region))).collect::<Map<_, _>>().into()
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
        tags.as_object_mut().unwrap().remove("publish-run").unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_through_s3_is_finished_by_the_next() {
    kill_matrix::run("AWS through S3", async || stage(Route::S3).await, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_through_s3_is_finished_on_another_machine() {
    kill_matrix::run("AWS through S3", async || stage(Route::S3).await, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_through_ebs_direct_is_finished_by_the_next() {
    kill_matrix::run("AWS through EBS direct", async || stage(Route::Ebs).await, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_through_ebs_direct_is_finished_on_another_machine() {
    kill_matrix::run("AWS through EBS direct", async || stage(Route::Ebs).await, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_up_takes_back_nothing_that_another_machine_has_published() {
    kill_matrix::run_and_clean_up(async || stage(Route::Ebs).await).await;
}
