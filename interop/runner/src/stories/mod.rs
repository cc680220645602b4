//! The stories: what a user of an official client may rely on, each with what could go wrong on the way.

mod admin;
mod checks;
mod crashes;
mod decisions;
mod exhausted;
mod go;
mod groups;
mod intact;
mod kill_rounds;
mod lookups;
mod sends;
mod shared_group;
mod shop;
mod snippets;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::event::Event;
use crate::failure::{Outcome, ensure};
use crate::scene::Scene;

/// Which client plays a story.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientVersion {
    /// rocketmq-client 4.9.8.
    Java498,
    /// rocketmq-client 5.5.0.
    Java550,
    /// mqadmin of rocketmq-tools 5.5.0, with rocketmq-client 5.5.0 for messages.
    Mqadmin,
    /// rocketmq-client-go v2.1.2.
    Go,
    /// tandem-client.
    Rust,
    /// rocketmq-client 4.9.8 and 5.5.0 and tandem-client, side by side.
    Mixed,
}

impl ClientVersion {
    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            ClientVersion::Java498 => "4.9.8",
            ClientVersion::Java550 => "5.5.0",
            ClientVersion::Mqadmin => "mqadmin",
            ClientVersion::Go => "go",
            ClientVersion::Rust => "rust",
            ClientVersion::Mixed => "mixed",
        }
    }

    /// The version of this name.
    pub fn parse(name: &str) -> Option<Self> {
        use ClientVersion::{Go, Java498, Java550, Mixed, Mqadmin, Rust};
        [Java498, Java550, Mqadmin, Go, Rust, Mixed].into_iter().find(|version| version.name() == name)
    }
}

/// Both Java versions.
const JAVA: &[ClientVersion] = &[ClientVersion::Java498, ClientVersion::Java550];

/// One story.
#[derive(Debug)]
pub struct Story {
    /// By which it is chosen.
    pub name: &'static str,
    /// One line for `--list`.
    pub about: &'static str,
    /// Who plays it.
    pub clients: &'static [ClientVersion],
    /// `--set` of the broker.
    pub settings: &'static [&'static str],
    /// Parts of warnings that the broker may log here.
    pub expected: &'static [&'static str],
    /// It controls no broker and holds with Apache RocketMQ as well: `--addr` may play it.
    pub anywhere: bool,
    /// About how long it takes: the longest begin first.
    pub seconds: u32,
    /// What happens.
    pub play: fn(&mut Scene<'_>) -> Outcome,
}

/// What most stories are: both Java clients, defaults, no warning, a broker of their own.
const STORY: Story = Story {
    name: "",
    about: "",
    clients: JAVA,
    settings: &[],
    expected: &[],
    anywhere: false,
    seconds: 5,
    play: |_| unreachable!("every story says what happens"),
};

/// All stories, in the order of `--list`.
pub fn all() -> impl Iterator<Item = &'static Story> {
    let families = [
        shop::STORIES,
        intact::STORIES,
        checks::STORIES,
        exhausted::STORIES,
        decisions::STORIES,
        crashes::STORIES,
        kill_rounds::STORIES,
        sends::STORIES,
        lookups::STORIES,
        groups::STORIES,
        shared_group::STORIES,
        admin::STORIES,
        go::STORIES,
        snippets::STORIES,
    ];
    families.into_iter().flatten()
}

/// Checks within a second of the first send, and again each second.
const SOON: &[&str] = &["transactions.first_check_after=1s", "transactions.check_interval=1s"];

/// What a step that should take moments may take on a busy machine.
const STEP: Duration = Duration::from_secs(40);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Fails unless `ms` lies between the bounds, given in seconds.
fn ensure_between(what: &str, ms: i64, from_s: f64, to_s: f64) -> Outcome {
    let seconds = ms as f64 / 1000.0;
    ensure!((from_s..=to_s).contains(&seconds), "{what}: {seconds:.3} s is not between {from_s} s and {to_s} s");
    Ok(())
}

/// A new group reads the whole topic, waiting for as many messages as there are numbers, and then a little longer;
/// exactly those numbers must come, each once.
fn ensure_visible(scene: &Scene<'_>, group: &str, expected: &BTreeSet<i64>) -> Outcome<Vec<Event>> {
    let mut reader = scene
        .java("push")
        .env("GROUP", format!("{group}_{}", scene.run()))
        .env("COUNT", expected.len())
        .env("WAIT_S", if expected.is_empty() { 4 } else { 20 })
        .start()?;
    reader.end(STEP)?;
    let received = reader.events("received");
    ensure_each_once(&received, expected)?;
    Ok(received)
}

/// Fails unless each of these message numbers came, once, and no other.
fn ensure_each_once(received: &[Event], expected: &BTreeSet<i64>) -> Outcome {
    let mut numbers: Vec<i64> = received.iter().map(Event::index).collect();
    numbers.sort_unstable();
    let wanted: Vec<i64> = expected.iter().copied().collect();
    ensure!(numbers == wanted, "messages {numbers:?} became visible instead of {wanted:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn every_story_has_a_name_of_its_own_and_says_what_it_is_about() {
        let mut names: Vec<&str> = all().map(|story| story.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(all().all(|story| !story.name.is_empty() && !story.about.is_empty() && !story.clients.is_empty()));
    }
}
