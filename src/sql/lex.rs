//! Query text to tokens: Spark's string literals, number suffixes and `STREAM`, and spans that count bytes.
//!
//! The spans of the tokens handed to the parser hold byte offsets: line 1, column = offset + 1.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span as TokenSpan, Token, TokenWithSpan, Tokenizer, Word};

use super::dialect::SparkDialect;
use super::error::SqlError;
use crate::plan::Span;

/// Longest query text, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// How deep operators may nest the syntax tree, counted on tokens: the parser and its tree recurse.
const OPERATORS_DEEP_MAX: usize = 1500;

/// Tokens without white space and comments, string literals unescaped as Spark does.
pub fn lex(text: &str, dialect: &SparkDialect) -> Result<Vec<TokenWithSpan>, SqlError> {
    if text.len() > TEXT_BYTES_MAX {
        let span = Span { start: 0, end: 0 };
        return Err(SqlError::new(span, format!("the query is {} bytes long; at most {TEXT_BYTES_MAX} are allowed", text.len())));
    }
    let mut places = Places::new(text);
    let tokens = Tokenizer::new(dialect, text).with_unescape(false).tokenize_with_location().map_err(|error| {
        let start = Places::new(text).offset(error.location);
        SqlError::new(Span { start, end: start + 1 }, error.message)
    })?;
    let mut lexed: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() / 2 + 1);
    for token in tokens {
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        let span = Span { start: places.offset(token.span.start), end: places.offset(token.span.end) };
        push(&mut lexed, token.token, span, text)?;
    }
    check_depth(&lexed)?;
    Ok(lexed)
}

/// Appends a token, merged into the last one where Spark sees one literal.
fn push(lexed: &mut Vec<TokenWithSpan>, token: Token, span: Span, text: &str) -> Result<(), SqlError> {
    let last = lexed.last_mut().map(|last| (span_of(last.span), last));
    let token = match token {
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => {
            let source = &text[span.start as usize..span.end as usize];
            let inner = source.get(1..source.len().saturating_sub(1)).unwrap_or_default();
            match last {
                Some((before, TokenWithSpan { token, span: place })) if before.end == span.start && is_raw_prefix(token) => {
                    *token = Token::SingleQuotedString(inner.to_string());
                    *place = token_span(Span { start: before.start, end: span.end });
                    return Ok(());
                }
                Some((before, TokenWithSpan { token: Token::SingleQuotedString(head), span: place })) => {
                    head.push_str(&unescape(inner, &source[..1]));
                    *place = token_span(Span { start: before.start, end: span.end });
                    return Ok(());
                }
                _ => Token::SingleQuotedString(unescape(inner, &source[..1])),
            }
        }
        Token::Number(digits, long) => Token::Number(if long { format!("{digits}L") } else { digits }, false),
        Token::Word(Word { value: suffix, quote_style: None, .. })
            if last.as_ref().is_some_and(|(before, last)| before.end == span.start && matches!(last.token, Token::Number(..))) =>
        {
            let Some((before, TokenWithSpan { token: Token::Number(digits, _), span: place })) = last else { return Ok(()) };
            if !matches!(suffix.to_ascii_uppercase().as_str(), "D" | "F" | "BD" | "S" | "Y" | "L") {
                return Err(SqlError::new(
                    Span { start: before.start, end: span.end },
                    format!("`{digits}{suffix}` is neither a number nor a name"),
                )
                .help("names that begin with a digit are written in backticks"));
            }
            digits.push_str(&suffix.to_ascii_uppercase());
            *place = token_span(Span { start: before.start, end: span.end });
            return Ok(());
        }
        other => other,
    };
    lexed.push(TokenWithSpan { token, span: token_span(span) });
    Ok(())
}

fn is_raw_prefix(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("r"))
}

/// Spark's escapes in a string literal between `quote`s.
fn unescape(inner: &str, quote: &str) -> String {
    let doubled = quote.repeat(2);
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with(&doubled) {
            out.push_str(quote);
            rest = &rest[2..];
        } else if first == '\\' {
            rest = unescape_one(&rest[1..], &mut out);
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// What stands after a backslash; returns the rest.
fn unescape_one<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let code =
        |digits: usize, radix: u32| rest.get(1..1 + digits).and_then(|hex| u32::from_str_radix(hex, radix).ok()).and_then(char::from_u32);
    let Some(first) = rest.chars().next() else {
        out.push('\\');
        return rest;
    };
    let octal = rest.get(..3).filter(|digits| digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) && first <= '1');
    match first {
        'u' if code(4, 16).is_some() => {
            out.extend(code(4, 16));
            return &rest[5..];
        }
        'U' if code(8, 16).is_some() => {
            out.extend(code(8, 16));
            return &rest[9..];
        }
        _ if octal.is_some() => {
            out.extend(octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()).map(char::from));
            return &rest[3..];
        }
        '0' => out.push('\0'),
        'b' => out.push('\u{8}'),
        'n' => out.push('\n'),
        'r' => out.push('\r'),
        't' => out.push('\t'),
        'Z' => out.push('\u{1A}'),
        // Kept for LIKE.
        '%' | '_' => out.extend(['\\', first]),
        other => out.push(other),
    }
    &rest[first.len_utf8()..]
}

