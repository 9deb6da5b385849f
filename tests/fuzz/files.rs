//! What files may hold and what may be stored of them: records are cut the same however the bytes come, and a position is whole or refused.

use tidemill::format::csv::{CsvSettings, RecordScan};
use tidemill::gateway::FrameContent;
use tidemill::source::file::{Cutter, Meta, Record, Sums};

use crate::mutate;
use crate::random::Random;
use crate::watch::Watch;

const SAMPLES: &[&[u8]] = &[
    b"\xef\xbb\xbfdevice,temperature\r\nbarn,21.5\r\n\r\nyard,-3\r\n",
    b"a,\"one\ntwo\",3\nb,\"x \"\"y\"\"\",4\n",
    b"\0\0\0{\"device\":\"a\"}\n\0{\"device\":\"b\"}\r\r\n",
    b"1,\"open\n2,b\n3,c\n",
    b"0123456789012345678901234567890123456789\n1\n",
];

/// Records by one way of giving the bytes, which must all be passed.
fn records(input: &[u8], bytes_max: usize, multi_line: bool, mut piece: impl FnMut(usize) -> usize) -> Vec<FrameContent> {
    let quotes = multi_line.then(|| RecordScan::new(&CsvSettings::default()));
    let (mut cutter, mut frames, mut passed, mut rest) = (Cutter::new(bytes_max, quotes, true), Vec::new(), Vec::new(), input);
    while !rest.is_empty() {
        let (now, after) = rest.split_at(piece(rest.len()));
        cutter.buffer().extend_from_slice(now);
        passed.extend_from_slice(&cutter.cut(now.len() % 5 + 1, false, &mut frames));
        rest = after;
    }
    loop {
        let before = frames.len();
        passed.extend_from_slice(&cutter.cut(1, true, &mut frames));
        if frames.len() == before {
            break;
        }
    }
    assert!(passed == input && !cutter.is_within_record(), "{} of {} bytes are passed", passed.len(), input.len());
    frames
}

pub fn cut(random: &mut Random, watch: &Watch) {
    let mut input = Vec::new();
    for _ in 0..1 + random.below(8) {
        input.extend(mutate::bytes(mutate::pick(SAMPLES, random), random));
    }
    let (bytes_max, multi_line) = (16 + random.below(60) as usize, random.below(2) == 0);
    watch.works_on(&format!("{bytes_max} {multi_line}\n{input:02x?}"));
    let whole = records(&input, bytes_max, multi_line, |length| length);
    for frame in &whole {
        match frame {
            FrameContent::Whole(bytes) => assert!(!bytes.is_empty() && bytes.len() <= bytes_max, "{frame:?}"),
            FrameContent::Bad { length, beginning, .. } => assert!(beginning.len() <= *length, "{frame:?}"),
        }
    }
    let pieces = records(&input, bytes_max, multi_line, |length| 1 + random.below(length.min(40) as u64) as usize);
    assert_eq!(pieces, whole, "how the bytes come changed the records");
}

pub fn position(random: &mut Random, watch: &Watch) {
    let record = Record {
        path: format!("/in/{}.csv", random.next()).into(),
        meta: Meta { device: 0, inode: random.next(), modified_ns: random.next() as i64, bytes: random.next() },
        offset: random.next(),
        sums: Sums { head: random.next(), tail: random.next() },
        header: (random.below(2) == 0).then(|| b"device,temperature".to_vec()),
        done: random.below(2) == 0,
    };
    let whole = record.encode();
    assert_eq!(Record::decode(&whole).as_ref(), Ok(&record));
    let stored = mutate::bytes(&whole, random);
    watch.works_on(&format!("{stored:02x?}"));
    if let Ok(other) = Record::decode(&stored) {
        assert_eq!(other.encode(), stored, "it was taken for something that it is not");
    }
}
