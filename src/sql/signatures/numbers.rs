//! Functions of numbers, beyond the first set.

use super::Arg::{self, BigInt, Double, Int, Integral, Text};
use super::{Out, Signature, row};
use crate::plan::{Function, MathFunction as M};

const fn of(names: &'static [&'static str], function: M, required: &'static [Arg], out: Out) -> Signature {
    row(names, Function::Math(function), required, &[], out)
}

pub const ROWS: &[Signature] = &[
    of(&["asinh"], M::Asinh, &[Double], Out::Double),
    of(&["acosh"], M::Acosh, &[Double], Out::Double),
    of(&["atanh"], M::Atanh, &[Double], Out::Double),
    of(&["cot"], M::Cot, &[Double], Out::Double),
    of(&["sec"], M::Sec, &[Double], Out::Double),
    of(&["csc"], M::Csc, &[Double], Out::Double),
    of(&["rint"], M::Rint, &[Double], Out::Double),
    of(&["factorial"], M::Factorial, &[Int], Out::BigInt),
    of(&["width_bucket"], M::WidthBucket, &[Double, Double, Double, BigInt], Out::BigInt),
    of(&["conv"], M::Conv, &[Text, Int, Int], Out::Text),
    of(&["bin"], M::Bin, &[BigInt], Out::Text),
    of(&["bit_count"], M::BitCount, &[Arg::IntegralOrBoolean], Out::Int),
    of(&["bit_get", "getbit"], M::BitGet, &[Arg::OnlyIntegral, Int], Out::Int),
    of(&["shiftrightunsigned"], M::ShiftRightUnsigned, &[Integral, Int], Out::First),
    of(&["bitmap_bit_position"], M::BitmapBitPosition, &[BigInt], Out::BigInt),
    of(&["bitmap_bucket_number"], M::BitmapBucketNumber, &[BigInt], Out::BigInt),
];
