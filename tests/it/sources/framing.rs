//! Random frames by an encoder of our own, cut at random places, with noise in between: what is undamaged and away from noise arrives.

use tidemill::config::settings::{ChecksumAlgorithm, ChecksumSettings, Crc, Framing, FramingSettings, LengthCounts, LengthPrefix, Marks};
use tidemill::format::layout::Endian;
use tidemill::gateway::FrameContent;
use tidemill::source::framing::Framer;

use crate::support::random::{Random, seed};

const FRAME_BYTES_MAX: usize = 200;
const GAP_US: u64 = 5_000;
/// For the last frames of an input to be given up.
const SILENCE_US: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Line,
    Delimiter,
    Cobs,
    Slip,
    Fixed,
    Length,
    Idle,
}
const KINDS: [Kind; 7] = [Kind::Line, Kind::Delimiter, Kind::Cobs, Kind::Slip, Kind::Fixed, Kind::Length, Kind::Idle];
const FIXED_BYTES: usize = 24;

fn settings(kind: Kind, random: &mut Random) -> FramingSettings {
    let gap = std::time::Duration::from_micros(GAP_US);
    let marks = Marks { start: vec![0xaa, 0x55], end: Vec::new(), gap: Some(gap) };
    let prefix = LengthPrefix { offset: 2, width: 2, endian: Endian::Little, counts: LengthCounts::Payload, add: 0, header: 4 };
    let framing = match kind {
        Kind::Line => Framing::Line,
        Kind::Delimiter => Framing::Delimiter(b";;".to_vec()),
        Kind::Cobs => Framing::Cobs,
        Kind::Slip => Framing::Slip,
        Kind::Fixed => Framing::Fixed { length: FIXED_BYTES, marks },
        Kind::Length => Framing::Length { prefix, marks },
        Kind::Idle => Framing::Idle { gap },
    };
    let strip_bytes = match kind {
        Kind::Fixed => 2,
        Kind::Length => 4,
        _ => 0,
    };
    let modbus = tidemill::config::crc_names::find("CRC-16/MODBUS").unwrap();
    assert!(matches!(modbus, Crc::Of16(_)));
    let is_hex = matches!(kind, Kind::Line | Kind::Delimiter);
    let endian = if random.below(2) == 0 { Endian::Big } else { Endian::Little };
    let checksum = ChecksumSettings { algorithm: ChecksumAlgorithm::Crc(modbus), endian, is_hex, from: 0 };
    FramingSettings { framing, checksum: Some(checksum), strip_bytes, frame_bytes_max: FRAME_BYTES_MAX }
}

/// Bit by bit, as the Modbus specification describes it.
fn modbus_crc(bytes: &[u8]) -> u16 {
    let mut crc = 0xffff_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 };
        }
    }
    crc
}

