//! NMEA 0183 sentences, a row each: `$GPGGA,…*47`.
//!
//! Every row has `talker` and `type`; the sentences listed in [`SENTENCES`] have named fields, all others `fields`, an array of texts. Positions
//! are degrees (south and west negative), an empty field is NULL. A sentence whose checksum is wrong is refused; one without is taken. Source of
//! the fields: "NMEA Revealed", E. S. Raymond, gpsd, version 2.23.

use super::super::json::scan::Fault;
use super::super::records::Records;
use super::lines;

/// How one field is read.
#[derive(Clone, Copy)]
enum As {
    Number(&'static str),
    Text(&'static str),
    /// `hhmmss.ss` as text `hh:mm:ss.ss`.
    Time(&'static str),
    /// Degrees and minutes, and the hemisphere in the field behind.
    Angle(&'static str),
    /// `ddmmyy`, together with the time in the first field the TIMESTAMP `ts`.
    Date,
    /// Day, month and year in three fields, with the time before them `ts`.
    LongDate,
    /// Not told: a unit that is always the same, or the second field of an angle.
    Skip,
}

use As::{Angle, Date, LongDate, Number, Skip, Text, Time};

const SENTENCES: &[(&str, &[As])] = &[
    ("DBT", &[Skip, Skip, Number("depth_m")]),
    ("DPT", &[Number("depth_m"), Number("offset_m")]),
    (
        "GGA",
        &[
            Time("time"),
            Angle("lat"),
            Skip,
            Angle("lon"),
            Skip,
            Number("quality"),
            Number("satellites"),
            Number("hdop"),
            Number("altitude_m"),
            Skip,
            Number("geoid_m"),
        ],
    ),
    ("GLL", &[Angle("lat"), Skip, Angle("lon"), Skip, Time("time"), Text("status")]),
    (
        "GNS",
        &[
            Time("time"),
            Angle("lat"),
            Skip,
            Angle("lon"),
            Skip,
            Text("mode"),
            Number("satellites"),
            Number("hdop"),
            Number("altitude_m"),
            Number("geoid_m"),
        ],
    ),
    ("HDT", &[Number("heading")]),
    (
        "MDA",
        &[
            Skip,
            Skip,
            Number("pressure_bar"),
            Skip,
            Number("air_c"),
            Skip,
            Number("water_c"),
            Skip,
            Number("humidity"),
            Skip,
            Number("dew_point_c"),
        ],
    ),
    ("MTW", &[Number("water_c")]),
    ("MWV", &[Number("wind_angle"), Text("reference"), Number("wind_speed"), Text("wind_unit"), Text("status")]),
    (
        "RMC",
        &[
            Time("time"),
            Text("status"),
            Angle("lat"),
            Skip,
            Angle("lon"),
            Skip,
            Number("speed_knots"),
            Number("course"),
            Date,
            Number("variation"),
        ],
    ),
    ("VHW", &[Number("heading"), Skip, Number("heading_magnetic"), Skip, Number("speed_knots"), Skip, Number("speed_kmh")]),
    ("VTG", &[Number("course"), Skip, Number("course_magnetic"), Skip, Number("speed_knots"), Skip, Number("speed_kmh")]),
    ("ZDA", &[Time("time"), LongDate]),
];

pub(super) fn read(payload: &str, records: &mut Records) -> Result<(), Fault> {
    for (at, line) in lines(payload) {
        let sentence = sum_checked(line.trim()).map_err(|what| Fault { at, what })?;
        let (address, rest) = sentence.split_once(',').unwrap_or((sentence, ""));
        if !(3..=16).contains(&address.len()) || !address.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Fault { at, what: "not the address of a sentence" });
        }
        records.begin_row(at)?;
        let proprietary = address.strip_prefix('P').map(|kind| ("P", kind));
        let (talker, kind) = proprietary.unwrap_or_else(|| address.split_at(address.len() - 3));
        records.name("talker");
        records.string(talker);
        records.name("type");
        records.string(kind);
        let fields: Vec<&str> = rest.split(',').map(str::trim).collect();
        match SENTENCES.iter().find(|(name, _)| *name == kind && talker != "P") {
            Some((_, known)) => named(known, &fields, records).map_err(|what| Fault { at, what })?,
            None => {
                records.name("fields");
                records.begin_array();
                fields.iter().for_each(|field| records.string(field));
                records.end_array();
            }
        }
        records.end_row(at + line.len());
    }
    Ok(())
}

/// The sentence without its first character and its checksum, which is the XOR of what stands between.
fn sum_checked(line: &str) -> Result<&str, &'static str> {
    let sentence = line.strip_prefix(['$', '!']).ok_or("a sentence begins with $ or !")?;
    let Some((sentence, sum)) = sentence.rsplit_once('*') else { return Ok(sentence) };
    let stated = u8::from_str_radix(sum, 16).ok().filter(|_| sum.len() == 2).ok_or("the checksum is not two digits")?;
    let sum = sentence.bytes().fold(0, |sum, byte| sum ^ byte);
    if sum == stated { Ok(sentence) } else { Err("the checksum is wrong") }
}

fn named(known: &[As], fields: &[&str], records: &mut Records) -> Result<(), &'static str> {
    let field = |index: usize| fields.get(index).copied().unwrap_or_default();
    for (index, what) in known.iter().enumerate() {
        let text = field(index);
        match what {
            Skip => {}
            Number(name) => {
                records.name(name);
                match text {
                    "" => records.null(),
                    text => records.double(decimal(text).ok_or("a field is not a number")?),
                }
            }
            Text(name) => {
                records.name(name);
                if text.is_empty() { records.null() } else { records.string(text) }
            }
            Time(name) => {
                records.name(name);
                match clock(text)? {
                    Some(time) => records.string(&time),
                    None => records.null(),
                }
            }
            Angle(name) => {
                records.name(name);
                match angle(text, field(index + 1))? {
                    Some(degrees) => records.double(degrees),
                    None => records.null(),
                }
            }
            Date => moment(field(0), [0, 2, 4].map(|at| text.get(at..at + 2).unwrap_or_default()), records)?,
            LongDate => moment(field(0), [text, field(index + 1), field(index + 2)], records)?,
        }
    }
    Ok(())
}

