//! Aggregate calls taken apart into inputs (evaluated arguments), lanes (what is accumulated of them) and readings (results from lanes).
//!
//! Limits: `histogram_numeric` has at most [`BINS_MAX`] bins; a DISTINCT aggregate keeps the different arguments of a group, and computes
//! the result of them when it is read.

use crate::engine::describe::describe;
use crate::engine::error::EngineError;
use crate::engine::input::{Direction, Needs};
use crate::engine::lane_class::{Class, extreme_kind, is_extreme, literal, percentages};
use crate::engine::lanes::{BATCH_BUFFER, Keep, LaneKind, Precision, STREAM_BUFFER, precision_for};
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode, SortKey};
use crate::types::{DataType, Field, Value};

/// Bins of one histogram.
pub(super) const BINS_MAX: u32 = 10_000;

/// Arguments that lanes share: the rows that pass `filter`.
#[derive(Clone, Debug)]
pub(super) struct InputSpec {
    /// Empty: counts the rows that pass.
    pub exprs: Vec<Expr>,
    pub filter: Option<Expr>,
    pub needs: Needs,
    /// Some lane keeps values of it.
    pub keeps_values: bool,
    /// The second column counts rows and must not be negative.
    pub has_frequency: bool,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneSpec {
    pub kind: LaneKind,
    /// Index into the inputs; `None` for lane 0, which counts rows.
    pub input: Option<usize>,
}

/// How a result is read from lanes.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    Count {
        lane: usize,
    },
    /// NULL where `count` is 0.
    Sum {
        lane: usize,
        count: usize,
    },
    Average {
        lane: usize,
        count: usize,
    },
    Extreme {
        lane: usize,
        count: usize,
    },
    Bits {
        lane: usize,
        count: usize,
    },
    Spread {
        lane: usize,
        function: AggregateFunction,
    },
    Shape {
        lane: usize,
        function: AggregateFunction,
    },
    /// Joint moments, and the spread of the independent variable.
    Line {
        lane: usize,
        spread: usize,
        function: AggregateFunction,
    },
    Joint {
        lane: usize,
        function: AggregateFunction,
    },
    Kept {
        lane: usize,
    },
    List {
        lane: usize,
    },
    /// All in one text or byte string, by sort key where there is one.
    Joined {
        lane: usize,
        delimiter: Vec<u8>,
    },
    Set {
        lane: usize,
    },
    SetCount {
        lane: usize,
    },
    Percentiles {
        lane: usize,
        percentages: Percentages,
        interpolate: bool,
        descending: bool,
    },
    Quantiles {
        lane: usize,
        percentages: Percentages,
    },
    Estimate {
        lane: usize,
    },
    Mode {
        lane: usize,
        greatest: bool,
    },
    Histogram {
        lane: usize,
    },
    /// Computed of the different arguments.
    Distinct {
        lane: usize,
        plan: Box<DistinctPlan>,
    },
}

/// What percentiles are asked for.
#[derive(Clone, Debug)]
pub(super) struct Percentages {
    pub values: Vec<f64>,
    /// The result is an array.
    pub array: bool,
}

/// An aggregate over the different rows of its arguments, which are the columns.
#[derive(Clone, Debug)]
pub(super) struct DistinctPlan {
    pub types: Vec<DataType>,
    pub plan: LanePlan,
}

#[derive(Clone, Debug)]
pub(super) struct OutputSpec {
    pub reading: Reading,
    pub data_type: DataType,
    pub arg_type: DataType,
}

/// Lanes and what is read from them.
#[derive(Clone, Debug)]
pub(super) struct LanePlan {
    pub inputs: Vec<InputSpec>,
    pub lanes: Vec<LaneSpec>,
    pub outputs: Vec<OutputSpec>,
    /// What identifies the aggregates in the stored state, for people too.
    pub text: String,
    /// All of the input is there: DISTINCT is possible, sketches may be larger.
    batch: bool,
}

