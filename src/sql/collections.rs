//! The functions on arrays, maps, structs and JSON: what they take and what they give, as in Spark.
//!
//! Those that take a lambda are planned in `lambdas`.

use super::coerce::{cast, coerce, is_integral, orderable, unify, widest, with_article};
use super::error::SqlError;
use super::json;
use super::signatures::check_count;
use super::tree;
use crate::plan::{Collection as C, Expr, ExprNode, Function, Span};
use crate::types::{DataType, Field, Value};

/// Names, how many arguments at least and at most.
pub const NAMES: &[(&str, usize, Option<usize>)] = &[
    ("array", 0, None),
    ("array_repeat", 2, Some(2)),
    ("sequence", 2, Some(3)),
    ("split", 2, Some(3)),
    ("size", 1, Some(1)),
    ("cardinality", 1, Some(1)),
    ("array_size", 1, Some(1)),
    ("get", 2, Some(2)),
    ("element_at", 2, Some(2)),
    ("try_element_at", 2, Some(2)),
    ("array_contains", 2, Some(2)),
    ("array_position", 2, Some(2)),
    ("array_remove", 2, Some(2)),
    ("array_append", 2, Some(2)),
    ("array_prepend", 2, Some(2)),
    ("array_insert", 3, Some(3)),
    ("array_distinct", 1, Some(1)),
    ("array_compact", 1, Some(1)),
    ("array_union", 2, Some(2)),
    ("array_intersect", 2, Some(2)),
    ("array_except", 2, Some(2)),
    ("arrays_overlap", 2, Some(2)),
    ("array_join", 2, Some(3)),
    ("array_max", 1, Some(1)),
    ("array_min", 1, Some(1)),
    ("sort_array", 1, Some(2)),
    ("array_sort", 1, Some(1)),
    ("slice", 3, Some(3)),
    ("flatten", 1, Some(1)),
    ("arrays_zip", 1, None),
    ("map", 0, None),
    ("map_from_arrays", 2, Some(2)),
    ("map_from_entries", 1, Some(1)),
    ("map_keys", 1, Some(1)),
    ("map_values", 1, Some(1)),
    ("map_entries", 1, Some(1)),
    ("map_concat", 0, None),
    ("map_contains_key", 2, Some(2)),
    ("str_to_map", 1, Some(3)),
    ("struct", 1, None),
    ("get_json_object", 2, Some(2)),
    ("from_json", 2, Some(2)),
    ("to_json", 1, Some(1)),
    ("schema_of_json", 1, Some(1)),
    ("json_array_length", 1, Some(1)),
    ("json_object_keys", 1, Some(1)),
];

/// The call of `name` (in lower case); `None` where it is no function of collections, or not for these arguments. `names` are what the
/// arguments are called where they are columns or have an alias.
pub fn build(name: &str, args: &mut Vec<Expr>, names: &[Option<String>], span: Span) -> Option<Result<Expr, SqlError>> {
    let first_is_array = args.iter().any(|arg| matches!(arg.data_type, DataType::Array(_)));
    if first_is_array && name == "reverse" && args.len() == 1 {
        return Some(Ok(same(C::ReverseArray, std::mem::take(args))));
    }
    if first_is_array && name == "concat" {
        return Some(concat(std::mem::take(args)));
    }
    let (_, least, most) = NAMES.iter().find(|(known, ..)| *known == name)?;
    let args = std::mem::take(args);
    Some(check_count(name, args.len(), *least, *most, span).and_then(|()| call(name, args, names, span)))
}

fn call(name: &str, args: Vec<Expr>, names: &[Option<String>], span: Span) -> Result<Expr, SqlError> {
    match name {
        "array" | "array_repeat" | "sequence" | "split" | "arrays_zip" => made(name, args, names, span),
        "size" | "cardinality" | "array_size" => size(name, args),
        "get" | "element_at" | "try_element_at" => element(name, args),
        "array_contains" | "array_position" | "array_remove" | "array_append" | "array_prepend" | "array_insert" => {
            with_element(name, args)
        }
        "array_distinct" | "array_compact" | "array_max" | "array_min" | "sort_array" | "array_sort" | "slice" | "flatten" => {
            of_array(name, args)
        }
        "array_union" | "array_intersect" | "array_except" | "arrays_overlap" => sets(name, args),
        "array_join" => join(args),
        "map" | "map_from_arrays" | "map_from_entries" | "map_concat" | "str_to_map" => maps(name, args, span),
        "map_keys" | "map_values" | "map_entries" | "map_contains_key" => of_map(name, args),
        "struct" => Ok(structure(args, names)),
        _ => json::build(name, args),
    }
}

