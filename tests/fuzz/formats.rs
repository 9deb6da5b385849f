//! Payloads of the formats that are not JSON, damaged.

use tidemill::format::csv::{CsvHeader, CsvSettings};
use tidemill::format::layout::{BinaryField, BitField, Count, Endian, Group, Item, Kind, Layout, Scaling};
use tidemill::format::{EnclosedSettings, Format, KeyValueSettings};

use crate::random::Random;

const NMEA: &[u8] = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\n$PGRME,15.0,M*00\n$GPZDA,160012.71,11,03,2004";
const LINES: &[u8] = b"weather,location=us\\ a,b=\"x\" temperature=82,n=-12i,s=\"a\\\"b\",ok=t 1465839830100400200\n# c\nm f=1u";
const SENML: &[u8] = br#"[{"bn":"a:","bt":1.27e9,"bu":"A","bver":5,"bv":1,"bs":2,"n":"v","u":"V","v":120.1},{"n":"c","t":-5,"vd":"aGk"},{"vb":true,"s":1e308}]"#;
const CBOR: &[u8] = b"\x82\xbf\x61a\xf9\x7e\x00\x01\x5f\x41\x01\x42\x02\x03\xff\xff\xa2\x61b\x82\x1b\xff\xff\xff\xff\xff\xff\xff\xff\xc1\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18\x61d\xa1\x20\xf6";
const ENCLOSED: &[u8] =
    br#"{"ts":1767225600,"a":{"frame":"AgABmRJBQgD\/fwAAAMB/AQIDBAUGBwgJCg==","device":"x"},"frame":"","temperature":[1]}"#;
const SENML_CBOR: &[u8] = b"\x82\xa4\x21\x61a\x22\x1a\x69\x55\xb9\x00\x00\x61b\x02\x18\x17\xa2\x08\x42\x01\x02\x06\x20";

fn field(name: &str, kind: Kind, random: &mut Random) -> BinaryField {
    BinaryField {
        name: name.to_owned(),
        offset: (random.below(4) == 0).then(|| random.below(40) as usize),
        kind,
        endian: if random.below(2) == 0 { Endian::Big } else { Endian::Little },
        scaling: (random.below(2) == 0).then_some(Scaling { scale: 0.1, add: -1e300 }),
        bits: Vec::new(),
    }
}

fn layout(random: &mut Random) -> Layout {
    const KINDS: [Kind; 9] = [
        Kind::Unsigned(1),
        Kind::Unsigned(8),
        Kind::Signed(3),
        Kind::Signed(8),
        Kind::Float,
        Kind::Double,
        Kind::Bcd(2),
        Kind::Text(Some(3)),
        Kind::Bytes(None),
    ];
    let mut items = vec![Item::Field(field("count", Kind::Unsigned(1 + random.below(2) as usize), random))];
    for _ in 0..random.below(4) {
        let kind = KINDS[random.below(9) as usize];
        items.push(Item::Field(field("temperature", kind, random)));
    }
    let bit = BitField { name: "on".to_owned(), lowest: 63, width: 1, scaling: None };
    items.push(Item::Field(BinaryField { bits: vec![bit], ..field("", Kind::Signed(8), random) }));
    let count = [Count::Fixed(3), Count::Field("count".to_owned()), Count::Rest][random.below(3) as usize].clone();
    let inner = vec![Item::Field(field("x", KINDS[random.below(9) as usize], random)), Item::Skip(1)];
    items.push(Item::Group(Group { name: "deep".to_owned(), count, items: inner }));
    Layout { items, rest_ignored: random.below(2) == 0 }
}

/// A format and a payload of it.
pub fn pick(random: &mut Random) -> (Format, &'static [u8]) {
    let header = [CsvHeader::None, CsvHeader::Names, CsvHeader::Skip][random.below(3) as usize];
    match random.below(10) {
        0 => (Format::Cbor, CBOR),
        1 => (
            Format::Csv(CsvSettings { header, ..CsvSettings::default() }),
            b"device,ts,temperature\na,1767225600,007\n\"b\"\"c\",,-1e400\r\n",
        ),
        2 => (Format::Text { pattern: "(?<device>[a-z]+)=(?<temperature>[-.0-9]+)?".to_owned() }, b"a=21.5\nbc=\n x=-3 y"),
        3 => {
            let pair_separator = if random.below(2) == 0 { ' ' } else { ',' };
            (
                Format::KeyValue(KeyValueSettings { value_separator: '=', pair_separator }),
                b"device=\"a\\\" b\" ts=1, temperature= on=yes\nx=1",
            )
        }
        4 => (Format::Binary(layout(random)), &[2, 0, 1, 0x99, 0x12, 65, 66, 0, 255, 127, 0, 0, 0xc0, 0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        5 => (Format::LineProtocol { unit_ns: [1, 1_000_000_000][random.below(2) as usize] }, LINES),
        6 => (Format::SenmlJson, SENML),
        7 => (Format::SenmlCbor, SENML_CBOR),
        8 => {
            let path = ["a.frame", "frame", "a.frame.x"][random.below(3) as usize].split('.').map(str::to_owned).collect();
            (Format::Enclosed(Box::new(EnclosedSettings { path, layout: layout(random) })), ENCLOSED)
        }
        _ => (Format::Nmea, NMEA),
    }
}
