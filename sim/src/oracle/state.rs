use std::ops::ControlFlow;

use broker::state::State;
use engine::Engine;
use message::CommitLogOffset;
use store::disk::Disk;

/// Whether the live state is, byte for byte, the last snapshot and the rest of the log, and the whole log if all of it
/// is there.
///
/// # Errors
/// What differs, or cannot be read.
pub fn state_is_the_fold(engine: &Engine, disk: &dyn Disk) -> Result<(), String> {
    let live = bytes_of(engine.broker().state());
    let snapshot = store::snapshot::latest(disk).map_err(|error| format!("the snapshot cannot be read: {error}"))?;
    let state = match snapshot {
        Some(found) => State::decode(&found.state).map_err(|error| format!("the snapshot is no state: {error}"))?,
        None => State::default(),
    };
    let from = state.applied;
    let folded = fold(engine, state)?;
    if folded != live {
        return Err(format!("the snapshot at {from} and the log give another state: {}", difference(&live, &folded)));
    }
    if engine.log().start() == CommitLogOffset::ZERO && from > CommitLogOffset::ZERO {
        let folded = fold(engine, State::default())?;
        if folded != live {
            return Err(format!("the whole log gives another state: {}", difference(&live, &folded)));
        }
    }
    Ok(())
}

fn bytes_of(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.encode(&mut bytes);
    bytes
}

fn fold(engine: &Engine, mut state: State) -> Result<Vec<u8>, String> {
    let to = engine.broker().state().applied;
    let view = engine.log().view();
    let mut failed = None;
    view.for_each_batch(state.applied, to, |batch| match state.apply_batch(&batch, |_, _, _, _| {}) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error.to_string());
            ControlFlow::Break(())
        }
    })
    .map_err(|error| format!("the log cannot be read from {} to {to}: {error}", state.applied))?;
    failed.map_or_else(|| Ok(bytes_of(&state)), Err)
}

fn difference(live: &[u8], folded: &[u8]) -> String {
    let at = live.iter().zip(folded).position(|(a, b)| a != b).unwrap_or(live.len().min(folded.len()));
    let around = |bytes: &[u8]| {
        let part = &bytes[at.saturating_sub(24).min(bytes.len())..(at + 24).min(bytes.len())];
        String::from_utf8_lossy(part).into_owned()
    };
    format!(
        "{} bytes live, {} folded, different from byte {at} on: {:?} live, {:?} folded",
        live.len(),
        folded.len(),
        around(live),
        around(folded)
    )
}
