//! VALUES as Spark writes it, in the form that the parser knows: `VALUES 1, 2` becomes `VALUES (1), (2)`, and a query `VALUES … AS t (a)`
//! becomes `SELECT * FROM VALUES … AS t (a)`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::dialect::SparkDialect;
use super::parse::{is_keyword, is_name, parser};
use crate::plan::Span;

/// Tokens of one row without parentheses.
const ROW_TOKENS_MAX: usize = 256;

/// What may stand before VALUES.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// FROM or JOIN: a table.
    Table,
    /// A query begins here.
    Query,
    /// An opening parenthesis: a query, or an expression in which a column is called `values`.
    Parenthesis,
}

/// Rewrites all VALUES among the tokens; what is malformed is left for the parser to refuse.
pub fn normalize(tokens: Vec<TokenWithSpan>, dialect: &SparkDialect, end: Span) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_keyword(token, Keyword::VALUES)) {
        return tokens;
    }
    let mut made: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut i = 0;
    while i < tokens.len() {
        let begins = match before(tokens[..i].last()) {
            Some(before) if is_keyword(&tokens[i], Keyword::VALUES) && begins_row(tokens.get(i + 1), before) => Some(before),
            _ => None,
        };
        let Some((before, (rows, next))) = begins.and_then(|before| Some((before, rows(&tokens, i + 1, dialect, end)?))) else {
            made.push(tokens[i].clone());
            i += 1;
            continue;
        };
        let named = tokens.get(next).is_some_and(|token| is_keyword(token, Keyword::AS) || is_name(token));
        if before != Before::Table && named {
            made.extend([word("SELECT", Keyword::SELECT), Token::Mul, word("FROM", Keyword::FROM)].map(|token| at(token, &tokens[i])));
        }
        made.push(tokens[i].clone());
        for (number, (from, to, bare)) in rows.into_iter().enumerate() {
            if number > 0 {
                made.push(tokens[from - 1].clone());
            }
            made.extend(bare.then(|| at(Token::LParen, &tokens[from])));
            made.extend_from_slice(&tokens[from..to]);
            made.extend(bare.then(|| at(Token::RParen, &tokens[to - 1])));
        }
        i = next;
    }
    made
}

fn before(token: Option<&TokenWithSpan>) -> Option<Before> {
    use Keyword::{ALL, DISTINCT, EXCEPT, FROM, INTERSECT, JOIN, MINUS, UNION};
    match token.map(|token| &token.token) {
        None => Some(Before::Query),
        Some(Token::LParen) => Some(Before::Parenthesis),
        Some(Token::Word(word)) if word.quote_style.is_none() => match word.keyword {
            FROM | JOIN => Some(Before::Table),
            UNION | EXCEPT | INTERSECT | MINUS | ALL | DISTINCT => Some(Before::Query),
            _ => None,
        },
        _ => None,
    }
}

fn begins_row(token: Option<&TokenWithSpan>, before: Before) -> bool {
    match token.map(|token| &token.token) {
        Some(Token::LParen | Token::Number(..) | Token::SingleQuotedString(_)) => true,
        Some(Token::Minus) => before != Before::Parenthesis,
        Some(Token::Word(_)) => token.is_some_and(|token| is_name(token) || begins_expression(token)),
        _ => false,
    }
}

/// Words that are reserved and yet begin a value.
fn begins_expression(token: &TokenWithSpan) -> bool {
    use Keyword::{ARRAY, CASE, CAST, DATE, FALSE, INTERVAL, MAP, NULL, STRUCT, TIMESTAMP, TRUE};
    [ARRAY, CASE, CAST, DATE, FALSE, INTERVAL, MAP, NULL, STRUCT, TIMESTAMP, TRUE].iter().any(|keyword| is_keyword(token, *keyword))
}

/// Beginning and end of a row, and whether it lacks parentheses.
type Row = (usize, usize, bool);

