//! What producers do besides transactions.

use std::collections::{BTreeMap, BTreeSet};

use super::{STEP, STORY, Story, ensure_visible, seconds};
use crate::event::Event;
use crate::failure::{Failure, Outcome, ensure};
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "send",
        about: "synchronous, asynchronous and one-way sends arrive once and unchanged, at offsets without holes",
        anywhere: true,
        seconds: 7,
        play: |scene| send(scene, None),
        ..STORY
    },
    Story {
        name: "send-binary",
        about: "the same with binary headers (-Drocketmq.serialize.type=ROCKETMQ)",
        anywhere: true,
        seconds: 7,
        play: |scene| send(scene, Some(("rocketmq.serialize.type", "ROCKETMQ"))),
        ..STORY
    },
    Story {
        name: "batch",
        about: "a batch lands in one queue at consecutive offsets",
        anywhere: true,
        play: |scene| alone(scene, "batch", 12),
        ..STORY
    },
    Story {
        name: "delay",
        about: "delay levels 1, 2 and 3",
        anywhere: true,
        seconds: 15,
        play: |scene| alone(scene, "delay", 3),
        ..STORY
    },
    Story {
        name: "timer",
        about: "timers of 2, 4 and 7 s",
        anywhere: true,
        seconds: 12,
        play: |scene| alone(scene, "timer", 3),
        ..STORY
    },
    Story {
        name: "request-reply",
        about: "requests answered through the reply topic",
        anywhere: true,
        seconds: 6,
        play: |scene| alone(scene, "request-reply", 5),
        ..STORY
    },
];

/// A part of the Java program that judges itself.
pub(super) fn alone(scene: &Scene<'_>, part: &str, count: u32) -> Outcome {
    scene.java(part).env("COUNT", count).succeed(seconds(80.0)).map(drop)
}

fn send(scene: &mut Scene<'_>, property: Option<(&str, &str)>) -> Outcome {
    let mut sender = scene.java("send").env("COUNT", 60);
    if let Some((name, value)) = property {
        sender = sender.property(name, value);
    }
    let sender = sender.succeed(STEP)?;
    let sent = sender.events("sent");
    let received = ensure_visible(scene, "first", &(0..60).collect())?;
    let mut offsets: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for got in &received {
        let same = |sent: &&Event| sent.index() == got.index();
        let sent = sent.iter().find(same).ok_or_else(|| Failure::new(format!("nobody sent {got}")))?;
        ensure!(got.text("message_id") == sent.text("message_id"), "another msgId: sent {sent}, received {got}");
        ensure!(got.field("content") == sent.field("content"), "not as it was sent: sent {sent}, received {got}");
        if sent.text("way") != "oneway" {
            let place =
                |event: &Event| (event.number("queue"), event.number("offset"), event.text("offset_id").to_owned());
            ensure!(place(sent) == place(got), "at another place: sent {sent}, received {got}");
        }
        offsets.entry(got.number("queue")).or_default().insert(got.number("offset"));
    }
    for (queue, offsets) in &offsets {
        let wanted: BTreeSet<i64> = (0..offsets.len() as i64).collect();
        ensure!(*offsets == wanted, "queue {queue} has holes: offsets {offsets:?}");
    }
    Ok(())
}
