//! Functions on DOUBLE: roots, logarithms, powers, trigonometry, sign.
//!
//! Logarithms of what they are not defined for are NULL, as in Spark; the other functions give NaN.
//! Results may differ from Java's in the last bit.

use crate::batch::Values;
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::Function;
use crate::types::Value;

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    match operands {
        [] => match function {
            Function::Pi => Some(Operand::Constant(Value::Double(std::f64::consts::PI))),
            Function::E => Some(Operand::Constant(Value::Double(std::f64::consts::E))),
            _ => None,
        },
        [input] => {
            let x = input.doubles()?;
            if let Some(f) = logarithm(function) {
                return Some(frame.try_map(operands, Values::Double, |row| Ok(f(x.get(row)))));
            }
            let f = unary(function)?;
            Some(frame.map(operands, Values::Double, |row| f(x.get(row))))
        }
        [left, right] => {
            let (a, b) = (left.doubles()?, right.doubles()?);
            let f = match function {
                Function::Power => power,
                Function::Hypot => f64::hypot,
                // Adding 0.0 makes -0.0 to 0.0.
                Function::Atan2 => |a: f64, b: f64| (a + 0.0).atan2(b + 0.0),
                Function::Log => {
                    return Some(frame.try_map(operands, Values::Double, |row| Ok(log_of_base(a.get(row), b.get(row)))));
                }
                _ => return None,
            };
            Some(frame.map(operands, Values::Double, |row| f(a.get(row), b.get(row))))
        }
        _ => None,
    }
}

fn unary(function: Function) -> Option<fn(f64) -> f64> {
    Some(match function {
        Function::Sqrt => f64::sqrt,
        Function::Cbrt => f64::cbrt,
        Function::Exp => f64::exp,
        Function::Expm1 => f64::exp_m1,
        Function::Sin => f64::sin,
        Function::Cos => f64::cos,
        Function::Tan => f64::tan,
        Function::Asin => f64::asin,
        Function::Acos => f64::acos,
        Function::Atan => f64::atan,
        Function::Sinh => f64::sinh,
        Function::Cosh => f64::cosh,
        Function::Tanh => f64::tanh,
        Function::Degrees => f64::to_degrees,
        Function::Radians => f64::to_radians,
        Function::Sign => |x| if x == 0.0 || x.is_nan() { x } else { x.signum() },
        _ => return None,
    })
}

fn logarithm(function: Function) -> Option<fn(f64) -> Option<f64>> {
    Some(match function {
        Function::Ln | Function::Log => |x| above(x, 0.0, f64::ln),
        Function::Log10 => |x| above(x, 0.0, f64::log10),
        Function::Log2 => |x| above(x, 0.0, f64::log2),
        Function::Log1p => |x| above(x, -1.0, f64::ln_1p),
        _ => return None,
    })
}

/// NULL at and below the bound; NaN is not below it.
fn above(x: f64, bound: f64, f: fn(f64) -> f64) -> Option<f64> {
    if x <= bound { None } else { Some(f(x)) }
}

fn log_of_base(base: f64, x: f64) -> Option<f64> {
    if base <= 0.0 || x <= 0.0 { None } else { Some(x.ln() / base.ln()) }
}

/// Java's pow: unlike C's, 1 to the NaN and ±1 to the infinity are NaN.
fn power(x: f64, y: f64) -> f64 {
    if y != 0.0 && (y.is_nan() || (y.is_infinite() && x.abs() == 1.0)) { f64::NAN } else { x.powf(y) }
}
