//! Functions whose arguments or results need more than a fixed signature, beyond the first set.

use super::{check_count, choose, exactly, explicit_cast};
use crate::plan::{BytesFunction, Expr, ExprNode, Function, MathFunction, Span, TextFunction, TimeFunction};
use crate::sql::budget::Budget;
use crate::sql::coerce::{cast, coerce, is_integral, is_numeric, unify, with_article};
use crate::sql::error::SqlError;
use crate::sql::operators::comparison;
use crate::sql::signatures::number;
use crate::sql::tree;
use crate::types::{DataType, Value};

/// Names of the functions made here.
pub const NAMES: &[&str] = &[
    "equal_null",
    "nullifzero",
    "zeroifnull",
    "decode",
    "typeof",
    "assert_true",
    "raise_error",
    "elt",
    "mask",
    "format_string",
    "printf",
    "format_number",
    "to_char",
    "to_varchar",
    "regexp_instr",
    "hash",
    "xxhash64",
    "hmac",
    "to_binary",
    "try_to_binary",
    "try_mod",
    "months_between",
    "make_timestamp",
    "make_timestamp_ltz",
    "try_make_timestamp",
    "try_make_timestamp_ltz",
    "make_dt_interval",
    "convert_timezone",
    "timestampadd",
    "timestampdiff",
    "timediff",
    "try_to_timestamp",
    "try_to_date",
    "to_timestamp_ltz",
    "time_bucket",
    "current_timezone",
    "bit_length",
    "binary",
    "nanvl",
    "when",
];

/// The call of function `name`; `None` where it is none of these.
pub fn build(name: &str, args: Vec<Expr>, span: Span, budget: &Budget) -> Option<Result<Expr, SqlError>> {
    Some(match name {
        "nanvl" => exactly(name, args, span).and_then(nanvl),
        "when" => when(args, span),
        "equal_null" => exactly(name, args, span).and_then(|[left, right]| comparison(Function::EqualNullSafe, left, right)),
        "nullifzero" | "zeroifnull" => about_zero(name, args, span, budget),
        "decode" => decode(args, span, budget),
        "typeof" => exactly(name, args, span).map(|[arg]| tree::text(&type_name(&arg.data_type), span)),
        "assert_true" | "raise_error" => failing(name, args, span),
        "elt" | "mask" | "format_string" | "printf" | "format_number" | "to_char" | "to_varchar" | "regexp_instr" | "bit_length" => {
            textual(name, args, span)
        }
        "hash" | "xxhash64" | "hmac" | "to_binary" | "try_to_binary" | "binary" => bytes(name, args, span),
        "try_mod" => {
            exactly(name, args, span).and_then(|[left, right]| super::arithmetic(Function::Math(MathFunction::TryRemainder), left, right))
        }
        "current_timezone" => exactly(name, args, span).map(|[]| tree::text("UTC", span)),
        _ => return super::moments::build(name, args, span),
    })
}

/// try_add and try_subtract of a DATE and a number of days.
pub fn try_days(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let [date, days] = exactly(name, args, span)?;
    let function = if name == "try_add" { Function::DateAdd } else { Function::DateSub };
    Ok(tree::call(function, vec![date, coerce(days, &DataType::Int)?], DataType::Date))
}

/// FLOAT only where both are.
fn nanvl([value, other]: [Expr; 2]) -> Result<Expr, SqlError> {
    let single = value.data_type == DataType::Float && other.data_type == DataType::Float;
    let target = if single { DataType::Float } else { DataType::Double };
    Ok(tree::call(Function::Nanvl, vec![coerce(value, &target)?, coerce(other, &target)?], target))
}

/// `when(condition, value[, condition, value …][, otherwise])`.
fn when(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("when", args.len(), 2, None, span)?;
    let has_otherwise = args.len() % 2 == 1;
    let (mut conditions, mut results) = (Vec::new(), Vec::new());
    let last = args.len() - 1;
    for (index, arg) in args.into_iter().enumerate() {
        if index % 2 == 0 && (index < last || !has_otherwise) {
            conditions.push(coerce(arg, &DataType::Boolean)?);
        } else {
            results.push(arg);
        }
    }
    let (mut results, data_type) = unify(results, "when")?;
    let otherwise = if has_otherwise { results.pop().map(Box::new) } else { None };
    Ok(Expr { node: ExprNode::Case { branches: conditions.into_iter().zip(results).collect(), otherwise }, data_type, span })
}

