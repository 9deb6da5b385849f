//! Scalar functions beyond the operators and the first set in [`Function`](crate::plan::Function), by what they work on.
//!
//! Argument types in parentheses are those that the planner gives. A NULL argument gives NULL where nothing else is said.

/// Functions of text. Positions count characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextFunction {
    /// (text, delimiter, INT count)
    SubstringIndex,
    /// (text, replacement, INT start[, INT length])
    Overlay,
    /// (text, list)
    FindInSet,
    /// (INT number, texts): only the number, and the text it picks, make the result NULL.
    Elt,
    /// (INT)
    Space,
    Quote,
    /// (text, upper, lower, digit, other): a NULL leaves the characters as they are.
    Mask,
    Soundex,
    /// (a, b[, INT threshold])
    Levenshtein,
    JaroWinkler,
    LuhnCheck,
    /// (format, arguments of any type): NULL arguments are written.
    FormatString,
    /// (number, INT places or pattern)
    FormatNumber,
    /// (DOUBLE or BIGINT, format)
    ToChar,
    /// (text, format): DOUBLE.
    ToNumber,
    TryToNumber,
    UrlEncode,
    UrlDecode,
    TryUrlDecode,
    /// (url, part[, key])
    ParseUrl,
    TryParseUrl,
    /// (text, regular expression)
    RegexpCount,
    RegexpSubstr,
    RegexpInstr,
    /// (text, regular expression, INT group): ARRAY<STRING>.
    RegexpExtractAll,
}

/// Functions of BINARY, and hashes of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BytesFunction {
    Md5,
    Sha1,
    /// (bytes, INT bits)
    Sha2,
    Crc32,
    /// (key, message, algorithm)
    Hmac,
    /// Spark's `hash` (Murmur3) of all arguments; NULLs leave it unchanged.
    Murmur3,
    Xxhash64,
    Base64,
    /// (text): BINARY, as all that follow down to `Encode`.
    Unbase64,
    /// Fails on what [`BytesFunction::Unbase64`] skips.
    UnbaseStrict,
    TryUnbaseStrict,
    /// NULL for other characters.
    Unhex,
    /// Fails for other characters.
    UnhexStrict,
    FromBase32,
    /// (text, character set)
    Encode,
    ToBase32,
    /// (bytes, character set)
    Decode,
    IsValidUtf8,
    MakeValidUtf8,
    ValidateUtf8,
    TryValidateUtf8,
    BitmapCount,
    /// (bytes): upper-case hexadecimal digits.
    Hex,
    /// (bytes): INT.
    Length,
    Reverse,
    /// (bytes, …)
    Concat,
    /// (bytes, INT start[, INT length])
    Substring,
    /// (bytes, INT length[, padding]): zeros where there is none.
    Lpad,
    Rpad,
    /// (bytes, replacement, INT place[, INT length])
    Overlay,
    /// (bytes, part): BOOLEAN.
    StartsWith,
    EndsWith,
    Contains,
}

/// Functions of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MathFunction {
    Asinh,
    Acosh,
    Atanh,
    Cot,
    Sec,
    Csc,
    Rint,
    /// (INT): NULL outside of 0 to 20.
    Factorial,
    /// (DOUBLE value, DOUBLE from, DOUBLE to, BIGINT buckets)
    WidthBucket,
    /// (text, INT from base, INT to base)
    Conv,
    Bin,
    BitCount,
    /// (INT or BIGINT, INT place)
    BitGet,
    ShiftRightUnsigned,
    TryRemainder,
    /// (number, INT scale): the greatest number with so many places that is not greater; BIGINT stays, all else is DOUBLE.
    FloorTo,
    CeilTo,
    BitmapBitPosition,
    BitmapBucketNumber,
}

/// Functions of dates, times and intervals, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeFunction {
    UnixDate,
    DateFromUnixDate,
    LastDay,
    DayName,
    MonthName,
    /// 1 is Monday.
    DayOfWeekIso,
    /// The year of the ISO week.
    YearOfWeek,
    /// With the fraction, DOUBLE.
    SecondsOf,
    /// (DATE, day's name)
    NextDay,
    /// (DATE, unit): NULL for an unknown unit.
    Trunc,
    /// (TIMESTAMP, TIMESTAMP, BOOLEAN round)
    MonthsBetween,
    /// (INT year, INT month, INT day)
    MakeDate,
    /// (INT year, month, day, hour, minute, DOUBLE seconds[, zone])
    MakeTimestamp,
    TryMakeTimestamp,
    /// (INT days, hours, minutes, DOUBLE seconds): INTERVAL.
    MakeInterval,
    /// (TIMESTAMP, zone): UTC to the zone's clock.
    FromUtc,
    /// And back.
    ToUtc,
    /// (unit, BIGINT count, TIMESTAMP)
    TimestampAdd,
    /// (unit, TIMESTAMP, TIMESTAMP)
    TimestampDiff,
    TryToTimestamp,
    TryToDate,
    /// (INTERVAL size, TIMESTAMP[, TIMESTAMP origin])
    TimeBucket,
    /// (TIMESTAMP, INTERVAL): NULL out of range.
    TryAddMicros,
}