impl LanePlan {
    pub fn new(query: &str, calls: &[AggregateCall], fields: &[Field], batch: bool) -> Result<LanePlan, EngineError> {
        let mut plan = LanePlan::empty(batch);
        for call in calls {
            let problem = |what: &str| EngineError::Unsupported { query: query.to_owned(), what: what.to_owned() };
            if call.distinct && !batch && !is_extreme(call.function) {
                return Err(problem("DISTINCT aggregates need the whole input and work in batch queries only"));
            }
            plan.add_output(call, fields).ok_or_else(|| problem("the aggregate does not take arguments of these types"))?;
        }
        plan.text = plan.describe(fields);
        Ok(plan)
    }

    fn empty(batch: bool) -> LanePlan {
        let lanes = vec![LaneSpec { kind: LaneKind::Count, input: None }];
        LanePlan { inputs: Vec::new(), lanes, outputs: Vec::new(), text: String::new(), batch }
    }

    pub fn kinds(&self) -> Vec<LaneKind> {
        self.lanes.iter().map(|lane| lane.kind).collect()
    }

    /// Whether the rows' numbers in order of arrival matter, and are to be stored.
    pub fn is_sequenced(&self) -> bool {
        self.lanes.iter().any(|lane| lane.kind.is_sequenced())
    }

    /// Types of each lane's input columns.
    pub fn lane_types(&self) -> Vec<Vec<DataType>> {
        let types = |lane: &LaneSpec| match lane.input {
            Some(input) => self.inputs[input].exprs.iter().map(|expr| expr.data_type.clone()).collect(),
            None => Vec::new(),
        };
        self.lanes.iter().map(types).collect()
    }

    fn add_output(&mut self, call: &AggregateCall, fields: &[Field]) -> Option<()> {
        let reading = self.add(call, fields)?;
        let arg_type = call.args.first().map_or(DataType::Null, |arg| arg.data_type.clone());
        self.outputs.push(OutputSpec { reading, data_type: call.data_type.clone(), arg_type });
        Some(())
    }

    fn describe(&self, fields: &[Field]) -> String {
        let lane = |spec: &LaneSpec| match spec.input {
            None => "rows".to_owned(),
            Some(input) => {
                let input = &self.inputs[input];
                let filter = input.filter.as_ref().map_or(String::new(), |filter| format!(" where {}", describe(filter, fields)));
                let exprs: Vec<String> = input.exprs.iter().map(|expr| format!("{} {}", describe(expr, fields), expr.data_type)).collect();
                let exprs = if exprs.is_empty() { "* VOID".to_owned() } else { exprs.join(", ") };
                format!("{:?}({exprs}{filter})", spec.kind)
            }
        };
        self.lanes.iter().map(lane).collect::<Vec<_>>().join(", ")
    }

    fn add(&mut self, call: &AggregateCall, fields: &[Field]) -> Option<Reading> {
        use AggregateFunction as F;
        let Some(arg) = call.args.first() else {
            // count(*)
            let lane = match &call.filter {
                None => 0,
                Some(_) => {
                    let input = self.input(call, &[], fields);
                    self.lane(LaneKind::Count, input)
                }
            };
            return (call.function == F::Count).then_some(Reading::Count { lane });
        };
        if call.distinct && !is_extreme(call.function) {
            return self.distinct(call, fields);
        }
        if let Some(reading) = self.add_values(call, arg, fields) {
            return Some(reading);
        }
        let class = Class::of(&arg.data_type);
        match call.function {
            F::Count => {
                let input = self.whole_input(call, &all(&call.args), fields);
                Some(Reading::Count { lane: self.lane(LaneKind::Count, input) })
            }
            F::Corr | F::CovarPop | F::CovarSamp | F::RegrSxy | F::RegrR2 => self.joint(call, [arg, call.args.get(1)?], fields),
            F::RegrSlope | F::RegrIntercept => self.line(call, [call.args.get(1)?, arg], fields),
            F::RegrCount | F::RegrAvgX | F::RegrAvgY | F::RegrSxx | F::RegrSyy => self.regression(call, arg, call.args.get(1)?, fields),
            F::Min | F::Max => {
                let input = self.input(call, &[arg], fields);
                let Some(kind) = extreme_kind(call.function, class) else {
                    let keep = if call.function == F::Min { Keep::FirstLeast } else { Keep::FirstGreatest };
                    return Some(Reading::Kept { lane: self.lane(LaneKind::Kept { keep, nulls: false }, input) });
                };
                Some(Reading::Extreme { lane: self.lane(kind, input), count: self.lane(LaneKind::Count, input) })
            }
            _ => self.add_number(call, arg, class, fields),
        }
    }

