//! Which names an expression sees, and what they mean.

use super::error::{SqlError, near};
use super::tree;
use crate::plan::{Collection, Expr, ExprNode, Span};
use crate::types::DataType;

/// A column of a relation as names see it.
#[derive(Clone, Debug)]
pub struct ScopeColumn {
    /// The table's name or alias.
    pub qualifier: Option<String>,
    pub name: String,
    pub data_type: DataType,
    pub shown: Shown,
}

/// By which names a column can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Part of `*` and `t.*`.
    Always,
    /// By its name only.
    ByName,
    /// By its table and name, and in `t.*`: the side of a USING column that the bare name does not mean.
    WithTable,
}

impl ScopeColumn {
    pub fn new(name: impl Into<String>, data_type: DataType) -> ScopeColumn {
        ScopeColumn { qualifier: None, name: name.into(), data_type, shown: Shown::Always }
    }

    /// Whether the column belongs to the table that is called `table` here.
    pub fn is_of(&self, table: &str) -> bool {
        self.qualifier.as_ref().is_some_and(|qualifier| qualifier.eq_ignore_ascii_case(table))
    }
}

/// The columns of a relation, in its order.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub columns: Vec<ScopeColumn>,
}

impl Scope {
    /// Gives all columns a table's name or alias.
    pub fn qualify(&mut self, qualifier: &str) {
        self.columns.iter_mut().for_each(|column| column.qualifier = Some(qualifier.to_string()));
    }

    /// The expression that a dotted name means; `None` where no column has it.
    ///
    /// The longest part of the name that is a column counts, with or without its table; what is left are members of its struct. A column
    /// whose own name has dots, as `AM2301.Temperature`, is found by them.
    pub fn resolve(&self, parts: &[&str], span: Span) -> Result<Option<Expr>, SqlError> {
        for used in (1..=parts.len()).rev() {
            let mut found = self.matching(&parts[..used]);
            let Some(index) = found.next() else { continue };
            if let Some(other) = found.next() {
                return Err(self.ambiguous(parts, index, other, span));
            }
            let column = tree::column(index, self.columns[index].data_type.clone(), span);
            return parts[used..].iter().try_fold(column, |input, name| member(input, name, span)).map(Some);
        }
        Ok(None)
    }

    fn matching(&self, parts: &[&str]) -> impl Iterator<Item = usize> {
        let whole = parts.join(".").to_lowercase();
        let qualified = (parts.len() > 1).then(|| (parts[0].to_lowercase(), parts[1..].join(".").to_lowercase()));
        self.columns.iter().enumerate().filter_map(move |(index, column)| {
            let name = column.name.to_lowercase();
            let with_table = qualified.as_ref().is_some_and(|(table, rest)| {
                *rest == name && column.qualifier.as_ref().is_some_and(|qualifier| qualifier.to_lowercase() == *table)
            });
            let bare = name == whole && column.shown != Shown::WithTable;
            (bare || with_table).then_some(index)
        })
    }

    fn ambiguous(&self, parts: &[&str], a: usize, b: usize, span: Span) -> SqlError {
        let show = |index: usize| {
            let column = &self.columns[index];
            column.qualifier.as_ref().map_or(column.name.clone(), |qualifier| format!("{qualifier}.{}", column.name))
        };
        SqlError::new(span, format!("`{}` is ambiguous: there are {} and {}", parts.join("."), show(a), show(b)))
            .help("give the columns different names with AS")
    }

    /// The error for a name that means nothing here.
    pub fn unknown(&self, parts: &[&str], aliases: &[&str], span: Span) -> SqlError {
        let name = parts.join(".");
        let names = || self.columns.iter().map(|column| column.name.as_str()).chain(aliases.iter().copied());
        let error = SqlError::new(span, format!("there is no column `{name}`"));
        if let Some(meant) = near(&name, names()).or_else(|| near(parts[parts.len() - 1], names())) {
            return error.help(format!("did you mean `{meant}`?"));
        }
        const NAMES_SHOWN_MAX: usize = 12;
        let shown: Vec<&str> = self
            .columns
            .iter()
            .filter(|column| column.shown == Shown::Always)
            .map(|column| column.name.as_str())
            .take(NAMES_SHOWN_MAX)
            .collect();
        if shown.is_empty() { error } else { error.help(format!("there are: {}", shown.join(", "))) }
    }
}

/// `input.name` of a struct, of each struct of an array, of a map by its key.
pub fn member(input: Expr, name: &str, span: Span) -> Result<Expr, SqlError> {
    if let DataType::Map(..) = &input.data_type {
        return super::collections::subscript(input, tree::text(name, span), span).map(|value| Expr { span, ..value });
    }
    if let DataType::Array(element) = &input.data_type
        && let DataType::Struct(fields) = &**element
        && let Some(index) = fields.iter().position(|field| field.name.eq_ignore_ascii_case(name))
    {
        let data_type = super::collections::array_of(fields[index].data_type.clone());
        let args = vec![input, tree::int(index as i32, span)];
        return Ok(Expr { span, ..super::collections::collection(Collection::Members, args, data_type) });
    }
    let DataType::Struct(fields) = &input.data_type else {
        return Err(SqlError::new(
            span,
            format!("`{name}` asks for a member, but this is {} and no struct", super::coerce::with_article(&input.data_type)),
        ));
    };
    let Some(index) = fields.iter().position(|field| field.name.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        return Err(SqlError::new(span, format!("the struct has no member `{name}`")).help(format!("it has: {}", names.join(", "))));
    };
    let data_type = fields[index].data_type.clone();
    Ok(Expr { node: ExprNode::Member { input: Box::new(input), index }, data_type, span })
}
