//! Rows of a left side against a right side that is there as a whole.
//!
//! Pairs are made in slices of at most [`PAIRS_MAX`] and the last row's; a row's pairs are in one slice, so a row whose condition fails in
//! one of them leaves nothing.

use std::collections::BTreeSet;

use super::SideKeys;
use super::build::Build;
use super::condition::Condition;
use crate::batch::Bitmap;
use crate::engine::chunk::{Chunk, SharedColumn};
use crate::engine::expr::Selection;
use crate::engine::stage::{Env, explain};
use crate::plan::{Join, JoinKind};

/// Pairs after which a slice ends.
const PAIRS_MAX: usize = 1 << 16;

/// Rows of the left side that one slice looks at.
const ROWS_MAX: usize = 1 << 16;

/// Rows that the rows of one chunk of a stream may make; rows that would make more are rejected.
pub(super) const MATCHES_MAX: usize = 1 << 22;

/// How the two sides are joined.
pub(super) struct Matcher {
    pub kind: JoinKind,
    pub left: SideKeys,
    pub right: SideKeys,
    condition: Option<Condition>,
    left_width: usize,
}

/// The pairs of one slice, by left row ascending.
#[derive(Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Matcher {
    pub fn new(join: &Join) -> Matcher {
        let (left_width, right_width) = (join.left.schema().len(), join.right.schema().len());
        Matcher {
            kind: join.kind,
            left: SideKeys::new(join.keys.iter().map(|key| (key.left.clone(), key.null_safe))),
            right: SideKeys::new(join.keys.iter().map(|key| (key.right.clone(), key.null_safe))),
            condition: join.condition.clone().map(|condition| Condition::new(condition, left_width + right_width)),
            left_width,
        }
    }

    /// Joins the first of `rows` of a left chunk, as many as make one slice: how many those are, and what comes out. `matched`, where it is
    /// given, gets the right rows that found a partner.
    pub fn slice<'a>(
        &self,
        chunk: &Chunk<'a>,
        rows: &[u32],
        build: &Build,
        mut matched: Option<&mut Bitmap>,
        env: &mut Env<'_, '_>,
    ) -> (usize, Chunk<'a>) {
        let rows = &rows[..rows.len().min(ROWS_MAX)];
        let asked = if rows.len() == chunk.count { Selection::All(chunk.count) } else { Selection::Rows(rows.to_vec()) };
        let evaluated = self.left.evaluate(chunk, &asked, env.context);
        let mut failed: BTreeSet<u32> = evaluated.errors.iter().map(|error| error.row).collect();
        let (mut pairs, mut key, mut taken) = (Pairs::default(), Vec::new(), 0);
        for row in rows {
            if pairs.left.len() >= PAIRS_MAX {
                break;
            }
            taken += 1;
            if !failed.contains(row) && self.left.encode(&evaluated.columns, *row, &mut key) {
                pairs.right.extend(build.find(&key));
                pairs.left.resize(pairs.right.len(), *row);
            }
        }
        let told: Vec<_> = evaluated.errors.into_iter().filter(|error| rows[..taken].binary_search(&error.row).is_ok()).collect();
        env.reject(&told, 0, chunk);
        self.test(chunk, build, &mut pairs, &mut failed, env);
        if let Some(matched) = &mut matched {
            pairs.right.iter().for_each(|row| matched.set(*row as usize, true));
        }
        (taken, self.result(chunk, &rows[..taken], build, pairs, &failed))
    }

    /// Keeps the pairs for which the condition holds.
    fn test(&self, chunk: &Chunk<'_>, build: &Build, pairs: &mut Pairs, failed: &mut BTreeSet<u32>, env: &mut Env<'_, '_>) {
        let Some(condition) = &self.condition else { return };
        if pairs.left.is_empty() {
            return;
        }
        let column = |index: usize| match index.checked_sub(self.left_width) {
            None => chunk.columns[index].get().gather(&pairs.left),
            Some(index) => build.gather(index, &pairs.right),
        };
        let filtered = condition.test(pairs.left.len(), column, env.context);
        for error in &filtered.errors {
            let row = pairs.left[error.row as usize];
            if failed.insert(row) {
                let text = env.text;
                env.reject_row(0, chunk, row, || explain(&error.error, text));
            }
        }
        let kept: Vec<usize> =
            filtered.selection.iter().map(|pair| pair as usize).filter(|pair| !failed.contains(&pairs.left[*pair])).collect();
        *pairs = Pairs {
            left: kept.iter().map(|pair| pairs.left[*pair]).collect(),
            right: kept.iter().map(|pair| pairs.right[*pair]).collect(),
        };
    }

    fn result<'a>(&self, chunk: &Chunk<'a>, rows: &[u32], build: &Build, pairs: Pairs, failed: &BTreeSet<u32>) -> Chunk<'a> {
        match self.kind {
            JoinKind::LeftSemi | JoinKind::LeftAnti => {
                let wanted = self.kind == JoinKind::LeftSemi;
                let mut matches = pairs.left.iter().peekable();
                let mut kept = Vec::new();
                for row in rows {
                    let mut found = false;
                    while matches.next_if(|matching| *matching == row).is_some() {
                        found = true;
                    }
                    if found == wanted && !failed.contains(row) {
                        kept.push(*row);
                    }
                }
                Chunk { selection: Selection::Rows(kept), ..chunk.clone() }
            }
            JoinKind::Inner | JoinKind::Cross | JoinKind::Right => pair_up(chunk, build, pairs),
            JoinKind::Left | JoinKind::Full => pair_up(chunk, build, with_unmatched(rows, pairs, build.null_row(), failed)),
        }
    }

    /// The right rows that found no partner, with NULLs for the left columns; `None` where there are none.
    pub fn unmatched_right(&self, left: &Build, build: &Build, matched: &Bitmap) -> Option<Chunk<'static>> {
        let rows: Vec<u32> = matched.unset().map(|row| row as u32).filter(|row| *row < build.null_row()).collect();
        if rows.is_empty() {
            return None;
        }
        let nothing = vec![left.null_row(); rows.len()];
        let columns = (0..left.width()).map(|index| left.gather(index, &nothing));
        let columns = columns.chain((0..build.width()).map(|index| build.gather(index, &rows))).collect();
        Some(Chunk::made(columns, rows.len()))
    }
}

