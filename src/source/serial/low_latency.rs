//! Low latency: an adapter hands over each byte as it comes. USB adapters otherwise hold them back, FTDI's for 16 ms.
//!
//! `TIOCSSERIAL` of Linux with `ASYNC_LOW_LATENCY`; drivers that do not have it, and other systems, go without.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm")))]
pub fn set(port: std::os::fd::BorrowedFd) -> Result<(), std::io::Error> {
    use rustix::ioctl::{Updater, ioctl};

    const TIOCGSERIAL: rustix::ioctl::Opcode = 0x541e;
    const TIOCSSERIAL: rustix::ioctl::Opcode = 0x541f;
    const ASYNC_LOW_LATENCY: u32 = 1 << 13;

    /// `struct serial_struct` of `linux/serial.h`, 60 bytes on 32 bits and 72 on 64, and room behind it.
    #[repr(C, align(8))]
    #[derive(Default)]
    struct Serial {
        /// `type`, `line`, `port`, `irq`.
        head: [u32; 4],
        flags: u32,
        rest: [u32; 27],
    }

    let mut serial = Serial::default();
    // SAFETY: both take a `serial_struct`, which is shorter than what they are given, and keep no pointer to it.
    unsafe {
        ioctl(port, Updater::<TIOCGSERIAL, Serial>::new(&mut serial))?;
        serial.flags |= ASYNC_LOW_LATENCY;
        ioctl(port, Updater::<TIOCSSERIAL, Serial>::new(&mut serial))?;
    }
    Ok(())
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm"))))]
pub fn set(_port: std::os::fd::BorrowedFd) -> Result<(), std::io::Error> {
    Err(std::io::ErrorKind::Unsupported.into())
}