/// Bounds the depth of the syntax tree that these tokens can yield: operators of one expression nest at most once each.
fn check_depth(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    #[derive(Default)]
    struct Level {
        operators: usize,
        inner: usize,
        deepest: usize,
    }
    let mut levels = vec![Level::default()];
    for token in tokens {
        let outermost = levels.len() == 1;
        let level = levels.last_mut().expect("the outermost level is never popped");
        match &token.token {
            Token::LParen => levels.push(Level::default()),
            Token::Comma => {
                level.deepest = level.deepest.max(level.operators + level.inner);
                (level.operators, level.inner) = (0, 0);
            }
            Token::RParen if !outermost => {
                let closed = levels.pop().unwrap_or_default();
                let depth = closed.deepest.max(closed.operators + closed.inner);
                if let Some(level) = levels.last_mut() {
                    level.inner = level.inner.max(depth);
                }
            }
            Token::Word(word) if !is_operator(word) => {}
            Token::SingleQuotedString(_) | Token::Number(..) | Token::Period | Token::RParen => {}
            _ => level.operators += 1,
        }
        if levels.last().is_some_and(|level| level.operators + level.inner > OPERATORS_DEEP_MAX) {
            let message = format!("the expression is too long: at most {OPERATORS_DEEP_MAX} operators in one");
            return Err(SqlError::new(span_of(token.span), message).help("for a long list of values use IN (…)"));
        }
    }
    Ok(())
}

fn is_operator(word: &Word) -> bool {
    use Keyword::*;
    word.quote_style.is_none()
        && matches!(
            word.keyword,
            AND | OR | NOT | IN | IS | LIKE | ILIKE | RLIKE | REGEXP | BETWEEN | DIV | XOR | UNION | EXCEPT | INTERSECT | COLLATE | AT
        )
}

/// A span in bytes as the parser's tokens carry it.
pub fn token_span(span: Span) -> TokenSpan {
    TokenSpan { start: Location { line: 1, column: u64::from(span.start) + 1 }, end: Location { line: 1, column: u64::from(span.end) + 1 } }
}

/// The bytes that a span from the parser covers.
pub fn span_of(span: TokenSpan) -> Span {
    let offset = |place: Location| u32::try_from(place.column.saturating_sub(1)).unwrap_or(u32::MAX);
    Span { start: offset(span.start), end: offset(span.end) }
}

/// Turns lines and columns into byte offsets, walking forwards.
struct Places<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    length: usize,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        Places { chars: text.char_indices().peekable(), length: text.len(), line: 1, column: 1 }
    }

    /// Places must be asked for in ascending order.
    fn offset(&mut self, place: Location) -> u32 {
        while (self.line, self.column) < (place.line, place.column) {
            match self.chars.next() {
                None => break,
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
            }
        }
        self.chars.peek().map_or(self.length, |(offset, _)| *offset) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(String, String)> {
        let lexed = lex(text, &SparkDialect::default()).unwrap();
        lexed
            .into_iter()
            .map(|token| {
                let span = span_of(token.span);
                (token.token.to_string(), text[span.start as usize..span.end as usize].to_string())
            })
            .collect()
    }

    #[test]
    fn spans_count_bytes_across_lines_and_wide_characters() {
        let text = "SELECT 'ü' --é\n , b";
        assert_eq!(tokens(text).last().unwrap().1, "b");
        assert_eq!(tokens(text)[1].1, "'ü'");
    }

    #[test]
    fn strings_unescape_as_in_spark() {
        let text = |sql: &str| match &lex(sql, &SparkDialect::default()).unwrap()[..] {
            [TokenWithSpan { token: Token::SingleQuotedString(text), .. }] => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("'it''s'"), "it's");
        assert_eq!(text(r#""a""b""#), "a\"b");
        assert_eq!(text(r"'a\'b\n\\d\u0041\x'"), "a'b\n\\dAx");
        assert_eq!(text(r"'100\%'"), "100\\%");
        assert_eq!(text("'a' \"b\"\n'c'"), "abc");
        assert_eq!(text(r"r'\d+'"), r"\d+");
        assert_eq!(text(r"''"), "");
    }

    #[test]
    fn number_suffixes_belong_to_the_number() {
        assert_eq!(tokens("1D 1.5bd 3L 1e3").into_iter().map(|(token, _)| token).collect::<Vec<_>>(), ["1D", "1.5BD", "3L", "1e3"]);
        assert!(lex("1abc", &SparkDialect::default()).is_err());
    }

    #[test]
    fn endless_chains_are_refused_by_count() {
        assert!(lex(&format!("SELECT {}1", "1+".repeat(20_000)), &SparkDialect::default()).is_err());
        assert!(lex(&format!("SELECT {}1", "1,".repeat(20_000)), &SparkDialect::default()).is_ok());
        assert!(lex(&"x".repeat(TEXT_BYTES_MAX + 1), &SparkDialect::default()).is_err());
    }
}