fn about_zero(name: &str, args: Vec<Expr>, span: Span, budget: &Budget) -> Result<Expr, SqlError> {
    let [arg] = exactly(name, args, span)?;
    let zero = tree::int(0, span);
    if name == "nullifzero" {
        return super::nullif(arg, zero, budget);
    }
    let (args, data_type) = unify(vec![arg, zero], name)?;
    Ok(Expr { node: ExprNode::Coalesce(args), data_type, span })
}

/// `decode(bytes, charset)`, or `decode(value, search, result, …[, default])`.
fn decode(args: Vec<Expr>, span: Span, budget: &Budget) -> Result<Expr, SqlError> {
    check_count("decode", args.len(), 2, None, span)?;
    let mut args = args.into_iter();
    let Some(value) = args.next() else { return Err(SqlError::new(span, "decode takes a value")) };
    if args.len() == 1 {
        let charset = coerce(args.next().unwrap_or_else(|| tree::text("", span)), &DataType::String)?;
        let bytes = if value.data_type == DataType::Binary { value } else { coerce(value, &DataType::String)? };
        return Ok(tree::call(Function::Bytes(BytesFunction::Decode), vec![bytes, charset], DataType::String));
    }
    let mut tests = Vec::new();
    let mut results = Vec::new();
    let mut otherwise = false;
    while let Some(search) = args.next() {
        match args.next() {
            Some(result) => {
                tests.push(comparison(Function::EqualNullSafe, budget.copy(&value)?, search)?);
                results.push(result);
            }
            None => {
                results.push(search);
                otherwise = true;
            }
        }
    }
    let (mut results, data_type) = unify(results, "decode")?;
    let otherwise = if otherwise { results.pop().map(Box::new) } else { None };
    Ok(Expr { node: ExprNode::Case { branches: tests.into_iter().zip(results).collect(), otherwise }, data_type, span })
}

/// Spark's simple name of a type.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Struct(fields) => {
            let members: Vec<String> = fields.iter().map(|field| format!("{}:{}", field.name, type_name(&field.data_type))).collect();
            format!("struct<{}>", members.join(","))
        }
        DataType::Array(element) => format!("array<{}>", type_name(element)),
        DataType::Map(key, value) => format!("map<{},{}>", type_name(key), type_name(value)),
        DataType::Interval => "interval day to second".to_string(),
        other => other.to_string().to_lowercase(),
    }
}

/// `assert_true(condition[, text])`: NULL where it holds; `raise_error(text)`.
fn failing(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let raise = |text: Expr| {
        Ok::<Expr, SqlError>(Expr { span, ..tree::call(Function::RaiseError, vec![coerce(text, &DataType::String)?], DataType::Null) })
    };
    if name == "raise_error" {
        return raise(exactly::<1>(name, args, span).map(|[text]| text)?);
    }
    check_count(name, args.len(), 1, Some(2), span)?;
    let mut args = args.into_iter();
    let condition = coerce(args.next().unwrap_or_else(|| tree::literal(Value::Null, DataType::Null, span)), &DataType::Boolean)?;
    let text = args.next().unwrap_or_else(|| tree::text("the condition is not true", condition.span));
    let null = tree::literal(Value::Null, DataType::Null, span);
    choose(condition, null, raise(text)?, name)
}

