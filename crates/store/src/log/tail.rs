//! What a start does to the end of the log before anybody may rely on it.

use std::io;

use message::CommitLogOffset;

use crate::disk::{Disk, ZEROS};

use super::error::{OpenError, is_full};
use super::files::Files;
use super::segment::{DIR, Segment, ZEROING_NAME, encode_header};

/// Bytes read at a time where nothing is parsed.
const PIECE: usize = 1 << 20;

/// Makes everything durable that lies between `synced` and `end`, and overwrites what follows with zeros. Returns how
/// many those were.
pub(super) fn finish_tail(
    disk: &dyn Disk,
    files: &mut Files,
    synced: CommitLogOffset,
    end: CommitLogOffset,
) -> Result<u64, OpenError> {
    for index in 0..files.segments.len() {
        let segment_end = files.limit(index).min(end);
        let segment = &files.segments[index].segment;
        let io = |doing| OpenError::io(doing, segment.path());
        // The header of a segment in which nothing is known to be durable is not known to be so either.
        if segment_end <= synced && segment.base() < synced {
            continue;
        }
        if segment.base() >= synced {
            let header = encode_header(segment.base(), segment.size());
            segment.file().write_at(&header, 0).map_err(io("write to"))?;
        }
        write_again(segment, synced.max(segment.base()), segment_end).map_err(io("write again what is in"))?;
        segment.file().sync().map_err(io("sync"))?;
    }
    let Some(last) = files.segments.last() else {
        return Ok(0);
    };
    let io = |doing| OpenError::io(doing, last.segment.path());
    let (from, to) = (last.segment.position(end), last.len.min(last.segment.size()));
    let marker = format!("{DIR}/{ZEROING_NAME}");
    let unsure = files.unfinished.iter().any(|name| name == ZEROING_NAME);
    if !unsure {
        if is_zero(&last.segment, from, to).map_err(io("read"))? {
            return Ok(0);
        }
        match disk.create(&marker) {
            Ok(_) => files.unfinished.push(ZEROING_NAME.to_owned()),
            // A full disk keeps nobody from starting. It takes a failed sync below, too, for the file to be missed.
            Err(error) if is_full(&error) => {}
            Err(error) => return Err(OpenError::io("create", &marker)(error)),
        }
        disk.sync_dir(DIR).map_err(OpenError::io("sync", DIR))?;
    }
    let zeroed = write_zeros_over(&last.segment, from, to, unsure).map_err(io("overwrite the tail of"))?;
    last.segment.file().sync().map_err(io("sync"))?;
    Ok(zeroed)
}

/// Writes the bytes between two offsets as they are, so that a sync takes them for new.
fn write_again(segment: &Segment, from: CommitLogOffset, to: CommitLogOffset) -> io::Result<()> {
    pieces(segment, segment.position(from), segment.position(to), |bytes, at| {
        segment.file().write_at(bytes, at).map(|()| true)
    })
}

fn is_zero(segment: &Segment, from: u64, to: u64) -> io::Result<bool> {
    let mut zero = true;
    pieces(segment, from, to, |bytes, _| {
        zero = bytes.chunks(ZEROS.len()).all(|piece| piece == &ZEROS[..piece.len()]);
        Ok(zero)
    })?;
    Ok(zero)
}

/// Writes zeros between two positions: `all`, or where something else stands. Returns how many.
fn write_zeros_over(segment: &Segment, from: u64, to: u64, all: bool) -> io::Result<u64> {
    let mut zeroed = 0;
    pieces(segment, from, to, |bytes, mut at| {
        for piece in bytes.chunks(ZEROS.len()) {
            let end = at + piece.len() as u64;
            if all || piece != &ZEROS[..piece.len()] {
                segment.file().write_zeros(at, end)?;
                zeroed += piece.len() as u64;
            }
            at = end;
        }
        Ok(true)
    })?;
    Ok(zeroed)
}

/// Reads piece by piece between two positions, as far as the file goes and `visit` wants more.
fn pieces(
    segment: &Segment,
    mut from: u64,
    to: u64,
    mut visit: impl FnMut(&[u8], u64) -> io::Result<bool>,
) -> io::Result<()> {
    let mut buf = vec![0; PIECE.min(to.saturating_sub(from) as usize)];
    while from < to {
        let wanted = (to - from).min(buf.len() as u64) as usize;
        let read = segment.file().read_at(&mut buf[..wanted], from)?;
        if read == 0 || !visit(&buf[..read], from)? {
            break;
        }
        from += read as u64;
    }
    Ok(())
}
