//! What a send, a half, a decision, a check and a message pulled cost in instructions, from the frame of the request to
//! the bytes of the answer, with so many undecided halves beside them.
//!
//! `instructions HALVES` stores that many halves and then runs a function for each kind, [`TIMES`] operations, through
//! door and engine on a real disk. `bench/instructions/run` has callgrind count what happens inside of them: exact
//! figures, whatever else the machine is doing.

mod frames;
mod house;

use std::hint::black_box;

use anyhow::{Context, Result, bail, ensure};
use frames::Named;
use house::House;
use protocol::request::send::SendAnswer;
use protocol::request::transaction::{CheckTransactionState, Decision};

/// Operations of each kind, and messages pulled.
const TIMES: usize = 2_048;
/// Operations in a turn: as many as arrive together under load.
const TOGETHER: usize = 32;
/// Queues of the topic.
const QUEUES: usize = 8;

fn main() -> Result<()> {
    let halves: usize = match std::env::args().nth(1).map(|text| text.parse()) {
        Some(Ok(halves)) => halves,
        _ => bail!("usage: instructions HALVES (undecided halves beside what is measured, such as 0 or 100000)"),
    };
    let directory = tempfile::tempdir().context("cannot make a directory for the log")?;
    let mut house = House::new(directory.path())?;
    store_halves(&mut house, 0..halves, "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}86400\u{2}")?;
    // Everything measured happens once before, so that what grows only once is there.
    for measured in [false, true] {
        let first = halves + if measured { 4 * TIMES } else { 0 };
        run_all(&mut house, first, measured)?;
    }
    Ok(())
}

/// All kinds in turn; only of the functions called `measured_` does anybody count the instructions.
fn run_all(house: &mut House, first: usize, measured: bool) -> Result<()> {
    let now = house.now;
    let sends: Vec<_> = (first..first + TIMES).map(|number| frames::send(number, now, "")).collect();
    if measured { measured_sends(house, &sends) } else { together(house, &sends) }?;
    answered(house)?;

    let halves: Vec<_> = (first..first + TIMES).map(|number| frames::half(number, now, "")).collect();
    if measured { measured_halves(house, &halves) } else { together(house, &halves) }?;
    let named = named(house)?;

    let decisions: Vec<_> = named.iter().map(|half| frames::end(half, Decision::Commit, false)).collect();
    if measured { measured_decisions(house, &decisions) } else { together(house, &decisions) }?;
    answered(house)?;

    // From the front of the queues, a round for each time this is run.
    let skipped = if measured { TIMES / QUEUES } else { 0 };
    let pulls: Vec<_> = (0..TIMES / 32).map(|turn| frames::pull(turn % QUEUES, skipped + turn / QUEUES * 32)).collect();
    if measured { measured_pulls(house, &pulls) } else { together(house, &pulls) }?;
    pulled(house)?;

    store_halves(house, first..first + TIMES, "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}6\u{2}")?;
    house.now = house.now.plus_ms(5_900);
    if measured { measured_checks(house) } else { checks(house) }
}

/// The functions callgrind looks for: each is called once. What is in the black boxes keeps the compiler from making one
/// function of those that do the same.
#[inline(never)]
fn measured_sends(house: &mut House, frames: &[Vec<u8>]) -> Result<()> {
    black_box("sends");
    together(house, frames)
}

#[inline(never)]
fn measured_halves(house: &mut House, frames: &[Vec<u8>]) -> Result<()> {
    black_box("halves");
    together(house, frames)
}

#[inline(never)]
fn measured_decisions(house: &mut House, frames: &[Vec<u8>]) -> Result<()> {
    black_box("decisions");
    together(house, frames)
}

#[inline(never)]
fn measured_pulls(house: &mut House, frames: &[Vec<u8>]) -> Result<()> {
    black_box("pulls");
    together(house, frames)
}

#[inline(never)]
fn measured_checks(house: &mut House) -> Result<()> {
    black_box("checks");
    checks(house)
}

fn together(house: &mut House, frames: &[Vec<u8>]) -> Result<()> {
    for some in frames.chunks(TOGETHER) {
        for frame in some {
            house.request(frame)?;
        }
        house.turn()?;
    }
    Ok(())
}

/// Lets the time of the first checks come, and answers each "unknown", which is recorded. The producer's own reading and
/// writing is counted as well.
fn checks(house: &mut House) -> Result<()> {
    let mut checked = 0;
    for _ in 0..20 {
        house.now = house.now.plus_ms(20);
        loop {
            house.turn()?;
            let mut answers = Vec::new();
            frames::hear(&house.said, |header, _| {
                if !header.is_response() {
                    let check = CheckTransactionState::decode(&header.fields)?;
                    let named = Named { half: check.commit_log_offset, sequence: check.tran_state_table_offset };
                    answers.push(frames::end(&named, Decision::Unknown, true));
                }
                Ok(())
            })?;
            house.said.clear();
            if answers.is_empty() {
                break;
            }
            checked += answers.len();
            answers.iter().try_for_each(|answer| house.request(answer))?;
        }
    }
    ensure!(checked == TIMES, "{checked} checks were made, {TIMES} were due");
    Ok(())
}

/// All that was asked was done.
fn answered(house: &mut House) -> Result<()> {
    let mut answers = 0;
    frames::hear(&house.said, |header, _| {
        ensure!(header.code == 0, "answered {}: {:?}", header.code, header.remark);
        answers += 1;
        Ok(())
    })?;
    ensure!(answers == TIMES, "{answers} answers to {TIMES} requests");
    house.said.clear();
    Ok(())
}

/// What was asked for was found.
fn pulled(house: &mut House) -> Result<()> {
    let mut records = 0;
    frames::hear(&house.said, |header, body| {
        ensure!(header.code == 0, "answered {}: {:?}", header.code, header.remark);
        let mut rest = body;
        while !rest.is_empty() {
            rest = &rest[message::record::Record::parse(rest)?.bytes().len()..];
            records += 1;
        }
        Ok(())
    })?;
    ensure!(records == TIMES, "{records} messages were pulled instead of {TIMES}");
    house.said.clear();
    Ok(())
}

/// How the halves that were stored are to be named in a decision, in the order in which they were sent.
fn named(house: &mut House) -> Result<Vec<Named>> {
    let mut named = Vec::new();
    frames::hear(&house.said, |header, _| {
        ensure!(header.code == 0, "answered {}: {:?}", header.code, header.remark);
        let answer = SendAnswer::decode(&header.fields)?;
        let half = answer.msg_id.get(answer.msg_id.len().saturating_sub(16)..).unwrap_or_default();
        named.push(Named { half: i64::from_str_radix(half, 16)?, sequence: answer.queue_offset });
        Ok(())
    })?;
    house.said.clear();
    Ok(named)
}

/// Stores halves that stay undecided.
fn store_halves(house: &mut House, numbers: std::ops::Range<usize>, properties: &str) -> Result<()> {
    let count = numbers.len();
    let mut stored = 0;
    for number in numbers {
        house.request(&frames::half(number, house.now, properties))?;
        if number % TOGETHER == 0 {
            house.turn()?;
            stored += named(house)?.len();
        }
    }
    house.turn()?;
    stored += named(house)?.len();
    ensure!(stored == count, "{stored} of {count} halves were stored");
    Ok(())
}
