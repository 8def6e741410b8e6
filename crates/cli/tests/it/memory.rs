//! Memory is bounded whatever the image.

use std::{fs::File, os::unix::fs::FileExt, path::Path, process::Stdio};

use crate::stage::{Stage, text};

/// A disk of 30 GiB with 1 GiB of data, in pieces of 1 MiB.
fn large_disk(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(30 << 30).unwrap();
    let mut noise = vec![0_u8; 1 << 20];
    let mut state = 88_172_645_463_325_252_u64;
    for piece in 0..1024_u64 {
        for word in noise.as_chunks_mut::<8>().0 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state.to_le_bytes();
        }
        file.write_all_at(&noise, piece * (29 << 20)).unwrap();
    }
}

/// Peak resident memory of a process that has ended, in KiB, as the kernel counted it (proc(5), `VmHWM`).
fn peak_of(mut command: std::process::Command) -> (bool, u64) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        peak = peak.max(now);
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.success(), peak);
        }
        // The high-water mark only rises, so however seldom this looks it misses at most the end.
        std::thread::yield_now();
    }
}

#[test]
fn thirty_gibibytes_with_one_of_data_take_less_than_256_mebibytes() {
    let stage = Stage::new();
    let image = stage.path("large.raw");
    large_disk(&image);
    for route in [&[][..], &["--bucket", "publish-sandbox"]] {
        let args = [
            &["all", "--regions", "westus2,us-east-1", "--name"][..],
            &[if route.is_empty() { "large-ebs" } else { "large-s3" }],
            &[text(&image)],
            route,
        ]
        .concat();
        let (ended_well, peak) = peak_of(stage.command(&args));
        assert!(ended_well, "{:?}", stage.run(&args));
        eprintln!("peak resident memory {route:?}: {} MiB", peak >> 10);
        assert!(peak > 0 && peak < 256 << 10, "{} MiB", peak >> 10);
    }
    let traffic = &stage.audit()["traffic"];
    for operation in ["PutPage", "ebs:PutSnapshotBlock", "s3:UploadPart"] {
        assert_eq!(traffic[operation]["zero_bodies"], 0, "{operation}");
    }
    assert_eq!(traffic["ec2:ImportSnapshot"]["zero_blocks"], 0);
    // Two uploads of pages, 1 GiB each and two footers.
    assert_eq!(traffic["PutPage"]["bytes"], 2 * ((1_u64 << 30) + 512));
    assert_eq!(traffic["PutPage"]["zero_pages"], 0);
}
