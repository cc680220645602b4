//! The broker and its clients are killed and stopped at any moment, round after round, under transactional load from
//! three clients of two producer groups, and everything is counted.

mod cast;
mod deck;
mod figures;
mod ledger;
mod verdict;

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::{ClientVersion, SOON, STORY, Story};
use crate::failure::{Failure, Outcome, ensure};
use crate::scene::Scene;
use cast::{Cast, Role, rows};
use deck::{Fault, Round};
use ledger::Ledger;
use verdict::{Happened, Rows, Verdict, judge};

pub const STORIES: &[Story] = &[Story {
    name: "kill-rounds",
    about: "broker, producers and consumers killed -9 and stopped in turn: Java and Rust compared, everything counted",
    clients: &[ClientVersion::Mixed],
    settings: SOON,
    seconds: 60,
    play: kill_rounds,
    ..STORY
}];

const QUEUES: u32 = 4;
/// Halves acknowledged to each producer, and deliveries to each consumer, that show that the load goes on.
const RECOVERED: u64 = 5;
/// A client of 4.9 gives a pull that was under way when its broker was killed up after 30 s, not before.
const RECOVERED_WITHIN: Duration = Duration::from_secs(90);
/// How long checks and deliveries of the last transactions may take.
const SETTLED_WITHIN: Duration = Duration::from_secs(150);
/// For a delivery too many.
const LINGER: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
/// A long run says where it is.
const REPORT_EVERY: usize = 20;

fn kill_rounds(scene: &mut Scene<'_>) -> Outcome {
    let seed = scene.seed().unwrap_or_else(|| now_ms() as u64);
    let rounds = deck::rounds(seed, scene.rounds());
    let again = format!("again with --rounds {} --seed {seed}", rounds.len());
    let (verdict, happened) = play(scene, &rounds).map_err(|reason| Failure::new(format!("{reason}; {again}")))?;
    let figures = figures::table(seed, &happened, &verdict);
    // Beside the journals: a reason is cut where it gets long.
    fs::write(scene.path("figures.txt"), &figures)?;
    fs::write(scene.path("broken.txt"), verdict.broken.join("\n"))?;
    ensure!(
        verdict.broken.is_empty(),
        "{} things are not as promised, all in broken.txt; {again}\n{}",
        verdict.broken.len(),
        verdict.broken[..verdict.broken.len().min(5)].join("\n")
    );
    scene.note(format!("\n{figures}"));
    Ok(())
}

fn play(scene: &mut Scene<'_>, rounds: &[Round]) -> Outcome<(Verdict, Vec<Happened>)> {
    scene.create_topic(&scene.topic(), QUEUES, 6)?;
    let mut ledger = Ledger::default();
    let mut cast = Cast::start(scene, &mut ledger)?;
    let mut happened = Vec::new();
    let started = Instant::now();
    await_load(&mut ledger, "before the first round")?;
    for (nth, round) in rounds.iter().enumerate() {
        sleep(round.after);
        happened.push(strike(scene, &mut cast, &mut ledger, round)?);
        if !rounds.get(nth + 1).is_some_and(|next| next.hasty) {
            await_load(&mut ledger, &format!("after round {}, {round:?}", nth + 1))?;
        }
        if (nth + 1) % REPORT_EVERY == 0 {
            let (done, all, took) = (nth + 1, rounds.len(), started.elapsed().as_secs());
            eprintln!("kill-rounds: {done} of {all} rounds, {took} s, {} transactions", ledger.transactions.len());
        }
    }
    cast.end_load()?;
    let (rows, open) = settle(scene, &mut ledger)?;
    cast.leave()?;
    ledger.read()?;
    let mut verdict = judge(&ledger, &rows, &happened);
    if open != (0, 0) {
        verdict.broken.insert(0, format!("the broker has {} undecided and {} set aside in the end", open.0, open.1));
    }
    Ok((verdict, happened))
}

fn strike(scene: &mut Scene<'_>, cast: &mut Cast, ledger: &mut Ledger, round: &Round) -> Outcome<Happened> {
    let from_ms = now_ms();
    match round.fault {
        Fault::KillBroker => {
            scene.broker()?.kill()?;
            sleep(round.length);
            scene.broker()?.start_again_the_other_way()?;
        }
        Fault::StopBroker => {
            scene.broker()?.pause()?;
            sleep(round.length);
            scene.broker()?.resume()?;
        }
        Fault::Kill(role) => cast.kill(scene, ledger, role, round.length)?,
        Fault::Stop(role) => cast.stop(role, round.length)?,
    }
    Ok(Happened { fault: round.fault, from_ms, to_ms: now_ms() })
}

/// Waits until every producer stores and every consumer receives again.
fn await_load(ledger: &mut Ledger, when: &str) -> Outcome {
    ledger.read()?;
    let before = ledger.progress.clone();
    let deadline = Instant::now() + RECOVERED_WITHIN;
    let count = |progress: &BTreeMap<Role, u64>, role| progress.get(&role).copied().unwrap_or(0);
    loop {
        ledger.read()?;
        let behind = Role::all().find(|role| count(&ledger.progress, *role) < count(&before, *role) + RECOVERED);
        let Some(behind) = behind else { return Ok(()) };
        ensure!(Instant::now() < deadline, "{} did not get on within {RECOVERED_WITHIN:?} {when}", behind.name());
        sleep(POLL);
    }
}

/// Waits until every transaction is decided and every commit delivered, as far as that happens in time. Returns all rows,
/// and how many transactions the broker has undecided and set aside.
fn settle(scene: &mut Scene<'_>, ledger: &mut Ledger) -> Outcome<(Rows, (i64, i64))> {
    let mut found = Rows::new();
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let open = open_transactions(scene)?;
        read_rows(scene, &mut found)?;
        ledger.read()?;
        if open == (0, 0) && judge(ledger, &found, &[]).is_settled() || Instant::now() > deadline {
            break;
        }
        sleep(Duration::from_secs(1));
    }
    sleep(LINGER);
    read_rows(scene, &mut found)?;
    Ok((found, open_transactions(scene)?))
}

/// Undecided and set-aside transactions, as the broker tells.
fn open_transactions(scene: &mut Scene<'_>) -> Outcome<(i64, i64)> {
    let printed = scene.tandem(&["transactions", "list", "--limit", "1", "--json"])?;
    let answer: Value = serde_json::from_str(&printed)
        .map_err(|error| Failure::new(format!("transactions --json is not JSON: {error}: {printed}")))?;
    let count = |name: &str| answer.get(name).and_then(Value::as_i64);
    match (count("undecided"), count("set_aside")) {
        (Some(undecided), Some(set_aside)) => Ok((undecided, set_aside)),
        _ => Err(Failure::new(format!("transactions --json does not count: {printed}"))),
    }
}

/// Adds the rows that were not there the last time; rows do not change.
fn read_rows(scene: &Scene<'_>, found: &mut Rows) -> Outcome {
    for folder in [Role::JavaProducer, Role::RustProducer].map(|role| rows(scene, role)) {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let id = entry.file_name().to_string_lossy().into_owned();
            if let Entry::Vacant(new) = found.entry(id) {
                new.insert(fs::read_link(entry.path())?.to_string_lossy().into_owned());
            }
        }
    }
    Ok(())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    since.as_millis() as i64
}
