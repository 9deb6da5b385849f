//! Schemas in Spark's DDL: `ts TIMESTAMP, AM2301.Temperature DOUBLE`, and the names of types.

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::SparkDialect;
use super::error::{SqlError, join, near};
use super::lex::{lex, span_of};
use crate::plan::Span;
use crate::types::DataType;

/// Columns of one schema.
pub const COLUMNS_MAX: usize = 1_000;
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
    let mut reader = Reader { tokens: &tokens, next: 0, end: Span { start: text.len() as u32, end: text.len() as u32 } };
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
        let data_type = self.data_type()?;
        self.options()?;
        Ok(SchemaColumn { name: path.join("."), path, data_type, span })
    }

    fn data_type(&mut self) -> Result<DataType, SqlError> {
        let (name, span) = self.word("a type")?;
        type_named(&name).map_err(|message| {
            let error = SqlError::new(span, message);
            match near(&name, TYPE_NAMES.iter().copied()) {
                Some(meant) if type_named(meant).is_ok() => error.help(format!("did you mean {meant}?")),
                _ => error.help("there are STRING, BOOLEAN, INT, BIGINT, FLOAT, DOUBLE, TIMESTAMP and DATE"),
            }
        })
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

const TYPE_NAMES: [&str; 11] = ["STRING", "BOOLEAN", "INT", "INTEGER", "BIGINT", "LONG", "FLOAT", "REAL", "DOUBLE", "TIMESTAMP", "DATE"];

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
        known @ ("BYTE" | "TINYINT" | "SHORT" | "SMALLINT" | "BINARY" | "TIMESTAMP_NTZ" | "DECIMAL" | "DEC" | "NUMERIC" | "CHAR"
        | "VARCHAR" | "ARRAY" | "MAP" | "STRUCT" | "INTERVAL" | "VARIANT") => return Err(format!("the type {known} is not supported yet")),
        _ => return Err(format!("there is no type `{name}`")),
    })
}

/// The type that the parser read.
pub fn sql_type(data_type: &ast::DataType) -> Result<DataType, String> {
    let shown = data_type.to_string();
    let name = shown.split(['(', '<']).next().unwrap_or_default().trim();
    let plain = name.len() == shown.len();
    match type_named(name) {
        Ok(_) if !plain => Err(format!("the type {shown} is not supported")),
        other => other,
    }
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
    fn errors_have_their_place() {
        for (text, place, message) in [
            ("a INT, b STRNG", "STRNG", "no type"),
            ("a INT b INT", "b INT", "comma"),
            ("a INT, A INT", "A INT", "twice"),
            ("a DECIMAL(5,1)", "DECIMAL", "not supported yet"),
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
