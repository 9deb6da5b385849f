//! The scalar functions with a fixed signature: name, what they take, what they give.

mod bytes;
mod numbers;
mod text;
mod time;

use super::coerce::{cast, coerce, is_integral, is_numeric, with_article};
use super::error::SqlError;
use super::tree;
use crate::plan::{Expr, Function, Span};
use crate::types::DataType;

/// What an argument is made into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arg {
    Text,
    Int,
    BigInt,
    Double,
    Date,
    Timestamp,
    /// FLOAT stays, all else becomes DOUBLE.
    Floating,
    /// Keeps its numeric type; text becomes DOUBLE.
    Number,
    /// INT or BIGINT.
    Integral,
    /// A whole number that becomes BIGINT.
    Whole,
    /// INT only, or text.
    Days,
    /// The struct that `window(...)` yields.
    Window,
    /// BINARY, or text as its UTF-8.
    Bytes,
    /// As it is; all else becomes text.
    BytesOrText,
    OnlyBytes,
    OnlyDate,
    OnlyTimestamp,
    /// No text.
    OnlyIntegral,
    IntegralOrBoolean,
}

#[derive(Clone, Copy)]
enum Out {
    Text,
    Int,
    BigInt,
    Double,
    Boolean,
    Date,
    Timestamp,
    Binary,
    /// ARRAY<STRING>
    Texts,
    /// The type of the first argument.
    First,
}

/// A function's names, what it takes and what it gives.
pub struct Signature {
    names: &'static [&'static str],
    function: Function,
    required: &'static [Arg],
    optional: &'static [Arg],
    out: Out,
}

const fn row(
    names: &'static [&'static str],
    function: Function,
    required: &'static [Arg],
    optional: &'static [Arg],
    out: Out,
) -> Signature {
    Signature { names, function, required, optional, out }
}

use Arg::{BigInt, Bytes, Date, Days, Double, Floating, Int, Integral, Number, Text, Timestamp, Whole};