fn with_crc(mut frame: Vec<u8>, settings: &FramingSettings) -> Vec<u8> {
    let checksum = settings.checksum.as_ref().unwrap();
    let crc = modbus_crc(&frame);
    let bytes = if checksum.endian == Endian::Big { crc.to_be_bytes() } else { crc.to_le_bytes() };
    if checksum.is_hex {
        frame.extend(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
    } else {
        frame.extend(bytes);
    }
    frame
}

/// COBS in its plainest form: every run up to a zero, or of 254 bytes, behind its length.
fn cobs(frame: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for run in [frame, &[0]].concat().split_inclusive(|byte| *byte == 0) {
        let run = &run[..run.len() - 1];
        let (full, last) = run.split_at(run.len() / 254 * 254);
        full.chunks(254).for_each(|chunk| written.extend([&[255][..], chunk].concat()));
        written.extend([&[last.len() as u8 + 1][..], last].concat());
    }
    written.push(0);
    written
}

fn slip(frame: &[u8]) -> Vec<u8> {
    let escaped = frame.iter().flat_map(|byte| match byte {
        0xc0 => vec![0xdb, 0xdc],
        0xdb => vec![0xdb, 0xdd],
        byte => vec![*byte],
    });
    escaped.chain([0xc0]).collect()
}

fn encode(kind: Kind, payload: &[u8], settings: &FramingSettings) -> Vec<u8> {
    match kind {
        Kind::Line => [with_crc(payload.to_vec(), settings), b"\r\n".to_vec()].concat(),
        Kind::Delimiter => [with_crc(payload.to_vec(), settings), b";;".to_vec()].concat(),
        Kind::Cobs => cobs(&with_crc(payload.to_vec(), settings)),
        Kind::Slip => slip(&with_crc(payload.to_vec(), settings)),
        Kind::Fixed => with_crc([&[0xaa, 0x55][..], payload].concat(), settings),
        Kind::Length => {
            let length = (payload.len() as u16).to_le_bytes();
            with_crc([&[0xaa, 0x55][..], &length, payload].concat(), settings)
        }
        Kind::Idle => with_crc(payload.to_vec(), settings),
    }
}

fn payload(kind: Kind, random: &mut Random) -> Vec<u8> {
    let length = if kind == Kind::Fixed { FIXED_BYTES - 4 } else { 1 + random.below(60) as usize };
    let byte = |random: &mut Random| match kind {
        Kind::Line | Kind::Delimiter => b'a' + random.below(26) as u8,
        // What framings stumble over is frequent.
        _ => [0, 0xc0, 0xdb, 0xaa, 0x55, 0xff, random.next() as u8][random.below(7) as usize],
    };
    (0..length).map(|_| byte(random)).collect()
}

/// One piece of an input; a silence follows it where the framing needs that.
struct Piece {
    bytes: Vec<u8>,
    /// `None`: noise, or a damaged frame.
    payload: Option<Vec<u8>>,
}

fn pieces(kind: Kind, settings: &FramingSettings, random: &mut Random) -> Vec<Piece> {
    let piece = |random: &mut Random| {
        let payload = payload(kind, random);
        let mut bytes = encode(kind, &payload, settings);
        match random.below(12) {
            0 => Piece { bytes: (0..1 + random.below(300)).map(|_| random.next() as u8).collect(), payload: None },
            1 => {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
                Piece { bytes, payload: None }
            }
            2 => {
                bytes.truncate(random.below(bytes.len() as u64) as usize);
                Piece { bytes, payload: None }
            }
            _ => Piece { bytes, payload: Some(payload) },
        }
    };
    (0..40).map(|_| piece(random)).collect()
}

fn framed(kind: Kind, settings: &FramingSettings, pieces: &[Piece], random: &mut Random) -> Vec<FrameContent> {
    let (mut framer, mut frames, mut now_us) = (Framer::new(settings), Vec::new(), 0);
    let mut push = |bytes: &[u8], random: &mut Random, now_us: u64, frames: &mut Vec<FrameContent>| {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
            framer.push(part, now_us, frames);
            rest = after;
        }
        framer.deadline_us()
    };
    if kind == Kind::Idle {
        for piece in pieces {
            push(&piece.bytes, random, now_us, &mut frames);
            now_us += GAP_US;
        }
    } else {
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
        push(&all, random, now_us, &mut frames);
    }
    framer.tick(now_us + SILENCE_US, &mut frames);
    framer.end(&mut frames);
    frames
}

#[test]
fn what_is_away_from_noise_arrives() {
    let seed = seed();
    println!("TIDEMILL_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    for round in 0..700 {
        let kind = KINDS[round % KINDS.len()];
        let settings = settings(kind, &mut random);
        let pieces = pieces(kind, &settings, &mut random);
        let frames = framed(kind, &settings, &pieces, &mut random);
        let whole: Vec<&[u8]> = frames
            .iter()
            .filter_map(|frame| match frame {
                FrameContent::Whole(bytes) => Some(&bytes[..]),
                FrameContent::Bad { .. } => None,
            })
            .collect();
        // In this order, though others may stand between: two of them are a boundary apart from what is damaged.
        let mut rest = whole.iter();
        for (number, piece) in pieces.iter().enumerate() {
            let after_good = number == 0 || pieces[number - 1].payload.is_some();
            let Some(payload) = piece.payload.as_deref().filter(|_| after_good) else { continue };
            assert!(rest.any(|got| *got == payload), "{kind:?}: frame {number} of round {round} is missing; seed {seed}");
        }
        let bytes: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
        let bad: usize = frames.iter().map(|frame| if let FrameContent::Bad { length, .. } = frame { *length } else { 0 }).sum();
        assert!(bad <= bytes, "{kind:?}: {bad} bad bytes of {bytes}; seed {seed}");
        let damaged = pieces.iter().filter(|piece| piece.payload.is_none()).count();
        assert!(whole.len() <= pieces.len(), "{kind:?}: {damaged} damaged, seed {seed}");
    }
}
