//! Opening a port, and what to say when that fails.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio_serial::{ClearBuffer, DataBits, ErrorKind, SerialPort, SerialStream, StopBits};

use super::{low_latency, usb};
use crate::config::settings::{FlowControl, Parity, SerialDevice, SerialSettings};

/// A baud rate that is off by more, in percent, is not understood.
const BAUD_OFF_PERCENT_MAX: u64 = 2;

/// The open port and its path; or a reason for people. `sysfs`, `devices`: where USB ports are looked up and their files are.
pub fn open(settings: &SerialSettings, sysfs: &Path, devices: &Path) -> Result<(SerialStream, PathBuf), String> {
    let path = match &settings.device {
        SerialDevice::Path(path) => path.clone(),
        SerialDevice::Usb(device) => usb::find(device, sysfs, devices)?,
    };
    let metadata = std::fs::metadata(&path).map_err(|error| missing(&path, &error))?;
    if !metadata.file_type().is_char_device() {
        return Err(format!("{} is not a serial port", path.display()));
    }
    let builder = tokio_serial::new(path.to_string_lossy(), settings.baud)
        .data_bits(match settings.data_bits {
            5 => DataBits::Five,
            6 => DataBits::Six,
            7 => DataBits::Seven,
            _ => DataBits::Eight,
        })
        .parity(match settings.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .stop_bits(if settings.stop_bits == 2 { StopBits::Two } else { StopBits::One })
        .flow_control(match settings.flow_control {
            FlowControl::None => tokio_serial::FlowControl::None,
            FlowControl::Hardware => tokio_serial::FlowControl::Hardware,
            FlowControl::Software => tokio_serial::FlowControl::Software,
        })
        .exclusive(settings.is_exclusive);
    let stream = SerialStream::open(&builder).map_err(|error| refused(&path, &metadata, &error))?;
    if let Ok(baud) = stream.baud_rate()
        && u64::from(baud.abs_diff(settings.baud)) * 100 > u64::from(settings.baud) * BAUD_OFF_PERCENT_MAX
    {
        tracing::warn!("{} has taken {baud} baud in place of {}", path.display(), settings.baud);
    }
    if settings.low_latency {
        // SAFETY: the stream is open, and outlives the borrow.
        let descriptor = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
        if let Err(error) = low_latency::set(descriptor) {
            tracing::debug!("{} has no low latency: {error}", path.display());
        }
    }
    Ok((stream, path))
}

/// Throws away what was written and not sent: closing would wait for it.
pub fn discard_output(stream: &SerialStream) {
    if let Err(error) = stream.clear(ClearBuffer::Output) {
        tracing::debug!("output of a port that is gone: {error}");
    }
}

/// `9600 baud, 8N1`.
pub fn line_settings(settings: &SerialSettings) -> String {
    let parity = match settings.parity {
        Parity::None => 'N',
        Parity::Even => 'E',
        Parity::Odd => 'O',
    };
    format!("{} baud, {}{parity}{}", settings.baud, settings.data_bits, settings.stop_bits)
}

fn missing(path: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no {}", path.display()),
        _ => format!("can't open {}: {error}", path.display()),
    }
}

fn refused(path: &Path, metadata: &std::fs::Metadata, error: &tokio_serial::Error) -> String {
    let path = path.display();
    match error.kind() {
        ErrorKind::Io(std::io::ErrorKind::PermissionDenied) => {
            let user_id = rustix::process::geteuid().as_raw();
            let user = name_of(user_id, "/etc/passwd").unwrap_or_else(|| user_id.to_string());
            let (mode, group_id) = (metadata.mode() & 0o777, metadata.gid());
            let group = name_of(group_id, "/etc/group").unwrap_or_else(|| group_id.to_string());
            if mode & 0o060 == 0o060 {
                format!("{user} may not open {path}, group {group} may: run `sudo usermod -aG {group} {user}` and start the gateway again")
            } else {
                format!("{user} may not open {path}, nor may its group {group} (mode {mode:03o}): a udev rule can let it")
            }
        }
        ErrorKind::NoDevice => format!("another program holds {path}: `fuser -v {path}` says which"),
        ErrorKind::Io(std::io::ErrorKind::NotFound) => format!("there is no {path}"),
        _ => format!("can't open {path}: {error}"),
    }
}

/// The name of a user or a group, by a file of lines `name:…:id:…`.
fn name_of(id: u32, file: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}
