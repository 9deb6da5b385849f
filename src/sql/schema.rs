//! Schemas in Spark's DDL: `ts TIMESTAMP, AM2301.Temperature DOUBLE`, and the names of types.

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::SparkDialect;
use super::error::{SqlError, join, near};
use super::lex::{lex, span_of};
use crate::plan::Span;
use crate::types::{DataType, Field};

/// Columns of one schema.
pub const COLUMNS_MAX: usize = 1_000;
/// Types within each other.
const TYPE_DEPTH_MAX: usize = 16;
/// Names in the path to a nested member.
const PATH_MAX: usize = 16;

/// A column of a source's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaColumn {
    /// Member names from the outermost object inwards.
    pub path: Vec<String>,
    /// What SQL calls it: the path, joined by dots.
    pub name: String,
    pub data_type: DataType,
    /// The name's place in the text.
    pub span: Span,
}

/// The columns of a schema in Spark's DDL. A dotted path names a member of a nested object.
///
/// ```
/// let columns = tidemill::sql::parse_schema("ts TIMESTAMP, AM2301.Temperature DOUBLE").unwrap();
/// assert_eq!(columns[1].path, ["AM2301", "Temperature"]);
/// assert_eq!(columns[1].name, "AM2301.Temperature");
/// ```
pub fn parse_schema(text: &str) -> Result<Vec<SchemaColumn>, SqlError> {
    let dialect = SparkDialect::default();
    let tokens = lex(text, &dialect)?;
    let mut reader =
        Reader { tokens: &tokens, next: 0, end: Span { start: text.len() as u32, end: text.len() as u32 }, half_closed: false };
    let mut columns: Vec<SchemaColumn> = Vec::new();
    loop {
        let column = reader.column()?;
        if columns.iter().any(|known| known.name.eq_ignore_ascii_case(&column.name)) {
            return Err(SqlError::new(column.span, format!("the column `{}` is there twice", column.name))
                .help("names are the same in upper and lower case"));
        }
        columns.push(column);
        if columns.len() > COLUMNS_MAX {
            return Err(SqlError::new(reader.end, format!("more than {COLUMNS_MAX} columns")));
        }
        match reader.take() {
            None => return Ok(columns),
            Some(TokenWithSpan { token: Token::Comma, .. }) => {}
            Some(other) => return Err(SqlError::new(span_of(other.span), format!("a comma is needed before `{}`", other.token))),
        }
    }
}

