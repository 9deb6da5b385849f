//! Query text to sqlparser's tree, with Spark's WATERMARK and STREAM clauses, which it does not know, taken out by tokens first.
//!
//! A WATERMARK clause leaves a marker in the table's alias: `r WATERMARK ts DELAY OF … AS x` is parsed as `r AS x (marker0)`.

use sqlparser::ast::{Expr, Query, SelectItem, TableAlias};
use sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::dialect::{SparkDialect, parse_interval};
use super::error::{SqlError, join};
use super::inline_values;
use super::lex::{lex, span_of, token_span};
use super::rewrite::rewrite;
use crate::plan::Span;
use crate::types::duration;

/// How deep parentheses, function calls and unary operators may nest.
const NESTING_MAX: usize = 48;
/// No name in a query can begin with this character.
const MARKER: char = '\u{1}';

pub struct Parsed {
    pub query: Box<Query>,
    pub watermarks: Vec<WatermarkClause>,
    /// Where `STREAM` stood.
    pub streams: Vec<Span>,
}

/// `WATERMARK expr [AS name] DELAY OF INTERVAL …`
pub struct WatermarkClause {
    pub expr: Expr,
    pub name: Option<String>,
    pub delay_us: i64,
    pub span: Span,
}

/// The alias of a table as the user wrote it, with the number of its WATERMARK clause.
#[derive(Default)]
pub struct Alias {
    pub name: Option<String>,
    pub columns: Vec<String>,
    pub watermark: Option<usize>,
}

pub fn parse(text: &str) -> Result<Parsed, SqlError> {
    let dialect = SparkDialect::default();
    let mut tokens = lex(text, &dialect)?;
    while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
        tokens.pop();
    }
    check_statement(&tokens)?;
    let end = Span { start: text.trim_end().len() as u32, end: text.trim_end().len() as u32 };
    tokens = rewrite(tokens);
    let streams = take_streams(&mut tokens);
    let watermarks = take_watermarks(&mut tokens, &dialect, end)?;
    let tokens = inline_values::normalize(tokens, &dialect, end);
    let mut parser = parser(&dialect, tokens, end);
    let query = parser.parse_query().map_err(|error| explain(error, text))?;
    let next = parser.peek_token_ref();
    if next.token != Token::EOF {
        let error = SqlError::new(span_of(next.span), format!("unexpected `{}`", next.token));
        return Err(if next.token == Token::SemiColon { error.help("a query is one statement") } else { error });
    }
    Ok(Parsed { query, watermarks, streams })
}

pub(super) fn parser<'a>(dialect: &'a SparkDialect, mut tokens: Vec<TokenWithSpan>, end: Span) -> Parser<'a> {
    tokens.push(TokenWithSpan { token: Token::EOF, span: token_span(end) });
    Parser::new(dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens)
}

fn check_statement(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    match tokens.first() {
        None => Err(SqlError::new(Span::default(), "the query is empty").help("write SELECT … FROM …")),
        Some(TokenWithSpan { token: Token::LParen, .. }) => Ok(()),
        Some(first) => match &first.token {
            Token::Word(Word { keyword: Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM | Keyword::TABLE, .. }) => Ok(()),
            other => {
                let message = format!("a query begins with SELECT or WITH, not with `{other}`");
                Err(SqlError::new(span_of(first.span), message))
            }
        },
    }
}

/// Removes `STREAM` before a table name: every source is a stream.
fn take_streams(tokens: &mut Vec<TokenWithSpan>) -> Vec<Span> {
    let mut streams = Vec::new();
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut i = 0;
    while i < tokens.len() {
        let begins_table = kept
            .last()
            .is_some_and(|last| last.token == Token::Comma || is_keyword(last, Keyword::FROM) || is_keyword(last, Keyword::JOIN));
        if begins_table && is_keyword(&tokens[i], Keyword::STREAM) {
            match tokens.get(i + 1..) {
                Some([open, name, close, ..]) if open.token == Token::LParen && is_name(name) && close.token == Token::RParen => {
                    streams.push(span_of(tokens[i].span));
                    kept.push(name.clone());
                    i += 4;
                    continue;
                }
                Some([name, ..]) if is_name(name) && !is_word(name, "WATERMARK") => {
                    streams.push(span_of(tokens[i].span));
                    i += 1;
                    continue;
                }
                _ => {}
            }
        }
        kept.push(tokens[i].clone());
        i += 1;
    }
    *tokens = kept;
    streams
}