fn textual(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let call = |function, args| Ok(tree::call(Function::Text(function), args, DataType::String));
    match name {
        "elt" => {
            check_count(name, args.len(), 2, None, span)?;
            let bytes = args[1..].iter().all(|arg| arg.data_type == DataType::Binary);
            if bytes {
                return Err(SqlError::unsupported(span, "elt of BINARY"));
            }
            let target = |index: usize| if index == 0 { DataType::Int } else { DataType::String };
            call(TextFunction::Elt, args.into_iter().enumerate().map(|(index, arg)| coerce(arg, &target(index))).collect::<Result<_, _>>()?)
        }
        "mask" => mask(args, span),
        "format_string" | "printf" => {
            check_count(name, args.len(), 1, None, span)?;
            let mut args = args;
            args[0] = coerce(args[0].clone(), &DataType::String)?;
            call(TextFunction::FormatString, args)
        }
        "format_number" => {
            let [value, form] = exactly(name, args, span)?;
            let value = match value.data_type {
                DataType::Null => cast(value, &DataType::Double),
                ref given if is_numeric(given) => value,
                ref given => {
                    return Err(SqlError::new(value.span, format!("this is {}, but a number is needed here", with_article(given))));
                }
            };
            let form = if form.data_type == DataType::String { form } else { coerce(form, &DataType::Int)? };
            call(TextFunction::FormatNumber, vec![value, form])
        }
        "to_char" | "to_varchar" => {
            let [value, form] = exactly(name, args, span)?;
            let form = coerce(form, &DataType::String)?;
            if matches!(value.data_type, DataType::Date | DataType::Timestamp) {
                let value = coerce(value, &DataType::Timestamp)?;
                return Ok(tree::call(Function::DateFormat, vec![value, form], DataType::String));
            }
            if value.data_type == DataType::Binary {
                return text_of_bytes(name, value, form);
            }
            let target = if is_integral(&value.data_type) { DataType::BigInt } else { DataType::Double };
            call(TextFunction::ToChar, vec![coerce(value, &target)?, form])
        }
        "regexp_instr" => {
            check_count(name, args.len(), 2, Some(3), span)?;
            // Spark takes a group's number and looks at the whole match all the same.
            let target = |index: usize| if index < 2 { DataType::String } else { DataType::Int };
            let args = args.into_iter().enumerate().map(|(index, arg)| coerce(arg, &target(index))).collect::<Result<Vec<_>, _>>()?;
            let built = tree::call(Function::Text(TextFunction::RegexpInstr), args, DataType::Int);
            super::check_pattern(&built).map(|()| built)
        }
        _ => {
            let [arg] = exactly(name, args, span)?;
            let arg = if arg.data_type == DataType::Binary { arg } else { coerce(arg, &DataType::String)? };
            let bytes = tree::call(Function::OctetLength, vec![arg], DataType::Int);
            Ok(tree::call(Function::Multiply, vec![bytes, tree::int(8, span)], DataType::Int))
        }
    }
}

/// `to_char(bytes, form)`.
fn text_of_bytes(name: &str, bytes: Expr, form: Expr) -> Result<Expr, SqlError> {
    let wrong = || SqlError::new(form.span, format!("`{name}` of BINARY knows the formats 'hex', 'utf-8' and 'base64'"));
    let ExprNode::Literal(Value::String(known)) = &form.node else { return Err(wrong()) };
    let call = |function, args| Ok(tree::call(Function::Bytes(function), args, DataType::String));
    match known.to_ascii_lowercase().as_str() {
        "hex" => call(BytesFunction::Hex, vec![bytes]),
        "base64" => call(BytesFunction::Base64, vec![bytes]),
        "utf-8" => {
            let charset = tree::text("UTF-8", form.span);
            call(BytesFunction::Decode, vec![bytes, charset])
        }
        _ => Err(wrong()),
    }
}

/// `mask(text[, upper[, lower[, digit[, other]]]])`: single characters, or NULL to leave what is there.
fn mask(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("mask", args.len(), 1, Some(5), span)?;
    let mut args = args.into_iter();
    let text = match args.next() {
        Some(text) if matches!(text.data_type, DataType::String | DataType::Null) => cast(text, &DataType::String),
        _ => return Err(SqlError::new(span, "mask takes a STRING")),
    };
    let mut call = vec![text];
    for default in [Some("X"), Some("x"), Some("n"), None] {
        let default = default.map_or(Value::Null, |text| Value::String(text.to_string()));
        let character = args.next().unwrap_or_else(|| tree::literal(default, DataType::String, span));
        match &character.node {
            ExprNode::Literal(Value::Null) => {}
            ExprNode::Literal(Value::String(text)) if text.chars().count() == 1 => {}
            _ => return Err(SqlError::new(character.span, "what masks must be a single character in quotes, or NULL")),
        }
        call.push(cast(character, &DataType::String));
    }
    Ok(tree::call(Function::Text(TextFunction::Mask), call, DataType::String))
}