pub fn collection(function: C, args: Vec<Expr>, data_type: DataType) -> Expr {
    tree::call(Function::Collection(function), args, data_type)
}

/// A call that yields its first argument's type.
fn same(function: C, args: Vec<Expr>) -> Expr {
    let data_type = args.first().map_or(DataType::Null, |arg| arg.data_type.clone());
    collection(function, args, data_type)
}

pub fn array_of(element: DataType) -> DataType {
    DataType::Array(Box::new(element))
}

fn wrong(arg: &Expr, wanted: &str) -> SqlError {
    SqlError::new(arg.span, format!("this is {}, but {wanted} is needed here", with_article(&arg.data_type)))
}

/// The argument as an array, and the type of its elements.
pub fn array(arg: Expr) -> Result<(Expr, DataType), SqlError> {
    match &arg.data_type {
        DataType::Array(element) => {
            let element = (**element).clone();
            Ok((arg, element))
        }
        DataType::Null => Ok((cast(arg, &array_of(DataType::Null)), DataType::Null)),
        _ => Err(wrong(&arg, "an array")),
    }
}

/// The argument as a map, and the types of its keys and values.
pub fn map(arg: Expr) -> Result<(Expr, DataType, DataType), SqlError> {
    match &arg.data_type {
        DataType::Map(key, value) => {
            let (key, value) = ((**key).clone(), (**value).clone());
            Ok((arg, key, value))
        }
        DataType::Null => {
            let data_type = DataType::Map(Box::new(DataType::Null), Box::new(DataType::Null));
            Ok((cast(arg, &data_type), DataType::Null, DataType::Null))
        }
        _ => Err(wrong(&arg, "a map")),
    }
}

fn pair(args: Vec<Expr>) -> Result<[Expr; 2], SqlError> {
    args.try_into()
        .map_err(|args: Vec<Expr>| SqlError::new(args.first().map_or(Span::default(), |arg| arg.span), "two arguments are needed"))
}

fn only(args: Vec<Expr>) -> Result<Expr, SqlError> {
    args.into_iter().next().ok_or_else(|| SqlError::new(Span::default(), "an argument is needed"))
}

fn check_orderable(data_type: &DataType, span: Span) -> Result<(), SqlError> {
    if orderable(data_type) {
        return Ok(());
    }
    Err(SqlError::new(span, format!("maps cannot be compared, and {data_type} holds one"))
        .help("compare map_entries(m), which is an array"))
}

/// INT, or NULL; not text.
fn whole(arg: Expr) -> Result<Expr, SqlError> {
    match arg.data_type {
        DataType::Int => Ok(arg),
        DataType::Null => Ok(cast(arg, &DataType::Int)),
        _ => Err(wrong(&arg, "an INT")),
    }
}

pub fn concat(args: Vec<Expr>) -> Result<Expr, SqlError> {
    let (args, data_type) = unify(args, "concat")?;
    match data_type {
        DataType::Array(_) => Ok(collection(C::ConcatArrays, args, data_type)),
        _ => Err(wrong(&args[0], "an array")),
    }
}

fn made(name: &str, args: Vec<Expr>, names: &[Option<String>], span: Span) -> Result<Expr, SqlError> {
    match name {
        "array" => {
            let (args, element) = unify(args, "array")?;
            Ok(Expr { span, ..collection(C::Array, args, array_of(element)) })
        }
        "array_repeat" => {
            let [element, count] = pair(args)?;
            let data_type = array_of(element.data_type.clone());
            Ok(collection(C::ArrayRepeat, vec![element, whole(count)?], data_type))
        }
        "split" => {
            let mut args = args.into_iter();
            let mut made: Vec<Expr> = args.by_ref().take(2).map(|arg| coerce(arg, &DataType::String)).collect::<Result<_, _>>()?;
            made.extend(args.next().map(|limit| coerce(limit, &DataType::Int)).transpose()?);
            Ok(collection(C::Split, made, array_of(DataType::String)))
        }
        "sequence" => sequence(args, span),
        _ => {
            let mut fields = Vec::new();
            let mut arrays = Vec::new();
            for (number, arg) in args.into_iter().enumerate() {
                let (arg, element) = array(arg)?;
                let name = names.get(number).cloned().flatten().unwrap_or_else(|| number.to_string());
                fields.push(Field::new(name, element));
                arrays.push(arg);
            }
            Ok(collection(C::Zip, arrays, array_of(DataType::Struct(fields))))
        }
    }
}

