//! Serial ports: real bytes through pseudo terminals into the running gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::termios::{ControlModes, InputModes, LocalModes};
use serde_json::Value;

use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::pty::Pty;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A gateway with one source of one number a frame, `keys` being its own; its results lie in a file.
pub fn gateway(device: &Path, keys: &str) -> Gateway {
    Gateway::new(|data| config(data, &[(device.to_owned(), keys.to_owned())], "50ms", "4 MiB"))
}

pub fn config(data: &Path, sources: &[(PathBuf, String)], batch_interval: &str, intake_bytes_max: &str) -> String {
    let mut text = format!(
        "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\nbatch_interval = \"{batch_interval}\"\nintake_bytes_max = \"{intake_bytes_max}\"\n",
        data.display()
    );
    let mut queries = Vec::new();
    for (number, (device, keys)) in sources.iter().enumerate() {
        text.push_str(&format!(
            "[source.s{number}]\ntype = \"serial\"\ndevice = \"{}\"\nformat = \"value\"\nschema = \"n BIGINT\"\n{keys}\n\
             [query.q{number}]\nsql = \"SELECT n, _port AS port, _source AS source FROM s{number}\"\n",
            device.display()
        ));
        queries.push(format!("\"q{number}\""));
    }
    text.push_str(&format!("[sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [{}]\n", queries.join(", ")));
    text
}

pub fn rows(gateway: &Gateway) -> Vec<Value> {
    let text = std::fs::read_to_string(gateway.config_file().with_file_name("out.jsonl")).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| serde_json::from_str(line).ok()).collect()
}

pub fn numbers(gateway: &Gateway) -> Vec<i64> {
    rows(gateway).iter().map(|row| row["n"].as_i64().expect("a number")).collect()
}

pub fn wait_for_numbers(gateway: &Gateway, expected: &[i64]) {
    let come = wait_until(TIMEOUT, || numbers(gateway).len() >= expected.len());
    assert!(come && numbers(gateway) == expected, "{:?} in place of {expected:?}\n{}", numbers(gateway), gateway.log());
}

