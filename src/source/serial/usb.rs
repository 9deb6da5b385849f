//! Ports by the ids of their USB device, looked up in sysfs.
//!
//! `/sys/class/tty/<name>/device` leads to the port's interface; `idVendor`, `idProduct` and `serial` are files of a directory above it, of the device;
//! `bInterfaceNumber` one of those between.

use std::path::{Path, PathBuf};

use crate::config::settings::UsbDevice;

/// Where the kernel shows its devices.
pub const SYSFS: &str = "/sys";
/// Where the devices' files are.
pub const DEVICES: &str = "/dev";
/// Terminals that are looked at; a machine has about a hundred.
const TERMINALS_MAX: usize = 4_096;
/// Directories between a port and its device.
const LEVELS_MAX: usize = 8;

/// The file of the one port that the device has; or why there is none.
pub fn find(wanted: &UsbDevice, sysfs: &Path, devices: &Path) -> Result<PathBuf, String> {
    let class = sysfs.join("class/tty");
    let entries = std::fs::read_dir(&class).map_err(|error| format!("can't look for USB ports in {}: {error}", class.display()))?;
    let names = entries.take(TERMINALS_MAX).flatten().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter(|name| matches(&class.join(name), wanted)).collect();
    names.sort();
    match &names[..] {
        [] => Err(format!("there is no serial port of the USB device {}", shown(wanted))),
        [name] => Ok(devices.join(name)),
        several => {
            let list = several.iter().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join(", ");
            let help = "tell them apart by `serial` or `interface`, or give one of /dev/serial/by-id as `device`";
            Err(format!("several ports are of the USB device {}: {list}; {help}", shown(wanted)))
        }
    }
}

/// As `lsusb` does.
fn shown(wanted: &UsbDevice) -> String {
    let mut text = format!("{:04x}:{:04x}", wanted.vendor, wanted.product);
    if let Some(serial) = &wanted.serial {
        text.push_str(&format!(" with the serial number {serial:?}"));
    }
    if let Some(interface) = wanted.interface {
        text.push_str(&format!(", interface {interface}"));
    }
    text
}

fn matches(terminal: &Path, wanted: &UsbDevice) -> bool {
    let Ok(port) = terminal.join("device").canonicalize() else { return false };
    let hex = |directory: &Path, file: &str| read(directory, file).and_then(|text| u16::from_str_radix(&text, 16).ok());
    let interface = port.ancestors().take(LEVELS_MAX).find_map(|directory| hex(directory, "bInterfaceNumber"));
    let Some(device) = port.ancestors().take(LEVELS_MAX).find(|directory| directory.join("idVendor").exists()) else { return false };
    hex(device, "idVendor") == Some(wanted.vendor)
        && hex(device, "idProduct") == Some(wanted.product)
        && wanted.serial.as_ref().is_none_or(|serial| read(device, "serial").as_ref() == Some(serial))
        && wanted.interface.is_none_or(|number| interface == Some(u16::from(number)))
}

fn read(directory: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(directory.join(file)).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of a device, as the drivers of FTDI adapters (`is_adapter`) and of boards that speak CDC make it.
    fn add(root: &Path, name: &str, is_adapter: bool, ids: (&str, &str, &str), interface: u8) {
        let device = root.join("devices/pci0000:00/usb1").join(format!("1-{}", ids.2));
        let own = device.join(format!("1-{}:1.{interface}", ids.2));
        let port = if is_adapter { own.join(name) } else { own.clone() };
        std::fs::create_dir_all(&port).unwrap();
        let write = |directory: &Path, file: &str, text: &str| std::fs::write(directory.join(file), format!("{text}\n")).unwrap();
        write(&device, "idVendor", ids.0);
        write(&device, "idProduct", ids.1);
        write(&device, "serial", ids.2);
        write(&own, "bInterfaceNumber", &format!("{interface:02x}"));
        let terminal = port.join("tty").join(name);
        std::fs::create_dir_all(&terminal).unwrap();
        std::os::unix::fs::symlink(&port, terminal.join("device")).unwrap();
        std::fs::create_dir_all(root.join("class/tty")).unwrap();
        std::os::unix::fs::symlink(&terminal, root.join("class/tty").join(name)).unwrap();
    }

    #[test]
    fn ports_are_found_by_ids_serial_number_and_interface() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        add(root, "ttyUSB0", true, ("0403", "6010", "FT1"), 0);
        add(root, "ttyUSB1", true, ("0403", "6010", "FT1"), 1);
        add(root, "ttyUSB2", true, ("0403", "6001", "A9"), 0);
        add(root, "ttyACM0", false, ("2341", "0043", "B7"), 0);
        add(root, "ttyACM1", false, ("2341", "0043", "B8"), 0);
        std::fs::create_dir_all(root.join("class/tty/tty1")).unwrap();
        let find = |vendor, product, serial: Option<&str>, interface| {
            let wanted = UsbDevice { vendor, product, serial: serial.map(str::to_owned), interface };
            super::find(&wanted, root, Path::new("/dev"))
        };
        assert_eq!(find(0x0403, 0x6001, None, None), Ok("/dev/ttyUSB2".into()));
        assert_eq!(find(0x2341, 0x0043, Some("B8"), None), Ok("/dev/ttyACM1".into()));
        assert_eq!(find(0x0403, 0x6010, None, Some(1)), Ok("/dev/ttyUSB1".into()));
        let several = find(0x0403, 0x6010, None, None).unwrap_err();
        assert!(several.starts_with("several ports are of the USB device 0403:6010: ttyUSB0, ttyUSB1; tell them apart"), "{several}");
        assert_eq!(
            find(0x2341, 0x0043, Some("B9"), None).unwrap_err(),
            "there is no serial port of the USB device 2341:0043 with the serial number \"B9\""
        );
        assert!(find(0x1234, 0x0043, None, None).is_err());
    }
}