struct Reader<'t> {
    tokens: &'t [TokenWithSpan],
    next: usize,
    end: Span,
    /// Of a `>>` at `next`, one `>` is used.
    half_closed: bool,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.next).map(|token| &token.token)
    }

    fn take(&mut self) -> Option<&'t TokenWithSpan> {
        let token = self.tokens.get(self.next);
        self.next += 1;
        token
    }

    fn word(&mut self, what: &str) -> Result<(String, Span), SqlError> {
        match self.take() {
            Some(TokenWithSpan { token: Token::Word(word), span }) => Ok((word.value.clone(), span_of(*span))),
            Some(other) => Err(SqlError::new(span_of(other.span), format!("{what} is needed here, not `{}`", other.token))
                .help("write name TYPE, separated by commas; other names in backticks")),
            None => Err(SqlError::new(self.end, format!("{what} is needed at the end"))),
        }
    }

    fn column(&mut self) -> Result<SchemaColumn, SqlError> {
        let (first, mut span) = self.word("a column's name")?;
        let mut path = vec![first];
        while self.peek() == Some(&Token::Period) {
            self.next += 1;
            let (member, place) = self.word("the name of a member")?;
            path.push(member);
            span = join(span, place);
        }
        if path.len() > PATH_MAX || path.iter().any(String::is_empty) {
            return Err(SqlError::new(span, format!("a path has 1 to {PATH_MAX} names, none of them empty")));
        }
        if self.peek() == Some(&Token::Colon) {
            self.next += 1;
        }
        let data_type = self.data_type(0)?;
        self.options()?;
        Ok(SchemaColumn { name: path.join("."), path, data_type, span })
    }

    /// A type, within `depth` others.
    fn data_type(&mut self, depth: usize) -> Result<DataType, SqlError> {
        let (name, span) = self.word("a type")?;
        if depth > TYPE_DEPTH_MAX {
            return Err(SqlError::new(span, format!("types nest at most {TYPE_DEPTH_MAX} deep")));
        }
        match name.to_ascii_uppercase().as_str() {
            "ARRAY" => {
                self.open(&name)?;
                let element = self.data_type(depth + 1)?;
                self.close()?;
                Ok(DataType::Array(Box::new(element)))
            }
            "MAP" => {
                self.open(&name)?;
                let key = self.data_type(depth + 1)?;
                match self.take() {
                    Some(TokenWithSpan { token: Token::Comma, .. }) => {}
                    _ => return Err(SqlError::new(span, "a map needs two types").help("MAP<STRING, DOUBLE>")),
                }
                let value = self.data_type(depth + 1)?;
                self.close()?;
                Ok(DataType::Map(Box::new(key), Box::new(value)))
            }
            "STRUCT" => self.structure(&name, depth),
            "INTERVAL" => {
                self.interval_units(span)?;
                Ok(DataType::Interval)
            }
            _ => type_named(&name).map_err(|message| {
                let error = SqlError::new(span, message);
                match near(&name, TYPE_NAMES.iter().copied()) {
                    Some(meant) if type_named(meant).is_ok() => error.help(format!("did you mean {meant}?")),
                    _ if error.message.contains("; use ") => error,
                    _ => error.help(
                        "there are STRING, BOOLEAN, INT, BIGINT, FLOAT, DOUBLE, TIMESTAMP, DATE, BINARY, ARRAY<…>, MAP<…, …> and STRUCT<…>",
                    ),
                }
            }),
        }
    }

    fn structure(&mut self, name: &str, depth: usize) -> Result<DataType, SqlError> {
        self.open(name)?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let (member, span) = self.word("the name of a member")?;
            if fields.len() == COLUMNS_MAX {
                return Err(SqlError::new(span, format!("a struct has at most {COLUMNS_MAX} members")));
            }
            if self.peek() == Some(&Token::Colon) {
                self.next += 1;
            }
            fields.push(Field::new(member, self.data_type(depth + 1)?));
            self.options()?;
            match self.peek() {
                Some(Token::Comma) => self.next += 1,
                _ => break,
            }
        }
        self.close()?;
        Ok(DataType::Struct(fields))
    }

    fn open(&mut self, name: &str) -> Result<(), SqlError> {
        match self.take() {
            Some(TokenWithSpan { token: Token::Lt, .. }) => Ok(()),
            other => {
                let span = other.map_or(self.end, |token| span_of(token.span));
                Err(SqlError::new(span, format!("{name} needs a type in < and >")).help("as in ARRAY<DOUBLE>"))
            }
        }
    }

    /// `>`, or the first half of `>>`.
    fn close(&mut self) -> Result<(), SqlError> {
        if std::mem::take(&mut self.half_closed) {
            self.next += 1;
            return Ok(());
        }
        match self.peek() {
            Some(Token::Gt) => {
                self.next += 1;
                Ok(())
            }
            Some(Token::ShiftRight) => {
                self.half_closed = true;
                Ok(())
            }
            _ => {
                let span = self.tokens.get(self.next).map_or(self.end, |token| span_of(token.span));
                Err(SqlError::new(span, "a `>` is missing"))
            }
        }
    }

    /// `DAY TO SECOND` and its parts; all are one type here.
    fn interval_units(&mut self, span: Span) -> Result<(), SqlError> {
        let unit = |token: Option<&Token>| matches!(token, Some(Token::Word(word)) if ["DAY", "HOUR", "MINUTE", "SECOND"].iter().any(|unit| word.value.eq_ignore_ascii_case(unit)));
        if !unit(self.peek()) {
            return Err(SqlError::new(span, "an interval's type needs its units").help("INTERVAL DAY TO SECOND"));
        }
        self.next += 1;
        if matches!(self.peek(), Some(Token::Word(word)) if word.keyword == Keyword::TO) {
            self.next += 1;
            if !unit(self.peek()) {
                return Err(SqlError::new(span, "an interval's type ends with DAY, HOUR, MINUTE or SECOND").help("INTERVAL DAY TO SECOND"));
            }
            self.next += 1;
        }
        Ok(())
    }

    /// `NOT NULL` and `COMMENT '…'` are read over, as Spark's reader does.
    fn options(&mut self) -> Result<(), SqlError> {
        let keyword = |token: Option<&Token>, keyword: Keyword| matches!(token, Some(Token::Word(word)) if word.keyword == keyword);
        if keyword(self.peek(), Keyword::NOT) && keyword(self.tokens.get(self.next + 1).map(|token| &token.token), Keyword::NULL) {
            self.next += 2;
        }
        if keyword(self.peek(), Keyword::COMMENT) {
            self.next += 1;
            match self.take() {
                Some(TokenWithSpan { token: Token::SingleQuotedString(_), .. }) => {}
                _ => return Err(SqlError::new(self.end, "COMMENT takes a string")),
            }
        }
        Ok(())
    }
}

