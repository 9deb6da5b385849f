//! A file system of the benchmark's own: an ext4 image on a loop device, mounted as Raspberry Pi OS mounts its card (`noatime`, all else as ext4 has it). Its
//! device's counter says what reaches the block layer: data, and the file system's journal and records, which no process's own counter has. Needs root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::disk::run;

const BYTES: u64 = 512 << 20;
const SECTOR_BYTES: f64 = 512.0;
/// Of the line that the kernel has for a device: sectors written.
const SECTORS_WRITTEN: usize = 6;

pub struct Volume {
    pub directory: PathBuf,
    counters: PathBuf,
}

impl Volume {
    /// Mounted below `directory`; the reason where that can't be done.
    pub fn mount(directory: &Path) -> Result<Volume, String> {
        let (image, mounted) = (directory.join("image"), directory.join("mounted"));
        fs::File::create(&image).and_then(|file| file.set_len(BYTES)).map_err(|error| error.to_string())?;
        // Not left to the kernel, which would write its tables in the background for minutes.
        run(Command::new("mkfs.ext4").args(["-q", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(&image))?;
        fs::create_dir(&mounted).map_err(|error| error.to_string())?;
        run(Command::new("mount").args(["-o", "loop,noatime"]).arg(&image).arg(&mounted))?;
        // From here on it is unmounted by drop.
        let mut volume = Volume { directory: mounted, counters: PathBuf::new() };
        let number = fs::metadata(&volume.directory).map_err(|error| error.to_string())?.dev();
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        volume.counters = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        Ok(volume)
    }

    /// Since the device is there, with what was still in memory.
    pub fn written_bytes(&self) -> Result<f64, String> {
        let directory = fs::File::open(&self.directory).map_err(|error| error.to_string())?;
        rustix::fs::syncfs(&directory).map_err(|error| error.to_string())?;
        let line = fs::read_to_string(&self.counters).map_err(|error| format!("{}: {error}", self.counters.display()))?;
        let sectors = line.split_whitespace().nth(SECTORS_WRITTEN).and_then(|number| number.parse::<f64>().ok());
        Ok(sectors.ok_or("the kernel's counters have another form")? * SECTOR_BYTES)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Whatever still holds it open ends with its run.
        let _ = run(Command::new("umount").arg("-l").arg(&self.directory));
    }
}