    /// Aggregates of one number.
    fn add_number(&mut self, call: &AggregateCall, arg: &Expr, class: Class, fields: &[Field]) -> Option<Reading> {
        use AggregateFunction as F;
        if !matches!(class, Class::Integer | Class::Interval | Class::Double | Class::Null) {
            return None;
        }
        let whole = matches!(class, Class::Integer | Class::Interval);
        let input = self.input(call, &[arg], fields);
        let counted = |plan: &mut LanePlan, kind| (plan.lane(kind, input), plan.lane(LaneKind::Count, input));
        Some(match call.function {
            F::Sum | F::TrySum => {
                let kind = match call.function {
                    _ if !whole => LaneKind::SumDouble,
                    F::TrySum => LaneKind::SumTry,
                    _ => LaneKind::SumLong,
                };
                let (lane, count) = counted(self, kind);
                Reading::Sum { lane, count }
            }
            F::Avg | F::TryAvg => {
                let (lane, count) = counted(self, if class == Class::Interval { LaneKind::SumLong } else { LaneKind::SumDouble });
                Reading::Average { lane, count }
            }
            F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop => {
                Reading::Spread { lane: self.lane(LaneKind::Moments, input), function: call.function }
            }
            F::Skewness | F::Kurtosis => Reading::Shape { lane: self.lane(LaneKind::Shape, input), function: call.function },
            F::BitAnd | F::BitOr | F::BitXor => {
                let kind = match call.function {
                    F::BitAnd => LaneKind::BitAnd,
                    F::BitOr => LaneKind::BitOr,
                    _ => LaneKind::BitXor,
                };
                let (lane, count) = counted(self, kind);
                Reading::Bits { lane, count }
            }
            _ => return None,
        })
    }

    /// Aggregates that keep values or sketches of them.
    fn add_values(&mut self, call: &AggregateCall, arg: &Expr, fields: &[Field]) -> Option<Reading> {
        use AggregateFunction as F;
        let flag = call.args.get(1).is_some_and(|arg| matches!(arg.node, ExprNode::Literal(Value::Boolean(true))));
        let lane = |plan: &mut LanePlan, kind| {
            let input = plan.input(call, &[arg], fields);
            plan.lane(kind, input)
        };
        Some(match call.function {
            F::First | F::AnyValue => Reading::Kept { lane: lane(self, LaneKind::Kept { keep: Keep::First, nulls: !flag }) },
            F::Last => Reading::Kept { lane: lane(self, LaneKind::Kept { keep: Keep::Last, nulls: !flag }) },
            F::MaxBy | F::MinBy => {
                let keep = if call.function == F::MinBy { Keep::Least } else { Keep::Greatest };
                let input = self.input(call, &[call.args.get(1)?, arg], fields);
                Reading::Kept { lane: self.lane(LaneKind::Kept { keep, nulls: false }, input) }
            }
            F::CollectList => Reading::List { lane: lane(self, LaneKind::List { nulls: flag, ordered: false }) },
            F::CollectSet => Reading::Set { lane: lane(self, LaneKind::Set { nulls: flag }) },
            F::Listagg => self.joined(call, arg, fields),
            F::Mode => {
                let greatest = call.order.first().is_some_and(|key| key.descending);
                Reading::Mode { lane: lane(self, LaneKind::Tally), greatest }
            }
            F::Percentile | F::PercentileCont | F::PercentileDisc => self.percentiles(call, arg, fields)?,
            F::PercentileApprox => {
                let buffer = if self.batch { BATCH_BUFFER } else { STREAM_BUFFER };
                let accuracy = match call.args.get(2) {
                    Some(accuracy) => u32::try_from(literal(accuracy)? as i64).ok()?.max(1),
                    None => 10_000,
                };
                let lane = lane(self, LaneKind::Quantiles(Precision { accuracy, buffer }));
                Reading::Quantiles { lane, percentages: percentages(call.args.get(1)?)? }
            }
            F::ApproxCountDistinct => {
                let deviation = call.args.get(1).map_or(Some(0.05), literal)?;
                Reading::Estimate { lane: lane(self, LaneKind::Registers(precision_for(deviation)?)) }
            }
            F::HistogramNumeric => {
                let bins = literal(call.args.get(1)?)? as i64;
                let bins = u32::try_from(bins).ok().filter(|bins| (2..=BINS_MAX).contains(bins))?;
                Reading::Histogram { lane: lane(self, LaneKind::Histogram(bins)) }
            }
            _ => return None,
        })
    }

