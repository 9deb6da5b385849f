//! Spark's dialect for the parser: sqlparser's own, with Spark's intervals and precedences, and a bound on the parser's work.

use std::cell::Cell;

use sqlparser::ast::{BinaryOperator, DataType, Expr, Ident, Interval, ObjectName, TimezoneInfo, TypedString, Value, ValueWithSpan};
use sqlparser::dialect::{Dialect, Precedence, SparkSqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Prefix expressions that one parse may begin: backtracking must not make a short text take long.
const WORK_MAX: u32 = 200_000;

/// The operator of which the parser knows the first two characters.
pub const UNSIGNED_SHIFT: &str = ">>>";

/// One for each parse: it counts the parser's work.
#[derive(Debug)]
pub struct SparkDialect {
    work_left: Cell<u32>,
}

impl Default for SparkDialect {
    fn default() -> SparkDialect {
        SparkDialect { work_left: Cell::new(WORK_MAX) }
    }
}

impl Dialect for SparkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        SparkSqlDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        SparkSqlDialect.is_identifier_part(ch)
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_select_item_multi_column_alias(&self) -> bool {
        true
    }

    fn supports_from_first_select(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }

    /// The units of the type: `INTERVAL DAY TO SECOND`.
    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_long_type_as_bigint(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_cross_join_constraint(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_cte_without_as(&self) -> bool {
        true
    }

    fn supports_pipe_operator(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    /// Spark's `INTERVAL 1 MINUTE 30 SECONDS` and `INTERVAL '5 minutes'` become an interval around the text `1 MINUTE 30 SECONDS`.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.work_left.get().checked_sub(1) {
            Some(left) => self.work_left.set(left),
            // The one error that backtracking does not swallow.
            None => return Some(Err(ParserError::RecursionLimitExceeded)),
        }
        parse_interval(parser).or_else(|| parse_exists_function(parser)).or_else(|| parse_timestamp_ltz(parser))
    }

    /// `a DIV b`, `a >>> b`.
    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        if parser.peek_token_ref().token == Token::ShiftRight && parser.peek_nth_token_ref(1).token == Token::Gt {
            parser.next_token();
            parser.next_token();
            let op = BinaryOperator::Custom(UNSIGNED_SHIFT.to_string());
            let right = parser.parse_subexpr(precedence);
            return Some(right.map(|right| Expr::BinaryOp { left: Box::new(expr.clone()), op, right: Box::new(right) }));
        }
        SparkSqlDialect.parse_infix(parser, expr, precedence)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        const SHIFT: u8 = 26;
        match &parser.peek_token_ref().token {
            Token::StringConcat => Some(Ok(self.prec_value(Precedence::PlusMinus))),
            Token::ShiftLeft | Token::ShiftRight => Some(Ok(SHIFT)),
            // Not an operator in Spark: `a !b` must not read as one.
            Token::ExclamationMark => Some(Ok(0)),
            _ => None,
        }
    }
}

/// `TIMESTAMP_LTZ '…'`, the other name of TIMESTAMP.
fn parse_timestamp_ltz(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let is_name = matches!(&parser.peek_token_ref().token, Token::Word(word) if word.value.eq_ignore_ascii_case("timestamp_ltz"));
    if !is_name || !matches!(parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_)) {
        return None;
    }
    parser.next_token();
    let data_type = DataType::Timestamp(None, TimezoneInfo::None);
    Some(parser.parse_value().map(|value| Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false })))
}

/// `exists(array, x -> …)`, which is no subquery.
fn parse_exists_function(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let keyword = |token: &Token, keywords: &[Keyword]| matches!(token, Token::Word(word) if keywords.contains(&word.keyword));
    let exists = keyword(&parser.peek_token_ref().token, &[Keyword::EXISTS]) && parser.peek_nth_token_ref(1).token == Token::LParen;
    let inside = &parser.peek_nth_token_ref(2).token;
    if !exists
        || keyword(inside, &[Keyword::SELECT, Keyword::WITH, Keyword::VALUES, Keyword::FROM, Keyword::TABLE])
        || *inside == Token::LParen
    {
        return None;
    }
    let token = parser.next_token();
    let name = Ident { value: token.token.to_string(), quote_style: None, span: token.span };
    Some(parser.parse_function(ObjectName::from(vec![name])))
}

/// An interval where `INTERVAL` and a literal come next.
pub fn parse_interval(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let is_interval =
        matches!(&parser.peek_token_ref().token, Token::Word(word) if word.keyword == Keyword::INTERVAL && word.quote_style.is_none());
    let begins_one =
        matches!(parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_) | Token::Number(..) | Token::Minus | Token::Plus);
    if !is_interval || !begins_one {
        return None;
    }
    let start = parser.next_token().span;
    let mut span = start;
    let mut text = String::new();
    loop {
        let mut ahead = 0;
        let mut part = String::new();
        if let Token::Minus | Token::Plus = parser.peek_token_ref().token {
            part = parser.peek_token_ref().token.to_string();
            ahead = 1;
        }
        match &parser.peek_nth_token_ref(ahead).token {
            Token::Number(number, _) => part.push_str(number),
            Token::SingleQuotedString(quoted) => part = signed(&part, quoted.trim()),
            _ => break,
        }
        // A further number is a part of the interval only with a unit after it: `INTERVAL 1 DAY -1` is not one.
        let unit = match &parser.peek_nth_token_ref(ahead + 1).token {
            Token::Word(word) if is_unit(&word.value) => Some(word.value.clone()),
            _ => None,
        };
        if !text.is_empty() && unit.is_none() {
            break;
        }
        let tokens = ahead + 1 + usize::from(unit.is_some());
        for _ in 0..tokens {
            span = span.union(&parser.next_token().span);
        }
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(&part);
        match unit {
            Some(unit) => text.extend([" ", &unit]),
            None => break,
        }
        // `INTERVAL '1 02:03:04' DAY TO SECOND`
        if let Token::Word(to) = &parser.peek_token_ref().token
            && to.keyword == Keyword::TO
            && let Token::Word(last) = &parser.peek_nth_token_ref(1).token
            && is_unit(&last.value)
        {
            text.extend([" TO ", &last.value.clone()]);
            for _ in 0..2 {
                span = span.union(&parser.next_token().span);
            }
            break;
        }
    }
    let value = ValueWithSpan { value: Value::SingleQuotedString(text), span };
    let interval = Interval {
        value: Box::new(Expr::Value(value)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    };
    Some(Ok(Expr::Interval(interval)))
}

/// `-'1 02:03'` means `'-1 02:03'`, and `-'-1'` means `'1'`.
fn signed(sign: &str, quoted: &str) -> String {
    match (sign, quoted.strip_prefix('-')) {
        ("-", Some(positive)) => positive.to_owned(),
        ("-", None) => format!("-{}", quoted.strip_prefix('+').unwrap_or(quoted)),
        _ => quoted.to_owned(),
    }
}

fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 9] = ["year", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond"];
    let word = word.to_ascii_lowercase();
    UNITS.contains(&word.strip_suffix('s').unwrap_or(&word))
}
