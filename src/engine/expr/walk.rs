//! Walks an expression: which rows each part is evaluated for, in Spark's order, and what becomes of rows that fail.

use std::borrow::Cow;

use crate::batch::{Bitmap, Column, Values};
use crate::engine::expr::call;
use crate::engine::expr::cast;
use crate::engine::expr::error::{Failure, Problem, RowError};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::json;
use crate::engine::expr::logic;
use crate::engine::expr::operand::Operand;
use crate::engine::expr::{Context, LAMBDA_STEPS_MAX, Rows, Selection};
use crate::plan::{Collection, Expr, ExprNode, Function};
use crate::types::Value;

/// One evaluation over one input. A row that has failed is not evaluated further.
pub(super) struct Walk<'a, 'c> {
    pub input: &'c Rows<'a>,
    pub context: &'c Context,
    /// At most one a row, in order of occurrence.
    pub errors: Vec<RowError>,
    /// Of the lambdas around, the innermost last.
    pub parameters: Vec<Vec<&'a Column>>,
    /// How many elements lambdas may still be evaluated for.
    pub steps_left: u64,
}

impl<'a, 'c> Walk<'a, 'c> {
    pub fn new(input: &'c Rows<'a>, context: &'c Context) -> Walk<'a, 'c> {
        Walk { input, context, errors: Vec::new(), parameters: Vec::new(), steps_left: LAMBDA_STEPS_MAX }
    }
}