fn sequence(mut args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let step = if args.len() == 3 { args.pop() } else { None };
    let numeric = args.iter().all(|arg| is_integral(&arg.data_type) || matches!(arg.data_type, DataType::String | DataType::Null));
    let step_meets = step.iter().filter(|_| numeric).cloned();
    let (both, data_type) = unify(args.into_iter().chain(step_meets.clone()).collect(), "sequence")?;
    let refused = || {
        SqlError::new(span, format!("there is no sequence of {data_type}"))
            .help("sequence(1, 10), or dates or timestamps with an INTERVAL as step")
    };
    let mut args: Vec<Expr> = both;
    match &data_type {
        DataType::Int | DataType::BigInt => {}
        DataType::Null => args = args.into_iter().map(|arg| cast(arg, &DataType::Int)).collect(),
        DataType::Date | DataType::Timestamp => match step {
            // A step of months is an INT.
            Some(step) if matches!(step.data_type, DataType::Interval | DataType::Int) => args.push(step),
            Some(step) if step.data_type == DataType::Null => args.push(cast(step, &DataType::Interval)),
            Some(step) => return Err(wrong(&step, "an interval")),
            None => {}
        },
        _ => return Err(refused()),
    }
    let element = if data_type == DataType::Null { DataType::Int } else { data_type };
    Ok(collection(C::Sequence, args, array_of(element)))
}

fn size(name: &str, args: Vec<Expr>) -> Result<Expr, SqlError> {
    let arg = only(args)?;
    let arg = match &arg.data_type {
        DataType::Map(..) if name != "array_size" => arg,
        _ => array(arg)?.0,
    };
    Ok(collection(C::Size, vec![arg], DataType::Int))
}

fn element(name: &str, args: Vec<Expr>) -> Result<Expr, SqlError> {
    let [container, index] = pair(args)?;
    if matches!(container.data_type, DataType::Map(..)) && name != "get" {
        return map_value(container, index);
    }
    let (container, element) = array(container)?;
    let function = match name {
        "get" => C::Get,
        "element_at" => C::ElementAt,
        _ => C::TryElementAt,
    };
    let index = if name == "get" && is_integral(&index.data_type) { index } else { whole(index)? };
    Ok(collection(function, vec![container, index], element))
}

/// `m[k]`
pub fn map_value(container: Expr, key: Expr) -> Result<Expr, SqlError> {
    let (container, key_type, value) = map(container)?;
    check_orderable(&key_type, container.span)?;
    Ok(collection(C::MapValue, vec![container, coerce(key, &key_type)?], value))
}

/// `container[index]`: an array's element, a map's value, a struct's member.
pub fn subscript(container: Expr, index: Expr, span: Span) -> Result<Expr, SqlError> {
    match &container.data_type {
        DataType::Map(key, _) => {
            // As in Spark, a key of another type is cast to the map's.
            let key = (**key).clone();
            let index = if super::coerce::castable(&index.data_type, &key) { cast(index, &key) } else { coerce(index, &key)? };
            map_value(container, index)
        }
        DataType::Struct(_) => match &index.node {
            ExprNode::Literal(Value::String(name)) => super::scope::member(container, &name.clone(), span),
            _ => Err(wrong(&index, "the name of a member as a string")),
        },
        DataType::Array(element) if is_integral(&index.data_type) || index.data_type == DataType::Null => {
            let element = (**element).clone();
            let index = if index.data_type == DataType::Null { cast(index, &DataType::Int) } else { index };
            Ok(collection(C::Index, vec![container, index], element))
        }
        DataType::Array(_) => Err(wrong(&index, "a whole number")),
        _ => Err(wrong(&container, "an array, a map or a struct")),
    }
}

