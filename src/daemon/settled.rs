//! Gives back what only the start or a large commit needed, once the gateway has settled: free memory of the heap, and the pages of the program that
//! the start went through. Linux only.
//!
//! The kernel maps the 64 KB around each page of a program that is touched, and leaves them mapped. Reading a configuration, planning queries, opening the
//! store and greeting brokers touch most of the program, a gateway at work little of it. What is given back is only no longer mapped: it
//! stays in the page cache as long as there is room, and comes back by itself at the next touch, without the disk if it is still there. Pages that no process has
//! mapped are the first that the kernel takes when memory is short.
//!
//! Invariant: nothing that was ever written to is given up, for it would come back as it is in the file. So only whole pages of segments that the program's
//! headers call unwritable; what the loader relocates and then protects lies in segments that are called writable.

use std::time::Duration;

/// After a start, a reload, or the last large commit. By then connections are made, and brokers have sent what they held back.
pub const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// Gives it back.
#[cfg(target_os = "linux")]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
    // SAFETY: the function has the form that is asked for, and keeps nothing of what it is given.
    unsafe {
        libc::dl_iterate_phdr(Some(give_back_object), std::ptr::null_mut());
    }
}

#[cfg(not(target_os = "linux"))]
pub fn give_back() {}

/// Gives back the pages of the program, or of a library.
#[cfg(target_os = "linux")]
unsafe extern "C" fn give_back_object(object: *mut libc::dl_phdr_info, _size: libc::size_t, _data: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the loader hands over a description that is valid during the call, with as many headers as it says.
    let (base, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr as usize, std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
    };
    // SAFETY: it only answers.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0) {
        let start = base.wrapping_add(header.p_vaddr as usize);
        let (first, end) = (start.next_multiple_of(page), (start + header.p_filesz as usize) / page * page);
        if first < end {
            // SAFETY: these are pages of a private mapping of a file that is never written to, so they are the same when they are read again. A refusal changes
            // nothing.
            unsafe {
                libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_DONTNEED);
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resident of files, KB.
    #[cfg(target_os = "linux")]
    fn mapped_kb() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_program_goes_on_with_less_of_itself() {
        let text = "a".repeat(100);
        let matched = |text: &str| regex::Regex::new("(a|b)+c?").unwrap().find(text).unwrap().len();
        assert_eq!(matched(&text), 100);
        // Other tests run meanwhile, and map more.
        let is_less = (0..100).any(|_| {
            let before_kb = mapped_kb();
            give_back();
            mapped_kb() < before_kb
        });
        assert!(is_less, "nothing was given back in a hundred times");
        assert_eq!(matched(&text), 100, "what was given back is there again");
        assert!(std::panic::catch_unwind(|| panic!("tables for unwinding too")).is_err());
    }
}
