//! The input there is: conversations of real clients with Apache RocketMQ, and what is derived from them.

use message::batch::{Batch, Sealed};
use message::record::Record;
use message::{CommitLogOffset, Timestamp};
use protocol::frame::{FRAME_SIZE_MAX, SerializeType, scan};

use crate::borrowed_conversations::fixtures as recordings;
use crate::fixtures;
use crate::targets::configuration;

/// A data directory to damage.
pub mod store;

/// Frames a conversation is cut into pieces of: an input that is too long is changed in one place only.
const PIECE: usize = 8;

/// Each recorded frame.
pub fn frames() -> Vec<Vec<u8>> {
    let of_conversations = recordings::names().into_iter().flat_map(recordings::conversation).map(|line| line.bytes);
    let mut frames: Vec<Vec<u8>> = of_conversations.chain(fixtures::all().into_iter().map(|one| one.bytes)).collect();
    frames.sort_unstable();
    frames.dedup();
    // A few behind each other, and one that is cut off.
    let several: Vec<Vec<u8>> = frames.chunks(5).step_by(20).map(<[_]>::concat).collect();
    frames.extend(several);
    frames.push(frames[0][..20].to_vec());
    frames
}

/// Each request to a broker or name server.
pub fn requests() -> Vec<Vec<u8>> {
    let lines = recordings::names().into_iter().flat_map(recordings::conversation).filter(|line| line.to_broker);
    let others = fixtures::all().into_iter().filter(|one| one.to_broker).map(|one| one.bytes);
    lines.map(|line| line.bytes).chain(others).collect()
}

/// Requests in the order in which clients sent them, some at a time.
pub fn conversations() -> Vec<Vec<u8>> {
    let of_one = |name| -> Vec<Vec<u8>> {
        let sent: Vec<Vec<u8>> =
            recordings::conversation(name).into_iter().filter(|line| line.to_broker).map(|line| line.bytes).collect();
        sent.chunks(PIECE).map(<[_]>::concat).collect()
    };
    recordings::names().into_iter().flat_map(of_one).filter(|piece| piece.len() < 16 << 10).collect()
}

/// Headers in JSON.
pub fn json_headers() -> Vec<Vec<u8>> {
    headers(SerializeType::Json)
}

/// Headers in RocketMQ's own form.
pub fn binary_headers() -> Vec<Vec<u8>> {
    headers(SerializeType::Binary)
}

fn headers(kind: SerializeType) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for bytes in frames() {
        if let Ok(Some(frame)) = scan(&bytes, FRAME_SIZE_MAX)
            && frame.serialize_type == kind
        {
            found.push(frame.header.to_vec());
        }
    }
    found
}

/// Bodies of requests and answers.
pub fn bodies() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for bytes in frames() {
        if let Ok(Some(frame)) = scan(&bytes, FRAME_SIZE_MAX)
            && (1..16 << 10).contains(&frame.body.len())
        {
            found.push(frame.body.to_vec());
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Records, as Apache RocketMQ and this broker deliver them.
pub fn records() -> Vec<Vec<u8>> {
    let of_log = entries_of_log().into_iter().map(|payload| payload[payload.len().min(1)..].to_vec());
    bodies().into_iter().chain(of_log).filter(|bytes| Record::parse(bytes).is_ok()).collect()
}

/// Property strings.
pub fn properties() -> Vec<Vec<u8>> {
    let of_records = records().into_iter().filter_map(|bytes| Some(Record::parse(&bytes).ok()?.properties().into()));
    of_records.chain([b"KEYS\x01a b\x02TAGS\x01c\x02".to_vec(), b"%RETRY%group".to_vec()]).collect()
}

/// Payloads of entries.
pub fn entries() -> Vec<Vec<u8>> {
    entries_of_log()
}

fn entries_of_log() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for bytes in sealed_batches() {
        let offset = u64::from_le_bytes(bytes[8..16].try_into().expect("8 bytes"));
        let sealed = Sealed::parse(&bytes, CommitLogOffset::new(offset)).expect("a batch of ours");
        found.extend(sealed.entries().map(|(_, payload)| payload.to_vec()));
    }
    found
}

fn sealed_batches() -> Vec<Vec<u8>> {
    let (_, log) = store::log_of();
    let places = crate::targets::disk::batches(&log);
    places.into_iter().map(|(at, len)| log[at as usize..at as usize + len].to_vec()).collect()
}

/// Batches, sealed for the place where the target takes them to lie.
pub fn batches() -> Vec<Vec<u8>> {
    let again = |payloads: &[Vec<u8>]| {
        let mut batch = Batch::new();
        batch.set_time(Timestamp::from_millis(1_795_216_000_000));
        for payload in payloads {
            batch.push(|out| out.extend_from_slice(payload));
        }
        batch.seal(CommitLogOffset::new(4096), CommitLogOffset::ZERO, 0).to_vec()
    };
    entries_of_log().chunks(3).map(again).collect()
}

/// Configuration files: the reference with every key switched on, each section of it, and mistakes.
pub fn configurations() -> Vec<Vec<u8>> {
    let whole = configuration::reference_switched_on();
    let mut found = vec![whole.clone().into_bytes()];
    let bare: Vec<&str> = whole.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let starts: Vec<usize> = (0..bare.len()).filter(|at| bare[*at].starts_with('[')).collect();
    for (nr, start) in starts.iter().enumerate() {
        let end = starts.get(nr + 1).copied().unwrap_or(bare.len());
        found.push(bare[*start..end].join("\n").into_bytes());
    }
    let mistakes = ["[transactions]\ncheck_intervall = \"3s\"\n", "limits.topics = 1\n", "[limits]\ntopics = -1\n"];
    found.extend(mistakes.map(|text| text.as_bytes().to_vec()));
    found
}

/// Arguments of `--set`, a few at a time.
pub fn settings() -> Vec<Vec<u8>> {
    configuration::default_settings().chunks(3).map(|some| some.join("\n").into_bytes()).collect()
}

/// States, as snapshots hold them.
pub fn states() -> Vec<Vec<u8>> {
    store::states()
}

/// Changes to a data directory: one of each kind in each file, and some at once.
pub fn damages() -> Vec<Vec<u8>> {
    let files = store::files().len() as u8;
    let mut found = vec![Vec::new()];
    for file in 0..files {
        for kind in 0..8 {
            for at in [0_u8, 40, 200] {
                found.push(vec![file, kind, at, kind * 17, 0, 5, at, 1]);
            }
        }
    }
    let several: Vec<Vec<u8>> = found.chunks(4).step_by(3).map(<[_]>::concat).collect();
    found.extend(several);
    found
}
