//! File names with `*` and `?`: what shells do, for those that leave them as they are (as within `name=path:schema`) and for sources of files.
//!
//! Limits: [`MATCHES_MAX`] files.

use std::path::{Component, Path, PathBuf};

/// Files that one pattern may name.
pub const MATCHES_MAX: usize = 100_000;

/// The files that a pattern names, sorted; itself where it has no wildcard. The error is for people.
pub fn expand(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    if !has_wildcard(&pattern.to_string_lossy()) {
        return Ok(vec![pattern.to_owned()]);
    }
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let name = name.to_string_lossy();
        if !has_wildcard(&name) {
            found.iter_mut().for_each(|path| path.push(&*name));
            continue;
        }
        let mut next = Vec::new();
        for directory in found {
            let within = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
            let Ok(entries) = std::fs::read_dir(within) else { continue };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            // As in a shell, names that begin with a dot have to be named with it.
            let names = names.filter(|found| matches(&name, found) && (name.starts_with('.') || !found.starts_with('.')));
            next.extend(names.map(|found| directory.join(found)));
            if next.len() > MATCHES_MAX {
                return Err(format!("{} names more than {MATCHES_MAX} files", pattern.display()));
            }
        }
        next.sort();
        found = next;
    }
    found.retain(|path| path.exists());
    if found.is_empty() { Err(format!("{} names no file", pattern.display())) } else { Ok(found) }
}

pub fn has_wildcard(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether the whole of `name` matches. Time grows with the product of the lengths, not more.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, n) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_a_shell() {
        for (pattern, name) in [("*", "a.b"), ("a*c", "abbc"), ("a?c", "abc"), ("*.jsonl", "x.jsonl"), ("*a*b", "xaxxb"), ("a**", "a")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a?c", "ac"), ("*.jsonl", "x.json"), ("a*b", "abc"), ("?", "ab"), ("", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(50), &"a".repeat(2000).replace("aaaa", "aaab")), "soon");
    }

    #[test]
    fn patterns_name_the_files_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b/2.jsonl", "a/1.jsonl", "a/.hidden.jsonl", "a/3.csv"] {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |pattern: &str| {
            let found = expand(&directory.path().join(pattern))?;
            Ok(found.iter().map(|path| path.strip_prefix(directory.path()).unwrap().display().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(names("*/*.jsonl"), Ok(vec!["a/1.jsonl".to_owned(), "b/2.jsonl".to_owned()]));
        assert_eq!(names("?/1.jsonl"), Ok(vec!["a/1.jsonl".to_owned()]));
        assert_eq!(names("gone.jsonl"), Ok(vec!["gone.jsonl".to_owned()]), "whoever opens it says what is wrong");
        let error: Result<_, String> = names("*.txt");
        assert!(error.unwrap_err().ends_with("*.txt names no file"));
    }
}
