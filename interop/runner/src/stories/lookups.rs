//! Finding messages again.

use super::sends::alone;
use super::{STORY, Story};

pub const STORIES: &[Story] = &[
    Story {
        name: "query",
        about: "by offset id, unique id and key; the bounds of a queue, and search by time",
        anywhere: true,
        play: |scene| alone(scene, "query", 5),
        ..STORY
    },
    Story {
        name: "trace",
        about: "traces of a send and its consumption, found by message id",
        seconds: 9,
        play: |scene| alone(scene, "trace", 1),
        ..STORY
    },
];
