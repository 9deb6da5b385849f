//! Suspicion: bytes come, and no good frame. A wrong baud rate looks like this.

use crate::config::settings::Framing;
use crate::gateway::FrameContent;

/// So many bad frames in a row, or so many bytes without a good one.
const BAD_FRAMES_MAX: usize = 10;
const BAD_BYTES_MAX: usize = 4_096;

pub struct Doubt {
    /// Frames are text: one that is not is suspicious.
    is_text: bool,
    bad_frames: usize,
    bad_bytes: usize,
    is_told: bool,
}

impl Doubt {
    pub fn new(framing: &Framing) -> Doubt {
        Doubt { is_text: *framing == Framing::Line, bad_frames: 0, bad_bytes: 0, is_told: false }
    }

    /// Looks at `bytes` and the frames that they made; `true` once, until there is a good frame.
    pub fn is_new(&mut self, bytes: usize, frames: &[FrameContent]) -> bool {
        if frames.iter().any(|frame| self.is_good(frame)) {
            (self.bad_frames, self.bad_bytes, self.is_told) = (0, 0, false);
            return false;
        }
        self.bad_frames = self.bad_frames.saturating_add(frames.len());
        self.bad_bytes = self.bad_bytes.saturating_add(bytes);
        let doubts = self.bad_frames >= BAD_FRAMES_MAX || self.bad_bytes >= BAD_BYTES_MAX;
        doubts && !std::mem::replace(&mut self.is_told, true)
    }

    fn is_good(&self, frame: &FrameContent) -> bool {
        match frame {
            FrameContent::Bad { .. } => false,
            FrameContent::Whole(bytes) if self.is_text => {
                std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(|c| c == '\t' || !c.is_control()))
            }
            FrameContent::Whole(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_once_until_a_frame_is_good() {
        let mut doubt = Doubt::new(&Framing::Line);
        let (good, garbage) = (FrameContent::Whole("21.5 °C".into()), FrameContent::Whole(bytes::Bytes::from_static(b"\xf8\x00\xfe")));
        assert!(!doubt.is_new(8, std::slice::from_ref(&good)));
        assert!((1..BAD_FRAMES_MAX).all(|_| !doubt.is_new(3, std::slice::from_ref(&garbage))));
        assert!(doubt.is_new(3, std::slice::from_ref(&garbage)));
        assert!(!doubt.is_new(5_000, &[]), "told");
        assert!(!doubt.is_new(8, &[garbage, good]) && doubt.is_new(5_000, &[]));
    }
}
