//! Two whole sides joined, at the end of a batch query.
//!
//! Both are held until then; the result comes out slice by slice.
//!
//! Limits: those of [`super::build`] for the right side, and as many bytes for the left one; rows beyond are rejected.

use super::Matcher;
use super::build::{Build, Building, whole_table};
use crate::batch::{Bitmap, ROWS_MAX, Table};
use crate::engine::EngineSettings;
use crate::engine::chunk::Chunk;
use crate::engine::expr::Selection;
use crate::engine::held::row_bytes;
use crate::engine::stage::Env;
use crate::engine::state_limits::OperatorStatus;
use crate::plan::{Join, JoinKind};

/// The operator. Ports: left, right.
pub(in crate::engine) struct Whole {
    matcher: Matcher,
    /// What the left columns of an unmatched right row are taken from.
    no_left: Build,
    left: Vec<Table>,
    left_bytes: usize,
    bytes_max: usize,
    hash_seed: u64,
    right: Option<Building>,
    joining: Option<Joining>,
    done: bool,
    rejected: u64,
}

/// The result on its way out.
struct Joining {
    build: Build,
    matched: Bitmap,
    /// The next row of the first left table.
    row: u32,
}

impl Whole {
    pub fn new(join: &Join, settings: &EngineSettings) -> Whole {
        Whole {
            matcher: Matcher::new(join),
            no_left: Build::empty(&join.left.schema()),
            left: Vec::new(),
            left_bytes: 0,
            bytes_max: settings.state_bytes_max,
            hash_seed: settings.hash_seed,
            right: Some(Building::new(&join.right.schema(), settings.state_bytes_max)),
            joining: None,
            done: false,
            rejected: 0,
        }
    }

    pub fn absorb(&mut self, port: usize, mut chunk: Chunk<'_>, env: &mut Env<'_, '_>) {
        if port == 1 {
            if let Some(right) = &mut self.right {
                right.add(&chunk, &self.matcher.right, 1, env);
            }
            return;
        }
        let (mut kept, all) = (Vec::new(), chunk.selection.clone());
        for row in all.iter() {
            let more = row_bytes(&chunk, row);
            if self.left_bytes + more > self.bytes_max {
                self.rejected += 1;
                let limit = self.bytes_max;
                env.reject_row(0, &chunk, row, || format!("the left side of a join holds at most {limit} bytes; filter or group it first"));
            } else {
                self.left_bytes += more;
                kept.push(row);
            }
        }
        if kept.len() < all.len() {
            chunk.selection = Selection::Rows(kept);
        }
        if !chunk.selection.is_empty() {
            self.left.push(chunk.into_table());
        }
    }

    /// The next part of the result. To be called until [`Whole::has_more`] says no.
    pub fn release(&mut self, env: &mut Env<'_, '_>) -> Option<Chunk<'static>> {
        if let Some(right) = self.right.take() {
            let build = right.finish(self.hash_seed);
            self.joining = Some(Joining { matched: Bitmap::filled(build.rows(), false), build, row: 0 });
            self.left.reverse();
        }
        let joining = self.joining.as_mut()?;
        if let Some(table) = self.left.last() {
            let chunk = whole_table(table).expect("a held table has all its columns");
            let rows: Vec<u32> = (joining.row..table.rows as u32).collect();
            let (taken, joined) = self.matcher.slice(&chunk, &rows, &joining.build, Some(&mut joining.matched), env);
            joining.row += taken as u32;
            let joined = Chunk::of_whole(joined.into_table()).expect("a chunk has all its columns");
            if joining.row as usize >= table.rows {
                joining.row = 0;
                self.left.pop();
            }
            return Some(joined);
        }
        let joining = self.joining.take()?;
        self.done = true;
        let keeps_right = matches!(self.matcher.kind, JoinKind::Right | JoinKind::Full);
        keeps_right.then(|| self.matcher.unmatched_right(&self.no_left, &joining.build, &joining.matched)).flatten()
    }

    pub fn has_more(&self) -> bool {
        !self.done
    }

    /// How both sides together stand to their limits; a key is a row here.
    pub fn status(&self) -> OperatorStatus {
        let right = self.right.as_ref().map_or((0, 0, 0), |right| (right.rows(), right.bytes(), right.rejected));
        OperatorStatus {
            operator: "JOIN",
            keys: self.left.iter().map(|table| table.rows).sum::<usize>() + right.0,
            keys_max: ROWS_MAX,
            bytes: self.left_bytes + right.1,
            bytes_max: 2 * self.bytes_max,
            rejected: self.rejected + right.2,
            evicted: 0,
        }
    }
}
