//! Runs stories, some at a time, and says how each went.

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::failure::{Failure, Outcome};
use crate::scene::Scene;
use crate::stories::{self, ClientVersion, Story};

/// Lines of each file that are shown of a story that failed.
const TAIL: usize = 12;

/// Runs or lists what the arguments ask for; the exit code is 0 when everything passed.
pub fn run(arguments: &Arguments) -> ExitCode {
    let chosen = chosen(arguments);
    if arguments.list {
        for (story, client) in &chosen {
            println!("{:<22} {:<8} {}", story.name, client.name(), story.about);
        }
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        eprintln!("no story fits; --list shows them all");
        return ExitCode::from(2);
    }
    let root = std::env::temp_dir().join(format!("tandem-interop-{}", std::process::id()));
    let started = Instant::now();
    let total = chosen.len();
    let waiting = Mutex::new(VecDeque::from(chosen));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some((story, client)) = next else { break };
                    if !play_and_tell(arguments, &root, story, client) {
                        let name = format!("{} [{}]", story.name, client.name());
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    for name in &failed {
        println!("failed: {name}");
    }
    println!("{} passed, {} failed, {:.0} s", total - failed.len(), failed.len(), started.elapsed().as_secs_f64());
    if failed.is_empty() && !arguments.keep {
        // Whoever looks for it finds an empty folder at worst.
        let _ = fs::remove_dir_all(&root);
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The stories asked for with each client that plays them; the longest begin first, so that none is left over.
fn chosen(arguments: &Arguments) -> Vec<(&'static Story, ClientVersion)> {
    let mut chosen = Vec::new();
    for story in stories::all() {
        let named = arguments.only.is_empty() || arguments.only.iter().any(|part| story.name.contains(part.as_str()));
        let asked_for = arguments.only.iter().any(|name| name == story.name);
        let playable = arguments.list || arguments.address.is_none() || story.anywhere || asked_for;
        for &client in story.clients {
            let wanted = arguments.clients.is_empty() || arguments.clients.contains(&client);
            if named && playable && wanted {
                chosen.push((story, client));
            }
        }
    }
    if !arguments.list {
        chosen.sort_by_key(|(story, _)| std::cmp::Reverse(story.seconds));
    }
    chosen
}

/// Plays one story and prints its line, and everything one needs to see when it failed.
fn play_and_tell(arguments: &Arguments, root: &Path, story: &Story, client: ClientVersion) -> bool {
    let dir = root.join(format!("{}-{}", story.name, client.name()));
    let started = Instant::now();
    let played = catch_unwind(AssertUnwindSafe(|| play(arguments, &dir, story, client)));
    let outcome = played.unwrap_or_else(|panic| {
        let reason = panic.downcast_ref::<String>().cloned();
        let reason = reason.or_else(|| panic.downcast_ref::<&str>().map(|reason| (*reason).to_owned()));
        Err(Failure::new(reason.unwrap_or_else(|| "the story panicked".to_owned())))
    });
    let took = started.elapsed();
    // One write, so that the lines of stories that run at the same time do not mix.
    let text = match &outcome {
        Ok(note) => {
            line("ok", story, client, took) + &note.as_ref().map_or(String::new(), |note| format!("  {note}")) + "\n"
        }
        Err(reason) => {
            let reason = cut(&reason.to_string(), 1500).to_owned();
            let mut text = line("FAILED", story, client, took) + &format!("\n  {reason}\n");
            for file in printed_files(&dir) {
                text += &tail(&file);
            }
            text + &format!("  everything is in {}\n", dir.display())
        }
    };
    let mut out = std::io::stdout().lock();
    // Nobody reads on: the exit code still tells.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if outcome.is_ok() && !arguments.keep {
        let _ = fs::remove_dir_all(&dir);
    }
    outcome.is_ok()
}

fn play(arguments: &Arguments, dir: &Path, story: &Story, client: ClientVersion) -> Outcome<Option<String>> {
    fs::create_dir_all(dir.join("db"))?;
    // Topics and groups are named after it: against a broker that stays, each run needs its own.
    let run = format!("{}_{}_{}", story.name, client.name().replace('.', ""), std::process::id()).replace('-', "_");
    let mut scene = Scene::open(arguments, client, dir, &run, story.settings)?;
    (story.play)(&mut scene)?;
    scene.close(story.expected)?;
    Ok(scene.take_note())
}

fn line(verdict: &str, story: &Story, client: ClientVersion, took: Duration) -> String {
    format!("{verdict:<6} {:<22} {:<8} {:>5.1} s", story.name, client.name(), took.as_secs_f64())
}

/// What the broker and the programs printed, the broker's log last.
fn printed_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn tail(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut shown = format!("  --- {} (last of {} lines)\n", file.display(), lines.len());
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        shown += &format!("  | {}\n", cut(line, 400));
    }
    shown
}

/// The text, or its beginning when it has more characters.
fn cut(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}