/// Array and element in the type that both have in common.
fn with_element(name: &str, args: Vec<Expr>) -> Result<Expr, SqlError> {
    let mut args = args.into_iter();
    let (Some(container), Some(second)) = (args.next(), args.next()) else {
        return Err(SqlError::new(Span::default(), "two arguments are needed"));
    };
    let (position, value) = match args.next() {
        Some(value) => (Some(second), value),
        None => (None, second),
    };
    if container.data_type == DataType::Null || name == "array_contains" && value.data_type == DataType::Null {
        return Err(SqlError::new(container.span, format!("`{name}` needs an array and an element, not a bare NULL"))
            .help("CAST(NULL AS …) gives it a type"));
    }
    let (container, element) = array(container)?;
    let met = widest(&element, &value.data_type).ok_or_else(|| {
        SqlError::new(value.span, format!("this is {}, but the array's elements are {element}", with_article(&value.data_type)))
            .help("convert one of them with CAST(… AS …)")
    })?;
    let (container, value) = (cast(container, &array_of(met.clone())), cast(value, &met));
    if matches!(name, "array_contains" | "array_position" | "array_remove") {
        check_orderable(&met, container.span)?;
    }
    Ok(match (name, position) {
        ("array_contains", _) => collection(C::Contains, vec![container, value], DataType::Boolean),
        ("array_position", _) => collection(C::Position, vec![container, value], DataType::BigInt),
        ("array_remove", _) => same(C::Remove, vec![container, value]),
        ("array_append", _) => same(C::Append, vec![container, value]),
        ("array_prepend", _) => same(C::Prepend, vec![container, value]),
        (_, Some(position)) if position.data_type == DataType::Int => same(C::Insert, vec![container, position, value]),
        (_, Some(position)) => return Err(wrong(&position, "an INT")),
        (_, None) => return Err(SqlError::new(container.span, "array_insert takes an array, a position and an element")),
    })
}

fn of_array(name: &str, args: Vec<Expr>) -> Result<Expr, SqlError> {
    let mut args = args.into_iter();
    let Some(first) = args.next() else { return Err(SqlError::new(Span::default(), "an argument is needed")) };
    let (container, element) = array(first)?;
    let span = container.span;
    if !matches!(name, "array_compact" | "slice" | "flatten") {
        check_orderable(&element, span)?;
    }
    Ok(match name {
        "array_distinct" => same(C::Distinct, vec![container]),
        "array_compact" => same(C::Compact, vec![container]),
        "array_max" => collection(C::Max, vec![container], element),
        "array_min" => collection(C::Min, vec![container], element),
        "array_sort" => same(C::ArraySort, vec![container]),
        "sort_array" => {
            let ascending = match args.next() {
                Some(arg) if matches!(arg.data_type, DataType::Boolean | DataType::Null) => cast(arg, &DataType::Boolean),
                Some(arg) => return Err(wrong(&arg, "a BOOLEAN")),
                None => tree::literal(Value::Boolean(true), DataType::Boolean, span),
            };
            same(C::SortArray, vec![container, ascending])
        }
        "slice" => {
            let rest = args.map(|arg| coerce(arg, &DataType::Int)).collect::<Result<Vec<_>, _>>()?;
            same(C::Slice, std::iter::once(container).chain(rest).collect())
        }
        _ => match element {
            DataType::Array(_) => collection(C::Flatten, vec![container], element),
            _ => return Err(wrong(&container, "an array of arrays")),
        },
    })
}

fn sets(name: &str, args: Vec<Expr>) -> Result<Expr, SqlError> {
    let [left, right] = pair(args)?;
    for arg in [&left, &right] {
        if !matches!(arg.data_type, DataType::Array(_)) {
            return Err(wrong(arg, "an array"));
        }
    }
    let met = widest(&left.data_type, &right.data_type).ok_or_else(|| {
        let message = format!("{} and {} have no type in common", left.data_type, right.data_type);
        SqlError::new(right.span, message).help("convert one of them with CAST(… AS …)")
    })?;
    check_orderable(&met, left.span)?;
    let args = vec![cast(left, &met), cast(right, &met)];
    Ok(match name {
        "array_union" => collection(C::Union, args, met),
        "array_intersect" => collection(C::Intersect, args, met),
        "array_except" => collection(C::Except, args, met),
        _ => collection(C::Overlap, args, DataType::Boolean),
    })
}

fn join(args: Vec<Expr>) -> Result<Expr, SqlError> {
    let mut args = args.into_iter();
    let (container, element) = array(only(args.by_ref().take(1).collect())?)?;
    if matches!(element, DataType::Array(_) | DataType::Map(..) | DataType::Struct(_)) {
        return Err(wrong(&container, "an array of texts"));
    }
    let texts = args.map(|arg| coerce(arg, &DataType::String)).collect::<Result<Vec<_>, _>>()?;
    let container = cast(container, &array_of(DataType::String));
    Ok(collection(C::Join, std::iter::once(container).chain(texts).collect(), DataType::String))
}