    fn joined(&mut self, call: &AggregateCall, arg: &Expr, fields: &[Field]) -> Reading {
        let exprs: Vec<&Expr> = std::iter::once(arg).chain(call.order.iter().map(|key| &key.expr)).collect();
        let order: Vec<Direction> = call.order.iter().map(direction).collect();
        let kind = LaneKind::List { nulls: false, ordered: !order.is_empty() };
        let input = self.input_of(call, &exprs, Needs { order, ..Needs::default() }, fields);
        let delimiter = match call.args.get(1).map(|arg| &arg.node) {
            Some(ExprNode::Literal(Value::String(text))) => text.as_bytes().to_vec(),
            Some(ExprNode::Literal(Value::Binary(bytes))) => bytes.clone(),
            _ => Vec::new(),
        };
        Reading::Joined { lane: self.lane(kind, input), delimiter }
    }

    fn percentiles(&mut self, call: &AggregateCall, arg: &Expr, fields: &[Field]) -> Option<Reading> {
        if !matches!(Class::of(&arg.data_type), Class::Integer | Class::Interval | Class::Double | Class::Null) {
            return None;
        }
        let exprs: Vec<&Expr> = std::iter::once(arg).chain(call.args.get(2)).collect();
        let input = self.whole_input(call, &exprs, fields);
        self.inputs[input].has_frequency = exprs.len() > 1;
        Some(Reading::Percentiles {
            lane: self.lane(LaneKind::Numbers, input),
            percentages: percentages(call.args.get(1)?)?,
            interpolate: call.function != AggregateFunction::PercentileDisc,
            descending: call.order.first().is_some_and(|key| key.descending),
        })
    }

    fn joint(&mut self, call: &AggregateCall, columns: [&Expr; 2], fields: &[Field]) -> Option<Reading> {
        let input = self.whole_input(call, &columns, fields);
        Some(Reading::Joint { lane: self.lane(LaneKind::Comoments, input), function: call.function })
    }

    /// Of the independent `x` and the dependent `y`. In Spark the spread of `x` is not that of the joint moments, which rounds otherwise.
    fn line(&mut self, call: &AggregateCall, columns: [&Expr; 2], fields: &[Field]) -> Option<Reading> {
        let input = self.whole_input(call, &columns, fields);
        let (lane, spread) = (self.lane(LaneKind::Comoments, input), self.lane(LaneKind::Moments, input));
        Some(Reading::Line { lane, spread, function: call.function })
    }

    /// Of the dependent `y` and the independent `x`, over the rows that have both.
    fn regression(&mut self, call: &AggregateCall, y: &Expr, x: &Expr, fields: &[Field]) -> Option<Reading> {
        use AggregateFunction as F;
        let of_x = matches!(call.function, F::RegrAvgX | F::RegrSxx);
        let input = self.whole_input(call, &if of_x { [x, y] } else { [y, x] }, fields);
        Some(match call.function {
            F::RegrCount => Reading::Count { lane: self.lane(LaneKind::Count, input) },
            F::RegrAvgX | F::RegrAvgY => {
                Reading::Average { lane: self.lane(LaneKind::SumDouble, input), count: self.lane(LaneKind::Count, input) }
            }
            _ => Reading::Spread { lane: self.lane(LaneKind::Moments, input), function: call.function },
        })
    }

