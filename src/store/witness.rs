//! The witness: a file beside the state that says how far the commits had come, at least.
//!
//! sled cannot tell damage from a torn end: it then comes back, without a word, as it was some commits ago, or empty. The witness is written
//! after each commit is durable and is never synced, so it costs no wait and next to no wear, and what the disk has of it is never ahead.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const FILE: &str = "witness";
const BYTES: usize = 12;

#[derive(Debug)]
pub(super) struct Witness {
    file: File,
}

impl Witness {
    /// What the witness of a data directory says; 0 where there is none or it is unreadable.
    pub fn read(data_dir: &Path) -> u64 {
        match fs::read(data_dir.join(FILE)) {
            Ok(bytes) => parse(&bytes).unwrap_or(0),
            Err(_) => 0,
        }
    }

    /// Opens the witness for writing, and lets it say `number`.
    pub fn open(data_dir: &Path, number: u64) -> io::Result<Witness> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(data_dir.join(FILE))?;
        let witness = Witness { file };
        witness.write(number)?;
        Ok(witness)
    }

    /// Says that the commit `number` is durable.
    pub fn write(&self, number: u64) -> io::Result<()> {
        let number = number.to_le_bytes();
        let crc = crc32fast::hash(&number).to_le_bytes();
        self.file.write_all_at(&[&number[..], &crc[..]].concat(), 0)
    }
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let (number, crc) = bytes.get(..BYTES)?.split_at(8);
    let stated = u32::from_le_bytes(crc.try_into().ok()?);
    (stated == crc32fast::hash(number)).then_some(u64::from_le_bytes(number.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_believed_only_with_its_checksum() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Witness::read(dir.path()), 0);
        let witness = Witness::open(dir.path(), 7).unwrap();
        assert_eq!(Witness::read(dir.path()), 7);
        witness.write(1 << 40).unwrap();
        assert_eq!(Witness::read(dir.path()), 1 << 40);
        let mut bytes = fs::read(dir.path().join(FILE)).unwrap();
        bytes[2] ^= 1;
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        assert_eq!(Witness::read(dir.path()), 0);
        fs::write(dir.path().join(FILE), &bytes[..5]).unwrap();
        assert_eq!(Witness::read(dir.path()), 0);
    }
}
