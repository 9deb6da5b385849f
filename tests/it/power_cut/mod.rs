//! A real power cut: the data lies on an ext4 image on a loop device, the image is copied while it is written to, the copy is mounted and used.
//!
//! The image holds what the file system has sent to its device; what waits in the page cache above it is not in it, as after a power cut.
//! A copy counts if two readings in a row agree, so that it is the device at one moment. Limits: the device keeps what it was sent, with or
//! without a flush; needs root and loop devices, and says so where they are missing.

mod daemon;
mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::disk::{Mount, run};

const IMAGE_BYTES: u64 = 24 << 20;
/// Until a copy must have been possible.
const COPY_PATIENCE: Duration = Duration::from_secs(60);

/// An ext4 file system on a loop device, or why there is none.
fn make_disk(dir: &Path) -> Result<(PathBuf, Mount), String> {
    let image = dir.join("disk.img");
    fs::File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-J", "size=4"]).arg(&image))?;
    let mount = Mount::image(&image, dir.join("live")).map_err(|reason| format!("no loop devices: {reason}"))?;
    Ok((image, mount))
}

/// Copies the device as it is at one moment. Returns what `note` said just before.
fn cut_power<T>(image: &Path, copy: &Path, mut note: impl FnMut() -> T) -> T {
    let deadline = Instant::now() + COPY_PATIENCE;
    loop {
        let before = note();
        let first = fs::read(image).unwrap();
        if first == fs::read(image).unwrap() {
            fs::write(copy, first).unwrap();
            return before;
        }
        assert!(Instant::now() < deadline, "the image never held still for a copy");
    }
}
