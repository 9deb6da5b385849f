//! Spark's spellings that the parser does not know, as tokens that it does: `!` for NOT within a predicate, and a query that is a VALUES
//! list with an alias of its own.

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
        if is_keyword(Some(&token.token), &[Keyword::VALUES]) && is_query(out.last(), next) {
            out.push(word("SELECT", Keyword::SELECT, token));
            out.push(TokenWithSpan { token: Token::Mul, span: token.span });
            out.push(word("FROM", Keyword::FROM, token));
        }
        out.push(token.clone());
    }
    out
}

/// `a ! IN (…)`, `a IS ! NULL`.
fn is_not(before: Option<&TokenWithSpan>, next: Option<&Token>) -> bool {
    use Keyword::{BETWEEN, ILIKE, IN, IS, LIKE, NULL, REGEXP, RLIKE};
    let predicate = is_keyword(next, &[BETWEEN, ILIKE, IN, LIKE, REGEXP, RLIKE]);
    predicate || is_keyword(next, &[NULL]) && is_keyword(before.map(|token| &token.token), &[IS])
}

/// Whether VALUES stands where a query begins: `(VALUES 1, 2)`, not `FROM VALUES 1` nor a column of that name.
fn is_query(before: Option<&TokenWithSpan>, next: Option<&Token>) -> bool {
    use Keyword::{ALL, DISTINCT, EXCEPT, INTERSECT, MINUS, UNION};
    let begins = match before.map(|token| &token.token) {
        None | Some(Token::LParen) => true,
        before => is_keyword(before, &[ALL, DISTINCT, EXCEPT, INTERSECT, MINUS, UNION]),
    };
    begins && matches!(next, Some(Token::LParen | Token::Number(..) | Token::SingleQuotedString(_)))
}

fn is_keyword(token: Option<&Token>, keywords: &[Keyword]) -> bool {
    matches!(token, Some(Token::Word(word)) if word.quote_style.is_none() && keywords.contains(&word.keyword))
}

fn word(value: &str, keyword: Keyword, at: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan { token: Token::Word(Word { value: value.to_owned(), quote_style: None, keyword }), span: at.span }
}
