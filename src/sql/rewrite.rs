//! Spark's spellings that the parser does not know, as tokens that it does: `!` for NOT within a predicate, `struct(t.*)`. VALUES is made so in
//! `inline_values`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Rewrites the tokens of a whole text.
pub fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1).map(|next| &next.token);
        if token.token == Token::ExclamationMark && is_not(out.last(), next) {
            out.push(word("NOT", Keyword::NOT, token));
            continue;
        }
        if is_keyword(Some(&token.token), &[Keyword::STRUCT]) && next == Some(&Token::LParen) && has_star(&tokens[index + 2..]) {
            // As a keyword it would begin another dialect's literal.
            out.push(word("struct", Keyword::NoKeyword, token));
            continue;
        }
        out.push(token.clone());
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
            ("SELECT values, struct(a * b, t.*) FROM t", "SELECT values , struct ( a * b , t . * ) FROM t"),
            ("SELECT f(values) FROM values", "SELECT f ( values ) FROM values"),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }
}