impl<'a> Walk<'a, '_> {
    /// The value of `expr` for `rows`; entries of rows that failed on the way mean nothing.
    pub fn eval(&mut self, expr: &Expr, rows: &Selection) -> Operand<'a> {
        match &expr.node {
            ExprNode::Column(index) => match self.input.columns.get(*index) {
                Some(column) => Operand::Column(Cow::Borrowed(*column)),
                None => self.frame(expr, rows).fail_all(&Problem::Plan("no such column").into()),
            },
            ExprNode::Literal(value) => Operand::Constant(value.clone()),
            ExprNode::Parameter { level, index } => match self.parameters.iter().rev().nth(*level).and_then(|bound| bound.get(*index)) {
                Some(column) => Operand::Column(Cow::Borrowed(*column)),
                None => self.frame(expr, rows).fail_all(&Problem::Plan("a parameter outside of its lambda").into()),
            },
            _ => match self.once_per_code(expr, rows) {
                Some(operand) => operand,
                None => self.eval_node(expr, rows),
            },
        }
    }

    fn eval_node(&mut self, expr: &Expr, rows: &Selection) -> Operand<'a> {
        match &expr.node {
            ExprNode::Column(_) | ExprNode::Literal(_) | ExprNode::Parameter { .. } => self.eval(expr, rows),
            ExprNode::Cast { input, fallible } => self.cast(expr, input, *fallible, rows),
            ExprNode::And(left, right) => self.connect(left, right, false, rows),
            ExprNode::Or(left, right) => self.connect(left, right, true, rows),
            ExprNode::Not(input) => {
                let mut active = Cow::Borrowed(rows);
                let operands = [self.argument(input, &mut active)];
                let mut frame = self.frame(expr, &active);
                match operands[0].booleans() {
                    Some(values) => frame.map(&operands, Values::Boolean, |row| !values.get(row)),
                    None => Operand::NULL,
                }
            }
            ExprNode::IsNull(input) => match self.eval(input, rows) {
                Operand::Constant(value) => Operand::Constant(Value::Boolean(value == Value::Null)),
                Operand::Column(column) => Operand::owned(is_null_column(&column)),
            },
            ExprNode::Case { branches, otherwise } => self.case(expr, branches, otherwise.as_deref(), rows),
            ExprNode::Coalesce(args) => self.coalesce(expr, args, rows),
            ExprNode::InList { input, list } => self.in_list(expr, input, list, rows),
            ExprNode::Member { input, index } => self.member(expr, input, *index, rows),
            ExprNode::Lambda { .. } => self.frame(expr, rows).fail_all(&Problem::Plan("a lambda stands alone").into()),
            ExprNode::Call { function, args } => self.call(expr, *function, args, rows),
        }
    }

    /// What a kernel for `expr` is called with.
    pub fn frame<'f>(&'f mut self, expr: &'f Expr, rows: &'f Selection) -> Frame<'f> {
        Frame {
            count: self.input.count,
            rows,
            data_type: &expr.data_type,
            span: expr.span,
            context: self.context,
            errors: &mut self.errors,
        }
    }

    /// Evaluates an argument and takes the rows that failed in it out of `rows`.
    pub fn argument(&mut self, expr: &Expr, rows: &mut Cow<'_, Selection>) -> Operand<'a> {
        let before = self.errors.len();
        let operand = self.eval(expr, rows);
        self.drop_failed(before, rows);
        operand
    }

    /// Takes the rows that failed since there were `before` errors out of `rows`.
    fn drop_failed(&self, before: usize, rows: &mut Cow<'_, Selection>) {
        if self.errors.len() > before {
            let mut good = Bitmap::filled(self.input.count, true);
            self.errors[before..].iter().for_each(|error| good.set(error.row as usize, false));
            *rows = Cow::Owned(rows.retain(|row| good.get(row as usize)));
        }
    }

    fn cast(&mut self, expr: &Expr, input: &Expr, fallible: bool, rows: &Selection) -> Operand<'a> {
        let mut active = Cow::Borrowed(rows);
        let operand = self.argument(input, &mut active);
        if input.data_type == expr.data_type || operand.is_null_constant() {
            return operand;
        }
        let operands = [operand];
        self.constant_or(expr, &operands, &active, |operands, frame| cast::apply(&operands[0], fallible, frame))
    }

    /// Runs `kernel`; where all operands are constants, once for all rows.
    pub fn constant_or(
        &mut self,
        expr: &Expr,
        operands: &[Operand<'a>],
        rows: &Selection,
        kernel: impl Fn(&[Operand<'_>], &mut Frame<'_>) -> Operand<'static>,
    ) -> Operand<'a> {
        if rows.is_empty() {
            return Operand::NULL;
        }
        if !operands.iter().all(Operand::is_constant) {
            return kernel(operands, &mut self.frame(expr, rows));
        }
        let mut errors = Vec::new();
        let one = Selection::All(1);
        let mut frame =
            Frame { count: 1, rows: &one, data_type: &expr.data_type, span: expr.span, context: self.context, errors: &mut errors };
        let result = kernel(operands, &mut frame);
        if let Some(failed) = errors.pop() {
            let failure = Failure { problem: failed.error.problem, offending: failed.error.offending };
            return self.frame(expr, rows).fail_all(&failure);
        }
        match result {
            Operand::Column(column) => Operand::Constant(column.value(0)),
            constant => constant,
        }
    }

    fn case(&mut self, expr: &Expr, branches: &[(Expr, Expr)], otherwise: Option<&Expr>, rows: &Selection) -> Operand<'a> {
        let mut left = rows.clone();
        let mut taken = Taken::new(self.input.count);
        for (condition, value) in branches {
            if left.is_empty() {
                break;
            }
            let mut active = Cow::Borrowed(&left);
            let condition = self.argument(condition, &mut active);
            let (chosen, rest) = logic::split(&condition, &active);
            if !chosen.is_empty() {
                let mut chosen = Cow::Owned(chosen);
                let operand = self.argument(value, &mut chosen);
                if rest.is_empty() && taken.operands.is_empty() {
                    return operand;
                }
                taken.add(operand, &chosen);
            }
            left = rest;
        }
        if let Some(otherwise) = otherwise
            && !left.is_empty()
        {
            let mut left = Cow::Owned(left);
            let operand = self.argument(otherwise, &mut left);
            if taken.operands.is_empty() {
                return operand;
            }
            taken.add(operand, &left);
        }
        self.merge(expr, &taken, rows)
    }

    fn coalesce(&mut self, expr: &Expr, args: &[Expr], rows: &Selection) -> Operand<'a> {
        let mut left = Cow::Borrowed(rows);
        let mut taken = Taken::new(self.input.count);
        for arg in args {
            if left.is_empty() {
                break;
            }
            let operand = self.argument(arg, &mut left);
            let rest = match (&operand, operand.valid()) {
                (operand, _) if operand.is_null_constant() => continue,
                (_, None) => Selection::Rows(Vec::new()),
                (operand, Some(_)) => left.retain(|row| operand.is_null(row as usize)),
            };
            if rest.is_empty() && taken.operands.is_empty() {
                return operand;
            }
            let chosen = left.retain(|row| !operand.is_null(row as usize));
            taken.add(operand, &chosen);
            left = Cow::Owned(rest);
        }
        self.merge(expr, &taken, rows)
    }

    fn merge(&mut self, expr: &Expr, taken: &Taken<'_>, rows: &Selection) -> Operand<'a> {
        if taken.operands.is_empty() {
            return Operand::NULL;
        }
        let column = self.frame(expr, rows).merge(&taken.choice, &taken.operands, &expr.data_type);
        Operand::owned(column)
    }

    fn member(&mut self, expr: &Expr, input: &Expr, index: usize, rows: &Selection) -> Operand<'a> {
        let operand = self.eval(input, rows);
        if operand.is_null_constant() {
            return Operand::NULL;
        }
        let missing = Problem::Plan("no such struct member");
        match operand {
            Operand::Constant(Value::Struct(mut values)) if index < values.len() => Operand::Constant(values.swap_remove(index)),
            Operand::Column(column) => match column {
                Cow::Borrowed(Column { values: Values::Struct(members), valid }) if index < members.len() => {
                    member_of(Cow::Borrowed(&members[index]), valid.as_ref())
                }
                Cow::Owned(Column { values: Values::Struct(mut members), valid }) if index < members.len() => {
                    member_of(Cow::Owned(members.swap_remove(index)), valid.as_ref())
                }
                _ => self.frame(expr, rows).fail_all(&missing.into()),
            },
            Operand::Constant(_) => self.frame(expr, rows).fail_all(&missing.into()),
        }
    }

    fn call(&mut self, expr: &Expr, function: Function, args: &[Expr], rows: &Selection) -> Operand<'a> {
        let mut active = Cow::Borrowed(rows);
        if let (Function::Nanvl, [value, other]) = (function, args) {
            return self.nanvl(expr, value, other, rows);
        }
        if let Function::Collection(collection) = function
            && args.iter().any(|arg| matches!(arg.node, ExprNode::Lambda { .. }))
        {
            return self.higher_order(expr, collection, args, rows);
        }
        let strict = call::is_strict(function);
        let mut operands = vec![Operand::NULL; args.len()];
        for step in 0..args.len() {
            let index = if call::evaluates_last_first(function) { args.len() - 1 - step } else { step };
            operands[index] = self.argument(&args[index], &mut active);
            if strict && operands[index].is_null_constant() {
                return Operand::NULL;
            }
            if strict && step + 1 < args.len() && operands[index].valid().is_some() && args.iter().any(can_fail) {
                active = Cow::Owned(active.retain(|row| !operands[index].is_null(row as usize)));
            }
        }
        if function == Function::Collection(Collection::ToJson) {
            return self.constant_or(expr, &operands, &active, |operands, frame| json::to_json(&args[0].data_type, operands, frame));
        }
        self.constant_or(expr, &operands, &active, |operands, frame| call::apply(function, operands, frame))
    }

    /// `value` where it is not NaN (NULL too), else `other`, which is evaluated only there.
    fn nanvl(&mut self, expr: &Expr, value: &Expr, other: &Expr, rows: &Selection) -> Operand<'a> {
        let mut active = Cow::Borrowed(rows);
        let operand = self.argument(value, &mut active);
        let is_nan = |row: u32| {
            let row = row as usize;
            let double = operand.doubles().is_some_and(|x| x.get(row).is_nan());
            !operand.is_null(row) && (double || operand.floats().is_some_and(|x| x.get(row).is_nan()))
        };
        let nans = active.retain(is_nan);
        if nans.is_empty() {
            return operand;
        }
        let numbers = active.retain(|row| !is_nan(row));
        let mut taken = Taken::new(self.input.count);
        taken.add(operand, &numbers);
        let mut nans = Cow::Owned(nans);
        let other = self.argument(other, &mut nans);
        taken.add(other, &nans);
        self.merge(expr, &taken, rows)
    }
}

