//! GROUPING SETS, ROLLUP and CUBE: each row once for each set, with NULL for the keys that the set leaves out.

use sqlparser::ast::{self, GroupByWithModifier};

use super::coerce::cast;
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner};
use super::places::Stand;
use super::signatures::check_count;
use super::tree;
use crate::plan::{Expr, Function, NamedExpr, Relation, Span};
use crate::types::{DataType, Field, Value};

/// Grouping sets of one GROUP BY.
const SETS_MAX: usize = 4_096;

/// Keys of which grouping_id tells one bit each.
const SET_KEYS_MAX: usize = 63;

/// What GROUP BY is made of.
pub struct Keys {
    pub keys: Vec<NamedExpr>,
    /// Which keys each grouping set has; `None` for a plain GROUP BY.
    pub sets: Option<Vec<Vec<usize>>>,
    /// Which aggregates count rows: they are 0 where there are none.
    pub counts: Vec<bool>,
}

/// Keys that come and go together.
type Unit<'e> = Vec<&'e ast::Expr>;

/// The sets that GROUP BY names, as expressions; `None` where there is nothing but plain keys.
pub fn written_sets<'e>(
    written: &'e [ast::Expr],
    modifiers: &'e [GroupByWithModifier],
    span: Span,
) -> Result<Option<Vec<Unit<'e>>>, SqlError> {
    let single = || written.iter().map(|key| vec![key]).collect::<Vec<Unit>>();
    match modifiers {
        [] => {}
        [GroupByWithModifier::Rollup] => return Ok(Some(rollup(&single()))),
        [GroupByWithModifier::Cube] => return cube(&single(), span).map(Some),
        [GroupByWithModifier::GroupingSets(ast::Expr::GroupingSets(listed))] => return nested(listed, span).map(Some),
        _ => {
            return Err(SqlError::unsupported(span, "this form of GROUP BY").help("use GROUP BY ROLLUP (…), CUBE (…) or GROUPING SETS (…)"));
        }
    }
    let mut sets: Vec<Unit> = vec![vec![]];
    let mut plain = true;
    for element in written {
        let own = match element {
            ast::Expr::Rollup(units) => rollup(&borrowed(units)),
            ast::Expr::Cube(units) => cube(&borrowed(units), span)?,
            ast::Expr::GroupingSets(listed) => nested(listed, span)?,
            key => {
                sets.iter_mut().for_each(|set| set.push(key));
                continue;
            }
        };
        plain = false;
        sets = product(sets, own, span)?;
    }
    Ok((!plain).then_some(sets))
}

fn borrowed(units: &[Vec<ast::Expr>]) -> Vec<Unit<'_>> {
    units.iter().map(|unit| unit.iter().collect()).collect()
}

fn rollup<'e>(units: &[Unit<'e>]) -> Vec<Unit<'e>> {
    (0..=units.len()).rev().map(|length| units[..length].iter().flatten().copied().collect()).collect()
}

fn cube<'e>(units: &[Unit<'e>], span: Span) -> Result<Vec<Unit<'e>>, SqlError> {
    if units.len() > SETS_MAX.ilog2() as usize {
        return Err(too_many(span));
    }
    let count = units.len();
    let of =
        |bits: usize| (0..count).filter(|index| bits >> (count - 1 - index) & 1 == 1).flat_map(|index| &units[index]).copied().collect();
    Ok((0..1usize << count).rev().map(of).collect())
}

/// Listed sets; one of them may be a ROLLUP, CUBE or GROUPING SETS itself.
fn nested(listed: &[Vec<ast::Expr>], span: Span) -> Result<Vec<Unit<'_>>, SqlError> {
    let mut sets = Vec::new();
    for set in listed {
        match &set[..] {
            [ast::Expr::Rollup(units)] => sets.extend(rollup(&borrowed(units))),
            [ast::Expr::Cube(units)] => sets.extend(cube(&borrowed(units), span)?),
            [ast::Expr::GroupingSets(inner)] => sets.extend(nested(inner, span)?),
            [ast::Expr::Tuple(keys)] => sets.push(keys.iter().collect()),
            keys => sets.push(keys.iter().collect()),
        }
        if sets.len() > SETS_MAX {
            return Err(too_many(span));
        }
    }
    Ok(sets)
}

fn product<'e>(left: Vec<Unit<'e>>, right: Vec<Unit<'e>>, span: Span) -> Result<Vec<Unit<'e>>, SqlError> {
    if left.len() * right.len() > SETS_MAX {
        return Err(too_many(span));
    }
    Ok(left.iter().flat_map(|a| right.iter().map(move |b| a.iter().chain(b).copied().collect())).collect())
}

fn too_many(span: Span) -> SqlError {
    SqlError::new(span, format!("GROUP BY has more than {SETS_MAX} grouping sets"))
}

/// An aggregation's input with each row once for each set, and the keys over it.
pub struct Expanded {
    pub relation: Relation,
    pub keys: Vec<NamedExpr>,
    /// The column that says which keys are left out, one bit each, the first key's the highest.
    pub id: Option<Expr>,
    /// Tells equal sets apart.
    pub position: Option<Expr>,
}

