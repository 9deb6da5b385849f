//! Sources of type "serial": which port, how it is set, what is sent to it.

use std::path::PathBuf;

use super::super::framing::{self, FramingSettings, Medium};
use super::super::reader::{Context, Reader};
use super::super::settings::SourceKind;
use super::asked::{self, Asked};

const BAUD_DEFAULT: i64 = 9_600;
const BAUD_MIN: i64 = 50;
const BAUD_MAX: i64 = 12_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialSettings {
    pub device: SerialDevice,
    pub baud: u32,
    /// 5 to 8.
    pub data_bits: u8,
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
    pub flow_control: FlowControl,
    pub is_exclusive: bool,
    pub low_latency: bool,
    /// The first frame after opening, which may have begun before, is passed over.
    pub skips_first: bool,
    pub asked: Asked,
    pub framing: FramingSettings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialDevice {
    Path(PathBuf),
    Usb(UsbDevice),
}

/// A port of a USB device; what is `None` may be any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbDevice {
    pub vendor: u16,
    pub product: u16,
    pub serial: Option<String>,
    /// Of an adapter with several ports.
    pub interface: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    None,
    Even,
    Odd,
}

/// By what the sender can be made to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowControl {
    None,
    /// RTS and CTS.
    Hardware,
    /// XON and XOFF.
    Software,
}

pub fn read(context: &mut Context, reader: &mut Reader, frame_bytes_max: usize) -> Option<SourceKind> {
    const PARITIES: [(&str, Parity); 3] = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
    const FLOWS: [(&str, FlowControl); 3] =
        [("none", FlowControl::None), ("hardware", FlowControl::Hardware), ("software", FlowControl::Software)];
    let device = device(context, reader);
    let baud = reader.integer(context, "baud", BAUD_MIN..=BAUD_MAX).unwrap_or(BAUD_DEFAULT) as u32;
    let data_bits = reader.integer(context, "data_bits", 5..=8).unwrap_or(8) as u8;
    let parity = reader.choice(context, "parity", &PARITIES).unwrap_or(Parity::None);
    let stop_bits = reader.integer(context, "stop_bits", 1..=2).unwrap_or(1) as u8;
    let flow_control = reader.choice(context, "flow_control", &FLOWS).unwrap_or(FlowControl::None);
    let is_exclusive = reader.boolean(context, "exclusive").unwrap_or(true);
    let low_latency = reader.boolean(context, "low_latency").unwrap_or(false);
    let skips_first = reader.boolean(context, "skip_first").unwrap_or(false);
    let asked = asked::read(context, reader);
    let framing = framing::read(context, reader, Medium::Wire, frame_bytes_max);
    let settings = SerialSettings {
        device: device?,
        baud,
        data_bits,
        parity,
        stop_bits,
        flow_control,
        is_exclusive,
        low_latency,
        skips_first,
        asked,
        framing,
    };
    Some(SourceKind::Serial(Box::new(settings)))
}

fn device(context: &mut Context, reader: &mut Reader) -> Option<SerialDevice> {
    let path = reader.text(context, "device");
    let usb = reader.table(context, "usb").map(|mut usb| {
        let vendor = usb_id(context, &mut usb, "vendor");
        let product = usb_id(context, &mut usb, "product");
        let serial = usb.text(context, "serial").map(|text| text.value);
        let interface = usb.integer(context, "interface", 0..=255).map(|number| number as u8);
        usb.finish(context, &[]);
        Some(UsbDevice { vendor: vendor?, product: product?, serial, interface })
    });
    match (path, usb) {
        (Some(path), None) => context.resolve_path(&path).map(SerialDevice::Path),
        (None, Some(usb)) => usb.map(SerialDevice::Usb),
        (Some(path), Some(_)) => {
            context.error(path.place, "there is both `device` and `usb`", "give one of them");
            None
        }
        (None, None) => {
            if !reader.has("device") && !reader.has("usb") {
                let help = "for example: device = \"/dev/ttyUSB0\", or one of /dev/serial/by-id, which stays the same when it is plugged in elsewhere";
                context.error(reader.place, format!("`device` is missing in [{}]", reader.path), help);
            }
            None
        }
    }
}

/// A number, or the four digits that `lsusb` shows.
fn usb_id(context: &mut Context, reader: &mut Reader, key: &'static str) -> Option<u16> {
    reader.require(context, key, if key == "vendor" { "0x0403" } else { "0x6001" });
    match reader.integer_or_text(context, key, 0..=i64::from(u16::MAX))? {
        Ok(number) => u16::try_from(number).ok(),
        Err(text) => {
            let id = u16::from_str_radix(text.value.trim_start_matches("0x"), 16);
            if id.is_err() {
                context.error(
                    text.place,
                    "this is not the id of a USB vendor or product",
                    "for example 0x0403, or \"0403\" as `lsusb` shows it",
                );
            }
            id.ok()
        }
    }
}
