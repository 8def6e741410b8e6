//! What people read of it: a table in Markdown.

use std::fmt;

use crate::contestants::{Contestant, Sample};

/// The runs of one case.
pub struct Table {
    case: String,
    /// Who ran, in the order in which they did, and what each run took.
    rows: Vec<(Contestant, Vec<Sample>)>,
}

impl Table {
    pub fn new(case: String) -> Self {
        Self { case, rows: Vec::new() }
    }

    pub fn heading() -> &'static str {
        "Wall time in seconds: the median, and the spread. `upload` is that part of publish which does what the others do; the \
         rest of it reads and hashes the whole image, and makes an image of what was uploaded. CPU in seconds; peak memory, \
         image data sent and temporary disk in MB (10^6); requests with image data. `÷ floor` is the wall time by the floor's, \
         and of publish also its upload's; `÷ publish` is the wall time by that of all of publish, and by its upload's."
    }

    pub fn add(&mut self, contestant: Contestant, sample: Sample) {
        match self.rows.iter_mut().find(|(who, _)| *who == contestant) {
            Some((_, samples)) => samples.push(sample),
            None => self.rows.push((contestant, vec![sample])),
        }
    }

    /// Median wall time of a contestant.
    fn wall(&self, who: Contestant) -> Option<f64> {
        let (_, samples) = self.rows.iter().find(|(contestant, _)| *contestant == who)?;
        Some(median(samples, |sample| sample.cost.wall.as_secs_f64()))
    }
}

impl Table {
    /// Median time of a contestant's upload, where it tells.
    fn upload(&self, who: Contestant) -> Option<f64> {
        let (_, samples) = self.rows.iter().find(|(contestant, _)| *contestant == who)?;
        let tells = samples.iter().all(|sample| sample.upload.is_some());
        tells.then(|| median(samples, |sample| sample.upload.unwrap_or_default()))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.case)?;
        writeln!(f, "| who | wall | upload | CPU | memory | sent | requests | disk | ÷ floor | ÷ publish |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        for (who, samples) in &self.rows {
            let of = |value: fn(&Sample) -> f64| median(samples, value);
            let wall = of(|sample| sample.cost.wall.as_secs_f64());
            let (least, most) = spread(samples, |sample| sample.cost.wall.as_secs_f64());
            let upload = self.upload(*who);
            let by_floor = match (self.wall(Contestant::Floor), upload) {
                (Some(floor), Some(upload)) => format!("{:.2}, {:.2}", wall / floor, upload / floor),
                (Some(floor), None) if *who != Contestant::Floor => format!("{:.2}", wall / floor),
                _ => String::new(),
            };
            let ours = (self.wall(Contestant::Publish), self.upload(Contestant::Publish));
            let by_ours = match ours {
                (Some(all), Some(upload)) if *who != Contestant::Publish => {
                    format!("{:.1}, {:.1}", wall / all, wall / upload)
                }
                _ => String::new(),
            };
            writeln!(
                f,
                "| {} | {wall:.2} ({least:.2}–{most:.2}) | {} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {by_floor} | {by_ours} |",
                who.name(),
                upload.map(|upload| format!("{upload:.2}")).unwrap_or_default(),
                of(|sample| sample.cost.cpu.as_secs_f64()),
                of(|sample| sample.cost.memory as f64 / 1e6),
                of(|sample| sample.traffic.bytes as f64 / 1e6),
                of(|sample| sample.traffic.requests as f64),
                of(|sample| sample.disk as f64 / 1e6),
            )?;
        }
        // A request without a checksum would be a gain that is none.
        if self
            .rows
            .iter()
            .any(|(who, samples)| *who == Contestant::Publish && samples.iter().any(|s| s.traffic.unsealed > 0))
        {
            writeln!(f, "\n**publish sent data without a checksum**")?;
        }
        Ok(())
    }
}

fn median(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

fn spread(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> (f64, f64) {
    samples.iter().map(value).fold((f64::INFINITY, 0.0), |(least, most), value| (least.min(value), most.max(value)))
}
