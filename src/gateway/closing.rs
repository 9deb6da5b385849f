//! When a batch closes, and what its change set holds.

use super::dead_letters::DeadLetter;
use super::handover::Hold;
use super::intake::{Intake, Receipt};
use super::restore::{SCHEMA, StoredStart};
use super::{Action, CURSOR_DELAY_US, CURSOR_RECORDS_MAX, Committing, Gateway, TRIM_INTERVAL_US};
use crate::batch::{Batch, Stamp};
use crate::engine::StepOutput;
use crate::sabotage::{Fault, planted};
use crate::store::{ChangeSet, codec, keys};

impl Gateway {
    pub(super) fn close_if_due(&mut self, stamp: Stamp, actions: &mut Vec<Action>) {
        if self.committing.is_some() {
            return self.retry_if_due(stamp, actions);
        }
        if self.stopped || self.hold == Hold::Held {
            return;
        }
        let is_full = self.is_blocked();
        self.tell_blocked(is_full);
        let settling = self.stopping || self.hold == Hold::Wanted;
        // What was taken in goes with this core, and nobody sends a frame again: it is closed even where that takes an outbox over its limit.
        let blocked = is_full && !settling;
        let batch_due = !blocked && (settling || self.batch_due_us(stamp).is_some_and(|due| due <= stamp.mono_us));
        let bookkeeping_due = settling || self.bookkeeping_due_us().is_some_and(|due| due <= stamp.mono_us);
        let trim_due = self.last_trim_us + TRIM_INTERVAL_US <= stamp.mono_us;
        if batch_due {
            self.close_batch(stamp, actions);
        } else if bookkeeping_due || trim_due {
            let changes = self.bookkeeping(stamp);
            self.commit(changes, Vec::new(), stamp, actions);
        }
        // A batch that changed nothing needs no commit; what waited behind it has its turn at once.
        while settling && !blocked && self.committing.is_none() && self.intakes.iter().any(Intake::has_news) {
            self.close_batch(stamp, actions);
        }
        if self.stopping && self.committing.is_none() && !self.stopped {
            self.stopped = true;
            actions.push(Action::Stopped);
        }
        if self.hold == Hold::Wanted && self.committing.is_none() {
            self.hold = Hold::Held;
            actions.push(Action::Held);
        }
    }

    /// When the open batch closes if nothing else happens.
    pub(super) fn batch_due_us(&self, stamp: Stamp) -> Option<u64> {
        let rows: usize = self.intakes.iter().map(Intake::rows).sum();
        let full = rows >= self.batch_rows_max || self.intakes.iter().any(|intake| intake.has_waiting() || intake.is_heavy());
        if full || self.stream_time.is_to_go_back(stamp) {
            return Some(stamp.mono_us);
        }
        let interval = self.opened_us.map(|opened| opened + self.batch_interval_us);
        let stalled = self.opened_us.and_then(|_| self.intakes.iter().filter_map(|intake| intake.deadline_us()).min());
        let idle = self.intakes.iter().filter_map(Intake::idle_at_us).min();
        let idle = idle.map(|at_us| at_us.max(self.last_step_us + self.batch_interval_us));
        let by_stream_time = self.stream_time.stamp(stamp);
        let idle_at_us: Vec<Option<i64>> = self.intakes.iter().map(|intake| Some(intake.idle_at_wall_us(by_stream_time))).collect();
        let clock = self.engine.next_deadline(&idle_at_us, stamp.synchronised).map(|at_us| {
            let ahead_us = self.stream_time.until_us(at_us, stamp);
            stamp.mono_us.saturating_add(ahead_us).max(self.last_step_us + self.batch_interval_us)
        });
        [interval, stalled, idle, clock].into_iter().flatten().min()
    }

    /// When moved cursors, proofs and other bookkeeping are to be made durable.
    pub(super) fn bookkeeping_due_us(&self) -> Option<u64> {
        let cursors = self
            .sinks
            .iter()
            .filter_map(|sink| sink.moved)
            .map(|moved| if moved.records >= CURSOR_RECORDS_MAX { moved.since_us } else { moved.since_us + CURSOR_DELAY_US });
        let records = self.intakes.iter().any(|intake| intake.redelivery.is_changed() || intake.filters_changed);
        let alone = self.opened_us.is_none() && (records || !self.dead_letters.is_empty() || self.has_discards());
        let soon = alone.then_some(self.last_commit_us + self.batch_interval_us);
        cursors.chain(soon).min()
    }

