//! How far reading has come, on a line of a terminal's standard error that goes away again.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::say;

/// Short work shows nothing.
const FIRST_AFTER: Duration = Duration::from_millis(800);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
const BAR_CHARS: u64 = 24;
const ERASE: &str = "\r\x1b[K";

/// Takes what is to be shown.
type Terminal = Box<dyn Fn(&str)>;

/// The line, shared by whatever reads and writes.
#[derive(Clone)]
pub struct Progress {
    shared: Rc<Shared>,
}

struct Shared {
    /// Where the line goes; `None` where nobody would see it.
    terminal: Option<Terminal>,
    again_after: Duration,
    /// Of all files, as they lie on disk; 0 where that is not known.
    total_bytes: Cell<u64>,
    read_bytes: Cell<u64>,
    file: RefCell<String>,
    next: Cell<Instant>,
    shown: Cell<bool>,
}

impl Progress {
    /// `total_bytes`: of all that is to be read; 0 where that is not known.
    pub fn new(total_bytes: u64) -> Progress {
        let terminal = io::stderr().is_terminal().then(|| Box::new(say) as Terminal);
        Progress::on(terminal, total_bytes, FIRST_AFTER, AGAIN_AFTER)
    }

    fn on(terminal: Option<Terminal>, total_bytes: u64, first_after: Duration, again_after: Duration) -> Progress {
        let shared = Shared {
            terminal,
            again_after,
            total_bytes: Cell::new(total_bytes),
            read_bytes: Cell::new(0),
            file: RefCell::new(String::new()),
            next: Cell::new(Instant::now() + first_after),
            shown: Cell::new(false),
        };
        Progress { shared: Rc::new(shared) }
    }

    /// The file's contents, counted.
    pub fn reading<R>(&self, file: &str, input: R) -> Counted<R> {
        file.clone_into(&mut self.shared.file.borrow_mut());
        Counted { input, progress: self.clone() }
    }

    /// Writes to `output` without the line in between.
    pub fn beside<W>(&self, output: W) -> Beside<W> {
        Beside { output, progress: self.clone() }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if let Some(terminal) = &self.shared.terminal
            && self.shared.shown.replace(false)
        {
            terminal(ERASE);
        }
    }

    fn add(&self, bytes: usize) {
        let shared = &*self.shared;
        shared.read_bytes.set(shared.read_bytes.get() + bytes as u64);
        let now = Instant::now();
        if let Some(terminal) = &shared.terminal
            && now >= shared.next.get()
        {
            shared.next.set(now + shared.again_after);
            shared.shown.set(true);
            terminal(&format!("{ERASE}{}", line(&shared.file.borrow(), shared.read_bytes.get(), shared.total_bytes.get())));
        }
    }
}

fn line(file: &str, read: u64, total: u64) -> String {
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let file: String = file.chars().rev().take(40).filter(|c| !c.is_control()).collect::<Vec<_>>().into_iter().rev().collect();
    if total == 0 {
        return format!("{file}: {}", megabytes(read));
    }
    let share = read.min(total);
    let filled = (share * BAR_CHARS / total) as usize;
    let bar = format!("{}{}", "=".repeat(filled), " ".repeat(BAR_CHARS as usize - filled));
    format!("[{bar}] {:>3}%  {} of {}  {file}", share * 100 / total, megabytes(read), megabytes(total))
}

/// An input that tells how far it has come.
pub struct Counted<R> {
    input: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.progress.add(count);
        Ok(count)
    }
}

/// An output that takes the line away before it writes.
pub struct Beside<W> {
    output: W,
    progress: Progress,
}

impl<W: Write> Write for Beside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.progress.clear();
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal is sent, in order.
    fn sent(again_after: Duration, work: impl FnOnce(&Progress)) -> Vec<String> {
        let sent: Rc<RefCell<Vec<String>>> = Rc::default();
        let to = sent.clone();
        let terminal = Box::new(move |text: &str| to.borrow_mut().push(text.to_owned()));
        work(&Progress::on(Some(terminal), 8, Duration::ZERO, again_after));
        sent.take()
    }

    #[test]
    fn the_line_moves_on_with_what_is_read_and_goes_away() {
        let came = sent(Duration::ZERO, |progress| {
            let mut out = progress.beside(Vec::new());
            for (name, bytes) in [("a.jsonl", &b"1234"[..]), ("b.jsonl", &b"56"[..])] {
                let mut input = progress.reading(name, bytes);
                assert_eq!(input.read(&mut [0; 4]).unwrap(), bytes.len());
                out.write_all(b"row\n").unwrap();
            }
            assert_eq!(progress.reading("b.jsonl", &b"78"[..]).read(&mut [0; 4]).unwrap(), 2);
            progress.clear();
            progress.clear();
        });
        let line = |bar: &str, percent: u32, file: &str| format!("{ERASE}[{bar:24}] {percent:>3}%  0.0 MB of 0.0 MB  {file}");
        let erased = ERASE.to_owned();
        let half = line("============", 50, "a.jsonl");
        let later = line("==================", 75, "b.jsonl");
        let whole = line("========================", 100, "b.jsonl");
        assert_eq!(came, [half, erased.clone(), later, erased.clone(), whole, erased]);
    }

    #[test]
    fn the_line_is_not_drawn_for_every_read_and_not_without_a_terminal() {
        let read = |progress: &Progress| {
            for _ in 0..4 {
                assert_eq!(progress.reading("a", &b"12"[..]).read(&mut [0; 2]).unwrap(), 2);
            }
        };
        assert_eq!(sent(Duration::from_secs(3600), read).len(), 1);
        let nowhere = Progress::on(None, 8, Duration::ZERO, Duration::ZERO);
        read(&nowhere);
        assert_eq!((nowhere.shared.read_bytes.get(), nowhere.shared.shown.get()), (8, false));
    }

    #[test]
    fn the_line_says_how_far_it_is() {
        assert_eq!(line("a.jsonl", 500_000, 1_000_000), "[============            ]  50%  0.5 MB of 1.0 MB  a.jsonl");
        assert_eq!(line("a", 3_000_000, 1_000_000), "[========================] 100%  3.0 MB of 1.0 MB  a");
        assert_eq!(line("stdin\x1b", 2_000_000, 0), "stdin: 2.0 MB");
    }
}
