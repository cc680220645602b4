//! The programs that `tandem snippet` writes: built and run as a person would.

use std::time::Duration;

use super::{ClientVersion, SOON, STORY, Story};
use crate::failure::{Outcome, ensure};
use crate::scene::Scene;

/// A first build fetches and compiles what the program needs.
const BUILD_AND_RUN: Duration = Duration::from_secs(600);

pub const STORIES: &[Story] = &[
    Story {
        name: "snippet-java",
        about: "the Java program of `tandem snippet` commits, is asked back, and consumes",
        clients: &[ClientVersion::Java550],
        settings: SOON,
        seconds: 20,
        play: |scene| play(scene, "java", &["mvn", "-q", "-B", "-Dstyle.color=never", "compile", "exec:java"]),
        ..STORY
    },
    Story {
        name: "snippet-spring",
        about: "the Spring Boot program of `tandem snippet` commits, is asked back, and consumes",
        clients: &[ClientVersion::Java550],
        settings: SOON,
        seconds: 25,
        play: |scene| play(scene, "spring", &["mvn", "-q", "-B", "-Dstyle.color=never", "spring-boot:run"]),
        ..STORY
    },
    Story {
        name: "snippet-go",
        about: "the Go program of `tandem snippet` commits, is asked back, and consumes",
        clients: &[ClientVersion::Go],
        settings: SOON,
        seconds: 10,
        play: |scene| play(scene, "go", &["go", "run", "."]),
        ..STORY
    },
    Story {
        name: "snippet-rust",
        about: "the Rust program of `tandem snippet` commits, is asked back, and consumes",
        clients: &[ClientVersion::Rust],
        settings: SOON,
        seconds: 60,
        play: rust,
        ..STORY
    },
];

fn play(scene: &mut Scene<'_>, language: &str, command: &[&str]) -> Outcome {
    play_with(scene, language, command, &[])
}

/// The client of this checkout stands in for the published one.
fn rust(scene: &mut Scene<'_>) -> Outcome {
    let checkout = scene.checkout()?;
    let patch = format!("patch.crates-io.tandem-client.path={:?}", checkout.join("crates/client"));
    // What it builds is kept for the next time.
    let target = checkout.join("target/snippets").display().to_string();
    play_with(scene, "rust", &["cargo", "run", "-q", "--config", &patch], &[("CARGO_TARGET_DIR", &target)])
}

fn play_with(scene: &mut Scene<'_>, language: &str, command: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let dir = scene.path("program");
    let (folder, name_server) = (dir.display().to_string(), scene.name_server());
    scene.tandem(&["snippet", language, "--dir", &folder, "--nameserver", &name_server])?;
    let mut launch = scene.program(language, command, &dir);
    for (name, value) in variables {
        launch = launch.env(name, value);
    }
    // It ends with 0 when it was asked about one order and both orders arrived.
    launch.succeed(BUILD_AND_RUN)?;
    let listed = scene.tandem(&["transactions", "--json"])?;
    ensure!(listed.contains("\"undecided\": 0"), "transactions are left undecided: {listed}");
    Ok(())
}
