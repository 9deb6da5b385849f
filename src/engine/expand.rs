//! Each row once for each projection: GROUPING SETS. What each projection makes comes out as a chunk of its own.

use crate::engine::chunk::{Chunk, SharedColumn, without};
use crate::engine::expr::first_of_each_row;
use crate::engine::stage::{Env, Flow};
use crate::plan::Expr;

/// The rows of `chunk` through each of `projections`; a row that fails in one is rejected and in none.
pub(super) fn expand<'a>(projections: &[Vec<Expr>], chunk: &Chunk<'a>, env: &mut Env<'_, '_>) -> Flow<'a> {
    let mut errors = Vec::new();
    let mut made: Vec<Vec<SharedColumn<'a>>> = Vec::with_capacity(projections.len());
    for projection in projections {
        let columns = projection.iter().map(|expr| {
            chunk.shared(expr).unwrap_or_else(|| {
                let evaluated = chunk.evaluate(expr, &chunk.selection, env.context);
                errors.extend(evaluated.errors);
                SharedColumn::made(evaluated.column.into_owned())
            })
        });
        made.push(columns.collect());
    }
    first_of_each_row(&mut errors);
    env.reject(&errors, 0, chunk);
    let failed: Vec<u32> = errors.iter().map(|error| error.row).collect();
    let selection = without(&chunk.selection, &failed);
    Flow::Several(made.into_iter().map(|columns| Chunk { columns, count: chunk.count, selection: selection.clone() }).collect())
}
