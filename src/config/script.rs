//! Scripts in the configuration: `script` (a file) or `script_text`, compiled to see whether they are right.

use super::reader::{Context, Reader};
use super::text::Text;
use crate::plan::ScriptText;
use crate::script::{Script, ScriptError, TEXT_BYTES_MAX};

/// A script that compiles.
pub struct CheckedScript {
    pub text: ScriptText,
    pub compiled: Script,
}

/// The table's script; `None` if it is missing or wrong, which has then been reported.
pub fn read(context: &mut Context, reader: &mut Reader) -> Option<CheckedScript> {
    let (file, inline) = (reader.text(context, "script"), reader.text(context, "script_text"));
    if file.is_some() && inline.is_some() {
        context.error(reader.key_place("script_text"), format!("{} has both `script` and `script_text`", reader.title()), "keep one");
        return None;
    }
    if !reader.has("script") && !reader.has("script_text") {
        let message = format!("{} needs `script` or `script_text`", reader.title());
        context.error(reader.place, message, "for example: script = \"alarm.rhai\"");
    }
    let is_file = file.is_some();
    let text = match file {
        Some(path) => context.read_file(&path, TEXT_BYTES_MAX)?,
        None => inline?,
    };
    match Script::compile(&text.value) {
        Ok(compiled) => {
            let name = context.sources.name(text.place.file);
            let (file, lines_before) = match lines_before(context, &text) {
                _ if is_file => (name.to_owned(), 0),
                Some(lines) => (name.to_owned(), lines),
                None if reader.path.is_empty() => (format!("{name}, script_text"), 0),
                None => (format!("{name}, [{}] script_text", reader.path), 0),
            };
            Some(CheckedScript { text: ScriptText { text: text.value.into(), file: file.into(), lines_before }, compiled })
        }
        Err(error) => {
            report(context, &text, &error);
            None
        }
    }
}

/// Reports a text that does not compile, at its place.
pub(super) fn report(context: &mut Context, text: &Text, error: &ScriptError) {
    let at = error.place.map_or(0, |(line, column)| offset(&text.value, line, column));
    let end = text.value[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    context.error(text.place_of(at..end), format!("the script: {error}"), "scripts are written in Rhai");
}

/// Lines of the file before the text's, where its lines are those of the file.
fn lines_before(context: &Context, text: &Text) -> Option<usize> {
    let position = |offset| context.sources.position(text.place.file, text.place_of(offset..offset).start);
    let ((first, column), (last, _)) = (position(0), position(text.value.len()));
    (column == 1 && last - first == text.value.matches('\n').count()).then(|| first - 1)
}

/// The byte at which column `column` of line `line` begins, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let line = text[start.min(text.len())..].lines().next().unwrap_or_default();
    start + line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_become_offsets() {
        let text = "fn f() {\n  größer x\n}\n";
        assert_eq!(&text[offset(text, 2, 3)..][.."größer".len()], "größer");
        assert_eq!(&text[offset(text, 2, 10)..][..1], "x");
        assert_eq!((offset(text, 9, 9), offset(text, 1, 99), offset("", 1, 1)), (text.len(), 8, 0));
    }
}
