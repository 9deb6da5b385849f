//! The file sink: results as JSON lines, synced before they count as delivered, rotated by size and age.
//!
//! The file is `path`; rotated ones are `path.1` (youngest) to `path.N`. At least once: after a crash the lines since the last durable
//! cursor are written again, with the same `_id`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// When a file is rotated and how many are kept.
#[derive(Clone, Debug)]
pub struct Rotation {
    pub bytes_max: u64,
    pub age_max: Duration,
    /// Rotated files, besides the current one.
    pub files_kept: usize,
}

pub struct LineFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    bytes: u64,
    began: SystemTime,
}

impl LineFile {
    /// Opens or creates the file and goes on at its end. A line that a crash left without its end is ended first.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<LineFile> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        sync_directory(path)?;
        let metadata = file.metadata()?;
        let mut bytes = metadata.len();
        if bytes > 0 && last_byte(&mut file)? != b'\n' {
            file.write_all(b"\n")?;
            bytes += 1;
        }
        let began = metadata.created().or_else(|_| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
        Ok(LineFile { path: path.to_owned(), rotation, file, bytes, began })
    }

    /// Writes lines and makes them durable.
    pub fn write<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        self.rotate_if_due()?;
        let mut text = Vec::new();
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        self.file.write_all(&text)?;
        self.file.sync_data()?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn rotate_if_due(&mut self) -> io::Result<()> {
        let old = self.began.elapsed().is_ok_and(|age| age >= self.rotation.age_max);
        if self.bytes == 0 || (self.bytes < self.rotation.bytes_max && !old) {
            return Ok(());
        }
        match std::fs::remove_file(self.numbered(self.rotation.files_kept)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for number in (0..self.rotation.files_kept).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        *self = LineFile::open(&self.path, self.rotation.clone())?;
        self.began = SystemTime::now();
        Ok(())
    }

    /// Number 0 is the current file.
    fn numbered(&self, number: usize) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(bytes_max: u64) -> Rotation {
        Rotation { bytes_max, age_max: Duration::from_secs(3_600), files_kept: 2 }
    }

    fn read(path: PathBuf) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn files_rotate_by_size_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let mut file = LineFile::open(&path, rotation(4)).unwrap();
        for line in ["one", "two", "three", "four"] {
            file.write([line.as_bytes()].into_iter()).unwrap();
        }
        assert_eq!(read(path.clone()), "four\n");
        assert_eq!(read(dir.path().join("out.jsonl.1")), "three\n");
        assert_eq!(read(dir.path().join("out.jsonl.2")), "two\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        std::fs::write(&path, "{\"a\":1}\n{\"b\":").unwrap();
        let mut file = LineFile::open(&path, rotation(1 << 20)).unwrap();
        file.write([&b"{\"c\":3}"[..]].into_iter()).unwrap();
        assert_eq!(read(path), "{\"a\":1}\n{\"b\":\n{\"c\":3}\n");
    }

    #[test]
    fn files_rotate_by_age() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let mut file = LineFile::open(&path, Rotation { age_max: Duration::ZERO, ..rotation(1 << 20) }).unwrap();
        file.write([&b"1"[..]].into_iter()).unwrap();
        file.write([&b"2"[..]].into_iter()).unwrap();
        assert_eq!((read(path), read(dir.path().join("out.jsonl.1"))), ("2\n".to_owned(), "1\n".to_owned()));
    }
}
