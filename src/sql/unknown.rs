//! Function names that are not there: refused on purpose, missing, or misspelt.

use super::error::{SqlError, near};
use super::{aggregates, collections, functions, lambdas, over, signatures};
use crate::plan::Span;

/// Functions of Spark's that a user may well look for.
const MISSING: &[&str] = &[
    "session_window",
    "explode",
    "explode_outer",
    "posexplode",
    "inline",
    "stack",
    "percentile",
    "percentile_approx",
    "approx_percentile",
    "median",
    "mode",
    "first",
    "first_value",
    "last",
    "last_value",
    "any_value",
    "collect_list",
    "collect_set",
    "array_agg",
    "listagg",
    "string_agg",
    "approx_count_distinct",
    "max_by",
    "min_by",
    "corr",
    "covar_pop",
    "covar_samp",
    "skewness",
    "kurtosis",
    "regr_slope",
    "regr_intercept",
    "histogram_numeric",
    "lag",
    "lead",
    "row_number",
    "rank",
    "dense_rank",
    "json_tuple",
    "md5",
    "sha1",
    "sha2",
    "crc32",
    "xxhash64",
    "hash",
    "base64",
    "unbase64",
    "unhex",
    "bin",
    "conv",
    "format_number",
    "format_string",
    "printf",
    "levenshtein",
    "soundex",
    "trunc",
    "last_day",
    "next_day",
    "months_between",
    "make_date",
    "make_timestamp",
    "from_utc_timestamp",
    "to_utc_timestamp",
    "convert_timezone",
    "try_to_timestamp",
    "timestampadd",
    "timestampdiff",
    "decimal",
    "tinyint",
    "smallint",
    "factorial",
    "width_bucket",
    "bit_count",
    "try_sum",
    "try_avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "sinh",
    "asinh",
    "acosh",
    "atanh",
    "cot",
    "sec",
    "csc",
    "rint",
    "find_in_set",
    "overlay",
    "regexp_count",
    "regexp_extract_all",
    "regexp_substr",
    "substring_index",
    "sentences",
    "to_number",
    "to_char",
    "typeof",
    "grouping",
    "cube",
];

/// Whether a function of that name, in any case, is there or is to come.
pub fn is_function(name: &str) -> bool {
    let name = name.to_lowercase();
    let known = MISSING.iter().copied().chain(over::NAMES.iter().copied()).chain(functions::SPECIAL.iter().copied());
    let known = known.chain(signatures::names()).chain(lambdas::NAMES.iter().copied());
    let known = known.chain(collections::NAMES.iter().map(|(name, ..)| *name)).chain(aggregates::NAMES.iter().map(|(name, _)| *name));
    known.into_iter().any(|known| known == name) || unknown(&name, Span::default()).message.contains("refused")
}

/// The error for a function that is not there.
pub fn unknown(name: &str, span: Span) -> SqlError {
    match name {
        "now" | "current_timestamp" | "current_date" | "curdate" | "localtimestamp" => {
            return SqlError::new(span, format!("`{name}` is refused: a replay would give another answer than the first run"))
                .help("the hidden column `_arrived` of each source is the time at which the row arrived");
        }
        "rand" | "random" | "randn" | "uuid" | "monotonically_increasing_id" => {
            return SqlError::new(span, format!("`{name}` is refused: a replay would give another answer than the first run"));
        }
        "shuffle" => return SqlError::new(span, "`shuffle` is refused: a replay would give another answer than the first run"),
        "iff" => return SqlError::new(span, "there is no function `iff`").help("use if(condition, a, b)"),
        _ => {}
    }
    if MISSING.contains(&name) {
        return SqlError::unsupported(span, format_args!("the function `{name}`"));
    }
    let error = SqlError::new(span, format!("there is no function `{name}`"));
    let collections = collections::NAMES.iter().map(|(name, ..)| *name).chain(lambdas::NAMES.iter().copied());
    let names = signatures::names()
        .chain(functions::SPECIAL.iter().copied())
        .chain(collections)
        .chain(aggregates::NAMES.iter().map(|(name, _)| *name));
    match near(name, names) {
        Some(meant) => error.help(format!("did you mean `{meant}`?")),
        None => error,
    }
}
