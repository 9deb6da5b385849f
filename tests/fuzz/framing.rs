//! Bytes that are no frames, by every framing: each is in one frame at most, whatever the cuts.

use std::time::Duration;

use tidemill::config::crc_names;
use tidemill::config::settings::{ChecksumAlgorithm, ChecksumSettings, Framing, FramingSettings, LengthCounts, LengthPrefix, Marks};
use tidemill::format::layout::Endian;
use tidemill::gateway::FrameContent;
use tidemill::source::framing::Framer;

use crate::mutate;
use crate::random::Random;
use crate::watch::Watch;

const SAMPLES: &[&[u8]] = &[
    b"21.5\r\n$GPGLL,5300.97914,N,00259.98174,E,125926,A*28\n\r",
    b"\x42\x4d\x00\x04\x01\x02\x00\x96\x42\x4d\x00\x04\x01\x02\x00\x96\xff\xff\xff\xff",
    b"\x03\x11\x22\x02\x33\x00\x00\x02\x61\x00\xff\xff",
    b"\xc0\xdb\xdc\xdb\xdd\xc0\xc0\xdb\xc0",
    b"\x68\x03\x03\x68\x08\x0b\x72\x85\x16",
];

fn marks(random: &mut Random) -> Marks {
    let mark = |random: &mut Random| [&b""[..], b"BM", b"\x68", b"\xff\xff\xff"][random.below(4) as usize].to_vec();
    let gap = (random.below(2) == 0).then_some(Duration::from_millis(10));
    Marks { start: mark(random), end: if random.below(3) == 0 { mark(random) } else { Vec::new() }, gap }
}

fn settings(random: &mut Random) -> FramingSettings {
    const COUNTS: [LengthCounts; 4] = [LengthCounts::Rest, LengthCounts::Payload, LengthCounts::PayloadAndChecksum, LengthCounts::Frame];
    let endian = |random: &mut Random| if random.below(2) == 0 { Endian::Big } else { Endian::Little };
    let framing = match random.below(8) {
        0 => Framing::Line,
        1 => Framing::Delimiter([&b"\r\n"[..], b"\0", b"\xff\xff\xff", b"BMBM"][random.below(4) as usize].to_vec()),
        2 => Framing::Cobs,
        3 => Framing::Slip,
        4 => Framing::Idle { gap: Duration::from_millis(10) },
        5 => Framing::Fixed { length: 1 + random.below(40) as usize, marks: marks(random) },
        _ => {
            let marks = marks(random);
            let (offset, width) = (marks.start.len() + random.below(3) as usize, 1 + random.below(4) as usize);
            let (endian, counts) = (endian(random), COUNTS[random.below(4) as usize]);
            let add = random.below(20) as i64 - 10;
            Framing::Length {
                prefix: LengthPrefix { offset, width, endian, counts, add, header: offset + width + random.below(3) as usize },
                marks,
            }
        }
    };
    let names: Vec<&str> = crc_names::names().collect();
    let crc = crc_names::find(names[random.below(names.len() as u64) as usize]).expect("every name is found");
    let algorithm = match random.below(6) {
        0 => ChecksumAlgorithm::Xor,
        1 => ChecksumAlgorithm::Sum16,
        2 => ChecksumAlgorithm::Lrc,
        3 => ChecksumAlgorithm::Nmea,
        _ => ChecksumAlgorithm::Crc(crc),
    };
    let (is_hex, from) = (random.below(3) == 0, random.below(9) as usize);
    let checksum = ChecksumSettings { algorithm, endian: endian(random), is_hex, from };
    let checksum = (random.below(2) == 0).then_some(checksum);
    FramingSettings { framing, checksum, strip_bytes: random.below(5) as usize, frame_bytes_max: 16 + random.below(100) as usize }
}

pub fn framing(random: &mut Random, watch: &Watch) {
    let settings = settings(random);
    let mut input = Vec::new();
    for _ in 0..1 + random.below(20) {
        input.extend(mutate::bytes(mutate::pick(SAMPLES, random), random));
    }
    watch.works_on(&format!("{settings:?}\n{input:02x?}"));
    let silent = !matches!(settings.framing, Framing::Idle { .. });
    let whole = frames(&settings, &input, |length| length);
    let taken: usize = whole.iter().map(length).sum();
    let decoded_longer = matches!(settings.framing, Framing::Cobs | Framing::Slip);
    assert!(decoded_longer || taken <= input.len(), "{taken} of {} bytes", input.len());
    if silent {
        let pieces = frames(&settings, &input, |length| 1 + random.below(length as u64) as usize);
        assert_eq!(pieces, whole, "the cuts changed the frames");
    }
}

fn frames(settings: &FramingSettings, input: &[u8], mut cut: impl FnMut(usize) -> usize) -> Vec<FrameContent> {
    let (mut framer, mut frames, mut rest) = (Framer::new(settings), Vec::new(), input);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut(rest.len()));
        framer.push(piece, 1, &mut frames);
        rest = after;
    }
    framer.tick(1_000_000, &mut frames);
    assert_eq!(framer.deadline_us().filter(|_| !matches!(settings.framing, Framing::Line)), None, "silence settles everything");
    framer.break_off(tidemill::source::framing::BROKEN_OFF, &mut frames);
    frames
}

fn length(content: &FrameContent) -> usize {
    match content {
        FrameContent::Whole(bytes) => bytes.len(),
        FrameContent::Bad { length, .. } => *length,
    }
}