/// The rows, and where the tokens go on.
fn rows(tokens: &[TokenWithSpan], first: usize, dialect: &SparkDialect, end: Span) -> Option<(Vec<Row>, usize)> {
    let mut rows = Vec::new();
    let mut from = first;
    loop {
        let closed = matching(tokens, from).filter(|to| ends_row(tokens.get(*to)));
        let (to, bare) = match closed {
            Some(to) => (to, false),
            None => (from + row_length(&tokens[from..], dialect, end)?, true),
        };
        rows.push((from, to, bare));
        match tokens.get(to) {
            Some(comma) if comma.token == Token::Comma => from = to + 1,
            _ => return Some((rows, to)),
        }
        tokens.get(from)?;
    }
}

/// The token after the parenthesis that closes the one at `from`.
fn matching(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (offset, token) in tokens[from..].iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (offset > 0).then_some(from + offset + 1);
        }
    }
    None
}

fn ends_row(token: Option<&TokenWithSpan>) -> bool {
    token.is_none_or(|token| matches!(token.token, Token::Comma | Token::RParen | Token::Word(_) | Token::VerticalBarRightAngleBracket))
}

/// How many tokens the expression takes with which they begin.
fn row_length(tokens: &[TokenWithSpan], dialect: &SparkDialect, end: Span) -> Option<usize> {
    let literal = tokens.first().is_some_and(|token| matches!(token.token, Token::Number(..) | Token::SingleQuotedString(_)));
    if literal && ends_row(tokens.get(1)) {
        return Some(1);
    }
    let mut parser = parser(dialect, tokens.iter().take(ROW_TOKENS_MAX).cloned().collect(), end);
    parser.parse_expr().ok()?;
    Some(parser.get_current_index() + 1)
}

fn word(text: &str, keyword: Keyword) -> Token {
    Token::Word(Word { value: text.to_string(), quote_style: None, keyword })
}

fn at(token: Token, place: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan { token, span: place.span }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;

    fn normal(text: &str) -> String {
        parse(text).map_or_else(|error| panic!("{text}: {}", error.message), |parsed| parsed.query.to_string())
    }

    #[test]
    fn rows_without_parentheses_and_names_are_known() {
        for (text, same) in [
            ("SELECT * FROM VALUES 1, 2 + 3, -4 AS t(a)", "SELECT * FROM VALUES (1), (2 + 3), (-4) AS t(a)"),
            ("VALUES (1, 2), (3, 4) AS t(a, b)", "SELECT * FROM VALUES (1, 2), (3, 4) AS t(a, b)"),
            ("WITH t AS (VALUES (1) AS v(a)) SELECT * FROM t", "WITH t AS (SELECT * FROM VALUES (1) AS v(a)) SELECT * FROM t"),
            ("SELECT * FROM (VALUES 1, NULL) AS t(a)", "SELECT * FROM (VALUES (1), (NULL)) AS t(a)"),
            ("VALUES 1 UNION ALL VALUES 2", "VALUES (1) UNION ALL VALUES (2)"),
            ("VALUES (1) + 2", "VALUES ((1) + 2)"),
            ("SELECT * FROM VALUES 1, 2 t(a)", "SELECT * FROM VALUES (1), (2) t(a)"),
            ("SELECT * FROM VALUES f(1, (2)) t", "SELECT * FROM VALUES (f(1, (2))) t"),
            (
                "SELECT * FROM VALUES array(1) t(a) LATERAL VIEW explode(a) v AS x",
                "SELECT * FROM VALUES (array(1)) t(a) LATERAL VIEW explode(a) v AS x",
            ),
            ("SELECT * FROM VALUES 1 `t u`", "SELECT * FROM VALUES (1) `t u`"),
            (
                "SELECT * FROM VALUES 1 t JOIN VALUES 2 u ON t.col1 < u.col1",
                "SELECT * FROM VALUES (1) t JOIN VALUES (2) u ON t.col1 < u.col1",
            ),
            ("SELECT 1 IN (VALUES 1, NULL)", "SELECT 1 IN (VALUES (1), (NULL))"),
            ("SELECT * FROM VALUES 1 WHERE true", "SELECT * FROM VALUES (1) WHERE true"),
        ] {
            assert_eq!(normal(text), normal(same), "{text}");
        }
    }

    #[test]
    fn columns_may_be_called_values() {
        for text in ["SELECT values FROM r", "SELECT abs(values) FROM r", "SELECT (values - 1) FROM values WHERE values > 1"] {
            assert_eq!(normal(text), text);
        }
    }
}
