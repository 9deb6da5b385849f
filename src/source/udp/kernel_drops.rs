//! Datagrams that the kernel let go because the socket's buffer was full.
//!
//! The column `drops` of `/proc/self/net/udp` and `udp6`, in the socket's line, found by its inode. Where there is none nothing is counted. It is looked at
//! a second after something came: what was let go came before what was read last.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

const LOOK_AFTER: Duration = Duration::from_secs(1);
// By `self`: the unit shows the service only what is of processes (`ProcSubset=pid`), where `/proc/net` is missing.
const TABLES: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];
/// Of a line.
const INODE_COLUMN: usize = 9;
const DROPS_COLUMN: usize = 12;

pub struct KernelDrops {
    inode: Option<u64>,
    /// Counted so far; the kernel's count is of 32 bits.
    counted: u32,
    look_at: Option<Instant>,
    is_told: bool,
}

impl KernelDrops {
    /// `is_passed`: the socket is older than the source, and what it dropped before is not the source's.
    pub fn new(socket: &UdpSocket, is_passed: bool) -> KernelDrops {
        let inode = rustix::fs::fstat(socket).ok().map(|stat| stat.st_ino);
        let counted = inode.filter(|_| is_passed).and_then(drops).unwrap_or(0);
        KernelDrops { inode, counted, look_at: None, is_told: false }
    }

    /// Something has come.
    pub fn heard(&mut self) {
        self.look_at.get_or_insert_with(|| Instant::now() + LOOK_AFTER);
    }

    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// How many were let go since the last look, if it is time for one.
    pub fn look(&mut self, source: &str, receive_buffer: Option<usize>) -> Option<u64> {
        let inode = self.inode.filter(|_| self.look_at.is_some_and(|at| at <= Instant::now()))?;
        self.look_at = None;
        let drops = drops(inode)?;
        let new = drops.wrapping_sub(self.counted);
        self.counted = drops;
        if new > 0 && !std::mem::replace(&mut self.is_told, true) {
            let now = receive_buffer.map_or_else(|| "the system's default now".to_owned(), |bytes| format!("{bytes} bytes now"));
            tracing::warn!(
                source,
                "the kernel has dropped {new} datagrams for want of room: raise `receive_buffer` ({now}); further ones are only counted"
            );
        }
        (new > 0).then_some(new.into())
    }
}

fn drops(inode: u64) -> Option<u32> {
    TABLES.iter().find_map(|table| find(&std::fs::read_to_string(table).ok()?, inode))
}

/// The drops of the socket with that inode.
fn find(table: &str, inode: u64) -> Option<u32> {
    let mut lines = table.lines().skip(1).map(|line| line.split_whitespace());
    lines.find_map(|columns| {
        let mut columns = columns.skip(INODE_COLUMN);
        (columns.next()?.parse() == Ok(inode)).then(|| columns.nth(DROPS_COLUMN - INODE_COLUMN - 1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_the_inode() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
                     1012: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21036 2 0000000000000000 0\n\
                     3090: 0100007F:0FA1 00000000:0000 07 00000000:00000D00 00:00000000 00000000  1000        0 4021 2 0000000000000000 4294967290\n";
        assert_eq!(find(table, 4021), Some(4_294_967_290));
        assert_eq!(find(table, 21036), Some(0));
        assert_eq!(find(table, 7), None);
    }
}
