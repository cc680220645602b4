//! Who is asked about an undecided transaction, and when.

use std::collections::BTreeSet;

use super::{SOON, STEP, STORY, Story, ensure_between, ensure_visible};
use crate::event::{Event, indexes};
use crate::failure::{Outcome, ensure};
use crate::program::Program;
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "check-defaults",
        about: "UNKNOW: asked after 6 s, or the message's own time, then after 30 s; one identity, decided by the answer",
        seconds: 50,
        play: check_defaults,
        ..STORY
    },
    Story {
        name: "lost-decision",
        about: "decisions that never arrive, from clocks 100 hours off: asked when due, then each interval",
        settings: &["transactions.first_check_after=2s", "transactions.check_interval=3s"],
        seconds: 15,
        play: lost_decision,
        ..STORY
    },
    Story {
        name: "undecided-survives",
        about: "undecided halves over SIGKILL: the first producer that connects is asked about all within 1 s",
        settings: SOON,
        seconds: 9,
        play: undecided_survives,
        ..STORY
    },
    Story {
        name: "silent-producer",
        about: "the sender is asked first, after 5 s of silence another of its group, a foreign group never",
        settings: &["transactions.first_check_after=1s", "transactions.check_interval=20s"],
        seconds: 15,
        play: silent_producer,
        ..STORY
    },
    Story {
        name: "crossing",
        about: "commits that cross a check: one delivery each, no further check",
        settings: &["transactions.first_check_after=1s", "transactions.check_interval=2s"],
        seconds: 12,
        play: crossing,
        ..STORY
    },
];

/// What client, network and clock may add to a due time on a busy machine.
const SLACK: f64 = 0.5;

fn checks_of(program: &Program, index: i64) -> Vec<Event> {
    program.events("checked").into_iter().filter(|check| check.index() == index).collect()
}

/// Each check about a half names it by the same offsets, which are those its sender got.
fn ensure_one_identity(half: &Event, checks: &[Event]) -> Outcome {
    for check in checks {
        ensure!(check.number("half_offset") == half.number("half_offset"), "{check} is not about the offset of {half}");
        ensure!(check.number("log_offset") == checks[0].number("log_offset"), "{check} moved since {}", checks[0]);
        ensure!(check.text("transaction_id") == half.text("transaction_id"), "another transaction: {half}, {check}");
        // At a check the client calls the half's offset id its message id.
        ensure!(check.text("message_id") == checks[0].text("message_id"), "another id than in {}: {check}", checks[0]);
        ensure!(check.number("queue") == half.number("queue"), "another queue: {half}, {check}");
        ensure!(check.field("content") == half.field("content"), "another content: {half}, {check}");
    }
    Ok(())
}

fn check_defaults(scene: &mut Scene<'_>) -> Outcome {
    let immunity = ["", "9", "garbage", "-1", "2"];
    let due = [6.0, 9.0, 6.0, 6.0, 6.0];
    let sender = scene
        .java("tx-send")
        .env("COUNT", immunity.len())
        .env("OUTCOMES", "unknown")
        .env("IMMUNITY_S", immunity.join(","))
        .env("CHECKS", "unknown,commit")
        .env("LINGER_S", 2)
        .succeed(super::seconds(70.0))?;
    for half in sender.events("half-sent") {
        let checks = checks_of(&sender, half.index());
        ensure!(checks.len() == 2, "{half} was asked about {} times instead of twice", checks.len());
        ensure_one_identity(&half, &checks)?;
        let due = due[half.index() as usize];
        ensure_between("first check, from before the send", checks[0].at() - half.number("before_ms"), due, due + 5.0)?;
        ensure_between("first check, from after the send", checks[0].at() - half.at(), due - 1.0, due + 1.0 + SLACK)?;
        ensure_between("second check", checks[1].at() - checks[0].at(), 30.0 - SLACK, 31.0 + SLACK)?;
    }
    ensure_visible(scene, "all", &(0..5).collect()).map(drop)
}