/// What the last line of its log says that it counted.
pub fn counted(gateway: &Gateway, name: &str) -> u64 {
    let log = gateway.log();
    let line = log.lines().rev().find(|line| line.contains("\"since the start\"")).expect("a last line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    line["fields"][name].as_u64().or(line[name].as_u64()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// Warnings of the source that say `text`.
pub fn times(gateway: &Gateway, text: &str) -> usize {
    gateway.log().matches(text).count()
}

/// With a checksum in hexadecimal digits behind it.
fn hex(payload: &str, sum: u32, digits: usize) -> String {
    format!("{payload}{sum:0digits$X}")
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |xor, byte| xor ^ byte)
}

fn sum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Reflected, bit by bit.
fn crc(bytes: &[u8], polynomial: u32, init: u32, xorout: u32) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
    xorout ^ bytes.iter().fold(init, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// Keys of a source, and three frames: two good ones of 10 and 30 with a damaged one between.
pub fn framings() -> Vec<(&'static str, Vec<u8>)> {
    let all = |frame: &dyn Fn(&[u8], bool) -> Vec<u8>| [frame(b"10", true), frame(b"20", false), frame(b"30", true)].concat();
    let flip = |value: u32, good: bool| if good { value } else { value ^ 1 };
    let modbus = |bytes: &[u8]| crc(bytes, 0xa001, 0xffff, 0) as u16;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    vec![
        (
            "checksum = \"xor\"",
            all(&|payload, good| {
                hex(&text(payload), flip(xor(payload).into(), good), 2).into_bytes().into_iter().chain(*b"\r\n").collect()
            }),
        ),
        (
            "framing = { type = \"line\", terminator = \"\\r\" }\nchecksum = \"CRC-32/ISO-HDLC\"",
            all(&|payload, good| (hex(&text(payload), flip(crc(payload, 0xedb8_8320, !0, !0), good), 8) + "\r").into_bytes()),
        ),
        (
            "checksum = \"nmea\"\nframing = { type = \"delimiter\", delimiter = \"\\r\\n\", strip = 1 }",
            all(&|payload, good| format!("${}*{:02X}\r\n", text(payload), flip(xor(payload).into(), good)).into_bytes()),
        ),
        (
            "framing = { type = \"fixed\", length = 5, start = \"hex:AA 55\" }\nchecksum = { type = \"sum\", from = 2 }",
            all(&|payload, good| [&[0xaa, 0x55][..], payload, &[flip(sum(payload).into(), good) as u8]].concat()),
        ),
        (
            "framing = { type = \"length\", start = \"BM\", width = 2 }\nchecksum = \"sum16\"",
            all(&|payload, good| {
                let frame = [b"BM\0\x04", payload].concat();
                let sum = sum(&frame) ^ u16::from(!good);
                [&frame[..], &sum.to_be_bytes()].concat()
            }),
        ),
        (
            "framing = { type = \"length\", width = 1, counts = \"frame\" }\nchecksum = { type = \"CRC-16/MODBUS\", endian = \"little\" }",
            all(&|payload, good| {
                let frame = [b"\x05", payload].concat();
                [&frame[..], &(modbus(&frame) ^ u16::from(!good)).to_le_bytes()].concat()
            }),
        ),
        (
            "framing = \"cobs\"\nchecksum = \"lrc\"",
            all(&|payload, good| {
                let sum = flip((!(sum(payload) as u8)).wrapping_add(1).into(), good) as u8;
                [&[4][..], payload, &[sum, 0]].concat()
            }),
        ),
        (
            "framing = \"slip\"\nchecksum = \"CRC-8/MAXIM-DOW\"",
            all(&|payload, good| {
                let sum = flip(crc(payload, 0x8c, 0, 0), good) as u8;
                assert!(sum != 0xc0 && sum != 0xdb);
                [&[0xc0][..], payload, &[sum, 0xc0]].concat()
            }),
        ),
    ]
}

#[test]
fn every_framing_brings_its_frames_and_rejects_the_damaged_one() {
    let framings = framings();
    let ports: Vec<Pty> = framings.iter().map(|_| Pty::open()).collect();
    let sources: Vec<(PathBuf, String)> =
        ports.iter().zip(&framings).map(|(port, (keys, _))| (port.path().to_owned(), (*keys).to_owned())).collect();
    let mut gateway = Gateway::new(|data| config(data, &sources, "50ms", "4 MiB"));
    gateway.start();
    gateway.wait_for_log_times("\"message\":\"reading ", framings.len());
    for (port, (_, bytes)) in ports.iter().zip(&framings) {
        port.write(bytes);
    }
    let come = wait_until(TIMEOUT, || rows(&gateway).len() >= 2 * framings.len());
    assert!(come, "{:?}\n{}", rows(&gateway), gateway.log());
    for (number, (port, (keys, _))) in ports.iter().zip(&framings).enumerate() {
        let name = format!("s{number}");
        let own: Vec<Value> = rows(&gateway).into_iter().filter(|row| row["source"] == name.as_str()).collect();
        let values: Vec<_> = own.iter().map(|row| row["n"].as_i64()).collect();
        assert_eq!(values, [Some(10), Some(30)], "{keys}");
        assert!(own.iter().all(|row| row["port"] == port.path().to_str().unwrap()), "{own:?}");
    }
    assert!(gateway.stop().success());
    assert_eq!(counted(&gateway, "rejected"), framings.len() as u64);
}

#[test]
fn frames_end_with_silence() {
    let port = Pty::open();
    let mut gateway = gateway(port.path(), "framing = { type = \"idle\", gap = \"100ms\" }");
    gateway.start();
    gateway.wait_for_log("\"message\":\"reading ");
    for number in 1..4 {
        port.write(number.to_string().as_bytes());
        wait_for_numbers(&gateway, &(1..=number).collect::<Vec<_>>());
    }
    assert!(gateway.stop().success());
}

#[test]
fn unplugged_and_plugged_in_under_another_name() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("usb-FTDI_A9");
    let mut gateway = gateway(&name, "");
    gateway.start();
    gateway.wait_for_log(&format!("there is no {}; trying again", name.display()));
    let port = Pty::open();
    port.link_as(&name);
    gateway.wait_for_log("\"message\":\"reading ");
    port.write(b"1\n2\n3");
    wait_for_numbers(&gateway, &[1, 2]);
    std::fs::remove_file(&name).unwrap();
    // The next one has another name, since the last one's is not free until it is gone.
    let next = Pty::open();
    assert_ne!(next.path(), port.path());
    drop(port);
    gateway.wait_for_log(&format!("{} is gone: ", name.display()));
    next.link_as(&name);
    gateway.wait_for_log_times("\"message\":\"reading ", 2);
    next.write(b"4\n5\n");
    wait_for_numbers(&gateway, &[1, 2, 4, 5]);
    assert!(gateway.stop().success());
    assert_eq!(counted(&gateway, "rejected"), 1, "what had come of the third frame");
    assert!(times(&gateway, "is gone") == 1 && times(&gateway, "there is no ") <= 2, "{}", gateway.log());
}

#[test]
fn half_a_line_is_not_taken_for_one() {
    let port = Pty::open();
    let mut gateway = gateway(port.path(), "skip_first = true");
    gateway.start();
    gateway.wait_for_log("\"message\":\"reading ");
    port.write(b"1\n22\n23\n");
    wait_for_numbers(&gateway, &[22, 23]);
    assert!(gateway.stop().success());
}

#[test]
fn the_port_is_set_as_configured() {
    let port = Pty::open();
    let mut gateway = gateway(port.path(), "baud = 31250\nstop_bits = 2\nflow_control = \"software\"\nlow_latency = true");
    gateway.start();
    gateway.wait_for_log(&format!("reading {} at 31250 baud, 8N2", port.path().display()));
    let settings = port.settings();
    assert_eq!((settings.input_speed(), settings.output_speed()), (31_250, 31_250));
    assert!(settings.control_modes.contains(ControlModes::CSTOPB | ControlModes::CREAD | ControlModes::CLOCAL));
    assert!(settings.input_modes.contains(InputModes::IXON | InputModes::IXOFF));
    assert!(!settings.input_modes.intersects(InputModes::ICRNL | InputModes::ISTRIP | InputModes::INLCR));
    assert!(!settings.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    assert!(gateway.stop().success());
}

#[test]
fn a_port_that_another_program_holds_is_waited_for() {
    let port = Pty::open();
    let holder = std::fs::File::open(port.path()).unwrap();
    rustix::fs::flock(&holder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut gateway = gateway(port.path(), "");
    gateway.start();
    gateway.wait_for_log(&format!("another program holds {}: `fuser -v", port.path().display()));
    drop(holder);
    gateway.wait_for_log("\"message\":\"reading ");
    port.write(b"7\n");
    wait_for_numbers(&gateway, &[7]);
    assert!(gateway.stop().success());
    assert_eq!(times(&gateway, "another program holds"), 1);
}

#[test]
fn what_is_no_port_is_said_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut gateway = gateway(file.path(), "");
    gateway.start();
    gateway.wait_for_log("is not a serial port");
    assert!(gateway.stop().success());
    assert_eq!(times(&gateway, "is not a serial port"), 1);
}

#[test]
fn garbage_is_doubted_once_and_ends_with_a_good_frame() {
    let port = Pty::open();
    let mut gateway = gateway(port.path(), "baud = 4800");
    gateway.start();
    gateway.wait_for_log("\"message\":\"reading ");
    for _ in 0..20 {
        port.write(&[0xfe, 0x80, 0xf8, 0, b'\n'].repeat(100));
    }
    gateway.wait_for_log("is a good frame: 4800 baud, 8N1 or the framing may be wrong");
    port.write(b"\n1\n");
    wait_for_numbers(&gateway, &[1]);
    assert!(gateway.stop().success());
    assert_eq!(times(&gateway, "is a good frame"), 1);
    assert_eq!(counted(&gateway, "rejected"), 2_000);
}

#[test]
fn instruments_are_set_up_and_asked() {
    let port = Pty::open();
    let mut gateway = gateway(port.path(), "init = \"*RST\\n\"\npoll = \"hex:52 3F 0A\"\npoll_interval = \"50ms\"");
    gateway.start();
    let mut asked = Vec::new();
    for number in 0..5 {
        assert!(wait_until(TIMEOUT, || {
            asked.extend(port.read(Duration::from_millis(10)));
            asked.len() >= 5 + 3 * (number + 1)
        }));
        port.write(format!("{number}\n").as_bytes());
        wait_for_numbers(&gateway, &(0..=number as i64).collect::<Vec<_>>());
    }
    assert!(asked.starts_with(b"*RST\nR?\nR?\n"), "{}", String::from_utf8_lossy(&asked));
    assert!(gateway.stop().success());
}

/// As somebody who is in no group.
#[test]
fn who_may_not_open_a_port_is_told_which_group_may() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if !rustix::process::geteuid().is_root() {
        return crate::support::skip::skip(
            "who_may_not_open_a_port_is_told_which_group_may",
            "only root can run the gateway as somebody else",
        );
    }
    let port = Pty::open();
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("tidemill");
    std::fs::copy(env!("CARGO_BIN_EXE_tidemill"), &program).unwrap();
    let config_file = directory.path().join("gateway.toml");
    std::fs::write(&config_file, config(&directory.path().join("data"), &[(port.path().to_owned(), String::new())], "50ms", "4 MiB"))
        .unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let tell = |mode: u32| {
        std::fs::set_permissions(port.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let log = directory.path().join(format!("log-{mode:o}"));
        let arguments = [
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
            program.to_str().unwrap(),
            "run",
            "-c",
            config_file.to_str().unwrap(),
        ];
        let arguments = arguments.map(str::to_owned);
        let mut child = crate::support::child::ChildGuard::spawn("setpriv", &arguments, &[], &log);
        let text = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(wait_until(TIMEOUT, || text().contains("may not open") || child.exited().is_some()), "{}", text());
        text()
    };
    std::os::unix::fs::chown(port.path(), None, Some(20)).unwrap();
    assert_eq!(std::fs::metadata(port.path()).unwrap().gid(), 20);
    let log = tell(0o660);
    let group = std::fs::read_to_string("/etc/group")
        .unwrap()
        .lines()
        .find(|line| line.contains(":20:"))
        .map(|line| line.split(':').next().unwrap().to_owned());
    let group = group.unwrap_or("20".to_owned());
    assert!(log.contains(&format!("group {group} may: run `sudo usermod -aG {group} ")), "{log}");
    let log = tell(0o600);
    assert!(log.contains("(mode 600): a udev rule can let it"), "{log}");
}
