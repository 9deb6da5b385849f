//! From a function's name to its kernel.

use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::engine::expr::{
    arithmetic, bits, bytes, collections, comparison, interval, mathematics, numbers, pattern, rounding, scripted, strings, time,
};
use crate::plan::{BytesFunction, Function, MathFunction, TextFunction};

/// Whether the function is NULL where any argument is, so that arguments after a NULL are not evaluated.
pub(super) fn is_strict(function: Function) -> bool {
    if let Function::Collection(collection) = function {
        return collections::is_strict(collection);
    }
    !matches!(
        function,
        Function::EqualNullSafe
            | Function::NullIf
            | Function::Greatest
            | Function::Least
            | Function::IsNan
            | Function::Nanvl
            | Function::ConcatWs
            | Function::Locate
            | Function::MakeStruct
            | Function::RaiseError
            | Function::Text(TextFunction::FormatString | TextFunction::Elt | TextFunction::Mask)
            | Function::Bytes(BytesFunction::Murmur3 | BytesFunction::Xxhash64)
            | Function::Scripted(_)
    )
}

/// Divisions look at the divisor first, as in Spark: where it is NULL the dividend is not evaluated.
pub(super) fn evaluates_last_first(function: Function) -> bool {
    matches!(
        function,
        Function::Divide
            | Function::IntegerDivide
            | Function::Remainder
            | Function::Pmod
            | Function::TryDivide
            | Function::Math(MathFunction::TryRemainder)
    )
}

/// The function's value for `frame.rows`. Operands are evaluated; for strict functions none is a NULL constant.
pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Operand<'static> {
    use Function as F;
    let result = match function {
        F::Add | F::Subtract | F::Multiply | F::TryAdd | F::TrySubtract | F::TryMultiply => arithmetic::exact(function, operands, frame),
        F::Divide | F::TryDivide | F::IntegerDivide | F::Remainder | F::Pmod => arithmetic::division(function, operands, frame),
        F::Negate | F::Abs => arithmetic::sign_change(function, operands, frame),
        F::Equal | F::NotEqual | F::Less | F::LessEqual | F::Greater | F::GreaterEqual => comparison::compare(function, operands, frame),
        F::EqualNullSafe | F::NullIf | F::Greatest | F::Least => comparison::with_nulls(function, operands, frame),
        F::IsNan => comparison::is_nan(operands, frame),
        // The walk evaluates it, for its second argument is lazy.
        F::Nanvl => None,
        F::Round | F::Bround | F::Floor | F::Ceil => rounding::apply(function, operands, frame),
        F::BitAnd | F::BitOr | F::BitXor | F::BitNot | F::ShiftLeft | F::ShiftRight => bits::apply(function, operands, frame),
        F::Like | F::Ilike | F::Rlike | F::RegexpExtract | F::RegexpReplace => pattern::apply(function, operands, frame),
        F::Upper
        | F::Lower
        | F::Initcap
        | F::Length
        | F::OctetLength
        | F::Substring
        | F::Concat
        | F::ConcatWs
        | F::Trim
        | F::Ltrim
        | F::Rtrim
        | F::Replace
        | F::Translate
        | F::SplitPart
        | F::Lpad
        | F::Rpad
        | F::Repeat
        | F::Reverse
        | F::Instr
        | F::Locate
        | F::StartsWith
        | F::EndsWith
        | F::Contains
        | F::Left
        | F::Right
        | F::Ascii
        | F::Chr
        | F::Hex => strings::apply(function, operands, frame),
        F::Collection(collection) => collections::apply(collection, operands, frame),
        F::MultiplyInterval | F::DivideInterval | F::TimeDifference => interval::apply(function, operands, frame),
        F::Scripted(id) => Some(scripted::apply(id, operands, frame)),
        F::MakeStruct => Some(make_struct(operands, frame)),
        F::Text(function) => strings::apply_further(function, operands, frame),
        F::Bytes(function) => bytes::apply(function, operands, frame),
        F::Math(function) => numbers::apply(function, operands, frame),
        F::Time(function) => time::apply_further(function, operands, frame),
        F::RaiseError => raise_error(operands, frame),
        _ => mathematics::apply(function, operands, frame).or_else(|| time::apply(function, operands, frame)),
    };
    result.unwrap_or_else(|| frame.fail_all(&Problem::Types(function).into()))
}

/// Fails for each row with its text.
fn raise_error(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let text = operands.first()?;
    let texts = text.texts();
    let shown = |row: usize| texts.filter(|_| !text.is_null(row)).map_or("null", |texts| texts.get(row));
    Some(frame.text_rows(None, |row, _| Err(Failure::with_text(Problem::Raised, shown(row)))))
}

fn make_struct(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Operand<'static> {
    use crate::batch::{Column, Values};
    use crate::types::DataType;
    let DataType::Struct(fields) = frame.data_type else {
        return frame.fail_all(&Problem::Types(Function::MakeStruct).into());
    };
    if fields.len() != operands.len() {
        return frame.fail_all(&Problem::Types(Function::MakeStruct).into());
    }
    let members =
        fields.iter().zip(operands).map(|(field, operand)| frame.column(operand.clone(), &field.data_type).into_owned()).collect();
    Operand::owned(Column::new(Values::Struct(members)))
}