    /// Whether something is to be thrown away that the store still has.
    fn has_discards(&self) -> bool {
        !self.discarded.is_empty() || !self.discarded_segments.is_empty()
    }

    fn close_batch(&mut self, stamp: Stamp, actions: &mut Vec<Action>) {
        let mut receipts = Vec::new();
        let mut inputs = Vec::new();
        for intake in &mut self.intakes {
            let (input, receipt) = intake.close(stamp);
            receipts.extend(receipt);
            inputs.push(input);
        }
        self.opened_us = None;
        self.last_step_us = stamp.mono_us;
        let set_back_us = self.stream_time.is_to_go_back(stamp).then_some(stamp.wall_us);
        let batch_stamp = self.stream_time.stamp(stamp);
        let batch = Batch { number: self.number + 1, stamp: batch_stamp, set_back_us, inputs, tables: self.tables.take() };
        let output = self.engine.step(&batch);
        if set_back_us.is_some() {
            self.set_stream_time_back(output.closed_by_set_back, stamp);
        }
        let mut changes = self.apply(output, stamp);
        let bookkeeping = self.bookkeeping(stamp);
        changes.puts.extend(bookkeeping.puts);
        changes.deletes.extend(bookkeeping.deletes);
        changes.appends.extend(bookkeeping.appends);
        changes.drops.extend(bookkeeping.drops);
        self.commit(changes, receipts, stamp, actions);
        for intake in &mut self.intakes {
            intake.receive_waiting(self.stream_time.now_us(), stamp, &mut self.dead_letters);
            if intake.has_news() {
                self.opened_us.get_or_insert(stamp.mono_us);
            }
        }
    }

    /// The batch just closed was the last one by the time before: its commit holds the new time, too.
    fn set_stream_time_back(&mut self, closed: u64, stamp: Stamp) {
        let from_us = self.stream_time.go_back(stamp);
        self.clock_set_back += 1;
        let shown =
            |time_us: i64| jiff::Timestamp::from_microsecond(time_us).map_or_else(|_| format!("{time_us} µs"), |time| time.to_string());
        tracing::warn!(
            from = shown(from_us),
            to = shown(stamp.wall_us),
            back_s = from_us.saturating_sub(stamp.wall_us) / 1_000_000,
            closed,
            "the wall clock was set back: the open windows of queries by time of arrival are closed and given out as they are, and new ones begin"
        );
    }

    /// What the step changed, as puts and appends; rejected rows join the dead letters.
    fn apply(&mut self, output: StepOutput, stamp: Stamp) -> ChangeSet {
        let mut changes = ChangeSet::default();
        for (key, value) in output.state {
            match value {
                Some(value) => changes.puts.push((key, value)),
                None => changes.deletes.push(key),
            }
        }
        let at_ms = stamp.wall_us.div_euclid(1_000);
        for reject in output.rejects {
            let status = &mut self.queries[reject.query];
            status.rejected_rows += 1;
            self.dead_letters.push(|| {
                let letter = DeadLetter { at_ms, query: Some(status.name.clone()), reason: reject.reason, ..DeadLetter::default() };
                letter.with_payload(reject.row.as_bytes(), reject.row.len())
            });
        }
        self.dead_letter_status.not_kept += output.rejects_uncounted;
        for late in output.late {
            let status = &mut self.queries[late.query];
            status.late_rows += late.rows + late.rows_in_part;
            for sample in late.samples {
                self.dead_letters.push(|| {
                    let reason = format!("late by {} s: its windows are closed", sample.lateness_us as f64 / 1e6);
                    let letter = DeadLetter { at_ms, query: Some(status.name.clone()), reason, ..DeadLetter::default() };
                    letter.with_payload(sample.row.as_bytes(), sample.row.len())
                });
            }
        }
        for result in &output.results {
            self.queries[result.query].results += result.table.rows as u64;
        }
        for sink in &mut self.sinks {
            sink.append(&output.results, stamp, &mut changes, &mut self.dead_letters);
        }
        if planted(Fault::LostAppend) && (self.number + 1).is_multiple_of(3) {
            changes.appends.clear();
        }
        changes
    }