/// Whether evaluating it can fail or costs anything.
fn can_fail(expr: &Expr) -> bool {
    !matches!(expr.node, ExprNode::Column(_) | ExprNode::Literal(_) | ExprNode::Parameter { .. })
}

/// Which operand gives the value of each row.
struct Taken<'a> {
    /// Index into `operands` plus 1; 0 is NULL.
    choice: Vec<u32>,
    operands: Vec<Operand<'a>>,
}

impl<'a> Taken<'a> {
    fn new(count: usize) -> Taken<'a> {
        Taken { choice: vec![0; count], operands: Vec::new() }
    }

    fn add(&mut self, operand: Operand<'a>, rows: &Selection) {
        self.operands.push(operand);
        let chosen = self.operands.len() as u32;
        rows.iter().for_each(|row| self.choice[row as usize] = chosen);
    }
}

fn is_null_column(column: &Column) -> Column {
    let mut nulls = vec![matches!(column.values, Values::Null(_)); column.len()];
    if let Some(valid) = &column.valid {
        valid.unset().for_each(|row| nulls[row] = true);
    }
    Column::new(Values::Boolean(nulls))
}

/// A member is NULL where its struct is.
fn member_of<'a>(member: Cow<'a, Column>, outer: Option<&Bitmap>) -> Operand<'a> {
    let Some(outer) = outer else { return Operand::Column(member) };
    let mut member = member.into_owned();
    match &mut member.valid {
        Some(valid) => valid.intersect(outer),
        None => member.valid = Some(outer.clone()),
    }
    Operand::owned(member)
}