    /// The different arguments are kept; the aggregate is computed of them.
    fn distinct(&mut self, call: &AggregateCall, fields: &[Field]) -> Option<Reading> {
        let (args, constants): (Vec<&Expr>, Vec<&Expr>) = call.args.iter().partition(|arg| !matches!(arg.node, ExprNode::Literal(_)));
        if call.function == AggregateFunction::Count && constants.is_empty() {
            let input = self.whole_input(call, &args, fields);
            return Some(Reading::SetCount { lane: self.lane(LaneKind::Set { nulls: false }, input) });
        }
        let texts: Vec<String> = args.iter().map(|arg| describe(arg, fields)).collect();
        let column = |expr: &Expr| {
            let index = texts.iter().position(|text| *text == describe(expr, fields))?;
            Some(Expr { node: ExprNode::Column(index), ..expr.clone() })
        };
        let replaced = |arg: &Expr| if matches!(arg.node, ExprNode::Literal(_)) { Some(arg.clone()) } else { column(arg) };
        let order = call.order.iter().map(|key| Some(SortKey { expr: column(&key.expr)?, ..key.clone() }));
        let inner = AggregateCall {
            args: call.args.iter().map(replaced).collect::<Option<_>>()?,
            order: order.collect::<Option<_>>()?,
            filter: None,
            distinct: false,
            ..call.clone()
        };
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
        let columns: Vec<Field> = types.iter().enumerate().map(|(i, data_type)| Field::new(i.to_string(), data_type.clone())).collect();
        let mut plan = LanePlan::empty(self.batch);
        plan.add_output(&inner, &columns)?;
        let input = self.input(call, &args, fields);
        Some(Reading::Distinct { lane: self.lane(LaneKind::Set { nulls: true }, input), plan: Box::new(DistinctPlan { types, plan }) })
    }

    fn input(&mut self, call: &AggregateCall, exprs: &[&Expr], fields: &[Field]) -> usize {
        self.input_of(call, exprs, Needs::default(), fields)
    }

    /// An input whose rows have all columns.
    fn whole_input(&mut self, call: &AggregateCall, exprs: &[&Expr], fields: &[Field]) -> usize {
        self.input_of(call, exprs, Needs { all_present: exprs.len() > 1, ..Needs::default() }, fields)
    }

    fn input_of(&mut self, call: &AggregateCall, exprs: &[&Expr], needs: Needs, fields: &[Field]) -> usize {
        let part = |expr: &Expr| format!("{} {}", describe(expr, fields), expr.data_type);
        let columns: Vec<String> = exprs.iter().map(|expr| part(expr)).collect();
        let filter = call.filter.as_ref().map_or(String::new(), part);
        let text = format!("{} where {filter} {} {:?}", columns.join(", "), needs.all_present, needs.order);
        if let Some(known) = self.inputs.iter().position(|input| input.text == text) {
            return known;
        }
        let exprs = exprs.iter().map(|expr| (*expr).clone()).collect();
        let filter = call.filter.clone();
        self.inputs.push(InputSpec { exprs, filter, needs, keeps_values: false, has_frequency: false, text });
        self.inputs.len() - 1
    }

    fn lane(&mut self, kind: LaneKind, input: usize) -> usize {
        let spec = LaneSpec { kind, input: Some(input) };
        let InputSpec { needs, keeps_values, .. } = &mut self.inputs[input];
        needs.longs |= kind.reads_longs();
        needs.doubles |= kind.reads_doubles();
        *keeps_values |= kind.keeps_values();
        self.lanes.iter().position(|known| *known == spec).unwrap_or_else(|| {
            self.lanes.push(spec);
            self.lanes.len() - 1
        })
    }
}

fn all(exprs: &[Expr]) -> Vec<&Expr> {
    exprs.iter().collect()
}

fn direction(key: &SortKey) -> Direction {
    Direction { descending: key.descending, nulls_first: key.nulls_first }
}
