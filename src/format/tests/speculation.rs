//! The fast way and the general way give the same, whatever comes; and both agree with another JSON parser.

use proptest::prelude::*;

use super::*;

const SCHEMA: &str =
    "device STRING, ts TIMESTAMP, temperature DOUBLE, count BIGINT, small INT, light FLOAT, on BOOLEAN, in.a DOUBLE, in.b.c STRING";

/// A value as text: what fits, what does not, and what is no JSON.
fn value_text() -> impl Strategy<Value = String> {
    let fixed = [
        "null",
        "true",
        "false",
        "NaN",
        "-Infinity",
        "\"NaN\"",
        "{}",
        "[]",
        "[1,{\"a\":[]}]",
        "{\"a\":1.5,\"b\":{\"c\":\"x\"}}",
        "{\"a\":1,\"a\":\"y\"}",
    ];
    let broken = ["tru", "01", "1.", "-", "[1,]", "{\"a\"}", "\"open", "\"\\x\"", "+1", "1e", ".5", "-.5", "1.2.3", "\u{1}"];
    prop_oneof![
        8 => any::<i32>().prop_map(|number| number.to_string()),
        8 => (any::<i16>(), 0u32..1000).prop_map(|(whole, fraction)| format!("{whole}.{fraction}")),
        4 => any::<f64>().prop_filter("JSON has finite numbers", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        4 => any::<i64>().prop_map(|number| number.to_string()),
        6 => "[a-zé\"\\\\/\n-]{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        2 => "[a-z\"]{0,9}".prop_map(|text| format!("'{text}'")),
        2 => Just("\"2026-01-01T00:00:00Z\"".to_string()),
        6 => proptest::sample::select(fixed.to_vec()).prop_map(String::from),
        1 => proptest::sample::select(broken.to_vec()).prop_map(String::from),
    ]
}

/// An object over some of the columns' names, in some order, now and then with a name twice.
fn object_text() -> impl Strategy<Value = String> {
    let names = ["device", "ts", "temperature", "count", "small", "light", "on", "in", "extra", "De\\u0076ice", "\\u0074s"];
    let member = (proptest::sample::select(names.to_vec()), value_text());
    let layout = prop_oneof![4 => Just((":", ",")), 1 => Just((": ", ", ")), 1 => Just((" :\t", " ,\n"))];
    (proptest::collection::vec(member, 0..7), layout).prop_map(|(members, (colon, comma))| {
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
        format!("{{{}}}", members.join(comma))
    })
}

/// A shape that messages repeat with other values.
fn repeated_shape() -> impl Strategy<Value = Vec<String>> {
    let names = ["device", "ts", "temperature", "count", "on", "extra"];
    (Just(names.to_vec()).prop_shuffle(), 1usize..6).prop_flat_map(|(names, used)| {
        let row = proptest::collection::vec(value_text(), used);
        proptest::collection::vec(row, 2..6).prop_map(move |rows| {
            let object = |values: Vec<String>| {
                let members: Vec<String> = names.iter().zip(values).map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{},\"in\":{{\"a\":1.25,\"b\":{{\"c\":\"deep\"}}}}}}", members.join(","))
            };
            rows.into_iter().map(object).collect()
        })
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        8 => object_text(),
        2 => proptest::collection::vec(object_text(), 0..4).prop_map(|objects| format!("[{}]", objects.join(","))),
        1 => (object_text(), "[ x}\\]]{0,3}").prop_map(|(object, tail)| object + tail.as_str()),
    ];
    let damage = prop_oneof![3 => Just(None), 1 => (any::<proptest::sample::Index>(), any::<u8>(), 0..3).prop_map(Some)];
    (whole, damage).prop_map(|(text, damage)| {
        let mut bytes = text.into_bytes();
        if let Some((index, byte, kind)) = damage {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// Messages of one length that differ in a few bytes, as readings do, and as damaged ones do.
fn same_length() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let text = "[a-zé]{0,20}";
    let base = (text, any::<u32>(), -9999i32..9999, 0usize..4, any::<i32>(), any::<bool>(), text).prop_map(|(device, ts, number, places, count, on, extra)| {
        let scaled = f64::from(number) / 10f64.powi(places as i32);
        format!("{{\"device\":\"{device}\",\"ts\":{ts},\"temperature\":{scaled:.places$},\"extra\":\"{extra}\",\"count\":{count},\"small\":-7,\"on\":{on},\"in\":{{\"a\":{number}}}}}")
    });
    let bytes = b"0123456789000111.-+eE\"'\\ ,:}ax\x01\xc3\xa9".to_vec();
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), proptest::sample::select(bytes)), 0..4);
    (base, proptest::collection::vec(edits, 2..12)).prop_map(|(base, variants)| {
        let values: Vec<usize> =
            base.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit() || *byte == b'.').map(|(at, _)| at).collect();
        let variant = |edits: Vec<(proptest::sample::Index, u8)>| {
            let mut message = base.clone().into_bytes();
            for (number, (index, byte)) in edits.into_iter().enumerate() {
                // Mostly within the numbers, now and then anywhere.
                let at = if number < 2 { values[index.index(values.len())] } else { index.index(message.len()) };
                message[at] = byte;
            }
            message
        };
        std::iter::repeat_n(base.clone().into_bytes(), 2).chain(variants.into_iter().map(variant)).collect()
    })
}

fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let similar = repeated_shape().prop_map(|texts| texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
    let groups = prop_oneof![similar, same_length(), proptest::collection::vec(payload(), 1..4)];
    proptest::collection::vec(groups, 1..4).prop_map(|groups| groups.concat())
}

/// Equal, NaN to NaN and the sign of zero too.
fn same(a: &[Vec<Value>], b: &[Vec<Value>]) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

#[test]
fn an_integer_zero_has_no_sign() {
    let mut rig = Rig::new(&settings("v DOUBLE, device STRING"));
    for (number, expected) in [("-5", -5.0), ("-5", -5.0), ("-5", -5.0), ("-0", 0.0), ("-7", -7.0)] {
        let row = rig.row(format!("{{\"device\":\"dev-1\",\"v\":{number}}}"));
        assert!(matches!(row[0], Value::Double(value) if value.to_bits() == f64::to_bits(expected)), "{number}: {row:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn both_ways_give_the_same(messages in messages(), null_row in any::<bool>(), lenient in any::<bool>()) {
        let mut settings = settings(SCHEMA);
        settings.bad_records = if null_row { BadRecords::NullRow } else { BadRecords::DeadLetter };
        settings.coerce = if lenient { Coerce::Lenient } else { Coerce::Strict };
        let mut fast = Rig::new(&settings);
        let mut general = Rig::new(&settings);
        general.decoder = general.decoder.without_speculation();
        // Sees only what was accepted: its table tells whether refused messages left a trace.
        let mut accepted = Rig::new(&settings);
        for message in &messages {
            let rows_before = fast.table.rows();
            let result = fast.decode(message);
            prop_assert_eq!(&result, &general.decode(message), "{}", String::from_utf8_lossy(message));
            match result {
                Ok(decoded) => {
                    prop_assert_eq!(fast.table.rows(), rows_before + decoded.rows);
                    accepted.decode(message).unwrap();
                }
                Err(_) => prop_assert_eq!(fast.table.rows(), rows_before),
            }
        }
        let rows = fast.rows();
        prop_assert!(same(&rows, &general.rows()));
        prop_assert!(same(&rows, &accepted.rows()));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut rig = Rig::new(&settings(SCHEMA));
        let rows = rig.decode(&bytes).map_or(0, |decoded| decoded.rows);
        prop_assert_eq!(rig.table.rows(), rows);
    }

    #[test]
    fn valid_json_reads_as_another_parser_reads_it(device in any::<String>(), count in any::<i64>(), temperature in any::<f64>(), on in any::<bool>(), extra in ".{0,20}") {
        prop_assume!(temperature.is_finite());
        let json = serde_json::json!({ "count": count, "device": device, "extra": { &extra: [extra, null] }, "on": on, "temperature": temperature });
        let mut rig = Rig::new(&settings("device STRING, count BIGINT, temperature DOUBLE, on BOOLEAN"));
        let expected = vec![Value::String(device), Value::BigInt(count), Value::Double(temperature), Value::Boolean(on)];
        prop_assert_eq!(rig.row(json.to_string()), expected.clone());
        prop_assert_eq!(rig.row(serde_json::to_string_pretty(&json).unwrap()), expected);
    }
}
