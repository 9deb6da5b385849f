//! The functions on JSON text: what they take and what they give.

use super::coerce::{coerce, with_article};
use super::collections::{array_of, collection};
use super::error::SqlError;
use super::schema::parse_type_or_columns;
use crate::plan::{Collection as C, Expr, ExprNode, Span};
use crate::types::{DataType, Value};

fn wrong(arg: &Expr, wanted: &str) -> SqlError {
    SqlError::new(arg.span, format!("this is {}, but {wanted} is needed here", with_article(&arg.data_type)))
}

/// The call of one of them, with as many arguments as it takes.
pub fn build(name: &str, args: Vec<Expr>) -> Result<Expr, SqlError> {
    let mut args = args.into_iter();
    let Some(first) = args.next() else { return Err(SqlError::new(Span::default(), "an argument is needed")) };
    if name == "to_json" {
        return match first.data_type {
            DataType::Struct(_) | DataType::Array(_) | DataType::Map(..) => Ok(collection(C::ToJson, vec![first], DataType::String)),
            _ => Err(wrong(&first, "a struct, an array or a map")),
        };
    }
    let text = coerce(first, &DataType::String)?;
    match name {
        "get_json_object" => {
            let path = args.next().map(|path| coerce(path, &DataType::String)).transpose()?;
            Ok(collection(C::GetJsonObject, std::iter::once(text).chain(path).collect(), DataType::String))
        }
        "from_json" => {
            let Some(schema) = args.next() else { return Err(SqlError::new(text.span, "from_json needs a schema")) };
            let ExprNode::Literal(Value::String(written)) = &schema.node else {
                return Err(
                    SqlError::new(schema.span, "the schema of from_json must be a string literal").help("from_json(s, 'a INT, b STRING')")
                );
            };
            let data_type = parse_type_or_columns(written).map_err(|error| SqlError { span: schema.span, ..error })?;
            check_readable(&data_type, schema.span)?;
            match data_type {
                DataType::Struct(_) | DataType::Array(_) | DataType::Map(..) => Ok(collection(C::FromJson, vec![text], data_type)),
                other => Err(SqlError::new(schema.span, format!("from_json makes structs, arrays and maps, not {other}"))),
            }
        }
        "schema_of_json" if text.data_type == DataType::Null || matches!(text.node, ExprNode::Literal(Value::Null)) => {
            Err(SqlError::new(text.span, "schema_of_json needs a text"))
        }
        "schema_of_json" => Ok(collection(C::SchemaOfJson, vec![text], DataType::String)),
        "json_array_length" => Ok(collection(C::JsonArrayLength, vec![text], DataType::Int)),
        _ => Ok(collection(C::JsonObjectKeys, vec![text], array_of(DataType::String))),
    }
}

/// Keys of maps in JSON are strings.
fn check_readable(data_type: &DataType, span: Span) -> Result<(), SqlError> {
    match data_type {
        DataType::Map(key, _) if **key != DataType::String => Err(SqlError::new(span, "in JSON a map's keys are STRING")),
        DataType::Map(_, value) => check_readable(value, span),
        DataType::Array(element) => check_readable(element, span),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_readable(&field.data_type, span)),
        _ => Ok(()),
    }
}