const TYPE_NAMES: [&str; 12] =
    ["STRING", "BOOLEAN", "INT", "INTEGER", "BIGINT", "LONG", "FLOAT", "REAL", "DOUBLE", "TIMESTAMP", "DATE", "BINARY"];

/// The type of this name, in any case.
pub fn type_named(name: &str) -> Result<DataType, String> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "STRING" => DataType::String,
        "BOOLEAN" => DataType::Boolean,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" | "LONG" => DataType::BigInt,
        "FLOAT" | "REAL" => DataType::Float,
        "DOUBLE" => DataType::Double,
        "TIMESTAMP" | "TIMESTAMP_LTZ" => DataType::Timestamp,
        "DATE" => DataType::Date,
        "BINARY" => DataType::Binary,
        known @ ("BYTE" | "TINYINT" | "SHORT" | "SMALLINT") => return Err(format!("the type {known} is not supported; use INT")),
        known @ ("DECIMAL" | "DEC" | "NUMERIC") => return Err(format!("the type {known} is not supported; use DOUBLE")),
        known @ ("CHAR" | "CHARACTER" | "VARCHAR" | "VARIANT") => return Err(format!("the type {known} is not supported; use STRING")),
        "TIMESTAMP_NTZ" => return Err("the type TIMESTAMP_NTZ is not supported; use TIMESTAMP".to_owned()),
        _ => return Err(format!("there is no type `{name}`")),
    })
}

/// The type that the parser read.
pub fn sql_type(data_type: &ast::DataType) -> Result<DataType, String> {
    match data_type {
        ast::DataType::Array(ast::ArrayElemTypeDef::AngleBracket(element)) => Ok(DataType::Array(Box::new(sql_type(element)?))),
        ast::DataType::Map(key, value, _) => Ok(DataType::Map(Box::new(sql_type(key)?), Box::new(sql_type(value)?))),
        ast::DataType::Struct(fields, _) if !fields.is_empty() => {
            let member = |field: &ast::StructField| {
                let name = field.field_name.as_ref().ok_or("a struct's members need names")?;
                Ok(Field::new(name.value.clone(), sql_type(&field.field_type)?))
            };
            Ok(DataType::Struct(fields.iter().map(member).collect::<Result<_, String>>()?))
        }
        ast::DataType::Interval { fields: Some(fields), precision: None } => {
            let shown = fields.to_string();
            let day_time = shown.split(" TO ").all(|unit| ["DAY", "HOUR", "MINUTE", "SECOND"].contains(&unit));
            if day_time {
                Ok(DataType::Interval)
            } else {
                Err(format!("the type INTERVAL {shown} is not supported; add INTERVAL 1 MONTH to a time"))
            }
        }
        _ => {
            let shown = data_type.to_string();
            let name = shown.split(['(', '<']).next().unwrap_or_default().trim();
            let plain = name.len() == shown.len();
            match type_named(name) {
                Ok(_) if !plain => Err(format!("the type {shown} is not supported")),
                other => other,
            }
        }
    }
}

