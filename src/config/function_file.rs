//! Functions of scripts for a query without a configuration: `tidemill query --functions weather.rhai`.
//!
//! A script's types stand in comments of their own lines, `// sql: dew_point(t DOUBLE, h DOUBLE) -> DOUBLE`; functions without one are the script's
//! own affair. A `.toml` file gives the functions of its `[function.<name>]` sections; the rest of it is not looked at.
//!
//! Limits: scripts of [`TEXT_BYTES_MAX`]; [`FUNCTIONS_MAX`] functions.

use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Place};
use super::document;
use super::function::{check_in_script, check_name, signature};
use super::reader::{Context, Reader};
use super::text::Text;
use super::{ConfigErrors, Environment, functions as of_sections, sections};
use crate::plan::{ScriptFunction, ScriptText};
use crate::script::{Script, TEXT_BYTES_MAX};

/// Functions of one query.
const FUNCTIONS_MAX: usize = 256;

/// Begins a line that makes a function of the script one of SQL.
const MARK: &str = "// sql:";

/// The functions of all files, in their order.
pub fn load_functions(paths: &[PathBuf], environment: &Environment) -> Result<Vec<ScriptFunction>, ConfigErrors> {
    let mut context = Context::new(environment);
    let mut found: Vec<(ScriptFunction, Option<Place>)> = Vec::new();
    for path in paths {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml")) {
            let tree = document::read_files(&mut context, std::slice::from_ref(path));
            let mut top = Reader::top(&tree);
            let tables = sections(&mut context, &mut top, "function");
            let read = of_sections(&mut context, tables);
            if read.is_empty() && !context.has_errors() {
                context.report(Diagnostic::error_without_place(format!("{} has no section [function.<name>]", path.display())));
            }
            found.extend(read.into_iter().map(|function| (function, None)));
        } else {
            of_script(&mut context, path, &mut found);
        }
    }
    for (index, (function, place)) in found.iter().enumerate() {
        if found[..index].iter().any(|(earlier, _)| earlier.id() == function.id()) {
            let message = format!("there are two functions `{}`", function.name);
            let diagnostic = place.map_or_else(|| Diagnostic::error_without_place(&message), |place| Diagnostic::error(place, &message));
            context.report(diagnostic.help("give one of them another name"));
        }
    }
    if found.len() > FUNCTIONS_MAX {
        context.report(Diagnostic::error_without_place(format!("more than {FUNCTIONS_MAX} functions")));
    }
    if context.has_errors() {
        return Err(ConfigErrors { diagnostics: context.diagnostics, sources: context.sources });
    }
    Ok(found.into_iter().map(|(function, _)| function).collect())
}

fn of_script(context: &mut Context, path: &Path, found: &mut Vec<(ScriptFunction, Option<Place>)>) {
    let name = path.display().to_string();
    let contents = match context.environment.files.read_text(path, TEXT_BYTES_MAX) {
        Ok(contents) => contents,
        Err(reason) => return context.report(Diagnostic::error_without_place(format!("cannot read {name}: {reason}"))),
    };
    let text = Text::from_file(context.sources.add(name.as_str(), contents.as_str()), &contents);
    let script = match Script::compile(&contents) {
        Ok(script) => script,
        Err(error) => return super::script::report(context, &text, &error),
    };
    let script_text = ScriptText { text: contents.as_str().into(), file: name.as_str().into(), lines_before: 0 };
    let mut at = 0;
    let mut marked = false;
    for line in contents.split_inclusive('\n') {
        if let Some(rest) = line.trim_start().strip_prefix(MARK) {
            marked = true;
            let start = at + line.len() - rest.len();
            found.extend(of_line(context, &text, start..start + rest.trim_end().len(), (&script, &script_text)));
        }
        at += line.len();
    }
    if !marked {
        let message = format!("{name} makes no function one of SQL");
        let help = format!("say what it takes and gives in a comment above it: {MARK} dew_point(t DOUBLE, h DOUBLE) -> DOUBLE");
        context.report(Diagnostic::error_without_place(message).help(help));
    }
}

/// What stands behind a mark: a name and a signature.
fn of_line(
    context: &mut Context,
    text: &Text,
    range: std::ops::Range<usize>,
    (script, script_text): (&Script, &ScriptText),
) -> Option<(ScriptFunction, Option<Place>)> {
    let written = &text.value[range.clone()];
    let name = written[..written.find('(').unwrap_or(written.len())].trim();
    let start = range.start + (written.len() - written.trim_start().len());
    let place = text.place_of(start..start + name.len());
    let mut rest = text.emptied();
    rest.place = text.place_of(range.clone());
    rest.push_part(text, start + name.len()..range.end);
    let errors = context.diagnostics.len();
    let (parameters, returns) = signature(context, &rest)?;
    check_name(context, name, place);
    if context.diagnostics.len() == errors {
        check_in_script(
            context,
            script,
            (name, &parameters, place),
            "the comment has the name and the parameters of a function of this file",
        );
    }
    let function =
        ScriptFunction { name: name.to_lowercase(), function: name.to_owned(), script: script_text.clone(), parameters, returns };
    Some((function, Some(place)))
}
