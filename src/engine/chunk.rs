//! Rows on their way through the stages of a query: shared columns and a selection. Filters and projections copy nothing they need not.

use std::borrow::Cow;
use std::rc::Rc;

use crate::batch::{Column, Table};
use crate::engine::expr::{self, Context, Evaluated, Filtered, Rows, Selection};
use crate::plan::{Expr, ExprNode};

/// A column of a chunk: the batch's own, or one that a stage made.
#[derive(Clone, Debug)]
pub(super) enum SharedColumn<'a> {
    Input(&'a Column),
    Made(Rc<Column>),
}

impl<'a> SharedColumn<'a> {
    pub fn made(column: Column) -> SharedColumn<'a> {
        SharedColumn::Made(Rc::new(column))
    }

    pub fn get(&self) -> &Column {
        match self {
            SharedColumn::Input(column) => column,
            SharedColumn::Made(column) => column,
        }
    }

    fn into_owned(self) -> Column {
        match self {
            SharedColumn::Input(column) => column.clone(),
            SharedColumn::Made(column) => Rc::unwrap_or_clone(column),
        }
    }
}

/// Columns of equal length and the rows of them that are meant.
#[derive(Clone, Debug)]
pub(super) struct Chunk<'a> {
    pub columns: Vec<SharedColumn<'a>>,
    /// Entries of each column.
    pub count: usize,
    pub selection: Selection,
}

impl<'a> Chunk<'a> {
    /// All rows of these columns.
    pub fn made(columns: Vec<Column>, count: usize) -> Chunk<'a> {
        let columns = columns.into_iter().map(SharedColumn::made).collect();
        Chunk { columns, count, selection: Selection::All(count) }
    }

    /// All of a table that has all its columns; `None` where one is missing.
    pub fn of_whole(table: Table) -> Option<Chunk<'static>> {
        let count = table.rows;
        Some(Chunk::made(table.columns.into_iter().collect::<Option<_>>()?, count))
    }

    /// The chosen columns of a table; `None` where one was not decoded.
    pub fn of_table(table: &'a Table, columns: &[usize]) -> Option<Chunk<'a>> {
        let columns = columns.iter().map(|column| table.columns.get(*column)?.as_ref().map(SharedColumn::Input)).collect::<Option<_>>()?;
        Some(Chunk { columns, count: table.rows, selection: Selection::All(table.rows) })
    }

    /// The column that `expr` plainly is.
    pub fn shared(&self, expr: &Expr) -> Option<SharedColumn<'a>> {
        match expr.node {
            ExprNode::Column(index) => self.columns.get(index).cloned(),
            _ => None,
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { count: self.count, columns: self.columns.iter().map(SharedColumn::get).collect() }
    }

    /// `expr` for `selection`'s rows. A plain column is borrowed.
    pub fn evaluate(&self, expr: &Expr, selection: &Selection, context: &Context) -> Evaluated<'_> {
        if let ExprNode::Column(index) = &expr.node
            && let Some(column) = self.columns.get(*index)
        {
            return Evaluated { column: Cow::Borrowed(column.get()), errors: Vec::new() };
        }
        expr::evaluate(expr, &self.rows(), selection, context)
    }

    pub fn filter(&self, predicate: &Expr, context: &Context) -> Filtered {
        expr::filter(predicate, &self.rows(), &self.selection, context)
    }

    /// The selected rows as a table of their own.
    pub fn into_table(self) -> Table {
        let Chunk { columns, count, selection } = self;
        let columns = columns.into_iter().map(|column| match &selection {
            Selection::All(_) => column.into_owned(),
            Selection::Rows(rows) => column.get().gather(rows),
        });
        let rows = selection.len();
        debug_assert!(rows <= count);
        Table { rows, columns: columns.map(Some).collect() }
    }
}

/// `selection` without `rows` (ascending).
pub(super) fn without(selection: &Selection, rows: &[u32]) -> Selection {
    if rows.is_empty() { selection.clone() } else { selection.retain(|row| rows.binary_search(&row).is_err()) }
}