fn lost_decision(scene: &mut Scene<'_>) -> Outcome {
    let sender = scene
        .java("tx-send")
        .env("COUNT", 6)
        .env("OUTCOMES", "commit")
        .env("LOSE_DECISIONS", 1)
        .env("BORN_SHIFT_H", "0,100,-100")
        .env("CHECKS", "unknown,commit")
        .env("LINGER_S", 4)
        .succeed(STEP)?;
    for half in sender.events("half-sent") {
        ensure!(half.text("state") == "COMMIT_MESSAGE", "the client decided otherwise: {half}");
        let checks = checks_of(&sender, half.index());
        ensure!(checks.len() == 2, "{half} was asked about {} times instead of twice", checks.len());
        ensure_one_identity(&half, &checks)?;
        ensure_between("first check", checks[0].at() - half.at(), 1.0, 3.0 + SLACK)?;
        ensure_between("second check", checks[1].at() - checks[0].at(), 3.0 - SLACK, 4.0 + SLACK)?;
    }
    for got in ensure_visible(scene, "all", &(0..6).collect())? {
        let hours = [0, 100, -100][(got.index() % 3) as usize];
        let off = got.number("born_ms") - got.number("store_ms") - hours * 3_600_000;
        ensure_between("the sender's clock", off, -20.0, 0.1)?;
    }
    Ok(())
}

fn undecided_survives(scene: &mut Scene<'_>) -> Outcome {
    let sender =
        scene.java("tx-send").env("COUNT", 30).env("OUTCOMES", "unknown").env("AWAIT_CHECKS", 0).env("LINGER_S", 0);
    let sender = sender.env("CHECKS", "unknown").succeed(STEP)?;
    scene.kill_and_restart()?;
    std::thread::sleep(super::seconds(1.5));
    let heir = scene.java("tx-answer").env("COUNT", 30).env("CHECKS", "commit").env("LINGER_S", 3).succeed(STEP)?;
    let connected = heir.events("announcing")[0].at();
    let checked = heir.events("checked");
    ensure!(checked.len() == 30 && indexes(&checked).len() == 30, "{} checks about 30 halves", checked.len());
    for check in &checked {
        ensure_between("asked after the first heartbeat", check.at() - connected, 0.0, 1.0 + SLACK)?;
    }
    for half in sender.events("half-sent") {
        ensure_one_identity(&half, &checks_of(&heir, half.index()))?;
    }
    ensure_visible(scene, "all", &(0..30).collect()).map(drop)
}

fn silent_producer(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(&scene.topic(), 4, 6)?;
    let mut colleague = scene.java("tx-answer").env("COUNT", 2).env("CHECKS", "commit").env("LINGER_S", 2).start()?;
    let mut stranger = scene
        .java("tx-answer")
        .env("PRODUCER_GROUP", "somebody_else")
        .env("CHECKS", "rollback")
        .env("UNTIL_TOLD", 1)
        .start()?;
    colleague.wait_for("announcing", 1, STEP)?;
    stranger.wait_paused("answering", STEP)?;
    let sender = scene
        .java("tx-send")
        .env("COUNT", 2)
        .env("OUTCOMES", "unknown")
        .env("CHECKS", "silent")
        .env("HOLD", 1)
        .start()?;
    colleague.succeed(STEP)?;
    for half in sender.events("half-sent") {
        let silent = checks_of(&sender, half.index());
        let answered = checks_of(&colleague, half.index());
        ensure!(silent.len() == 1, "its sender was asked {} times about {half}", silent.len());
        ensure!(answered.len() == 1, "the other producer was asked {} times about {half}", answered.len());
        ensure_between("the sender is asked", silent[0].at() - half.at(), 0.5, 2.0 + SLACK)?;
        ensure_between("another is asked after", answered[0].at() - silent[0].at(), 5.0 - SLACK, 6.0 + SLACK)?;
    }
    ensure!(stranger.events("checked").is_empty(), "a foreign group was asked: {:?}", stranger.events("checked"));
    stranger.go_on()?;
    stranger.succeed(STEP)?;
    ensure_visible(scene, "all", &BTreeSet::from([0, 1])).map(drop)
}

fn crossing(scene: &mut Scene<'_>) -> Outcome {
    let sender = scene
        .java("tx-send")
        .env("COUNT", 40)
        .env("THREADS", 40)
        .env("OUTCOMES", "slow-commit")
        .env("SLOW_MS", 1000)
        .env("CHECKS", "commit")
        .env("LINGER_S", 5)
        .succeed(STEP)?;
    let checked = sender.events("checked");
    ensure!(indexes(&checked).len() == checked.len(), "a half was asked about again after its decision: {checked:?}");
    scene.note(format!("{} of 40 commits crossed a check", checked.len()));
    ensure_visible(scene, "all", &(0..40).collect()).map(drop)
}
