//! `& | ^ ~` and shifts on INT and BIGINT. Shift distances wrap at the type's width, as in Java.

use crate::batch::Values;
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::Function;

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let left = operands.first()?;
    if let Some(a) = left.ints() {
        let result = |a: i32, b: i64| match function {
            Function::BitAnd => a & b as i32,
            Function::BitOr => a | b as i32,
            Function::BitXor => a ^ b as i32,
            Function::ShiftLeft => a.wrapping_shl(b as u32),
            Function::ShiftRight => a.wrapping_shr(b as u32),
            _ => !a,
        };
        return match operands {
            [_] if function == Function::BitNot => Some(frame.map(operands, Values::Int, |row| result(a.get(row), 0))),
            [_, right] => {
                let b = right.integers()?;
                Some(frame.map(operands, Values::Int, |row| result(a.get(row), b.get(row))))
            }
            _ => None,
        };
    }
    let a = left.bigints()?;
    let result = |a: i64, b: i64| match function {
        Function::BitAnd => a & b,
        Function::BitOr => a | b,
        Function::BitXor => a ^ b,
        Function::ShiftLeft => a.wrapping_shl(b as u32),
        Function::ShiftRight => a.wrapping_shr(b as u32),
        _ => !a,
    };
    match operands {
        [_] if function == Function::BitNot => Some(frame.map(operands, Values::BigInt, |row| result(a.get(row), 0))),
        [_, right] => {
            let b = right.integers()?;
            Some(frame.map(operands, Values::BigInt, |row| result(a.get(row), b.get(row))))
        }
        _ => None,
    }
}