fn bytes(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let call = |function, args, data_type| Ok(tree::call(Function::Bytes(function), args, data_type));
    match name {
        "hash" | "xxhash64" => {
            check_count(name, args.len(), 1, None, span)?;
            if let Some(map) = args.iter().find(|arg| holds_map(&arg.data_type)) {
                return Err(SqlError::new(map.span, format!("`{name}` does not take a MAP: equal maps can differ in their order")));
            }
            if name == "hash" {
                call(BytesFunction::Murmur3, args, DataType::Int)
            } else {
                call(BytesFunction::Xxhash64, args, DataType::BigInt)
            }
        }
        "hmac" => {
            check_count(name, args.len(), 2, Some(3), span)?;
            let mut args = args;
            let algorithm = if args.len() == 3 { args.pop() } else { None }.unwrap_or_else(|| tree::text("SHA-256", span));
            let mut args = args.into_iter().map(raw).collect::<Result<Vec<_>, _>>()?;
            args.push(coerce(algorithm, &DataType::String)?);
            call(BytesFunction::Hmac, args, DataType::Binary)
        }
        "binary" => {
            let [arg] = exactly(name, args, span)?;
            explicit_cast(arg, &DataType::Binary, false, span)
        }
        _ => {
            check_count(name, args.len(), 1, Some(2), span)?;
            let mut args = args.into_iter();
            let text = coerce(args.next().unwrap_or_else(|| tree::text("", span)), &DataType::String)?;
            let form = match args.next().map(|form| (form.span, form.node)) {
                None => "hex".to_string(),
                Some((_, ExprNode::Literal(Value::String(form)))) => form.to_ascii_lowercase(),
                Some((_, ExprNode::Literal(Value::Null))) => return Ok(tree::literal(Value::Null, DataType::Binary, span)),
                Some((place, _)) => return Err(SqlError::new(place, format!("the format of {name} must be a literal"))),
            };
            let fallible = name == "try_to_binary";
            match form.as_str() {
                "hex" => call(if fallible { BytesFunction::Unhex } else { BytesFunction::UnhexStrict }, vec![text], DataType::Binary),
                "base64" if fallible => call(BytesFunction::TryUnbaseStrict, vec![text], DataType::Binary),
                "base64" => call(BytesFunction::UnbaseStrict, vec![text], DataType::Binary),
                "utf-8" | "utf8" => call(BytesFunction::Encode, vec![text, tree::text("UTF-8", span)], DataType::Binary),
                _ if fallible => Ok(tree::literal(Value::Null, DataType::Binary, span)),
                _ => Err(SqlError::new(span, format!("`{name}` knows the formats 'hex', 'utf-8' and 'base64'"))),
            }
        }
    }
}

fn raw(arg: Expr) -> Result<Expr, SqlError> {
    if arg.data_type == DataType::Binary { Ok(arg) } else { coerce(arg, &DataType::String) }
}

fn holds_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Array(element) => holds_map(element),
        DataType::Struct(fields) => fields.iter().any(|field| holds_map(&field.data_type)),
        _ => false,
    }
}

/// `floor(x, scale)` and `ceil(x, scale)`.
pub fn to_scale(down: bool, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let [value, scale] = exactly(if down { "floor" } else { "ceil" }, args, span)?;
    let value = number(value)?;
    if !matches!(scale.node, ExprNode::Literal(_)) {
        return Err(SqlError::new(scale.span, "the scale must be a literal"));
    }
    let target = if is_integral(&value.data_type) { DataType::BigInt } else { DataType::Double };
    let function = if down { MathFunction::FloorTo } else { MathFunction::CeilTo };
    let args = vec![cast(value, &target), coerce(scale, &DataType::Int)?];
    Ok(tree::call(Function::Math(function), args, target))
}

/// A call of one of the time functions.
pub fn time_call(function: TimeFunction, args: Vec<Expr>, data_type: DataType) -> Expr {
    tree::call(Function::Time(function), args, data_type)
}
