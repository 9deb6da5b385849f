//! The tables that a query's text reads, before anything is planned.

use sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SelectItem, SetExpr, TableFactor, TableWithJoins,
};

use super::error::SqlError;
use super::lex::span_of;
use super::parse::parse;
use crate::plan::Span;

/// A table that a query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReference {
    pub name: String,
    pub span: Span,
}

/// The tables that a query reads, in the order of the text, those of its subqueries too; not those that its own WITH defines.
pub fn referenced_tables(text: &str) -> Result<Vec<TableReference>, SqlError> {
    let parsed = parse(text)?;
    let mut found = Found::default();
    found.query(&parsed.query);
    found.tables.sort_by_key(|table| table.span.start);
    Ok(found.tables)
}

#[derive(Default)]
struct Found {
    /// What the WITH clauses around define, in lower case.
    local: Vec<String>,
    tables: Vec<TableReference>,
}

impl Found {
    fn query(&mut self, query: &Query) {
        let outer = self.local.len();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.query(&cte.query);
            self.local.push(cte.alias.name.value.to_lowercase());
        }
        self.set(&query.body);
        if let Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(keys), .. }) = &query.order_by {
            keys.iter().for_each(|key| self.expr(&key.expr));
        }
        self.local.truncate(outer);
    }

    fn set(&mut self, set: &SetExpr) {
        let mut current = set;
        while let SetExpr::SetOperation { left, right, .. } = current {
            self.set(right);
            current = left;
        }
        match current {
            SetExpr::Query(query) => self.query(query),
            SetExpr::Select(select) => {
                select.from.iter().for_each(|from| self.joins(from));
                for item in &select.projection {
                    if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                        self.expr(expr);
                    }
                }
                select.selection.iter().chain(&select.having).chain(&select.qualify).for_each(|expr| self.expr(expr));
            }
            _ => {}
        }
    }

    fn joins(&mut self, from: &TableWithJoins) {
        self.factor(&from.relation);
        for join in &from.joins {
            self.factor(&join.relation);
            use ast::JoinOperator as J;
            let (J::Join(on)
            | J::Inner(on)
            | J::Left(on)
            | J::LeftOuter(on)
            | J::Right(on)
            | J::RightOuter(on)
            | J::FullOuter(on)
            | J::Semi(on)
            | J::LeftSemi(on)
            | J::Anti(on)
            | J::LeftAnti(on)
            | J::CrossJoin(on)) = &join.join_operator
            else {
                continue;
            };
            if let ast::JoinConstraint::On(expr) = on {
                self.expr(expr);
            }
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        let mut current = factor;
        while let TableFactor::Pivot { table, .. } | TableFactor::Unpivot { table, .. } = current {
            current = table;
        }
        match current {
            TableFactor::Table { name, args: None, .. } => {
                if let [part] = &name.0[..]
                    && let Some(ident) = part.as_ident()
                    && !self.local.contains(&ident.value.to_lowercase())
                {
                    self.tables.push(TableReference { name: ident.value.clone(), span: span_of(ident.span) });
                }
            }
            TableFactor::Derived { subquery, .. } => self.query(subquery),
            TableFactor::NestedJoin { table_with_joins, .. } => self.joins(table_with_joins),
            _ => {}
        }
    }

    /// Finds the subqueries of an expression; chains of operators are walked, not recursed into.
    fn expr(&mut self, expr: &Expr) {
        let mut waiting = vec![expr];
        while let Some(expr) = waiting.pop() {
            match expr {
                Expr::Subquery(query) => self.query(query),
                Expr::Exists { subquery, .. } => self.query(subquery),
                Expr::InSubquery { expr, subquery, .. } => {
                    self.query(subquery);
                    waiting.push(expr);
                }
                Expr::BinaryOp { left, right, .. } | Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                    waiting.extend([&**left, right]);
                }
                Expr::UnaryOp { expr, .. }
                | Expr::Nested(expr)
                | Expr::IsNull(expr)
                | Expr::IsNotNull(expr)
                | Expr::IsTrue(expr)
                | Expr::IsNotTrue(expr)
                | Expr::IsFalse(expr)
                | Expr::IsNotFalse(expr)
                | Expr::Cast { expr, .. } => waiting.push(expr),
                Expr::InList { expr, list, .. } => waiting.extend(std::iter::once(&**expr).chain(list)),
                Expr::Between { expr, low, high, .. } => waiting.extend([&**expr, low, high]),
                Expr::Case { operand, conditions, else_result, .. } => {
                    waiting.extend(operand.iter().chain(else_result).map(|expr| &**expr));
                    waiting.extend(conditions.iter().flat_map(|when| [&when.condition, &when.result]));
                }
                Expr::Function(ast::Function { args: FunctionArguments::List(list), .. }) => {
                    waiting.extend(list.args.iter().filter_map(|arg| match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                        _ => None,
                    }));
                }
                Expr::Tuple(values) => waiting.extend(values),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(text: &str) -> Vec<String> {
        referenced_tables(text).unwrap().into_iter().map(|table| table.name).collect()
    }

    #[test]
    fn what_with_defines_is_left_out() {
        assert_eq!(tables("WITH a AS (SELECT * FROM base) SELECT * FROM a JOIN (SELECT * FROM Other) o ON 1 = 1"), ["base", "Other"]);
    }

    #[test]
    fn subqueries_and_turned_tables_count() {
        let text = "SELECT (SELECT max(x) FROM a), if(b IN (SELECT b FROM b), 1, 2) FROM c UNPIVOT (v FOR n IN (x, y)) \
                    JOIN (d PIVOT (sum(n) FOR k IN (1, 2))) ON EXISTS (SELECT 1 FROM e) WHERE NOT x > (SELECT 1 FROM f) \
                    ORDER BY (SELECT 1 FROM g)";
        assert_eq!(tables(text), ["a", "b", "c", "d", "e", "f", "g"]);
    }
}
