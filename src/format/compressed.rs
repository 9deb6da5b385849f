//! Bytes that may be compressed: gzip and zstd are told by their first bytes and read as what they hold, several members or frames after each other too.
//!
//! Limits: a zstd frame's window may take 100 MB, as its decoder says; a damaged file is an error where it is found to be.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BUFFER_BYTES: usize = 64 << 10;

/// A file's contents.
pub struct Decompressed<R: Read> {
    form: Form<R>,
    /// Of a zstd frame, in bytes; the decoder's own limit if none.
    window_bytes_max: Option<u64>,
}

/// Whether the bytes begin as gzip does.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&GZIP)
}

/// Whether the bytes begin as a frame of zstd does.
pub fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&ZSTD)
}

enum Form<R: Read> {
    /// Nothing has been read yet.
    Unknown(BufReader<R>),
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    /// Within a frame.
    Zstd(BufReader<R>, Box<FrameDecoder>),
    Ended,
}

impl<R: Read> Decompressed<R> {
    pub fn new(input: R) -> Decompressed<R> {
        Decompressed { form: Form::Unknown(BufReader::with_capacity(BUFFER_BYTES, input)), window_bytes_max: None }
    }

    /// The same for a short input that may be hostile: a zstd frame cannot have more than `window_bytes_max` set aside for it.
    pub fn within(input: R, window_bytes_max: u64) -> Decompressed<R> {
        Decompressed { window_bytes_max: Some(window_bytes_max), ..Decompressed::new(input) }
    }

    /// Looks at the first bytes. A pipe may give fewer at a time than these, and is then taken as it comes.
    fn recognise(mut input: BufReader<R>, window_bytes_max: Option<u64>) -> io::Result<Form<R>> {
        let beginning = input.fill_buf()?;
        if beginning.starts_with(&GZIP) {
            return Ok(Form::Gzip(Box::new(MultiGzDecoder::new(input))));
        }
        if beginning.starts_with(&ZSTD) {
            let mut decoder = FrameDecoder::new();
            if let Some(bytes) = window_bytes_max {
                decoder.set_max_window_size(bytes);
            }
            return next_frame(input, Box::new(decoder));
        }
        Ok(Form::Plain(input))
    }
}

/// The next zstd frame; those to be skipped are.
fn next_frame<R: Read>(mut input: BufReader<R>, mut decoder: Box<FrameDecoder>) -> io::Result<Form<R>> {
    while !input.fill_buf()?.is_empty() {
        match decoder.init(&mut input) {
            Ok(()) => return Ok(Form::Zstd(input, decoder)),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                io::copy(&mut Read::by_ref(&mut input).take(u64::from(length)), &mut io::sink())?;
            }
            Err(error) => return Err(damaged(&error)),
        }
    }
    Ok(Form::Ended)
}

/// Bytes of the frame; 0 at its end.
fn read_frame(input: &mut impl Read, decoder: &mut FrameDecoder, out: &mut [u8]) -> io::Result<usize> {
    while decoder.can_collect() == 0 && !decoder.is_finished() {
        decoder.decode_blocks(&mut *input, BlockDecodingStrategy::UptoBlocks(1)).map_err(|error| damaged(&error))?;
    }
    decoder.read(out)
}

fn damaged(error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its compressed data is damaged: {error}"))
}

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &mut self.form {
                Form::Plain(input) => return input.read(out),
                Form::Ended => return Ok(0),
                Form::Gzip(input) => return input.read(out).map_err(told),
                Form::Zstd(input, decoder) => read_frame(input, decoder, out)?,
                Form::Unknown(_) => 0,
            };
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            self.form = match std::mem::replace(&mut self.form, Form::Ended) {
                Form::Unknown(input) => Decompressed::recognise(input, self.window_bytes_max)?,
                Form::Zstd(input, decoder) => next_frame(input, decoder)?,
                other => other,
            };
        }
    }
}

/// What the decoders say about the data, for people; errors of the file itself stay what they are.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => damaged(&error),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        Decompressed::new(bytes).read_to_string(&mut text).map(|_| text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn what_is_compressed_is_read_as_what_it_holds() {
        let long = "abc\n".repeat(200_000);
        for text in ["", "a\nb\n", &long] {
            assert_eq!(read(text.as_bytes()).unwrap(), text);
            assert_eq!(read(&gzip(text)).unwrap(), text);
            assert_eq!(read(&zstd(text)).unwrap(), text);
        }
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        assert_eq!(read(&[gzip("a\n"), gzip(""), gzip("b\n")].concat()).unwrap(), "a\nb\n");
        let skipped = [&0x184d_2a51u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"xyz"].concat();
        assert_eq!(read(&[zstd("a\n"), skipped, zstd("b\n")].concat()).unwrap(), "a\nb\n");
    }

    #[test]
    fn damage_is_an_error() {
        for whole in [gzip(&"abc".repeat(1000)), zstd(&"abc".repeat(1000))] {
            let cut = read(&whole[..whole.len() - 5]).unwrap_err().to_string();
            assert!(cut.contains("damaged"), "{cut}");
        }
        let mut flipped = zstd("abcabc");
        flipped.extend(b"rubbish");
        assert!(read(&flipped).unwrap_err().to_string().contains("damaged"));
        assert_eq!(read(&GZIP[..1]).unwrap(), "\u{1f}", "too short to tell");
    }
}