const SIGNATURES: &[Signature] = &[
    row(&["abs"], Function::Abs, &[Number], &[], Out::First),
    row(&["negative"], Function::Negate, &[Number], &[], Out::First),
    row(&["isnan"], Function::IsNan, &[Floating], &[], Out::Boolean),
    row(&["round"], Function::Round, &[Number], &[Int], Out::First),
    row(&["bround"], Function::Bround, &[Number], &[Int], Out::First),
    row(&["sqrt"], Function::Sqrt, &[Double], &[], Out::Double),
    row(&["cbrt"], Function::Cbrt, &[Double], &[], Out::Double),
    row(&["exp"], Function::Exp, &[Double], &[], Out::Double),
    row(&["ln"], Function::Ln, &[Double], &[], Out::Double),
    row(&["log10"], Function::Log10, &[Double], &[], Out::Double),
    row(&["log2"], Function::Log2, &[Double], &[], Out::Double),
    row(&["log1p"], Function::Log1p, &[Double], &[], Out::Double),
    row(&["expm1"], Function::Expm1, &[Double], &[], Out::Double),
    row(&["power", "pow"], Function::Power, &[Double, Double], &[], Out::Double),
    row(&["sin"], Function::Sin, &[Double], &[], Out::Double),
    row(&["cos"], Function::Cos, &[Double], &[], Out::Double),
    row(&["tan"], Function::Tan, &[Double], &[], Out::Double),
    row(&["asin"], Function::Asin, &[Double], &[], Out::Double),
    row(&["acos"], Function::Acos, &[Double], &[], Out::Double),
    row(&["atan"], Function::Atan, &[Double], &[], Out::Double),
    row(&["atan2"], Function::Atan2, &[Double, Double], &[], Out::Double),
    row(&["sinh"], Function::Sinh, &[Double], &[], Out::Double),
    row(&["cosh"], Function::Cosh, &[Double], &[], Out::Double),
    row(&["tanh"], Function::Tanh, &[Double], &[], Out::Double),
    row(&["degrees"], Function::Degrees, &[Double], &[], Out::Double),
    row(&["radians"], Function::Radians, &[Double], &[], Out::Double),
    row(&["sign", "signum"], Function::Sign, &[Double], &[], Out::Double),
    row(&["hypot"], Function::Hypot, &[Double, Double], &[], Out::Double),
    row(&["pi"], Function::Pi, &[], &[], Out::Double),
    row(&["e"], Function::E, &[], &[], Out::Double),
    row(&["shiftleft"], Function::ShiftLeft, &[Integral, Int], &[], Out::First),
    row(&["shiftright"], Function::ShiftRight, &[Integral, Int], &[], Out::First),
    row(&["upper", "ucase"], Function::Upper, &[Text], &[], Out::Text),
    row(&["lower", "lcase"], Function::Lower, &[Text], &[], Out::Text),
    row(&["initcap"], Function::Initcap, &[Text], &[], Out::Text),
    row(&["length", "len", "char_length", "character_length"], Function::Length, &[Text], &[], Out::Int),
    row(&["octet_length"], Function::OctetLength, &[Text], &[], Out::Int),
    row(&["substring", "substr"], Function::Substring, &[Text, Int], &[Int], Out::Text),
    row(&["replace"], Function::Replace, &[Text, Text], &[Text], Out::Text),
    row(&["translate"], Function::Translate, &[Text, Text, Text], &[], Out::Text),
    row(&["split_part"], Function::SplitPart, &[Text, Text, Int], &[], Out::Text),
    row(&["lpad"], Function::Lpad, &[Text, Int], &[Text], Out::Text),
    row(&["rpad"], Function::Rpad, &[Text, Int], &[Text], Out::Text),
    row(&["repeat"], Function::Repeat, &[Text, Int], &[], Out::Text),
    row(&["reverse"], Function::Reverse, &[Text], &[], Out::Text),
    row(&["instr"], Function::Instr, &[Text, Text], &[], Out::Int),
    row(&["locate", "position"], Function::Locate, &[Text, Text], &[Int], Out::Int),
    row(&["startswith"], Function::StartsWith, &[Text, Text], &[], Out::Boolean),
    row(&["endswith"], Function::EndsWith, &[Text, Text], &[], Out::Boolean),
    row(&["contains"], Function::Contains, &[Text, Text], &[], Out::Boolean),
    row(&["left"], Function::Left, &[Text, Int], &[], Out::Text),
    row(&["right"], Function::Right, &[Text, Int], &[], Out::Text),
    row(&["ascii"], Function::Ascii, &[Text], &[], Out::Int),
    row(&["chr", "char"], Function::Chr, &[BigInt], &[], Out::Text),
    row(&["like"], Function::Like, &[Text, Text], &[Text], Out::Boolean),
    row(&["ilike"], Function::Ilike, &[Text, Text], &[Text], Out::Boolean),
    row(&["rlike", "regexp", "regexp_like"], Function::Rlike, &[Text, Text], &[], Out::Boolean),
    row(&["regexp_extract"], Function::RegexpExtract, &[Text, Text], &[Int], Out::Text),
    row(&["regexp_replace"], Function::RegexpReplace, &[Text, Text, Text], &[Int], Out::Text),
    row(&["timestamp_millis"], Function::TimestampMillis, &[Whole], &[], Out::Timestamp),
    row(&["timestamp_micros"], Function::TimestampMicros, &[Whole], &[], Out::Timestamp),
    row(&["unix_millis"], Function::UnixMillis, &[Arg::OnlyTimestamp], &[], Out::BigInt),
    row(&["unix_micros"], Function::UnixMicros, &[Arg::OnlyTimestamp], &[], Out::BigInt),
    row(&["unix_seconds"], Function::UnixSeconds, &[Arg::OnlyTimestamp], &[], Out::BigInt),
    row(&["date_trunc"], Function::DateTrunc, &[Text, Timestamp], &[], Out::Timestamp),
    row(&["year"], Function::Year, &[Date], &[], Out::Int),
    row(&["quarter"], Function::Quarter, &[Date], &[], Out::Int),
    row(&["month"], Function::Month, &[Date], &[], Out::Int),
    row(&["day", "dayofmonth"], Function::Day, &[Date], &[], Out::Int),
    row(&["dayofweek"], Function::DayOfWeek, &[Date], &[], Out::Int),
    row(&["dayofyear"], Function::DayOfYear, &[Date], &[], Out::Int),
    row(&["weekofyear"], Function::WeekOfYear, &[Date], &[], Out::Int),
    row(&["weekday"], Function::Weekday, &[Date], &[], Out::Int),
    row(&["hour"], Function::Hour, &[Timestamp], &[], Out::Int),
    row(&["minute"], Function::Minute, &[Timestamp], &[], Out::Int),
    row(&["second"], Function::Second, &[Timestamp], &[], Out::Int),
    row(&["date_format"], Function::DateFormat, &[Timestamp, Text], &[], Out::Text),
    row(&["date_add", "dateadd"], Function::DateAdd, &[Date, Days], &[], Out::Date),
    row(&["date_sub"], Function::DateSub, &[Date, Days], &[], Out::Date),
    row(&["datediff", "date_diff"], Function::DateDiff, &[Date, Date], &[], Out::Int),
    row(&["add_months"], Function::AddMonths, &[Date, Int], &[], Out::Date),
    row(&["window_time"], Function::WindowTime, &[Arg::Window], &[], Out::Timestamp),
];

