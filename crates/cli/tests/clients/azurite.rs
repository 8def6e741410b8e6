//! Our page blob uploader against Azurite, which knows no disks: the sandbox makes the disk, and hands out the address of a page
//! blob there.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    bench::{Bench, SIZE},
    disks, relay,
    service::Service,
    stage::text,
};

const ACCOUNT: &str = "diskaccount";
/// Any bytes are a key.
const KEY: &str = "c2FuZGJveHNhbmRib3hzYW5kYm94c2FuZGJveA==";

struct Azurite {
    /// Ends with this.
    _service: Service,
    bench: Bench,
    /// Of a page blob that a disk's VHD fits, with a signature to write to it.
    blob: String,
}

impl Azurite {
    fn start() -> Option<Self> {
        let bench = Bench::with(&["azurite-blob", "python-azure"])?;
        let mut command = Command::new(bench.client("azurite-blob"));
        command
            .args([
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                "0",
                "--inMemoryPersistence",
                "--silent",
                "--disableTelemetry",
            ])
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"))
            .current_dir(bench.stage.dir.path());
        let service = Service::start(&mut command, "successfully listens on ");
        let (url, size) = (format!("{}/{ACCOUNT}", service.url), (SIZE + 512).to_string());
        let blob = bench.run("python-azure", &[&Bench::script("page_blob.py"), "make", &url, ACCOUNT, KEY, &size]);
        Some(Self { _service: service, bench, blob })
    }

    /// Publishes by way of an address of the blob; gives what the upload came to.
    fn publish(&self, address: &str) -> Value {
        self.bench.stage.post("/_sandbox/elsewhere", &json!({"url": address}).to_string());
        let raw = self.bench.raw();
        let args = ["azure", "--regions", "westus2", "--name", "node", "--version", "1.0.0", text(&raw)];
        let (code, report) = self.bench.stage.report(&args);
        assert_eq!(code, 0, "{report:#}");
        report["targets"][0]["transfer"].clone()
    }

    /// The VHD that has arrived, and which ranges of it were written.
    fn arrived(&self) -> (PathBuf, Vec<(u64, u64)>) {
        let vhd = self.bench.stage.path("arrived.vhd");
        let said = self.bench.run("python-azure", &[&Bench::script("page_blob.py"), "read", &self.blob, text(&vhd)]);
        (vhd, serde_json::from_str(&said).unwrap())
    }

    fn assert_is_our_disk(&self) {
        let vhd = self.arrived().0;
        disks::run("qemu-img", &["compare", "-f", "raw", "-F", "vpc", text(&self.bench.raw()), text(&vhd)]);
    }
}

#[test]
fn azurite_has_the_disk_as_a_fixed_vhd_and_no_page_of_its_holes() {
    let Some(azurite) = Azurite::start() else { return };
    let transfer = azurite.publish(&azurite.blob);
    assert_eq!(transfer["retries"], 0, "{transfer:#}");
    azurite.assert_is_our_disk();
    let (_, written) = azurite.arrived();
    let bytes: u64 = written.iter().map(|(start, end)| end + 1 - start).sum();
    assert_eq!(bytes, transfer["bytes_sent"], "{written:?}");
    // 9000 bytes at the beginning, 5 MiB behind 9 MiB, half a KiB at the end with the footer behind it; in pages of 4 KiB.
    let pages = [(0, 12 << 10), (9 << 20, 14 << 20), (SIZE - 4096, SIZE + 512)];
    let within = |(start, end): &(u64, u64)| pages.iter().any(|(from, to)| start >= from && *end < *to);
    assert!(written.iter().all(within), "{written:?}");
}

#[test]
fn azurite_refuses_what_was_spoiled_on_the_way_and_it_is_sent_again() {
    let Some(azurite) = Azurite::start() else { return };
    let (scheme, rest) = azurite.blob.split_once("://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let transfer = azurite.publish(&format!("{scheme}://{}/{path}", relay::spoiling(address)));
    assert_eq!(transfer["retries"], 1, "{transfer:#}");
    azurite.assert_is_our_disk();
}
