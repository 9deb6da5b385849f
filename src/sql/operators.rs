//! Operators and predicates: logic, comparison, arithmetic, text, and intervals added to times.

use sqlparser::ast::{self, BinaryOperator as B, UnaryOperator};

use super::coerce::{cast, coerce, common, compared, is_integral, orderable, unify};
use super::dialect::UNSIGNED_SHIFT;
use super::error::{SqlError, join};
use super::expr::{ExprPlanner, place};
use super::functions::{arithmetic, comparison_type};
use super::lex::span_of;
use super::signatures::number;
use super::tree;
use super::{collections, intervals, literal, window};
use crate::plan::{DEPTH_MAX, Expr, ExprNode, Function, MathFunction, Span};
use crate::types::duration::Interval;
use crate::types::{DataType, Value};

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl ExprPlanner<'_> {
    pub fn operator(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        use ast::Expr as E;
        let (planned, negated) = match expr {
            E::UnaryOp { op, expr: operand } => (self.unary(*op, operand)?, false),
            E::BinaryOp { .. } => (self.binary(expr)?, false),
            E::InList { expr: input, list, negated } => (self.in_list(input, list)?, *negated),
            E::Between { expr: input, low, high, negated } => (self.between(input, low, high)?, *negated),
            E::Like { any, expr: input, pattern, escape_char, negated } => {
                return self.like(Function::Like, *any, input, pattern, escape_char.as_deref(), *negated);
            }
            E::ILike { any, expr: input, pattern, escape_char, negated } => {
                return self.like(Function::Ilike, *any, input, pattern, escape_char.as_deref(), *negated);
            }
            E::RLike { expr: input, pattern, negated, .. } => return self.like(Function::Rlike, false, input, pattern, None, *negated),
            _ => return Err(SqlError::unsupported(place(expr), "this operator")),
        };
        Ok(if negated { tree::not(planned) } else { planned })
    }

    fn unary(&mut self, op: UnaryOperator, operand: &ast::Expr) -> Result<Expr, SqlError> {
        if let (UnaryOperator::Minus, ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), span })) = (op, operand) {
            return literal::number(text, true, span_of(*span));
        }
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => Ok(tree::not(self.plan_boolean(operand)?)),
            UnaryOperator::Plus => signed(self.plan(operand)?),
            UnaryOperator::Minus => {
                let operand = signed(self.plan(operand)?)?;
                let data_type = operand.data_type.clone();
                Ok(tree::call(Function::Negate, vec![operand], data_type))
            }
            UnaryOperator::BitwiseNot => {
                let operand = self.plan(operand)?;
                if operand.data_type == DataType::String {
                    return Err(SqlError::new(operand.span, "`~` takes INT or BIGINT, not STRING"));
                }
                let operand = integral(operand)?;
                let data_type = operand.data_type.clone();
                Ok(tree::call(Function::BitNot, vec![operand], data_type))
            }
            _ => Err(SqlError::unsupported(place(operand), format_args!("the operator `{op}`"))),
        }
    }

    /// A chain of binary operators: its left spine is walked, not recursed into.
    fn binary(&mut self, whole: &ast::Expr) -> Result<Expr, SqlError> {
        let mut spine = Vec::new();
        let mut current = whole;
        while let ast::Expr::BinaryOp { left, op, right } = current
            && !matches!(op, B::And | B::Or | B::StringConcat)
        {
            spine.push((op, &**right));
            current = left;
        }
        if spine.len() >= DEPTH_MAX {
            return Err(SqlError::new(place(current), format!("the chain of operators is too long: at most {DEPTH_MAX} in one")));
        }
        let first = match (spine.pop(), current) {
            (None, ast::Expr::BinaryOp { op, .. }) if *op == B::StringConcat => return self.concat(whole),
            (None, ast::Expr::BinaryOp { op, .. }) => return self.logic(whole, op),
            (None, _) => return self.plan(current),
            (Some((B::Plus, right)), ast::Expr::Interval(interval)) => match self.plan(right)? {
                other if other.data_type == DataType::Interval => arithmetic(Function::Add, intervals::literal(interval)?, other)?,
                time => add_interval(time, interval, false)?,
            },
            (Some((op, right)), left) => {
                let left = self.plan(left)?;
                self.combine(left, op, right)?
            }
        };
        spine.into_iter().rev().try_fold(first, |left, (op, right)| self.combine(left, op, right))
    }

    fn combine(&mut self, left: Expr, op: &B, right: &ast::Expr) -> Result<Expr, SqlError> {
        let function = match op {
            B::Plus | B::Minus => return self.sum(left, op, right),
            B::Multiply => Function::Multiply,
            B::Divide => Function::Divide,
            B::Modulo => Function::Remainder,
            B::MyIntegerDivide => Function::IntegerDivide,
            B::Eq => Function::Equal,
            B::NotEq => Function::NotEqual,
            B::Lt => Function::Less,
            B::LtEq => Function::LessEqual,
            B::Gt => Function::Greater,
            B::GtEq => Function::GreaterEqual,
            B::Spaceship => Function::EqualNullSafe,
            B::BitwiseAnd => Function::BitAnd,
            B::BitwiseOr => Function::BitOr,
            B::BitwiseXor => Function::BitXor,
            B::PGBitwiseShiftLeft => Function::ShiftLeft,
            B::PGBitwiseShiftRight => Function::ShiftRight,
            B::Custom(custom) if custom == UNSIGNED_SHIFT => Function::Math(MathFunction::ShiftRightUnsigned),
            _ => return Err(SqlError::unsupported(join(left.span, place(right)), format_args!("the operator `{op}`"))),
        };
        let right = self.plan(right)?;
        match function {
            Function::Multiply | Function::Divide | Function::Remainder | Function::IntegerDivide => arithmetic(function, left, right),
            Function::BitAnd | Function::BitOr | Function::BitXor => {
                let (args, data_type) = unify(vec![integral(left)?, integral(right)?], "a bitwise operator")?;
                Ok(tree::call(function, args, data_type))
            }
            Function::ShiftLeft | Function::ShiftRight | Function::Math(_) => {
                let left = integral(left)?;
                let data_type = left.data_type.clone();
                Ok(tree::call(function, vec![left, coerce(right, &DataType::Int)?], data_type))
            }
            _ => comparison(function, left, right),
        }
    }

    /// A chain of one of AND and OR: its left spine is walked, not recursed into.
    fn logic(&mut self, whole: &ast::Expr, op: &B) -> Result<Expr, SqlError> {
        let terms = spine(whole, op).into_iter().map(|term| self.plan_boolean(term)).collect::<Result<Vec<_>, _>>()?;
        Ok(tree::chain(terms, *op == B::Or))
    }

    fn concat(&mut self, whole: &ast::Expr) -> Result<Expr, SqlError> {
        let terms = spine(whole, &B::StringConcat).into_iter().map(|term| self.plan(term)).collect::<Result<Vec<_>, _>>()?;
        if terms.iter().any(|term| matches!(term.data_type, DataType::Array(_))) {
            return collections::concat(terms);
        }
        if let Some(bytes) = super::functions::concat_bytes(&terms) {
            return Ok(bytes);
        }
        let terms = terms.into_iter().map(|term| coerce(term, &DataType::String));
        Ok(tree::call(Function::Concat, terms.collect::<Result<Vec<_>, _>>()?, DataType::String))
    }

    /// `+` and `-`, also between a time and an interval.
    fn sum(&mut self, left: Expr, op: &B, right: &ast::Expr) -> Result<Expr, SqlError> {
        let negative = *op == B::Minus;
        if let ast::Expr::Interval(interval) = right
            && left.data_type != DataType::Interval
        {
            return add_interval(left, interval, negative);
        }
        let right = self.plan(right)?;
        if !negative && is_integral(&left.data_type) && right.data_type == DataType::Date {
            return Ok(tree::call(Function::DateAdd, vec![right, coerce(left, &DataType::Int)?], DataType::Date));
        }
        if left.data_type == DataType::Date && is_integral(&right.data_type) {
            let function = if negative { Function::DateSub } else { Function::DateAdd };
            return Ok(tree::call(function, vec![left, coerce(right, &DataType::Int)?], DataType::Date));
        }
        if let (DataType::Date | DataType::Timestamp, DataType::Null) | (DataType::Null, DataType::Date | DataType::Timestamp) =
            (&left.data_type, &right.data_type)
            && !negative
        {
            return Ok(tree::literal(Value::Null, DataType::Timestamp, join(left.span, right.span)));
        }
        arithmetic(if negative { Function::Subtract } else { Function::Add }, left, right)
    }

    fn in_list(&mut self, input: &ast::Expr, list: &[ast::Expr]) -> Result<Expr, SqlError> {
        let values = std::iter::once(input).chain(list).map(|value| self.plan(value)).collect::<Result<Vec<_>, _>>()?;
        let span = values.iter().fold(Span::default(), |span, value| join(span, value.span));
        if let Some(value) = values.iter().find(|value| !orderable(&value.data_type)) {
            return Err(SqlError::new(value.span, "maps cannot be compared"));
        }
        let structs = values.iter().all(|value| matches!(value.data_type, DataType::Struct(_)));
        let met = values.iter().try_fold(DataType::Null, |met, value| compared(&met, &value.data_type)).filter(|_| structs);
        let mut values = match met {
            Some(met) => values.into_iter().map(|value| cast(value, &met)).collect(),
            None => unify(values, "IN")?.0,
        };
        let list = values.split_off(1);
        match values.pop() {
            Some(input) => Ok(tree::boolean(ExprNode::InList { input: Box::new(input), list }, span)),
            None => Err(SqlError::new(span, "IN needs a value")),
        }
    }

    fn between(&mut self, input: &ast::Expr, low: &ast::Expr, high: &ast::Expr) -> Result<Expr, SqlError> {
        let (input, low, high) = (self.plan(input)?, self.plan(low)?, self.plan(high)?);
        let again = self.budget.copy(&input)?;
        let above = comparison(Function::GreaterEqual, input, low)?;
        let below = comparison(Function::LessEqual, again, high)?;
        Ok(tree::chain(vec![above, below], false))
    }

    /// `IS …`
    pub fn test(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        use ast::Expr as E;
        let (planned, negated) = match expr {
            E::IsNull(operand) => (tree::is_null(self.plan(operand)?), false),
            E::IsNotNull(operand) => (tree::is_null(self.plan(operand)?), true),
            E::IsUnknown(operand) => (tree::is_null(self.plan_boolean(operand)?), false),
            E::IsNotUnknown(operand) => (tree::is_null(self.plan_boolean(operand)?), true),
            E::IsTrue(operand) => (self.is_truth(operand, true)?, false),
            E::IsNotTrue(operand) => (self.is_truth(operand, true)?, true),
            E::IsFalse(operand) => (self.is_truth(operand, false)?, false),
            E::IsNotFalse(operand) => (self.is_truth(operand, false)?, true),
            E::IsDistinctFrom(left, right) => (self.null_safe(left, right)?, true),
            E::IsNotDistinctFrom(left, right) => (self.null_safe(left, right)?, false),
            _ => return Err(SqlError::unsupported(place(expr), "this test")),
        };
        Ok(if negated { tree::not(planned) } else { planned })
    }

    fn is_truth(&mut self, operand: &ast::Expr, truth: bool) -> Result<Expr, SqlError> {
        let operand = self.plan_boolean(operand)?;
        let truth = tree::literal(Value::Boolean(truth), DataType::Boolean, operand.span);
        comparison(Function::EqualNullSafe, operand, truth)
    }

    fn null_safe(&mut self, left: &ast::Expr, right: &ast::Expr) -> Result<Expr, SqlError> {
        let (left, right) = (self.plan(left)?, self.plan(right)?);
        comparison(Function::EqualNullSafe, left, right)
    }
}