/// `ARRAY<INT>` and other types, or columns, which are a struct's members: the schema of from_json.
pub fn parse_type_or_columns(text: &str) -> Result<DataType, SqlError> {
    let dialect = SparkDialect::default();
    let tokens = lex(text, &dialect)?;
    let end = Span { start: text.len() as u32, end: text.len() as u32 };
    let mut reader = Reader { tokens: &tokens, next: 0, end, half_closed: false };
    if let Ok(data_type) = reader.data_type(0)
        && reader.next == tokens.len()
    {
        return Ok(data_type);
    }
    let columns = parse_schema(text)?;
    Ok(DataType::Struct(columns.into_iter().map(|column| Field::new(column.name, column.data_type)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_paths_types_and_places() {
        let text = "device STRING, ts: timestamp NOT NULL COMMENT 'when', `odd name` Int,\n AM2301.`Tempe.rature` double";
        let columns = parse_schema(text).unwrap();
        let shown: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.data_type.to_string())).collect();
        assert_eq!(
            shown,
            [
                ("device", "STRING".to_string()),
                ("ts", "TIMESTAMP".into()),
                ("odd name", "INT".into()),
                ("AM2301.Tempe.rature", "DOUBLE".into())
            ]
        );
        assert_eq!(columns[3].path, ["AM2301", "Tempe.rature"]);
        assert!(text[columns[3].span.start as usize..].starts_with("AM2301"));
    }

    #[test]
    fn nested_types_are_read() {
        let shown = |text: &str| parse_schema(text).map(|columns| columns[0].data_type.to_string());
        for (text, data_type) in [
            ("a ARRAY<DOUBLE>", "ARRAY<DOUBLE>"),
            ("a map<string, struct<x: int, `odd name` array<binary>>> NOT NULL", "MAP<STRING, STRUCT<x: INT, `odd name`: ARRAY<BINARY>>>"),
            ("a ARRAY<ARRAY<ARRAY<INT>>>", "ARRAY<ARRAY<ARRAY<INT>>>"),
            ("a: STRUCT<b: INT COMMENT 'x', c STRING>", "STRUCT<b: INT, c: STRING>"),
            ("a INTERVAL DAY TO SECOND", "INTERVAL DAY TO SECOND"),
        ] {
            assert_eq!(shown(text), Ok(data_type.to_string()), "{text}");
        }
        for text in [
            "a ARRAY",
            "a ARRAY<INT",
            "a ARRAY<INT>>",
            "a MAP<STRING>",
            "a STRUCT<>",
            "a STRUCT<b>",
            "a INTERVAL YEAR",
            "a ARRAY<ARRAY<INT>> >",
        ] {
            assert!(shown(text).is_err(), "{text}");
        }
        assert!(shown(&format!("a {}INT{}", "ARRAY<".repeat(1000), ">".repeat(1000))).unwrap_err().message.contains("nest"));
        assert_eq!(parse_type_or_columns("a INT, b STRING").unwrap().to_string(), "STRUCT<a: INT, b: STRING>");
        assert_eq!(parse_type_or_columns("ARRAY<INT>").unwrap().to_string(), "ARRAY<INT>");
    }

    #[test]
    fn errors_have_their_place() {
        for (text, place, message) in [
            ("a INT, b STRNG", "STRNG", "no type"),
            ("a INT b INT", "b INT", "comma"),
            ("a INT, A INT", "A INT", "twice"),
            ("a DECIMAL(5,1)", "DECIMAL", "use DOUBLE"),
            ("a SMALLINT", "SMALLINT", "use INT"),
            ("a INT,", "", "at the end"),
            ("a", "", "a type"),
            ("'a' INT", "'a'", "name"),
            ("", "", "name"),
        ] {
            let error = parse_schema(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error}");
            assert!(text[error.span.start as usize..].starts_with(place), "{text}: {error}");
        }
        assert_eq!(parse_schema("b STRNG").unwrap_err().help.as_deref(), Some("did you mean STRING?"));
    }
}