/// Digits with or without a fraction and a sign; no exponents, no words.
fn decimal(text: &str) -> Option<f64> {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+')).then(|| text.parse().ok()).flatten()
}

/// `hhmmss[.sss]` as `hh:mm:ss[.sss]`.
fn clock(text: &str) -> Result<Option<String>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let fits = text.len() >= 6 && text.bytes().take(6).all(|byte| byte.is_ascii_digit()) && decimal(text).is_some();
    if !fits {
        return Err("a field is not a time");
    }
    Ok(Some(format!("{}:{}:{}", &text[..2], &text[2..4], text[4..].trim_end_matches('.'))))
}

/// `ddmm.mm` or `dddmm.mm` in degrees.
fn angle(text: &str, hemisphere: &str) -> Result<Option<f64>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    // Taken apart as text: 4807.038 - 4800 is not 7.038 in binary.
    let whole = text.find('.').unwrap_or(text.len());
    let parts = whole.checked_sub(2).and_then(|at| Some((text.get(..at)?, text.get(at..)?)));
    let number = |text: &str| if text.is_empty() { Some(0.0) } else { decimal(text) };
    let read = parts.and_then(|(degrees, minutes)| Some((number(degrees)?, number(minutes)?)));
    let (degrees, minutes) =
        read.filter(|(degrees, minutes)| *degrees >= 0.0 && (0.0..60.0).contains(minutes)).ok_or("a field is not a position")?;
    let angle = degrees + minutes / 60.0;
    match hemisphere {
        "N" | "E" => Ok(Some(angle)),
        "S" | "W" => Ok(Some(-angle)),
        _ => Err("a position has no hemisphere"),
    }
}

/// `ts`, UTC. Years of two digits are 1980 to 2079, as GPS began in 1980.
fn moment(time: &str, [day, month, year]: [&str; 3], records: &mut Records) -> Result<(), &'static str> {
    records.name("ts");
    let (Some(time), false) = (clock(time)?, day.is_empty()) else {
        records.null();
        return Ok(());
    };
    let number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten().ok_or("a field is not a date")
    };
    let (day, month, year) = (number(day)?, number(month)?, number(year)?);
    let year = if year < 80 {
        year + 2000
    } else if year < 100 {
        year + 1900
    } else {
        year
    };
    records.string(&format!("{year:04}-{month:02}-{day:02}T{time}Z"));
    Ok(())
}