/// Replaces each WATERMARK clause by a marker in the table's alias.
fn take_watermarks(tokens: &mut Vec<TokenWithSpan>, dialect: &SparkDialect, end: Span) -> Result<Vec<WatermarkClause>, SqlError> {
    let mut clauses = Vec::new();
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut i = 0;
    while i < tokens.len() {
        let after_table = kept.last().is_some_and(|last| is_name(last) || last.token == Token::RParen);
        if !after_table || !is_word(&tokens[i], "WATERMARK") {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        let Some(delay) = find_delay(&tokens[i + 1..]).map(|offset| i + 1 + offset) else {
            if tokens.get(i + 1).is_some_and(is_name) {
                return Err(SqlError::new(span_of(tokens[i].span), "the WATERMARK clause has no DELAY")
                    .help("write WATERMARK ts DELAY OF INTERVAL 10 SECONDS"));
            }
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        };
        let (expr, name) = parse_time(&tokens[i + 1..delay], dialect, end)?;
        let (delay_us, used) = parse_delay(&tokens[delay + 2..], dialect, end)?;
        let next = delay + 2 + used;
        let span = join(span_of(tokens[i].span), span_of(tokens[next - 1].span));
        i = push_alias(&mut kept, tokens, next, clauses.len(), span);
        clauses.push(WatermarkClause { expr, name, delay_us, span });
    }
    *tokens = kept;
    Ok(clauses)
}

/// Index of `DELAY OF` that belongs to a WATERMARK just before these tokens.
fn find_delay(tokens: &[TokenWithSpan]) -> Option<usize> {
    use Keyword::{FROM, GROUP, HAVING, JOIN, LIMIT, ORDER, SELECT, UNION, WHERE};
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.checked_sub(1)?,
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => {
                if word.keyword == Keyword::DELAY && tokens.get(i + 1).is_some_and(|next| is_keyword(next, Keyword::OF)) {
                    return Some(i);
                }
                if matches!(word.keyword, FROM | GROUP | HAVING | JOIN | LIMIT | ORDER | SELECT | UNION | WHERE)
                    || is_word(token, "WATERMARK")
                {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

fn parse_time(tokens: &[TokenWithSpan], dialect: &SparkDialect, end: Span) -> Result<(Expr, Option<String>), SqlError> {
    let end = tokens.last().map_or(end, |last| span_of(last.span));
    let mut parser = parser(dialect, tokens.to_vec(), end);
    let item = parser.parse_select_item().map_err(|error| explain(error, ""))?;
    let next = parser.peek_token_ref();
    if next.token != Token::EOF {
        return Err(SqlError::new(span_of(next.span), format!("unexpected `{}` in the WATERMARK clause", next.token)));
    }
    match item {
        SelectItem::UnnamedExpr(expr) => Ok((expr, None)),
        SelectItem::ExprWithAlias { expr, alias } => Ok((expr, Some(alias.value))),
        _ => Err(SqlError::new(end, "WATERMARK takes one TIMESTAMP column or expression")),
    }
}

/// The delay in µs, and how many tokens it took.
fn parse_delay(tokens: &[TokenWithSpan], dialect: &SparkDialect, end: Span) -> Result<(i64, usize), SqlError> {
    const DELAY_TOKENS_MAX: usize = 24;
    let place = tokens.first().map_or(end, |first| span_of(first.span));
    let malformed = || SqlError::new(place, "the watermark's delay is not an interval").help("write DELAY OF INTERVAL 10 SECONDS");
    let mut parser = parser(dialect, tokens.iter().take(DELAY_TOKENS_MAX).cloned().collect(), end);
    let Some(Ok(Expr::Interval(interval))) = parse_interval(&mut parser) else { return Err(malformed()) };
    let used = parser.get_current_index() + 1;
    let Expr::Value(value) = *interval.value else { return Err(malformed()) };
    if used == 2 {
        return Err(malformed());
    }
    let span = span_of(value.span);
    let text = value.value.into_string().unwrap_or_default();
    let delay = duration::parse_interval(&text).map_err(|message| SqlError::new(span, message))?;
    match delay.delay_us() {
        Some(delay_us) if delay_us >= 0 => Ok((delay_us, used)),
        _ => Err(SqlError::new(span, "a watermark's delay must not be negative")),
    }
}

/// Writes the table's alias with marker number `clause`; returns where the tokens go on.
fn push_alias(kept: &mut Vec<TokenWithSpan>, tokens: &[TokenWithSpan], mut next: usize, clause: usize, span: Span) -> usize {
    let span = token_span(span);
    let marker = |text: String| TokenWithSpan {
        token: Token::Word(Word { value: format!("{MARKER}{text}"), quote_style: Some('`'), keyword: Keyword::NoKeyword }),
        span,
    };
    let explicit = tokens.get(next).is_some_and(|token| is_keyword(token, Keyword::AS));
    if explicit {
        kept.push(tokens[next].clone());
        next += 1;
    }
    match tokens.get(next) {
        Some(alias) if explicit || is_name(alias) => {
            kept.push(alias.clone());
            next += 1;
        }
        _ => kept.push(marker(String::new())),
    }
    kept.push(TokenWithSpan { token: Token::LParen, span });
    kept.push(marker(clause.to_string()));
    if tokens.get(next).is_some_and(|token| token.token == Token::LParen) {
        kept.push(TokenWithSpan { token: Token::Comma, span });
        next += 1;
    } else {
        kept.push(TokenWithSpan { token: Token::RParen, span });
    }
    next
}

impl Alias {
    /// Takes the alias apart that [`push_alias`] may have written.
    pub fn of(alias: Option<&TableAlias>) -> Alias {
        let Some(alias) = alias else { return Alias::default() };
        let mut columns: Vec<String> = alias.columns.iter().map(|column| column.name.value.clone()).collect();
        let watermark = columns.first().and_then(|first| first.strip_prefix(MARKER)).and_then(|number| number.parse().ok());
        if watermark.is_some() {
            columns.remove(0);
        }
        let name = Some(alias.name.value.clone()).filter(|name| !name.starts_with(MARKER));
        Alias { name, columns, watermark }
    }
}

/// The parser's error with its place taken out of the message.
fn explain(error: ParserError, text: &str) -> SqlError {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return SqlError::new(Span::default(), format!("the query nests too deep: at most {NESTING_MAX} levels of parentheses"));
        }
    };
    let Some((said, column)) = message.rsplit_once(" at Line: 1, Column: ") else {
        return SqlError::new(Span::default(), message);
    };
    let start = column.trim().parse::<u32>().unwrap_or(1).saturating_sub(1);
    let start = place_of_found(text, said, start);
    let width = text.get(start as usize..).map_or(1, word_width);
    let said = said.replace("found: EOF", "found the end").replace("Expected: ", "expected ").replace("found: ", "found ");
    SqlError::new(Span { start, end: start + width }, said.replace(MARKER, ""))
}

/// The parser sometimes gives the place one token after the one it names.
fn place_of_found(text: &str, said: &str, start: u32) -> u32 {
    let Some((_, found)) = said.rsplit_once("found: ") else { return start };
    let Some(before) = text.get(..start as usize).map(str::trim_end) else { return start };
    match before.strip_suffix(found) {
        Some(head) if !text[start as usize..].starts_with(found) => head.len() as u32,
        _ => start,
    }
}

/// Bytes of the word or sign that begins here.
fn word_width(text: &str) -> u32 {
    let word = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    word.max(1) as u32
}

pub(super) fn is_keyword(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

fn is_word(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}

/// Whether the token can name a table or be its alias without AS.
pub(super) fn is_name(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(word) => word.quote_style.is_some() || word.keyword != Keyword::AS && !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> SqlError {
        parse(text).map(|_| ()).expect_err(text)
    }

    #[test]
    fn watermark_clauses_are_taken_out() {
        let parsed = parse(
            "SELECT count(*) FROM STREAM r WATERMARK timestamp_millis(ts) AS et DELAY OF INTERVAL 1 MINUTE 30 SECONDS AS x \
             WHERE a > 1 GROUP BY window(et, '10 seconds')",
        )
        .unwrap();
        assert_eq!(parsed.watermarks.len(), 1);
        assert_eq!((parsed.watermarks[0].delay_us, parsed.watermarks[0].name.as_deref()), (90_000_000, Some("et")));
        assert_eq!(parsed.streams.len(), 1);
        for text in [
            "SELECT 1 FROM r WATERMARK ts DELAY OF INTERVAL '10' SECOND",
            "SELECT 1 FROM (SELECT * FROM q) WATERMARK ts DELAY OF INTERVAL 10 SECONDS x",
            "SELECT 1 FROM STREAM(r) WATERMARK ts DELAY OF INTERVAL 0 SECONDS WHERE 1 = 1",
        ] {
            assert_eq!(parse(text).unwrap().watermarks.len(), 1, "{text}");
        }
    }

    #[test]
    fn watermark_may_be_an_ordinary_name() {
        for text in [
            "SELECT watermark FROM r",
            "SELECT r.a FROM r watermark WHERE 1 = 1",
            "SELECT 1 FROM watermark",
            "SELECT a AS delay FROM stream",
        ] {
            assert_eq!(parse(text).unwrap().watermarks.len(), 0, "{text}");
        }
    }

    #[test]
    fn a_broken_watermark_clause_says_what_is_wrong() {
        assert!(error("SELECT 1 FROM r WATERMARK ts GROUP BY a").message.contains("no DELAY"));
        assert!(error("SELECT 1 FROM r WATERMARK ts DELAY OF INTERVAL '10 seconds'").message.contains("not an interval"));
        assert!(error("SELECT 1 FROM r WATERMARK ts DELAY OF '10 seconds'").message.contains("not an interval"));
        assert!(error("SELECT 1 FROM r WATERMARK ts DELAY OF INTERVAL -10 SECONDS").message.contains("negative"));
    }

    #[test]
    fn parse_errors_have_their_place() {
        let text = "SELECT a,\n FROM r";
        let error = error(text);
        assert_eq!(&text[error.span.start as usize..error.span.end as usize], "FROM", "{error}");
        assert!(!error.message.contains("Column"));
    }

    #[test]
    fn one_select_statement_only() {
        assert!(error("SELECT 1; SELECT 2").help.is_some());
        assert!(error("DROP TABLE r").message.contains("begins with SELECT"));
        assert!(error("  ").message.contains("empty"));
        assert!(parse("SELECT 1;").is_ok());
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let patterns = [
            ("(", ")"),
            ("abs(", ")"),
            ("NOT ", ""),
            ("- ", ""),
            ("CASE WHEN ", " THEN 1 END"),
            ("CAST(", " AS INT)"),
            ("INTERVAL ", ""),
            ("1 + (", ")"),
            ("a IN (", ")"),
            ("a BETWEEN ", " AND 1"),
            ("(SELECT ", ")"),
            ("(SELECT * FROM (", "))"),
            ("if(", ", 1, 1)"),
            ("cast(case (", ""),
            ("[", "]"),
            ("struct(", ")"),
            ("x -> ", ""),
        ];
        for (open, close) in patterns {
            for depth in [20, 44, 47, 500, 3000] {
                let text = format!("SELECT {}1{} FROM r", open.repeat(depth), close.repeat(depth));
                let parsed = parse(&text).is_ok();
                assert!(!parsed || depth < 48, "{open} {depth}");
            }
        }
        for text in ["SELECT * FROM (", "SELECT * FROM r JOIN (", "(", "SELECT 1 UNION (", "SELECT * FROM (SELECT * FROM "] {
            for depth in [10, 20, 60, 3000] {
                let text = text.repeat(depth);
                assert!(parse(&text).is_err());
            }
        }
    }

    #[test]
    fn long_chains_parse_and_are_dropped_within_the_stack() {
        let chain = format!("SELECT {}1 FROM r", "a = 1 OR ".repeat(700));
        assert!(parse(&chain).is_ok());
        let div = format!("SELECT {}1 FROM r", "1 DIV ".repeat(1400));
        assert!(parse(&div).is_ok());
    }
}
