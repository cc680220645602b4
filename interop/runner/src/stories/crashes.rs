//! The broker goes away under load, asked or not, and comes back.

use std::thread::sleep;
use std::time::Duration;

use super::shop::verdict;
use super::{SOON, STEP, STORY, Story, seconds};
use crate::event::Event;
use crate::failure::{Outcome, ensure};
use crate::program::Program;
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "planned-restart",
        about: "SIGTERM and start, twice, under transactional load: nothing lost, nothing delivered twice",
        settings: SOON,
        seconds: 22,
        play: planned_restart,
        ..STORY
    },
    Story {
        name: "kill-loop",
        about: "kill -9 and start, again and again, under transactional load: nothing lost, nothing unpaid delivered",
        settings: SOON,
        seconds: 32,
        play: kill_loop,
        ..STORY
    },
    Story {
        name: "everybody-killed",
        about: "broker, seller and cart killed -9 in turn under load: nothing lost, nothing unpaid delivered",
        settings: SOON,
        seconds: 32,
        play: everybody_killed,
        ..STORY
    },
];

const TOPIC: &str = "PayOrderSuccessTopic";

fn start_seller(scene: &Scene<'_>) -> Outcome<Program> {
    let seller = scene.java("shop-sell").env("TOPIC", TOPIC).env("UNTIL_TOLD", 1);
    let seller = seller.env("MODE", "commit,commit,rollback,commit,throw,commit,unknown,rollback");
    let seller = seller.env("THREADS", 4).env("PAUSE_MS", 10).start()?;
    seller.wait_paused("selling", STEP)?;
    Ok(seller)
}

fn start_cart(scene: &Scene<'_>) -> Outcome<Program> {
    let cart = scene.java("shop-cart").env("TOPIC", TOPIC).env("GROUP", "testConsumerGroup").start()?;
    cart.wait_paused("consuming", STEP)?;
    Ok(cart)
}

/// Waits until deliveries go on: the load has found the broker again.
fn await_deliveries(cart: &Program, more: usize) -> Outcome {
    let enough = cart.events("delivered").len() + more;
    cart.wait_for("delivered", enough, STEP).map(drop)
}

/// Stops selling, lets the tables become equal, and ends both programs.
fn close_shop(scene: &Scene<'_>, mut seller: Program, mut cart: Program, strict: bool) -> Outcome<Event> {
    seller.go_on()?;
    seller.wait_paused("holding", STEP)?;
    let verdict = verdict(scene, strict)?;
    for program in [&mut seller, &mut cart] {
        program.go_on()?;
        program.succeed(STEP)?;
    }
    Ok(verdict)
}

fn planned_restart(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(TOPIC, 4, 6)?;
    let cart = start_cart(scene)?;
    let seller = start_seller(scene)?;
    for _ in 0..2 {
        await_deliveries(&cart, 100)?;
        scene.terminate_and_restart()?;
    }
    await_deliveries(&cart, 100)?;
    let verdict = close_shop(scene, seller, cart, true)?;
    ensure!(verdict.number("orders") >= 300, "too little load for a judgement: {verdict}");
    scene.note(format!("{} orders", verdict.number("orders")));
    Ok(())
}

/// Moments that differ from kill to kill and are the same in each run.
fn moment(round: u32) -> Duration {
    seconds(0.2 + f64::from(round * 7 % 10) * 0.15)
}

fn kill_loop(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(TOPIC, 4, 6)?;
    let cart = start_cart(scene)?;
    let seller = start_seller(scene)?;
    for round in 0..scene.rounds() {
        await_deliveries(&cart, 20)?;
        sleep(moment(round));
        scene.kill_and_restart()?;
    }
    await_deliveries(&cart, 20)?;
    let verdict = close_shop(scene, seller, cart, false)?;
    let (kills, orders) = (scene.rounds(), verdict.number("orders"));
    scene.note(format!("{kills} kills, {orders} orders, {} delivered more than once", verdict.number("repeated")));
    Ok(())
}

fn everybody_killed(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(TOPIC, 4, 6)?;
    let mut cart = start_cart(scene)?;
    let mut seller = start_seller(scene)?;
    for round in 0..scene.rounds() {
        await_deliveries(&cart, 20)?;
        sleep(moment(round));
        match round % 3 {
            0 => {
                seller.kill()?;
                seller = start_seller(scene)?;
            }
            1 => {
                cart.kill()?;
                cart = start_cart(scene)?;
            }
            _ => scene.kill_and_restart()?,
        }
    }
    await_deliveries(&cart, 20)?;
    let verdict = close_shop(scene, seller, cart, false)?;
    let (kills, orders) = (scene.rounds(), verdict.number("orders"));
    scene.note(format!("{kills} kills, {orders} orders, {} delivered more than once", verdict.number("repeated")));
    Ok(())
}