fn all() -> impl Iterator<Item = &'static Signature> {
    [SIGNATURES, text::ROWS, numbers::ROWS, time::ROWS, bytes::ROWS].into_iter().flatten()
}

/// The signature of `name` (in lower case), if it has a fixed one.
pub fn find(name: &str) -> Option<&'static Signature> {
    all().find(|signature| signature.names.contains(&name))
}

/// All names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().flat_map(|signature| signature.names.iter().copied())
}

impl Signature {
    /// The call, its arguments made into what the function takes.
    pub fn build(&self, name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
        check_count(name, args.len(), self.required.len(), Some(self.required.len() + self.optional.len()), span)
            .map_err(|error| error.help(self.usage(name)))?;
        let kinds = self.required.iter().chain(self.optional);
        let args = args.into_iter().zip(kinds).map(|(arg, kind)| kind.make(arg)).collect::<Result<Vec<Expr>, _>>()?;
        let data_type = match self.out {
            Out::Text => DataType::String,
            Out::Int => DataType::Int,
            Out::BigInt => DataType::BigInt,
            Out::Double => DataType::Double,
            Out::Boolean => DataType::Boolean,
            Out::Date => DataType::Date,
            Out::Timestamp => DataType::Timestamp,
            Out::Binary => DataType::Binary,
            Out::Texts => DataType::Array(Box::new(DataType::String)),
            Out::First => args.first().map_or(DataType::Null, |first| first.data_type.clone()),
        };
        Ok(Expr { span, ..tree::call(self.function, args, data_type) })
    }

    fn usage(&self, name: &str) -> String {
        let required: Vec<&str> = self.required.iter().map(|arg| arg.name()).collect();
        let optional: String = self.optional.iter().map(|arg| format!("[, {}]", arg.name())).collect();
        format!("{name}({}{optional})", required.join(", "))
    }
}

