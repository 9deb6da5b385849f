//! Reads Rust source as far as the layout rules need it: what is code, what is a comment or a text, where items begin and end.
//!
//! Limits: no macro expansion; a `fn` inside a macro definition counts as a function.

/// One file, as written and with everything that is not code blanked (byte for byte, lines kept).
pub struct Source {
    /// Relative to the package, with `/`.
    pub path: String,
    pub text: String,
    /// Comments and the insides of texts replaced by spaces.
    pub code: String,
    /// As `code`, items under `#[cfg(test)]` blanked too; empty for files that are tests as a whole.
    pub product: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let code = blank_non_code(text);
        let product = if is_test_file(path) { String::new() } else { blank_test_items(&code) };
        Source { path: path.to_owned(), text: text.to_owned(), code, product }
    }

    /// Line, from 1, of a byte offset.
    pub fn line(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }
}

/// Blanks the product of the files that are modules under `#[cfg(test)]`, and of what lies below them.
pub fn mark_test_modules(sources: &mut [Source]) {
    let mut tests = Vec::new();
    for source in sources.iter() {
        for (at, attribute) in source.code.match_indices("#[cfg(test)]") {
            let item = source.code[at + attribute.len()..].trim_start().trim_start_matches("pub ");
            if let Some(rest) = item.strip_prefix("mod ") {
                let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
                tests.push(format!("{}/{name}", module_directory(&source.path)));
            }
        }
    }
    for source in sources {
        let is_test = |module: &String| source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"));
        if tests.iter().any(is_test) {
            source.product.clear();
        }
    }
}

/// Where the modules of a file lie: beside a crate's root and `mod.rs`, else in the directory of the file's name.
pub fn module_directory(path: &str) -> String {
    let (parent, file) = path.rsplit_once('/').unwrap_or(("", path));
    let is_root = matches!(file, "mod.rs" | "lib.rs" | "main.rs") || !parent.contains('/') && parent != "src";
    if is_root { parent.to_owned() } else { format!("{parent}/{}", file.trim_end_matches(".rs")) }
}

fn is_test_file(path: &str) -> bool {
    !path.starts_with("src/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// A function's name and the lines it takes, from `fn` to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

pub fn functions(source: &Source) -> Vec<Function> {
    let code = &source.code;
    let mut found = Vec::new();
    for start in words(code, "fn") {
        let name: String = code[start + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
        let Some(body) = code[start..].find(['{', ';']).map(|at| start + at) else { continue };
        // A pointer type such as `fn(u8)` has no name; a trait's declaration has no body.
        if name.is_empty() || code.as_bytes()[body] == b';' {
            continue;
        }
        let end = closing_brace(code, body);
        let line = source.line(start);
        found.push(Function { name, line, lines: source.line(end) - line + 1 });
    }
    found
}

/// Names that stand right after `crate::`, also in `crate::{a, b::c}`, with their offsets.
pub fn crate_modules(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for start in words(code, "crate") {
        let Some(rest) = code[start..].strip_prefix("crate::") else { continue };
        if !rest.starts_with('{') {
            found.push((start, rest.chars().take_while(|c| is_word(*c)).collect()));
            continue;
        }
        let end = closing_brace(rest, 0);
        let mut depth = 0;
        let mut at_start = true;
        for (offset, c) in rest[..end].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => at_start = true,
                _ if depth == 1 && at_start && is_word(c) => {
                    found.push((start, rest[offset..].chars().take_while(|c| is_word(*c)).collect()));
                    at_start = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// Offsets at which `word` stands as a whole word.
pub fn words(code: &str, word: &str) -> Vec<usize> {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| !code[..*at].chars().next_back().is_some_and(is_word))
        .filter(|at| !code[at + word.len()..].chars().next().is_some_and(is_word))
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Offset of the brace that closes the one at `open`; the end of the text if none does.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return offset;
                }
            }
            _ => {}
        }
    }
    code.len() - 1
}

fn blank_test_items(code: &str) -> String {
    let mut product = code.as_bytes().to_vec();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let Some(stop) = code[start..].find(['{', ';']).map(|at| start + at) else { continue };
        let end = if code.as_bytes()[stop] == b'{' { closing_brace(code, stop) } else { stop };
        blank(&mut product[start..=end]);
    }
    String::from_utf8(product).expect("only whole characters are replaced")
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

pub fn blank_non_code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (inner, next) = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                let end = text[at..].find('\n').map_or(bytes.len(), |length| at + length);
                (at..end, end)
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = block_comment_end(bytes, at);
                (at..end, end)
            }
            b'r' if is_raw_text(text, at) => raw_text(text, at),
            b'"' => {
                let end = text_end(bytes, at + 1);
                (at + 1..end, end + 1)
            }
            b'\'' => match character_end(text, at) {
                Some(end) => (at + 1..end, end + 1),
                None => (at..at, at + 1),
            },
            _ => (at..at, at + 1),
        };
        blank(&mut code[inner]);
        at = next;
    }
    String::from_utf8(code).expect("only whole characters are replaced")
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => (depth, at) = (depth + 1, at + 2),
            (b'*', Some(b'/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"` or `r#"` that begins a text (also after `b`), not the end of a word or a raw identifier.
fn is_raw_text(text: &str, at: usize) -> bool {
    let before = text[..at].strip_suffix('b').unwrap_or(&text[..at]);
    text[at + 1..].trim_start_matches('#').starts_with('"') && !before.chars().next_back().is_some_and(is_word)
}

/// The inside of the raw text at `at`, and the offset after it.
fn raw_text(text: &str, at: usize) -> (std::ops::Range<usize>, usize) {
    let hashes = text[at + 1..].bytes().take_while(|byte| *byte == b'#').count();
    let begin = at + 1 + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = text[begin..].find(&close).map_or(text.len(), |length| begin + length);
    (begin..end, (end + close.len()).min(text.len()))
}

fn text_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Offset of the closing quote of a character literal; `None` for a lifetime.
fn character_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at + 1..];
    if rest.starts_with('\\') {
        return rest[2..].find('\'').map(|length| at + 3 + length);
    }
    let first = rest.chars().next()?;
    rest[first.len_utf8()..].starts_with('\'').then(|| at + 1 + first.len_utf8())
}
