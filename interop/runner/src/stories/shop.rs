//! The program this project exists for: orders in one database, carts in another, and a transactional message between.
//! Its clients are as a user writes them, with all their defaults.

use super::{SOON, STEP, STORY, Story, ensure_between};
use crate::event::Event;
use crate::failure::{Outcome, ensure};
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "shop",
        about: "orders paid, refused, unknown and failed; both tables agree; broker with its default times",
        seconds: 14,
        play: shop,
        ..STORY
    },
    Story {
        name: "shop-binary",
        about: "the same with binary headers (-Drocketmq.serialize.type=ROCKETMQ)",
        settings: SOON,
        seconds: 9,
        play: shop_binary,
        ..STORY
    },
    Story {
        name: "producer-killed",
        about: "killed between database and message commit: another live producer is asked and decides",
        settings: &["transactions.first_check_after=2s", "transactions.check_interval=2s"],
        seconds: 10,
        play: producer_killed,
        ..STORY
    },
    Story {
        name: "nobody-alive",
        about: "no producer for longer than all checks take: nothing is burnt, the first that connects is asked within 1 s",
        settings: &["transactions.first_check_after=1s", "transactions.check_interval=1s", "transactions.check_max=2"],
        seconds: 20,
        play: nobody_alive,
        ..STORY
    },
];

const TOPIC: &str = "PayOrderSuccessTopic";
const MODES: [&str; 5] = ["commit", "rollback", "commit", "unknown", "throw"];
const ORDERS: usize = 20;

fn shop(scene: &mut Scene<'_>) -> Outcome {
    sell_and_compare(scene, None)
}

fn shop_binary(scene: &mut Scene<'_>) -> Outcome {
    sell_and_compare(scene, Some(("rocketmq.serialize.type", "ROCKETMQ")))
}

fn sell_and_compare(scene: &mut Scene<'_>, property: Option<(&str, &str)>) -> Outcome {
    let part = |part: &str| {
        let launch = scene.java(part).env("TOPIC", TOPIC).env("GROUP", "testConsumerGroup");
        match property {
            Some((name, value)) => launch.property(name, value),
            None => launch,
        }
    };
    let mut seller = part("shop-sell").env("COUNT", ORDERS).env("MODE", MODES.join(",")).start()?;
    seller.wait_for("half-sent", 1, STEP)?; // now the topic is there
    let mut cart = part("shop-cart").start()?;
    seller.succeed(STEP)?;

    let sent = seller.events("half-sent");
    let checked = seller.events("checked");
    let undecided: Vec<&Event> = sent.iter().filter(|half| ["unknown", "throw"].contains(&half.text("mode"))).collect();
    for half in &undecided {
        let checks = checked.iter().filter(|check| check.text("order") == half.text("order")).count();
        ensure!(checks == 1, "{} was checked {checks} times instead of once", half.text("order"));
    }
    ensure!(checked.len() == undecided.len(), "{} checks for {} undecided orders", checked.len(), undecided.len());
    for check in &checked {
        ensure!(check.text("thread").starts_with("transaction-check-"), "not on the user's own threads: {check}");
        ensure!((check.text("tag"), check.text("keys")) == ("TestTag", "TestKey"), "tag or key is lost: {check}");
    }

    let verdict = verdict(scene, true)?;
    let paid = sent.iter().filter(|half| ["commit", "unknown"].contains(&half.text("mode"))).count();
    ensure!(verdict.number("orders") == paid as i64, "{paid} orders were paid, but {verdict}");
    let delivered = cart.events("delivered");
    for half in sent.iter().filter(|half| ["commit", "unknown"].contains(&half.text("mode"))) {
        let same = |event: &&Event| event.text("order") == half.text("order");
        let Some(got) = delivered.iter().find(same) else {
            return Err(crate::failure::Failure::new(format!("{half} was not delivered")));
        };
        let ids = |event: &Event| (event.text("message_id").to_owned(), event.text("transaction_id").to_owned());
        ensure!(ids(half) == ids(got), "sent as {half} but delivered as {got}");
        ensure!((got.text("tag"), got.text("keys")) == ("TestTag", "TestKey"), "tag or key is lost: {got}");
    }
    cart.go_on()?;
    cart.succeed(STEP)
}

/// The verdict over the two tables, which must agree within 30 s.
pub(super) fn verdict(scene: &Scene<'_>, strict: bool) -> Outcome<Event> {
    // A pull that was under way when its broker was killed is given up by the 4.9 client after 30 seconds, not before.
    let mut program = scene.java("shop-verdict").env("WAIT_S", 60).env("STRICT", u8::from(strict)).start()?;
    let status = program.end(STEP * 2)?;
    let verdicts = program.events("verdict");
    ensure!(!verdicts.is_empty(), "no verdict over the tables");
    ensure!(status.success(), "the tables differ: {}", verdicts[0]);
    Ok(verdicts[0].clone())
}

fn sell_one(scene: &Scene<'_>, mode: &str) -> crate::scene::Launch {
    scene.java("shop-sell").env("TOPIC", TOPIC).env("COUNT", 1).env("MODE", mode)
}

fn producer_killed(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(TOPIC, 4, 6)?;
    let mut survivor = scene.java("shop-answer").env("TOPIC", TOPIC).env("COUNT", 1).start()?;
    survivor.wait_for("announcing", 1, STEP)?;
    let killed = sell_one(scene, "halt").succeed(STEP)?;
    let halting = &killed.events("halting")[0];
    survivor.succeed(STEP)?;
    let checked = survivor.events("checked");
    ensure!(checked.len() == 1, "asked {} times instead of once", checked.len());
    ensure!(checked[0].text("order") == halting.text("order"), "{} is not about {halting}", checked[0]);
    // The half was stored a moment before its producer was killed.
    ensure_between("asked after the producer's death", checked[0].at() - halting.at(), 1.7, 3.4)?;
    clear_carts(scene, 1)
}

/// Runs a cart until both tables agree on so many orders.
fn clear_carts(scene: &Scene<'_>, orders: i64) -> Outcome {
    let mut cart = scene.java("shop-cart").env("TOPIC", TOPIC).env("GROUP", "testConsumerGroup").start()?;
    let verdict = verdict(scene, true)?;
    ensure!(verdict.number("orders") == orders, "{orders} orders were paid, but {verdict}");
    cart.go_on()?;
    cart.succeed(STEP)
}

fn nobody_alive(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(TOPIC, 4, 6)?;
    // Asked at its first heartbeat.
    sell_one(scene, "halt").succeed(STEP)?;
    std::thread::sleep(super::seconds(5.0));
    let heir = scene.java("shop-answer").env("TOPIC", TOPIC).env("COUNT", 1).succeed(STEP)?;
    let connected = heir.events("announcing")[0].at();
    ensure_between("asked after the first heartbeat", heir.events("checked")[0].at() - connected, 0.0, 1.5)?;

    // Asked at its first half: a 5.x producer is unknown to the broker before it sends.
    let killed = sell_one(scene, "halt").succeed(STEP)?;
    let orphan = killed.events("halting")[0].text("order").to_owned();
    std::thread::sleep(super::seconds(3.0));
    let heir = sell_one(scene, "commit").env("LINGER_S", 4).succeed(STEP)?;
    let checked = heir.events("checked");
    ensure!(
        checked.len() == 1 && checked[0].text("order") == orphan,
        "asked {checked:?} instead of once about {orphan}"
    );
    let sent = heir.events("half-sent")[0].at();
    ensure_between("asked after the first half", checked[0].at() - sent, -2.0, 1.5)?;
    clear_carts(scene, 3)
}
