//! Functions of text that work on BINARY too, byte by byte, where their arguments are BINARY.

use super::check_count;
use crate::plan::{BytesFunction as B, Expr, Function, Span};
use crate::sql::coerce::coerce;
use crate::sql::error::SqlError;
use crate::sql::tree;
use crate::types::DataType;

/// The call of `name` on bytes; `None` where these arguments are not for it, and so are taken as text.
pub fn build(name: &str, args: &[Expr], span: Span) -> Option<Result<Expr, SqlError>> {
    let is_binary = |index: usize| args.get(index).is_some_and(|arg| arg.data_type == DataType::Binary);
    if !is_binary(0) {
        return None;
    }
    let (function, out) = match name {
        "hex" => (B::Hex, DataType::String),
        "length" | "len" | "octet_length" | "char_length" | "character_length" => (B::Length, DataType::Int),
        "bit_length" => {
            let bytes = call(B::Length, args, 1, 1, DataType::Int, name, span);
            return Some(bytes.map(|bytes| tree::call(Function::Multiply, vec![bytes, tree::int(8, span)], DataType::Int)));
        }
        "reverse" => (B::Reverse, DataType::Binary),
        "substring" | "substr" => (B::Substring, DataType::Binary),
        "left" => return Some(left(args, span)),
        "lpad" | "rpad" if args.len() != 3 || is_binary(2) => (if name == "lpad" { B::Lpad } else { B::Rpad }, DataType::Binary),
        "overlay" if is_binary(1) => (B::Overlay, DataType::Binary),
        "startswith" if is_binary(1) => (B::StartsWith, DataType::Boolean),
        "endswith" if is_binary(1) => (B::EndsWith, DataType::Boolean),
        "contains" if is_binary(1) => (B::Contains, DataType::Boolean),
        _ => return None,
    };
    let (least, most) = match function {
        B::Substring | B::Lpad | B::Rpad => (2, 3),
        B::Overlay => (3, 4),
        B::StartsWith | B::EndsWith | B::Contains => (2, 2),
        _ => (1, 1),
    };
    Some(call(function, args, least, most, out, name, span))
}

/// Arguments that are not BINARY are numbers.
fn call(function: B, args: &[Expr], least: usize, most: usize, out: DataType, name: &str, span: Span) -> Result<Expr, SqlError> {
    check_count(name, args.len(), least, Some(most), span)?;
    let number = |arg: &Expr| if arg.data_type == DataType::Binary { Ok(arg.clone()) } else { coerce(arg.clone(), &DataType::Int) };
    let args = args.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(tree::call(Function::Bytes(function), args, out))
}

fn left(args: &[Expr], span: Span) -> Result<Expr, SqlError> {
    check_count("left", args.len(), 2, Some(2), span)?;
    let args = vec![args[0].clone(), tree::int(1, span), coerce(args[1].clone(), &DataType::Int)?];
    Ok(tree::call(Function::Bytes(B::Substring), args, DataType::Binary))
}

/// `a || b` and `concat(a, b)` where all are BINARY; `None` for others.
pub fn concat(args: &[Expr]) -> Option<Expr> {
    let bytes = !args.is_empty() && args.iter().all(|arg| arg.data_type == DataType::Binary);
    bytes.then(|| tree::call(Function::Bytes(B::Concat), args.to_vec(), DataType::Binary))
}
