//! Blocks of the console: run, and held to what they show.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::page::{self, Block, Page};
use crate::shop::Shop;
use crate::shown::lines_fit;

/// How long a block may take. Several pages run at a time, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pages that run at a time.
const WORKERS: usize = 4;
/// What is printed behind the output of each command. No program prints it.
const END: char = '\u{1e}';

/// Its verdict is about the machine too, which may lack space or file descriptors, so that its exit code is 0 or 1.
const DOCTOR: &str = "tandem doctor";

/// A command, and the lines that are shown under it.
struct Step {
    command: String,
    shown: Vec<String>,
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in &block.lines {
        let last = steps.last_mut();
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), shown: Vec::new() });
        } else if let Some((last, more)) = last.zip(line.strip_prefix("> ")) {
            last.command.push_str(&format!("\n{more}"));
        } else {
            let last = steps.last_mut().unwrap_or_else(|| panic!("{}: it begins without a command", block.place));
            last.shown.push(line.trim_end().to_owned());
        }
    }
    assert!(!steps.is_empty(), "{}: it is empty", block.place);
    steps
}

/// A command as the shell gets it.
fn scripted(command: &str) -> String {
    let bare = command.split("  #").next().unwrap_or_default().trim();
    let lenient = if bare == DOCTOR { " || test $? -eq 1" } else { "" };
    format!("{bare}{lenient}\nprintf '{END}\\n'\n")
}

/// Runs a block in a shell that ends at the first command that fails, and tells what is wrong with it.
fn run(block: &Block, shop: &Shop, work: &Path) -> Option<String> {
    let steps = steps(block);
    let script: String = steps.iter().map(|step| scripted(&step.command)).collect();
    let output = work.join(".output");
    let both = File::create(&output).expect("a file");
    let mut command = Command::new("sh");
    command.args(["-eu", "-c", &script]).current_dir(work).envs(surroundings(shop, work)).env_remove("TANDEM_CONFIG");
    command.stdin(Stdio::null()).stdout(both.try_clone().expect("a second handle")).stderr(both);
    let mut child = command.spawn().expect("a shell");
    let started = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break Some(status),
            None if started.elapsed() > PATIENCE => {
                child.kill().expect("our own child can be killed");
                child.wait().expect("it ends");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = String::from_utf8_lossy(&std::fs::read(&output).expect("the output")).into_owned();
    if std::env::var_os("TANDEM_DOCS_SHOW").is_some() {
        eprintln!("== {}\n{text}", block.place);
    }
    let told: Vec<&str> = text.split(END).collect();
    for (at, step) in steps.iter().enumerate() {
        let place = format!("{}: $ {}", block.place, step.command);
        let said = told.get(at).map_or("", |said| said.trim_start_matches('\n'));
        if at + 1 >= told.len() {
            return Some(format!("{place}\nended with {status:?} and said:\n{said}"));
        }
        let lines: Vec<&str> = said.lines().collect();
        if !step.shown.is_empty() && !lines_fit(&step.shown, &lines) {
            return Some(format!("{place}\nshows:\n{}\n\nand says:\n{said}", step.shown.join("\n")));
        }
    }
    None
}

/// The commands of a page find the page's broker by themselves.
fn surroundings(shop: &Shop, work: &Path) -> Vec<(String, String)> {
    let binary = Path::new(env!("CARGO_BIN_EXE_tandem")).parent().expect("it lies somewhere");
    let path = std::env::var("PATH").unwrap_or_default();
    let (nameserver, broker) = shop.addresses;
    vec![
        ("PATH".to_owned(), format!("{}:{path}", binary.display())),
        ("HOME".to_owned(), work.display().to_string()),
        ("USER".to_owned(), "ann".to_owned()),
        ("NO_COLOR".to_owned(), "1".to_owned()),
        ("TANDEM_SERVER_DATA".to_owned(), shop.broker.data().display().to_string()),
        ("TANDEM_ADDR".to_owned(), broker.to_string()),
        ("TANDEM_SERVER_BROKER_LISTEN".to_owned(), broker.to_string()),
        ("TANDEM_SERVER_NAMESERVER_LISTEN".to_owned(), nameserver.to_string()),
    ]
}

/// Runs the blocks of a page in order, in one directory, and tells the first that is wrong.
fn run_page(page: &Page) -> Option<String> {
    let blocks: Vec<&Block> = page.blocks.iter().filter(|block| block.language == "console").collect();
    if blocks.is_empty() {
        return None;
    }
    let mut shop = Shop::open();
    let work = shop.directory.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    blocks.into_iter().find_map(|block| {
        let words: Vec<&str> = block.words.iter().map(String::as_str).collect();
        match words[..] {
            [] => run(block, &shop, &work),
            ["stopped"] => shop.while_stopped(|shop| run(block, shop, &work)),
            _ => Some(format!("{}: {words:?} is not known here", block.place)),
        }
    })
}

#[test]
fn every_command_shown_is_run_and_says_what_is_shown() {
    let pages = page::to_run();
    let (next, wrong) = (Mutex::new(pages.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let page = next.lock().expect("nobody panics with it").next();
                    let Some(page) = page else { return };
                    wrong.lock().expect("nobody panics with it").extend(run_page(page));
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked with it");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
    let commands: usize = pages
        .iter()
        .flat_map(|page| &page.blocks)
        .filter(|block| block.language == "console")
        .map(|block| steps(block).len())
        .sum();
    assert!(commands > 30, "only {commands} commands are run");
}