/// The operands of a chain of one associative operator, from the left.
fn spine<'e>(whole: &'e ast::Expr, op: &B) -> Vec<&'e ast::Expr> {
    let mut operands = Vec::new();
    let mut current = whole;
    while let ast::Expr::BinaryOp { left, op: found, right } = current
        && found == op
    {
        operands.push(&**right);
        current = left;
    }
    operands.push(current);
    operands.reverse();
    operands
}

/// A comparison in the type that both sides have in common.
pub fn comparison(function: Function, left: Expr, right: Expr) -> Result<Expr, SqlError> {
    let met = comparison_type(&left, &right)?;
    Ok(tree::call(function, vec![cast(left, &met), cast(right, &met)], DataType::Boolean))
}

/// What may stand behind a sign.
fn signed(operand: Expr) -> Result<Expr, SqlError> {
    if operand.data_type == DataType::Interval { Ok(operand) } else { number(operand) }
}

fn integral(operand: Expr) -> Result<Expr, SqlError> {
    match common(&operand.data_type, &DataType::Int) {
        Some(met) if is_integral(&met) => Ok(cast(operand, &met)),
        _ => Err(SqlError::new(operand.span, format!("bitwise operators take INT or BIGINT, not {}", operand.data_type))),
    }
}

fn add_interval(time: Expr, interval: &ast::Interval, negative: bool) -> Result<Expr, SqlError> {
    let (parsed, span) = intervals::written(interval)?;
    let sign = if negative { -1 } else { 1 };
    let Interval { months, micros } = parsed;
    let (Some(months), Some(micros)) = (months.checked_mul(sign).and_then(|months| i32::try_from(months).ok()), micros.checked_mul(sign))
    else {
        return Err(SqlError::new(span, "the interval is too long"));
    };
    let time = match time.data_type {
        DataType::Date if micros % MICROS_PER_DAY == 0 => return Ok(add_days(time, months, micros / MICROS_PER_DAY, span)),
        DataType::Timestamp => time,
        DataType::String => {
            let sum = add_interval(cast(time, &DataType::Timestamp), interval, negative)?;
            return Ok(cast(sum, &DataType::String));
        }
        DataType::Date | DataType::Null => cast(time, &DataType::Timestamp),
        _ if window::is_window(&time) => return Err(SqlError::new(time.span, "add to window.start or window.end")),
        ref other => {
            let error =
                SqlError::new(time.span, format!("an interval is added to a TIMESTAMP, not to {}", super::coerce::with_article(other)));
            return Err(error.help("timestamp_millis(x) makes a TIMESTAMP of milliseconds since 1970"));
        }
    };
    let mut sum = time;
    if months != 0 {
        sum = tree::call(Function::AddMonths, vec![sum, tree::int(months, span)], DataType::Timestamp);
    }
    if micros != 0 || months == 0 {
        sum = tree::call(Function::AddMicros, vec![sum, tree::bigint(micros, span)], DataType::Timestamp);
    }
    Ok(sum)
}

/// A DATE plus months and whole days stays a DATE.
fn add_days(date: Expr, months: i32, days: i64, span: Span) -> Expr {
    let mut sum = date;
    if months != 0 {
        sum = tree::call(Function::AddMonths, vec![sum, tree::int(months, span)], DataType::Date);
    }
    match i32::try_from(days) {
        Ok(0) => sum,
        Ok(days) => tree::call(Function::DateAdd, vec![sum, tree::int(days, span)], DataType::Date),
        // Beyond any DATE: the engine reports the overflow.
        Err(_) => tree::call(Function::DateAdd, vec![sum, tree::int(i32::MAX, span)], DataType::Date),
    }
}
