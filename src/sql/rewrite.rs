//! Spark's spellings that the parser does not know, as tokens that it does: `!` for NOT within a predicate, a query that is a VALUES list
//! with an alias of its own, `VALUES 1, 2` without parentheses, `struct(t.*)`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Rewrites the tokens of a whole text.
pub fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Places of bare rows of VALUES: a parenthesis before the first token, and one after the last.
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map(|next| &next.token);
        if token.token == Token::ExclamationMark && is_not(out.last(), next) {
            out.push(word("NOT", Keyword::NOT, token));
            continue;
        }
        if is_keyword(Some(&token.token), &[Keyword::VALUES]) && begins_values(out.last(), next) {
            if is_query(out.last()) {
                out.push(word("SELECT", Keyword::SELECT, token));
                out.push(TokenWithSpan { token: Token::Mul, span: token.span });
                out.push(word("FROM", Keyword::FROM, token));
            }
            bare_rows(&tokens, index + 1, &mut opened, &mut closed);
        }
        if is_keyword(Some(&token.token), &[Keyword::STRUCT]) && next == Some(&Token::LParen) && has_star(&tokens[index + 2..]) {
            // As a keyword it would begin another dialect's literal.
            out.push(word("struct", Keyword::NoKeyword, token));
            continue;
        }
        if opened.contains(&index) {
            out.push(TokenWithSpan { token: Token::LParen, span: token.span });
        }
        out.push(token.clone());
        if closed.contains(&index) {
            out.push(TokenWithSpan { token: Token::RParen, span: token.span });
        }
    }
    out
}

/// `a ! IN (…)`, `a IS ! NULL`.
fn is_not(before: Option<&TokenWithSpan>, next: Option<&Token>) -> bool {
    use Keyword::{BETWEEN, DISTINCT, FALSE, ILIKE, IN, IS, LIKE, NULL, REGEXP, RLIKE, TRUE, UNKNOWN};
    let predicate = is_keyword(next, &[BETWEEN, ILIKE, IN, LIKE, REGEXP, RLIKE]);
    let tested = is_keyword(next, &[DISTINCT, FALSE, NULL, TRUE, UNKNOWN]);
    predicate || tested && is_keyword(before.map(|token| &token.token), &[IS])
}

/// Whether VALUES begins a list of rows here: no column of that name.
fn begins_values(before: Option<&TokenWithSpan>, next: Option<&Token>) -> bool {
    use Keyword::{FROM, JOIN};
    let table = is_keyword(before.map(|token| &token.token), &[FROM, JOIN]);
    (table || is_query(before)) && matches!(next, Some(Token::LParen | Token::Number(..) | Token::SingleQuotedString(_) | Token::Word(_)))
}

/// Whether a query may begin here: `(VALUES 1, 2)`, not `FROM VALUES 1`.
fn is_query(before: Option<&TokenWithSpan>) -> bool {
    use Keyword::{ALL, DISTINCT, EXCEPT, INTERSECT, MINUS, UNION};
    match before.map(|token| &token.token) {
        None | Some(Token::LParen) => true,
        before => is_keyword(before, &[ALL, DISTINCT, EXCEPT, INTERSECT, MINUS, UNION]),
    }
}

/// Notes first and last token of each row from `start` on that has no parentheses of its own.
fn bare_rows(tokens: &[TokenWithSpan], start: usize, opened: &mut Vec<usize>, closed: &mut Vec<usize>) {
    let mut depth = 0usize;
    let mut row = start;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        let ends = depth == 0 && (token.token == Token::RParen || is_end(&token.token));
        if ends || depth == 0 && token.token == Token::Comma {
            note_row(tokens, row, index, opened, closed);
            row = index + 1;
        }
        match token.token {
            _ if ends => return,
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    note_row(tokens, row, tokens.len(), opened, closed);
}

fn note_row(tokens: &[TokenWithSpan], first: usize, end: usize, opened: &mut Vec<usize>, closed: &mut Vec<usize>) {
    if first < end && tokens[first].token != Token::LParen {
        opened.push(first);
        closed.push(end - 1);
    }
}

/// What ends a list of rows.
fn is_end(token: &Token) -> bool {
    use Keyword as K;
    const ENDS: &[Keyword] = &[
        K::ANTI,
        K::AS,
        K::CROSS,
        K::EXCEPT,
        K::FULL,
        K::GROUP,
        K::HAVING,
        K::INNER,
        K::INTERSECT,
        K::JOIN,
        K::LATERAL,
        K::LEFT,
        K::LIMIT,
        K::MINUS,
        K::NATURAL,
        K::ON,
        K::ORDER,
        K::RIGHT,
        K::SEMI,
        K::UNION,
        K::WHERE,
    ];
    is_keyword(Some(token), ENDS)
}

/// Whether the arguments that begin here hold `*` or `t.*`.
fn has_star(arguments: &[TokenWithSpan]) -> bool {
    let mut depth = 0usize;
    let mut before = &Token::LParen;
    for token in arguments {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return false,
            Token::RParen => depth -= 1,
            Token::Mul if depth == 0 && matches!(before, Token::LParen | Token::Comma | Token::Period) => return true,
            _ => {}
        }
        before = &token.token;
    }
    false
}

fn is_keyword(token: Option<&Token>, keywords: &[Keyword]) -> bool {
    matches!(token, Some(Token::Word(word)) if word.quote_style.is_none() && keywords.contains(&word.keyword))
}

fn word(value: &str, keyword: Keyword, at: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan { token: Token::Word(Word { value: value.to_owned(), quote_style: None, keyword }), span: at.span }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::SparkDialect;
    use super::super::lex::lex;
    use super::*;

    #[test]
    fn spellings_become_what_the_parser_reads() {
        let rewritten = |text: &str| {
            let tokens = rewrite(lex(text, &SparkDialect::default()).unwrap());
            tokens.iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join(" ")
        };
        for (text, expected) in [
            ("SELECT a ! IN (1), !b, a IS ! NULL", "SELECT a NOT IN ( 1 ) , ! b , a IS NOT NULL"),
            ("VALUES (1), (2) AS t(a)", "SELECT * FROM VALUES ( 1 ) , ( 2 ) AS t ( a )"),
            ("SELECT * FROM VALUES 1, f(2, 3), (4) AS t(a)", "SELECT * FROM VALUES ( 1 ) , ( f ( 2 , 3 ) ) , ( 4 ) AS t ( a )"),
            ("SELECT 1 IN (VALUES 1, NULL)", "SELECT 1 IN ( SELECT * FROM VALUES ( 1 ) , ( NULL ) )"),
            ("SELECT values, struct(a * b, t.*) FROM t", "SELECT values , struct ( a * b , t . * ) FROM t"),
            ("SELECT f(values) FROM values", "SELECT f ( values ) FROM values"),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }
}
