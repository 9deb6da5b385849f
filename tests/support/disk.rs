//! File systems of a test's own, which need root: an ext4 image on a loop device, a small one in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; unmounted when dropped.
pub struct Mount {
    pub dir: PathBuf,
}

impl Mount {
    /// Mounts an ext4 image. Its journal's own interval is long: nothing becomes durable by chance.
    pub fn image(image: &Path, dir: PathBuf) -> Result<Mount, String> {
        fs::create_dir_all(&dir).expect("a directory to mount on");
        run(Command::new("mount").args(["-o", "loop,noatime,commit=300"]).arg(image).arg(&dir))?;
        Ok(Mount { dir })
    }

    /// Mounts a file system of `size_bytes` in memory.
    pub fn memory(dir: PathBuf, size_bytes: u64) -> Result<Mount, String> {
        fs::create_dir_all(&dir).expect("a directory to mount on");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size_bytes}"), "tmpfs"]).arg(&dir))?;
        Ok(Mount { dir })
    }

    /// Nobody may write any more.
    pub fn make_read_only(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(&self.dir))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whatever still holds it open ends with its test.
        let _ = run(Command::new("umount").arg("-l").arg(&self.dir));
    }
}

/// Runs a command of the system's administrator; its errors as one line.
pub fn run(command: &mut Command) -> Result<(), String> {
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")),
        Err(error) => Err(format!("{}: {error}", command.get_program().to_string_lossy())),
    }
}

/// Fills the file system with one file.
pub fn fill(ballast: &Path) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(ballast).expect("the ballast opens");
    let mut chunk_bytes = 1 << 20;
    while chunk_bytes > 0 {
        // Down to the last bytes.
        if file.write_all(&vec![0; chunk_bytes]).is_err() {
            chunk_bytes /= 4;
        }
    }
}
