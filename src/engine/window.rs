//! Arithmetic of windows and panes on event time, in microseconds.
//!
//! A pane is the stretch between two neighbouring window boundaries: every window is a run of whole panes, and a row belongs to one pane
//! however many windows overlap there. Where the slide does not divide the size, each slide holds two panes of unequal length.
//!
//! Limits: times beyond [`TIME_ABS_MAX_US`] are refused by the caller, sizes beyond [`SIZE_MAX_US`] by [`Windows::new`], so that no sum overflows.

/// Greatest event time that is grouped, in µs before or after 1970 (about 36,000 years).
pub(super) const TIME_ABS_MAX_US: i64 = 1 << 60;

/// Greatest size of a window, µs (about 9,000 years).
pub(super) const SIZE_MAX_US: i64 = 1 << 58;

/// Windows that one row may fall into: size divided by slide, rounded up.
pub const WINDOWS_PER_ROW_MAX: i64 = 10_000;

/// All windows `[start, start + size)` with `start ≡ offset (mod slide)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    pub size: i64,
    pub slide: i64,
    pub offset: i64,
    /// `size % slide`: length of the first pane of each slide; 0 where one pane fills it.
    head: i64,
}

impl Windows {
    /// `None` where the numbers break a limit or a rule (0 < slide ≤ size, |offset| < slide).
    pub fn new(size: i64, slide: i64, offset: i64) -> Option<Windows> {
        let valid = slide > 0 && slide <= size && size <= SIZE_MAX_US && offset.abs() < slide;
        (valid && (size as u64).div_ceil(slide as u64) <= WINDOWS_PER_ROW_MAX as u64).then(|| Windows {
            size,
            slide,
            offset,
            head: size % slide,
        })
    }

    /// Whether each pane is a whole window.
    pub fn tumbling(&self) -> bool {
        self.size == self.slide
    }

    /// Start and end of the pane that holds `time`.
    pub fn pane_of(&self, time: i64) -> (i64, i64) {
        let within = (time - self.offset).rem_euclid(self.slide);
        let base = time - within;
        if within < self.head { (base, base + self.head) } else { (base + self.head, base + self.slide) }
    }

    /// Start of the first window that covers the pane at `pane`.
    pub fn first_over(&self, pane: i64) -> i64 {
        self.start_at_or_after(pane - self.size + 1)
    }

    /// Start of the last window that covers the pane at `pane`.
    pub fn last_over(&self, pane: i64) -> i64 {
        pane - (pane - self.offset).rem_euclid(self.slide)
    }

    /// The first window start that is not before `time`.
    pub fn start_at_or_after(&self, time: i64) -> i64 {
        time + (self.offset - time).rem_euclid(self.slide)
    }

    /// Panes numbered in order: small numbers for the stored state.
    pub fn ordinal(&self, pane: i64) -> i64 {
        let slides = (pane - self.offset).div_euclid(self.slide);
        if self.head == 0 { slides } else { slides * 2 + i64::from((pane - self.offset).rem_euclid(self.slide) != 0) }
    }

    /// The start of the pane with this number; `None` where it is out of range.
    pub fn pane_at(&self, ordinal: i64) -> Option<i64> {
        let (slides, second) = if self.head == 0 { (ordinal, 0) } else { (ordinal.div_euclid(2), ordinal.rem_euclid(2)) };
        let start = slides.checked_mul(self.slide)?.checked_add(self.offset)?.checked_add(second * self.head)?;
        (start.unsigned_abs() <= 2 * TIME_ABS_MAX_US as u64).then_some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Window starts by the definition.
    fn starts_by_definition(windows: &Windows, time: i64) -> Vec<i64> {
        let from = (time - windows.size - windows.offset).div_euclid(windows.slide) - 1;
        let to = (time - windows.offset).div_euclid(windows.slide) + 1;
        (from..=to).map(|k| k * windows.slide + windows.offset).filter(|start| *start <= time && time < start + windows.size).collect()
    }

    proptest! {
        #[test]
        fn windows_over_a_pane_are_the_windows_of_each_of_its_times(
            slide in 1i64..50, extra in 0i64..100, offset in -49i64..50, time in -1000i64..1000,
        ) {
            prop_assume!(offset.abs() < slide);
            let windows = Windows::new(slide + extra, slide, offset).unwrap();
            let (start, end) = windows.pane_of(time);
            prop_assert!(start <= time && time < end);
            let over: Vec<i64> = (windows.first_over(start)..=windows.last_over(start)).step_by(slide as usize).collect();
            for time in start..end {
                prop_assert_eq!(&over, &starts_by_definition(&windows, time));
                prop_assert_eq!(windows.pane_of(time), (start, end));
            }
            prop_assert_eq!(windows.pane_at(windows.ordinal(start)), Some(start));
            prop_assert_eq!(windows.ordinal(windows.pane_of(end).0), windows.ordinal(start) + 1);
        }
    }

    #[test]
    fn refuses_what_breaks_the_rules() {
        assert!(Windows::new(10, 0, 0).is_none());
        assert!(Windows::new(10, 11, 0).is_none());
        assert!(Windows::new(10, 5, 5).is_none());
        assert!(Windows::new(SIZE_MAX_US + 1, SIZE_MAX_US + 1, 0).is_none());
        assert!(Windows::new(1_000_000, 1, 0).is_none());
        assert!(Windows::new(10, 4, -3).is_some());
    }
}
