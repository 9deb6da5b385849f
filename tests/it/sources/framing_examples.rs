//! Every example of docs/framing.md gives the frames, or the error, that stands beside it, wherever the bytes are cut.

use tidemill::config::settings::{FramingSettings, SourceKind};
use tidemill::gateway::FrameContent;
use tidemill::source::framing::Framer;

use crate::support::settings::from_text;

const DOCUMENT: &str = include_str!("../../../docs/framing.md");
const SILENCE_US: u64 = 1_000_000;

struct Example {
    line: usize,
    settings: String,
    /// Parted by silence.
    bytes: Vec<Vec<u8>>,
    expected: Vec<Expected>,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Payload(Vec<u8>),
    Error(String),
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal")).collect()
}

fn code(cell: &str) -> &str {
    cell.trim().strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or_else(|| panic!("not in backticks: {cell}"))
}

fn bytes(is_hex: bool, text: &str) -> Vec<u8> {
    if is_hex { hex(text) } else { text.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0").into_bytes() }
}

/// `` `a`, `b`; error: reason ``.
fn expected(cell: &str) -> Vec<Expected> {
    let mut found = Vec::new();
    let mut rest = cell.trim();
    while !rest.is_empty() {
        if let Some(error) = rest.strip_prefix("error: ") {
            // A reason may hold "; with the other".
            let end = ["; error: ", "; hex `", "; `"].iter().filter_map(|part| error.find(part)).min().unwrap_or(error.len());
            found.push(Expected::Error(error[..end].to_owned()));
            rest = error[end..].trim_start_matches("; ");
            continue;
        }
        let (is_hex, after) = rest.strip_prefix("hex ").map_or((false, rest), |after| (true, after));
        let (group, after) = after.split_once("; ").map_or((after, ""), |(group, after)| (group, after));
        found.extend(group.split(", ").map(|cell| Expected::Payload(bytes(is_hex, code(cell)))));
        rest = after;
    }
    found
}

fn examples() -> Vec<Example> {
    let (mut found, mut settings, mut in_block, mut in_table) = (Vec::new(), String::new(), false, false);
    for (index, line) in DOCUMENT.lines().enumerate() {
        match line {
            "```toml" => (settings, in_block) = (String::new(), true),
            "```" => in_block = false,
            _ if in_block => settings.extend([line, "\n"]),
            "| bytes | frames |" => in_table = true,
            _ if !line.starts_with('|') => in_table = false,
            _ if in_table && !line.starts_with("|---") => {
                let (left, right) = line.trim_matches('|').trim().split_once(" | ").expect("two cells");
                let (is_hex, left) = left.trim().strip_prefix("hex ").map_or((false, left), |rest| (true, rest));
                let bytes = code(left).split('…').map(|part| bytes(is_hex, part)).collect();
                found.push(Example { line: index + 1, settings: settings.clone(), bytes, expected: expected(right) });
            }
            _ => {}
        }
    }
    found
}

fn settings(example: &Example) -> FramingSettings {
    let text = format!(
        "[gateway]\nid = \"pi\"\n[source.s]\ntype = \"stdin\"\nschema = \"v DOUBLE\"\nmax_payload = 64\n{}[query.q]\nsql = \"SELECT * FROM s\"\n\
         [sink.o]\ntype = \"stdout\"\nfrom = [\"q\"]\n",
        example.settings
    );
    let SourceKind::Stdin(framing) = &from_text(&text).sources[0].kind else { panic!("not standard input") };
    framing.clone()
}

/// The frames, the bytes being pushed in pieces that end before each of `cuts`.
fn frames(settings: &FramingSettings, bytes: &[Vec<u8>], cut: impl Fn(usize) -> bool) -> Vec<Expected> {
    let (mut framer, mut frames, mut now_us, mut at) = (Framer::new(settings), Vec::new(), 0, 0);
    for (part, bytes) in bytes.iter().enumerate() {
        if part > 0 {
            now_us += SILENCE_US;
            framer.tick(now_us, &mut frames);
        }
        let mut begin = 0;
        for end in 1..=bytes.len() {
            at += 1;
            if cut(at) || end == bytes.len() {
                framer.push(&bytes[begin..end], now_us, &mut frames);
                begin = end;
            }
        }
    }
    framer.end(&mut frames);
    let expected = |content: FrameContent| match content {
        FrameContent::Whole(bytes) => Expected::Payload(bytes.to_vec()),
        FrameContent::Bad { reason, .. } => Expected::Error(reason),
    };
    frames.into_iter().map(expected).collect()
}

#[test]
fn bytes_are_framed_as_the_document_says() {
    let examples = examples();
    let mut wrong = Vec::new();
    for example in &examples {
        let settings = settings(example);
        let length: usize = example.bytes.iter().map(Vec::len).sum();
        let mut ways = vec![frames(&settings, &example.bytes, |_| false), frames(&settings, &example.bytes, |_| true)];
        ways.extend((1..length).map(|place| frames(&settings, &example.bytes, |at| at == place)));
        if let Some((way, got)) = ways.iter().enumerate().find(|(_, got)| **got != example.expected) {
            wrong.push(format!("docs/framing.md:{}: way {way}: {got:?}", example.line));
        }
    }
    assert!(wrong.is_empty(), "{} of {} examples:\n{}", wrong.len(), examples.len(), wrong.join("\n"));
    assert!(examples.len() > 25, "only {} examples were found", examples.len());
}