fn maps(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let map_of = |key: DataType, value: DataType| -> Result<DataType, SqlError> {
        if orderable(&key) {
            Ok(DataType::Map(Box::new(key), Box::new(value)))
        } else {
            Err(SqlError::new(span, "a map's key cannot hold a map"))
        }
    };
    match name {
        "map" => {
            if args.len() % 2 == 1 {
                return Err(SqlError::new(span, "`map` takes keys and values in turn").help("map('a', 1, 'b', 2)"));
            }
            let (keys, values): (Vec<_>, Vec<_>) = args.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
            let (keys, key) = unify(keys.into_iter().map(|(_, key)| key).collect(), "the keys of map")?;
            let (values, value) = unify(values.into_iter().map(|(_, value)| value).collect(), "the values of map")?;
            let args = keys.into_iter().zip(values).flat_map(|(key, value)| [key, value]).collect();
            Ok(Expr { span, ..collection(C::Map, args, map_of(key, value)?) })
        }
        "map_from_arrays" => {
            let [keys, values] = pair(args)?;
            let ((keys, key), (values, value)) = (array(keys)?, array(values)?);
            Ok(collection(C::MapFromArrays, vec![keys, values], map_of(key, value)?))
        }
        "map_from_entries" => {
            let (entries, element) = array(only(args)?)?;
            let DataType::Struct(fields) = element else { return Err(wrong(&entries, "an array of structs of two members")) };
            let [key, value] = &fields[..] else { return Err(wrong(&entries, "an array of structs of two members")) };
            let data_type = map_of(key.data_type.clone(), value.data_type.clone())?;
            Ok(collection(C::MapFromEntries, vec![entries], data_type))
        }
        "map_concat" => {
            if args.is_empty() {
                let data_type = map_of(DataType::String, DataType::String)?;
                return Ok(Expr { span, ..collection(C::Map, args, data_type) });
            }
            let (args, data_type) = unify(args, "map_concat")?;
            match data_type {
                DataType::Map(..) => Ok(collection(C::MapConcat, args, data_type)),
                _ => Err(wrong(&args[0], "a map")),
            }
        }
        _ => {
            let mut args = args.into_iter().map(|arg| coerce(arg, &DataType::String)).collect::<Result<Vec<_>, _>>()?;
            let defaults = [",", ":"];
            let given = args.len();
            args.extend(defaults.iter().skip(given - 1).map(|text| tree::text(text, span)));
            Ok(collection(C::StrToMap, args, map_of(DataType::String, DataType::String)?))
        }
    }
}

fn of_map(name: &str, args: Vec<Expr>) -> Result<Expr, SqlError> {
    if name == "map_contains_key" {
        let [container, key] = pair(args)?;
        let (container, known, value) = map(container)?;
        if key.data_type == DataType::Null {
            return Err(SqlError::new(key.span, "the key must not be a bare NULL").help("CAST(NULL AS …) gives it a type"));
        }
        let met = widest(&known, &key.data_type).ok_or_else(|| wrong(&key, &with_article(&known)))?;
        check_orderable(&met, container.span)?;
        let container = cast(container, &DataType::Map(Box::new(met.clone()), Box::new(value)));
        return Ok(collection(C::MapContainsKey, vec![container, cast(key, &met)], DataType::Boolean));
    }
    let (container, key, value) = map(only(args)?)?;
    Ok(match name {
        "map_keys" => collection(C::MapKeys, vec![container], array_of(key)),
        "map_values" => collection(C::MapValues, vec![container], array_of(value)),
        _ => {
            let entry = DataType::Struct(vec![Field::new("key", key), Field::new("value", value)]);
            collection(C::MapEntries, vec![container], array_of(entry))
        }
    })
}

/// `struct(a, b)`: members are called as the columns are, else `col1`, `col2`, …
pub fn structure(args: Vec<Expr>, names: &[Option<String>]) -> Expr {
    let name = |number: usize| names.get(number).cloned().flatten().unwrap_or_else(|| format!("col{}", number + 1));
    let fields = args.iter().enumerate().map(|(number, arg)| Field::new(name(number), arg.data_type.clone())).collect();
    tree::call(Function::MakeStruct, args, DataType::Struct(fields))
}