impl Arg {
    fn name(self) -> &'static str {
        match self {
            Text => "STRING",
            Int | Days => "INT",
            BigInt | Whole => "BIGINT",
            Double => "DOUBLE",
            Date => "DATE",
            Timestamp => "TIMESTAMP",
            Floating | Number => "number",
            Integral => "INT or BIGINT",
            Arg::Window => "window",
            Bytes | Arg::BytesOrText => "STRING or BINARY",
            Arg::OnlyBytes => "BINARY",
            Arg::OnlyDate => "DATE",
            Arg::OnlyTimestamp => "TIMESTAMP",
            Arg::OnlyIntegral => "INT or BIGINT",
            Arg::IntegralOrBoolean => "INT, BIGINT or BOOLEAN",
        }
    }

    fn make(self, arg: Expr) -> Result<Expr, SqlError> {
        let target = match self {
            Text => DataType::String,
            // As in Spark, any number will do; one that does not fit fails when it comes.
            Int if is_numeric(&arg.data_type) => return Ok(cast(arg, &DataType::Int)),
            BigInt if is_numeric(&arg.data_type) => return Ok(cast(arg, &DataType::BigInt)),
            Whole if arg.data_type == DataType::String => {
                return Err(
                    SqlError::new(arg.span, "this is a STRING, but a whole number is needed here").help("CAST(… AS BIGINT) converts it")
                );
            }
            Int | Days => DataType::Int,
            BigInt | Whole => DataType::BigInt,
            Double => DataType::Double,
            Date => DataType::Date,
            Timestamp => DataType::Timestamp,
            Floating if arg.data_type == DataType::Float => DataType::Float,
            Floating => DataType::Double,
            Number => return number(arg),
            Integral if is_integral(&arg.data_type) => return Ok(arg),
            Integral if is_numeric(&arg.data_type) => return Ok(cast(arg, &DataType::Int)),
            Integral => DataType::Int,
            Bytes | Arg::BytesOrText if matches!(arg.data_type, DataType::Binary | DataType::String) => return Ok(arg),
            Bytes if arg.data_type != DataType::Null => return Err(only(&arg, "a STRING or BINARY")),
            Bytes | Arg::BytesOrText => DataType::String,
            Arg::OnlyBytes | Arg::OnlyDate | Arg::OnlyTimestamp | Arg::OnlyIntegral | Arg::IntegralOrBoolean => return self.only(arg),
            Arg::Window if arg.data_type == crate::types::window_type() => return Ok(arg),
            Arg::Window => {
                let message = format!("window_time takes the window of an aggregation, but this is {}", with_article(&arg.data_type));
                return Err(SqlError::new(arg.span, message));
            }
        };
        coerce(arg, &target)
    }

    /// An argument that is not converted: of the right type, or NULL.
    fn only(self, arg: Expr) -> Result<Expr, SqlError> {
        let (fits, null, wanted) = match self {
            Arg::OnlyBytes => (arg.data_type == DataType::Binary, DataType::Binary, "a BINARY"),
            Arg::OnlyDate => (arg.data_type == DataType::Date, DataType::Date, "a DATE"),
            Arg::OnlyTimestamp => (arg.data_type == DataType::Timestamp, DataType::Timestamp, "a TIMESTAMP"),
            Arg::OnlyIntegral => (is_integral(&arg.data_type), DataType::Int, "an INT or BIGINT"),
            _ => (is_integral(&arg.data_type) || arg.data_type == DataType::Boolean, DataType::Int, "an INT, BIGINT or BOOLEAN"),
        };
        match arg.data_type {
            _ if fits => Ok(arg),
            DataType::Null if self != Arg::OnlyBytes => Ok(cast(arg, &null)),
            _ => Err(only(&arg, wanted)),
        }
    }
}

/// The error for an argument of another type.
fn only(arg: &Expr, wanted: &str) -> SqlError {
    SqlError::new(arg.span, format!("this is {}, but {wanted} is needed here", with_article(&arg.data_type)))
}

/// An argument of any numeric type; text and NULL become DOUBLE.
pub fn number(arg: Expr) -> Result<Expr, SqlError> {
    match &arg.data_type {
        data_type if is_numeric(data_type) => Ok(arg),
        DataType::String | DataType::Null => Ok(cast(arg, &DataType::Double)),
        other => Err(SqlError::new(arg.span, format!("this is {}, but a number is needed here", with_article(other)))),
    }
}

/// Checks the number of arguments; `most` is `None` where there is no limit.
pub fn check_count(name: &str, given: usize, least: usize, most: Option<usize>, span: Span) -> Result<(), SqlError> {
    if given >= least && most.is_none_or(|most| given <= most) {
        return Ok(());
    }
    let takes = match most {
        Some(most) if most == least => format!("{least}"),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    };
    let plural = if takes == "1" || takes == "at least 1" { "" } else { "s" };
    Err(SqlError::new(span, format!("`{name}` takes {takes} argument{plural}, not {given}")))
}