pub fn expand(exprs: &ExprPlanner<'_>, input: Relation, keys: &[NamedExpr], sets: &[Vec<usize>], span: Span) -> Result<Expanded, SqlError> {
    if keys.len() > SET_KEYS_MAX {
        return Err(SqlError::new(span, format!("grouping sets can have at most {SET_KEYS_MAX} keys")));
    }
    let mut columns: Vec<Field> = input.schema();
    let below: Vec<Expr> =
        columns.iter().enumerate().map(|(index, field)| tree::column(index, field.data_type.clone(), Span::default())).collect();
    let everywhere = |key: usize| sets.iter().all(|set| set.contains(&key));
    let nodes: usize = keys.iter().map(|key| tree::size(&key.expr)).sum::<usize>() + below.len() + 2;
    exprs.budget.spend(nodes.saturating_mul(sets.len()), span)?;
    let ids: Vec<i64> = sets.iter().map(|set| id_of(set, keys.len())).collect();
    let repeated = ids.iter().enumerate().any(|(index, id)| ids[..index].contains(id));
    let projections = sets.iter().zip(&ids).enumerate().map(|(position, (set, id))| {
        let kept = keys.iter().enumerate().filter(|(index, _)| !everywhere(*index)).map(|(index, key)| match set.contains(&index) {
            true => key.expr.clone(),
            false => tree::literal(Value::Null, key.expr.data_type.clone(), key.expr.span),
        });
        let position = repeated.then(|| tree::bigint(position as i64, span));
        below.iter().cloned().chain(kept).chain([tree::bigint(*id, span)]).chain(position).collect()
    });
    let projections = projections.collect();
    let mut add = |field: Field| {
        columns.push(field);
        let field = &columns[columns.len() - 1];
        tree::column(columns.len() - 1, field.data_type.clone(), span)
    };
    let keys = keys.iter().enumerate().map(|(index, key)| match everywhere(index) {
        true => key.clone(),
        false => NamedExpr { name: key.name.clone(), expr: add(Field::new(key.name.clone(), key.expr.data_type.clone())) },
    });
    let keys = keys.collect();
    let id = add(Field::new("grouping_id", DataType::BigInt));
    let position = repeated.then(|| add(Field::new("grouping_set", DataType::BigInt)));
    Ok(Expanded { relation: Relation::Expand { input: Box::new(input), projections, columns }, keys, id: Some(id), position })
}

/// One bit for each key, set where the set leaves the key out.
fn id_of(set: &[usize], keys: usize) -> i64 {
    (0..keys).filter(|key| !set.contains(key)).map(|key| 1i64 << (keys - 1 - key)).sum()
}

/// `grouping(key)` over the id.
pub fn bit(id: Expr, key: usize, keys: usize) -> Expr {
    let span = id.span;
    let moved = tree::call(Function::ShiftRight, vec![id, tree::int((keys - 1 - key) as i32, span)], DataType::BigInt);
    cast(tree::call(Function::BitAnd, vec![moved, tree::bigint(1, span)], DataType::BigInt), &DataType::Int)
}

/// A call of `grouping` or `grouping_id`, until the keys are known.
pub struct Grouping {
    /// `grouping_id`, of all keys if it has no arguments.
    pub id: bool,
    pub args: Vec<Expr>,
    pub span: Span,
}

impl Grouping {
    /// What the call is over the aggregation's output, whose keys are `keys` and whose id is `id`.
    pub fn resolved(&self, keys: &[NamedExpr], id: Option<&Expr>) -> Result<Expr, SqlError> {
        let name = if self.id { "grouping_id" } else { "grouping" };
        let Some(id) = id else {
            let error = SqlError::new(self.span, format!("`{name}` is there with GROUPING SETS, ROLLUP or CUBE only"));
            return Err(error.help("as in GROUP BY ROLLUP (room, device)"));
        };
        let mut places = Vec::new();
        for arg in &self.args {
            let place = keys.iter().position(|key| tree::same(&key.expr, arg));
            places.push(place.ok_or_else(|| SqlError::new(arg.span, format!("`{name}` takes keys of GROUP BY")))?);
        }
        if !self.id {
            return Ok(bit(id.clone(), places.first().copied().unwrap_or(0), keys.len()));
        }
        if places.is_empty() || places.iter().copied().eq(0..keys.len()) {
            return Ok(id.clone());
        }
        Err(SqlError::new(self.span, "grouping_id takes all keys of GROUP BY in their order, or no arguments"))
    }
}

impl ExprPlanner<'_> {
    /// A call of `grouping` or `grouping_id`: noted, and a column that stands for it.
    pub fn grouping_call(&mut self, name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
        if !matches!(self.clause, Clause::Select | Clause::Having | Clause::Qualify | Clause::OrderBy) {
            let error = SqlError::new(span, format!("`{name}` can stand in the SELECT list, in HAVING, QUALIFY and ORDER BY only"));
            return Err(error.help("it tells which of the grouping sets a row is of"));
        }
        if self.in_aggregate || !self.parameters.is_empty() {
            return Err(
                SqlError::new(span, format!("`{name}` cannot stand in an aggregate or a lambda")).help("it is known once the groups are")
            );
        }
        let id = name == "grouping_id";
        if !id {
            check_count(name, args.len(), 1, Some(1), span)?;
        }
        self.groupings.push(Grouping { id, args, span });
        let data_type = if id { DataType::BigInt } else { DataType::Int };
        Ok(tree::column(Stand::Grouping(self.groupings.len() - 1).column(), data_type, span))
    }
}