/// The pairs, and each row that has none and did not fail, with `null_row`.
fn with_unmatched(rows: &[u32], pairs: Pairs, null_row: u32, failed: &BTreeSet<u32>) -> Pairs {
    let mut all = Pairs { left: Vec::with_capacity(rows.len()), right: Vec::with_capacity(rows.len()) };
    let mut matches = pairs.left.into_iter().zip(pairs.right).peekable();
    for row in rows {
        let before = all.left.len();
        while let Some((left, right)) = matches.next_if(|(left, _)| left == row) {
            all.left.push(left);
            all.right.push(right);
        }
        if all.left.len() == before && !failed.contains(row) {
            all.left.push(*row);
            all.right.push(null_row);
        }
    }
    all
}

/// The left columns followed by the right ones. Where no left row comes twice and most do, the left columns are shared as they are.
fn pair_up<'a>(chunk: &Chunk<'a>, build: &Build, pairs: Pairs) -> Chunk<'a> {
    let once = pairs.left.windows(2).all(|two| two[0] < two[1]);
    if !once || pairs.left.len() * 4 < chunk.count {
        let left = chunk.columns.iter().map(|column| column.get().gather(&pairs.left));
        let columns = left.chain((0..build.width()).map(|index| build.gather(index, &pairs.right))).collect();
        return Chunk::made(columns, pairs.left.len());
    }
    let whole = pairs.left.len() == chunk.count;
    let mut right = pairs.right;
    if !whole {
        let mut spread = vec![build.null_row(); chunk.count];
        pairs.left.iter().zip(&right).for_each(|(left, row)| spread[*left as usize] = *row);
        right = spread;
    }
    let made = (0..build.width()).map(|index| SharedColumn::made(build.gather(index, &right)));
    let columns = chunk.columns.iter().cloned().chain(made).collect();
    let selection = if whole { Selection::All(chunk.count) } else { Selection::Rows(pairs.left) };
    Chunk { columns, count: chunk.count, selection }
}