    /// Everything besides the engine that has changed since the last commit.
    fn bookkeeping(&mut self, stamp: Stamp) -> ChangeSet {
        let mut changes = ChangeSet::default();
        let now_ms = stamp.synchronised.then_some(stamp.wall_us.div_euclid(1_000));
        self.last_trim_us = stamp.mono_us;
        for sink in &mut self.sinks {
            sink.bookkeeping(now_ms, &mut changes);
        }
        let (letters, not_kept) = self.dead_letters.take(stamp.wall_us.div_euclid(1_000));
        self.dead_letter_status.written += letters.len() as u64;
        self.dead_letter_status.not_kept += not_kept;
        self.dead_letter_log.append(letters, now_ms.unwrap_or(0), &mut changes);
        for tombstone in self.dead_letter_log.take_dropped() {
            self.dead_letter_status.dropped += tombstone.records;
        }
        for intake in &mut self.intakes {
            intake.bookkeeping(&mut changes);
        }
        changes
    }

    /// Hands the change set to the store; one without changes needs no commit, and its receipts are good at once.
    fn commit(&mut self, mut changes: ChangeSet, receipts: Vec<Receipt>, stamp: Stamp, actions: &mut Vec<Action>) {
        let nothing = changes.puts.is_empty() && changes.deletes.is_empty() && changes.appends.is_empty() && changes.drops.is_empty();
        if nothing && !self.has_discards() {
            self.acknowledge(receipts, stamp, actions);
            return;
        }
        if !self.started {
            self.started = true;
            changes.deletes.append(&mut self.discarded);
            changes.drops.append(&mut self.discarded_segments);
            changes.puts.push((
                keys::meta("start"),
                encode(&StoredStart { count: self.start_count, epoch: self.epoch, hash_seed: self.hash_seed }),
            ));
        }
        changes.puts.push((keys::meta("stream_time"), encode(&self.stream_time.now_us())));
        self.number += 1;
        changes.number = self.number;
        self.committing = Some(Committing { number: self.number, receipts, returned: None });
        self.last_commit_us = stamp.mono_us;
        actions.push(Action::Commit(Box::new(changes)));
    }

    pub(super) fn committed(&mut self, number: u64, stamp: Stamp, actions: &mut Vec<Action>) {
        let Some(committing) = self.committing.take_if(|committing| committing.number == number) else { return };
        self.commits += 1;
        self.committed = number;
        self.acknowledge(committing.receipts, stamp, actions);
        for (sink, books) in self.sinks.iter_mut().enumerate() {
            if let Some((start, end)) = books.take_news() {
                actions.push(Action::Deliver { sink, start, end });
            }
        }
    }

    fn acknowledge(&mut self, receipts: Vec<Receipt>, stamp: Stamp, actions: &mut Vec<Action>) {
        for receipt in receipts {
            if self.intakes[receipt.source].acknowledged(receipt, stamp) {
                let Receipt { source, connection, through_seq, .. } = receipt;
                actions.push(Action::Acknowledge { source, connection, through_seq });
            }
        }
    }

    pub(super) fn refused(&mut self, sink: usize, topic: String, payload: &[u8], reason: String, stamp: Stamp) {
        let status = &mut self.sinks[sink].status;
        status.refused += 1;
        let at_ms = stamp.wall_us.div_euclid(1_000);
        let sink = Some(status.name.clone());
        self.dead_letters
            .push(|| DeadLetter { at_ms, sink, topic: Some(topic), reason, ..DeadLetter::default() }.with_payload(payload, payload.len()));
    }

    fn tell_blocked(&mut self, blocked: bool) {
        if blocked && !self.blocked_told {
            tracing::warn!(
                "an outbox is full and its policy is \"block\": input is not acknowledged until its sink delivers; the local broker may now be dropping messages"
            );
        } else if !blocked && self.blocked_told {
            tracing::info!("there is room in the outbox again: input goes on");
        }
        self.blocked_told = blocked;
    }
}

/// A small record of the core's own as stored bytes.
pub(super) fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    codec::encode(SCHEMA, value).expect("the core's records are plain and within the codec's limits")
}
