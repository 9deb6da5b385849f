//! `${NAME}`, `${NAME:-default}` and `$$` in strings; `file:` in secrets.
//!
//! A `$` before anything but `{` and `$` is itself, so that `$SYS/#` and regular expressions stay readable. What a variable holds is not
//! expanded again. Limits: a string grows to at most [`TEXT_BYTES_MAX`], a secret's file to [`SECRET_BYTES_MAX`].

use std::path::Path;

use super::diagnostic::{Diagnostic, nearest};
use super::environment::Environment;
use super::text::Text;

pub const TEXT_BYTES_MAX: usize = 1 << 20;
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// The text with its variables filled in.
pub fn expand(text: &Text, environment: &Environment) -> Result<Text, Box<Diagnostic>> {
    if !text.value.contains('$') {
        return Ok(text.clone());
    }
    let mut out = text.emptied();
    let mut at = 0;
    while let Some(found) = text.value[at..].find('$') {
        let dollar = at + found;
        out.push_part(text, at..dollar);
        let rest = &text.value[dollar + 1..];
        if rest.starts_with('$') {
            out.push_replaced("$", text, dollar..dollar + 2);
            at = dollar + 2;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let Some(length) = inner.find('}') else {
                let diagnostic = Diagnostic::error(text.place_of(dollar..dollar + 2), "`${` without its `}`");
                return Err(Box::new(diagnostic.help("a literal `${` is written `$${`")));
            };
            let range = dollar..dollar + length + 3;
            let value = variable(&inner[..length], environment)
                .map_err(|(message, help)| Diagnostic::error(text.place_of(range.clone()), message).help(help))?;
            out.push_replaced(&value, text, range.clone());
            at = range.end;
        } else {
            out.push_part(text, dollar..dollar + 1);
            at = dollar + 1;
        }
        if out.value.len() > TEXT_BYTES_MAX {
            let message = format!("with its variables filled in this is longer than {TEXT_BYTES_MAX} bytes");
            return Err(Box::new(Diagnostic::error(text.place, message)));
        }
    }
    out.push_part(text, at..text.value.len());
    Ok(out)
}

/// The value of `NAME` or `NAME:-default`; else message and help.
fn variable(inner: &str, environment: &Environment) -> Result<String, (String, String)> {
    let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
        let shown: String = name.chars().take(80).collect();
        return Err((format!("`{shown}` is not the name of a variable"), "write ${NAME} or ${NAME:-default}".to_owned()));
    }
    match (environment.variables.get(name), default) {
        (Some(value), None) => Ok(value.clone()),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value.clone()),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let near = nearest(name, environment.variables.keys().map(String::as_str)).map(|near| format!("; did you mean `{near}`?"));
            let help = if name == "CREDENTIALS_DIRECTORY" {
                "systemd sets it for the service alone. While the service runs, root can check with CREDENTIALS_DIRECTORY=/run/credentials/tidemill.service \
                 before the command"
                    .to_owned()
            } else {
                format!("set it, or give a default: ${{{name}:-default}}{}", near.unwrap_or_default())
            };
            Err((format!("the environment variable `{name}` is not set"), help))
        }
    }
}

/// A secret's value: what stands behind `file:`, without the trailing newline, or the text itself.
pub fn secret(text: &Text, environment: &Environment) -> Result<String, Box<Diagnostic>> {
    let Some(path) = text.value.strip_prefix("file:") else {
        return Ok(text.value.clone());
    };
    if !Path::new(path).is_absolute() {
        let diagnostic = Diagnostic::error(text.place, "`file:` needs an absolute path");
        return Err(Box::new(diagnostic.help("for example \"file:/run/credentials/password\"")));
    }
    let contents = environment.files.read_text(Path::new(path), SECRET_BYTES_MAX);
    let contents = contents.map_err(|reason| Diagnostic::error(text.place, format!("cannot read {path}: {reason}")))?;
    let contents = contents.strip_suffix('\n').unwrap_or(&contents);
    Ok(contents.strip_suffix('\r').unwrap_or(contents).to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::diagnostic::Place;
    use super::super::environment::Files;
    use super::*;

    fn environment() -> Environment {
        let variables = [("NAME", "barn"), ("EMPTY", ""), ("TRICK", "${NAME}"), ("BIG", &"x".repeat(100_000))];
        let files = [("/s/lf", "pass\n"), ("/s/crlf", "pass\r\n"), ("/s/two", "pass\n\n"), ("/s/none", "pass")];
        Environment {
            host_name: "pi".to_owned(),
            machine_id: None,
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            files: Files::Memory(files.map(|(path, text)| (path.into(), text.as_bytes().to_vec())).into_iter().collect::<BTreeMap<_, _>>()),
            extensions: Default::default(),
        }
    }

    fn text(value: &str) -> Text {
        Text::from_literal(value, &format!("'{value}'"), Place { file: 0, start: 100, end: 102 + value.len() })
    }

    #[test]
    fn variables_defaults_and_dollars() {
        for (given, expected) in [
            ("${NAME}-7", "barn-7"),
            ("a$$b", "a$b"),
            ("$${NAME}", "${NAME}"),
            ("^a+$", "^a+$"),
            ("$SYS/#", "$SYS/#"),
            ("${NOPE:-x y}", "x y"),
            ("${NOPE:-}", ""),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY}", ""),
            ("${TRICK}", "${NAME}"),
        ] {
            assert_eq!(expand(&text(given), &environment()).unwrap().value, expected, "{given}");
        }
    }

    #[test]
    fn errors_point_at_the_variable() {
        let error = expand(&text("ab ${NAMES} c"), &environment()).unwrap_err();
        assert_eq!(error.message, "the environment variable `NAMES` is not set");
        assert_eq!(error.help.as_deref(), Some("set it, or give a default: ${NAMES:-default}; did you mean `NAME`?"));
        assert_eq!(error.place, Some(Place { file: 0, start: 104, end: 112 }));
        let error = expand(&text("${CREDENTIALS_DIRECTORY}/secret_a"), &environment()).unwrap_err();
        assert!(error.help.unwrap().contains("CREDENTIALS_DIRECTORY=/run/credentials/tidemill.service"));
        assert_eq!(expand(&text("a ${NAME"), &environment()).unwrap_err().message, "`${` without its `}`");
        assert_eq!(expand(&text("${a b}"), &environment()).unwrap_err().message, "`a b` is not the name of a variable");
        assert!(expand(&text(&"${BIG}".repeat(20)), &environment()).unwrap_err().message.contains("longer than"));
    }

    #[test]
    fn secrets_come_from_files() {
        let secret = |value: &str| secret(&text(value), &environment());
        assert_eq!(secret("plain").unwrap(), "plain");
        assert_eq!(secret("file:/s/lf").unwrap(), "pass");
        assert_eq!(secret("file:/s/crlf").unwrap(), "pass");
        assert_eq!(secret("file:/s/two").unwrap(), "pass\n");
        assert_eq!(secret("file:/s/none").unwrap(), "pass");
        assert_eq!(secret("file:/s/gone").unwrap_err().message, "cannot read /s/gone: no such file");
        assert_eq!(secret("file:rel").unwrap_err().message, "`file:` needs an absolute path");
    }
}
