//! The messages of a step: a payload a line, or whole messages as JSON objects.

use serde::Deserialize;
use serde_json::Value as Json;

/// One message that a source receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputMessage {
    /// `None`: one that the source's first topic matches.
    pub topic: Option<String>,
    pub payload: Vec<u8>,
    /// Microseconds since the epoch; `None`: the step's time.
    pub arrived_us: Option<i64>,
    pub retained: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    topic: Option<String>,
    /// Any JSON, written anew; `text` is taken to the letter.
    #[serde(default, deserialize_with = "present")]
    payload: Option<Json>,
    text: Option<String>,
    hex: Option<String>,
    arrived: Option<String>,
    #[serde(default)]
    retained: bool,
}

/// Lines of payloads. Blank lines are payloads too, except for one at the end.
pub fn payloads(bytes: &[u8]) -> Vec<InputMessage> {
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    let plain = |line: &[u8]| InputMessage {
        topic: None,
        payload: line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
        arrived_us: None,
        retained: false,
    };
    lines.split(|byte| *byte == b'\n').map(plain).collect()
}

/// Lines of `{"topic": …, "payload": …}`; the error names the line.
pub fn messages(text: &str) -> Result<Vec<InputMessage>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| message(line).map_err(|error| format!("line {}: {error}", index + 1))).collect()
}

/// `null` is a payload too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

fn message(line: &str) -> Result<InputMessage, String> {
    let written: Written = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let payload = match (written.payload, written.text, written.hex) {
        (Some(json), None, None) => json.to_string().into_bytes(),
        (None, Some(text), None) => text.into_bytes(),
        (None, None, Some(hex)) => from_hex(&hex).ok_or("`hex` must be pairs of hex digits")?,
        _ => return Err("a message has one of `payload` (JSON), `text` and `hex`".to_owned()),
    };
    let arrived_us = written.arrived.as_deref().map(time_us).transpose()?;
    Ok(InputMessage { topic: written.topic, payload, arrived_us, retained: written.retained })
}

/// Microseconds since the epoch of a time such as `2026-01-31T12:00:00Z`.
pub fn time_us(text: &str) -> Result<i64, String> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(jiff::Timestamp::as_microsecond).map_err(|_| format!("`{text}` is no time; write it as 2026-01-31T12:00:00Z"))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| Some((digit(pair[0])? * 16 + digit(*pair.get(1)?)?) as u8);
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_lines() {
        let texts = |bytes: &[u8]| payloads(bytes).into_iter().map(|m| String::from_utf8(m.payload).unwrap()).collect::<Vec<_>>();
        assert_eq!(texts(b"a\n\nb\r\nc"), ["a", "", "b", "c"]);
        assert_eq!(texts(b"a\n"), ["a"]);
        assert!(texts(b"").is_empty());
    }

    #[test]
    fn messages_say_everything() {
        let text = "{\"topic\":\"a/b\",\"payload\":{\"x\": 1.0},\"retained\":true,\"arrived\":\"1970-01-01T00:00:01Z\"}\n\n\
                    {\"text\":\"on\"}\n{\"hex\":\"00fF\"}\n";
        let read = messages(text).unwrap();
        assert_eq!((read[0].topic.as_deref(), read[0].arrived_us, read[0].retained), (Some("a/b"), Some(1_000_000), true));
        assert_eq!(read.iter().map(|m| &m.payload[..]).collect::<Vec<_>>(), [&b"{\"x\":1.0}"[..], b"on", b"\x00\xff"]);
        for (text, part) in [
            ("{}", "line 1: a message has one of"),
            ("\n{\"text\":\"a\",\"hex\":\"00\"}", "line 2: a message"),
            ("{\"hex\":\"0\"}", "hex digits"),
            ("{\"hex\":\"é\"}", "hex digits"),
            ("{\"topik\":\"a\"}", "unknown field"),
            ("{\"text\":\"a\",\"arrived\":\"noon\"}", "`noon` is no time"),
            ("[", "line 1: EOF"),
        ] {
            assert!(messages(text).unwrap_err().contains(part), "{text}");
        }
    }
}
