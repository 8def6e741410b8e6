//! What is measured.

use std::path::Path;

use tokio::runtime::Runtime;

use crate::{
    Args, Result,
    contestants::{Contestant, Goal, Images, Stage},
    images::Kind,
    sandbox::{Line, Sandbox},
    table::Table,
};
use Contestant::{AwsCp, Azcopy, AzcopyUnpaced, Coldsnap, ColdsnapOmitting, Floor, Publish};

/// One disk, one way, one line, and who competes.
struct Case {
    goal: Goal,
    gib: u64,
    kind: Kind,
    line: Line,
    contestants: &'static [Contestant],
}

impl Case {
    fn name(&self) -> String {
        let goal = match self.goal {
            Goal::Pages => "page blob",
            Goal::Blocks => "EBS direct",
            Goal::Parts => "S3",
            Goal::Both => "page blob and EBS direct",
        };
        let Line { tls, latency, rate, fault } = self.line;
        let mut name = format!("{goal}, {} GiB {}, {}", self.gib, self.kind.name(), if tls { "TLS" } else { "HTTP" });
        name.push_str(&format!(", {latency} ms"));
        name.extend(rate.map(|rate| format!(", {rate} MB/s")));
        name.extend(fault.map(|fault| format!(", 1 % {fault}")));
        name
    }
}

const LARGE: u64 = 30;
/// As large as a VHD gets.
const LARGEST: u64 = 2040;

fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |goal, gib, kind, line, contestants| cases.push(Case { goal, gib, kind, line, contestants });
    let line = |tls, latency| Line { tls, latency, rate: None, fault: None };
    for (tls, latency) in [(false, 0), (false, 20), (true, 0), (true, 20)] {
        let line = line(tls, latency);
        case(Goal::Pages, 4, Kind::Fixed, line, &[Floor, Publish, Azcopy, AzcopyUnpaced]);
        case(Goal::Pages, 4, Kind::Dynamic, line, &[Floor, Publish, Azcopy]);
        case(Goal::Blocks, 4, Kind::Raw, line, &[Floor, Publish, Coldsnap, ColdsnapOmitting]);
        case(Goal::Blocks, 4, Kind::Dynamic, line, &[Floor, Publish, ColdsnapOmitting]);
        case(Goal::Parts, 4, Kind::Dynamic, line, &[Floor, Publish, AwsCp]);
    }
    let (http, tls) = (line(false, 0), line(true, 0));
    case(Goal::Parts, 4, Kind::Fixed, tls, &[Floor, Publish]);
    case(Goal::Parts, 4, Kind::Raw, tls, &[Floor, Publish]);
    case(Goal::Pages, 4, Kind::FixedFull, http, &[Publish, Azcopy]);
    // Far enough away for the clouds to be waited for, and not this machine.
    let far = line(true, 200);
    case(Goal::Pages, 4, Kind::Fixed, far, &[Publish]);
    case(Goal::Blocks, 4, Kind::Fixed, far, &[Publish]);
    case(Goal::Both, 4, Kind::Fixed, far, &[Publish]);
    case(Goal::Pages, LARGE, Kind::Fixed, http, &[Floor, Publish, Azcopy]);
    case(Goal::Blocks, LARGE, Kind::Raw, http, &[Floor, Publish, ColdsnapOmitting]);
    case(Goal::Pages, LARGEST, Kind::Fixed, http, &[Publish]);
    case(Goal::Blocks, LARGEST, Kind::Raw, http, &[Publish]);
    let capped = Line { rate: Some(200), ..line(false, 20) };
    case(Goal::Pages, 4, Kind::Fixed, capped, &[Floor, Publish]);
    case(Goal::Blocks, 4, Kind::Raw, capped, &[Floor, Publish]);
    for fault in ["busy", "reset_before"] {
        let line = Line { fault: Some(fault), ..line(false, 20) };
        case(Goal::Pages, 4, Kind::Fixed, line, &[Publish, Azcopy]);
        case(Goal::Blocks, 4, Kind::Raw, line, &[Publish, ColdsnapOmitting]);
        case(Goal::Parts, 4, Kind::Dynamic, line, &[Publish, AwsCp]);
    }
    cases
}

pub fn run(args: &Args, runtime: &Runtime) -> Result<()> {
    let target = std::path::absolute(&args.target)?;
    println!("{}\n", Table::heading());
    for case in all().iter().filter(|case| case.name().contains(&args.only)) {
        let table = measure(case, args, runtime, &target).map_err(|error| format!("{}: {error}", case.name()))?;
        println!("{table}");
    }
    Ok(())
}

/// A B A B: what else the machine does falls on all alike.
fn measure(case: &Case, args: &Args, runtime: &Runtime, target: &Path) -> Result<Table> {
    let images = Images { dir: &target.join("bench"), kind: case.kind, gib: case.gib };
    for contestant in case.contestants {
        images.warm(contestant.reads(case.goal, case.kind))?;
    }
    let publish = target.join(&args.build).join("publish");
    let sandbox = runtime.block_on(Sandbox::start(&publish, case.line))?;
    let stage = Stage { runtime, sandbox: &sandbox, publish: &publish, clients: &target.join("clients/bin") };
    let mut table = Table::new(case.name());
    let mut nth = 0;
    for round in 0..args.runs {
        for contestant in case.contestants {
            let is_slow = contestant.is_of_others() && case.gib >= LARGE;
            if (args.ours_alone && contestant.is_of_others()) || (is_slow && round % 5 != 0) {
                continue;
            }
            nth += 1;
            table.add(*contestant, contestant.run(&stage, case.goal, &images, nth)?);
        }
    }
    Ok(table)
}
