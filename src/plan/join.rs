//! What a join's plan says of the rows that it has to keep.

use crate::plan::{Expr, ExprNode, Join, Relation};

impl Join {
    /// Whether it joins two streams of which some rows could find a partner however much later it comes.
    pub fn keeps_for_ever(&self) -> bool {
        let is_stream = |relation: &Relation| {
            let mut found = false;
            relation.visit(&mut |relation| found |= matches!(relation, Relation::Scan { .. }));
            found
        };
        if !is_stream(&self.left) || !is_stream(&self.right) {
            return false;
        }
        let (left, right) = (self.left.event_time_columns(), self.right.event_time_columns());
        let is_time = |expr: &Expr, times: &[bool]| matches!(expr.node, ExprNode::Column(index) if times[index]);
        let by_key = self.keys.iter().any(|key| is_time(&key.left, &left) || is_time(&key.right, &right));
        let by_range = self.time.is_some_and(|time| time.min_us.is_some() && time.max_us.is_some());
        !(by_key || by_range && self.left.has_watermark() && self.right.has_watermark())
    }
}
