//! The files of `log/` as they are found: segments in order, with what their headers say.

use std::sync::Arc;

use message::batch::{BatchHeader, HEADER_LEN};
use message::{CommitLogOffset, Timestamp};

use crate::disk::{Disk, DiskFile};

use super::error::OpenError;
use super::segment::{DIR, FileKind, HeaderFault, SEGMENT_HEADER_LEN, Segment, parse_header, segment_path};

/// A segment and the beginning of it.
pub(crate) struct Found {
    pub(crate) segment: Arc<Segment>,
    /// Length of the file.
    pub(crate) len: u64,
    /// What is wrong with its header. The size is then taken from the file.
    pub(crate) fault: Option<HeaderFault>,
    /// Time of its first batch, if there is one.
    pub(crate) first_time: Option<Timestamp>,
}

/// All files of `log/`.
pub(crate) struct Files {
    /// In order of their offsets.
    pub(crate) segments: Vec<Found>,
    /// Numbers of the spare segments.
    pub(crate) spares: Vec<u64>,
    /// Names of files that were not finished and hold nothing.
    pub(crate) unfinished: Vec<String>,
}

impl Files {
    /// Lists the directory and reads the beginning of each segment.
    pub(crate) fn find(disk: &dyn Disk) -> Result<Self, OpenError> {
        let mut files = Files { segments: Vec::new(), spares: Vec::new(), unfinished: Vec::new() };
        for name in disk.list(DIR).map_err(OpenError::io("list", DIR))? {
            match FileKind::of(&name) {
                Some(FileKind::Segment(base)) => files.segments.push(Found::open(disk, base)?),
                Some(FileKind::Spare(number)) => files.spares.push(number),
                Some(FileKind::Unfinished) => files.unfinished.push(name),
                None => return Err(OpenError::Foreign { file: format!("{DIR}/{name}") }),
            }
        }
        files.segments.sort_by_key(|found| found.segment.base());
        Ok(files)
    }

    /// Where the batches of this segment end at the latest: at the next one, or at its capacity.
    pub(crate) fn limit(&self, index: usize) -> CommitLogOffset {
        let capacity = self.segments[index].segment.capacity_end();
        self.segments.get(index + 1).map_or(capacity, |next| next.segment.base().min(capacity))
    }
}

impl Found {
    fn open(disk: &dyn Disk, base: CommitLogOffset) -> Result<Self, OpenError> {
        let path = segment_path(base);
        let file: Arc<dyn DiskFile> = disk.open_direct(&path).map_err(OpenError::io("open", &path))?;
        let len = file.len().map_err(OpenError::io("look at", &path))?;
        let mut head = vec![0; SEGMENT_HEADER_LEN as usize + HEADER_LEN];
        let read = file.read_at(&mut head, 0).map_err(OpenError::io("read", &path))?;
        let header = match len {
            len if len < SEGMENT_HEADER_LEN => Err(HeaderFault::Short { len }),
            _ => parse_header(&head[..read], base),
        };
        if let Err(HeaderFault::Version(version)) = header {
            return Err(OpenError::NewerVersion { file: path, version });
        }
        let first = BatchHeader::parse(head[..read].get(SEGMENT_HEADER_LEN as usize..).unwrap_or_default(), base);
        Ok(Found {
            segment: Arc::new(Segment::new(base, header.unwrap_or(len.max(SEGMENT_HEADER_LEN)), file)),
            len,
            fault: header.err(),
            first_time: first.ok().map(|first| first.time),
        })
    }
}
