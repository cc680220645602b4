//! Blocks of the console: run, and held to what they show.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::page::{self, Block, Page};
use crate::shop::Shop;

/// How long a block may take. Two pages run at a time, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pages that run at a time.
const WORKERS: usize = 4;
/// What is printed behind the output of each command. No program prints it.
const END: char = '\u{1e}';

/// What is shown and not run, and why: the page, what the block begins with, the reason.
const NOT_RUN: &[(&str, &str, &str)] = &[];

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

/// Whether a line is as shown: `...` stands for anything, and blanks for as many as there are.
fn line_fits(shown: &str, line: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (shown, line) = (squeeze(shown), squeeze(line));
    let pieces: Vec<&str> = shown.split("...").collect();
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    if pieces.len() == 1 {
        return shown == line;
    }
    let Some(rest) = line.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    pieces[1..pieces.len() - 1].iter().all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// Whether lines are as shown: a line of `...` stands for any number of them.
fn lines_fit(shown: &[String], lines: &[&str]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first.trim() == "..." => (0..=lines.len()).any(|skip| lines_fit(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, more)| line_fits(first, line) && lines_fit(rest, more))
        }
    }
}

/// Runs a block in a shell that ends at the first command that fails, and tells what is wrong with it.
fn run(block: &Block, shop: &Shop, work: &Path) -> Option<String> {
    let steps = steps(block);
    let script: String = steps.iter().map(|step| format!("{}\nprintf '{END}\\n'\n", step.command)).collect();
    let output = work.join(".output");
    let both = File::create(&output).expect("a file");
    let mut command = Command::new("sh");
    command.args(["-eu", "-c", &script]).current_dir(work).envs(surroundings(shop, work));
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
    let pages = page::all();
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

/// The words of a command line that call the program: from `tandem` on, up to what a shell does with it.
fn call(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let line = line.strip_prefix("$ ").unwrap_or(line).strip_prefix("ExecStart=").unwrap_or(line);
    let line =
        line.strip_prefix("cargo run --release -- ").map(|rest| format!("tandem {rest}")).unwrap_or(line.to_owned());
    let (program, rest) = line.split_once(' ')?;
    if program.rsplit('/').next() != Some("tandem") {
        return None;
    }
    let rest = rest.split(['|', '>', ';', '&']).next().unwrap_or_default();
    let words = rest.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    Some(words.collect())
}

#[test]
fn what_is_shown_and_not_run_is_known_with_a_reason_and_can_be_parsed() {
    let mut unused: Vec<_> = NOT_RUN.to_vec();
    let mut wrong = Vec::new();
    for page in page::all() {
        for block in page.blocks.iter().filter(|block| matches!(block.language.as_str(), "sh" | "text")) {
            if block.language == "sh" {
                let known = |(path, begins, _): &(&str, &str, &str)| {
                    page.path == Path::new(path) && block.lines.first().is_some_and(|line| line.starts_with(begins))
                };
                match unused.iter().position(known) {
                    Some(at) => drop(unused.remove(at)),
                    None => wrong.push(format!("{}: it is not run, and NOT_RUN does not say why", block.place)),
                }
            }
            for line in &block.lines {
                let Some(mut words) = call(line) else { continue };
                // Everything before this word is parsed first, and what is wrong there is said instead.
                words.push("--is-never-an-argument".to_owned());
                let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
                let said = crate::broker::complained(&crate::broker::tandem(&arguments));
                if !said.contains("unexpected argument '--is-never-an-argument'") {
                    wrong.push(format!("{}: {line}\n{said}", block.place));
                }
            }
        }
    }
    wrong.extend(unused.iter().map(|(path, begins, _)| format!("{path} has no block that begins with {begins:?}")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_shown_is_compared_line_by_line_with_gaps() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let fits = |shown: &str, said: &str| lines_fit(&lines(shown), &said.lines().collect::<Vec<_>>());
    assert!(fits("a ... c\n...\nz", "a  b   c\nd\ne\nz"));
    assert!(fits("a...\n...", "a"));
    assert!(!fits("a ... c\nz", "a b c\nd\nz"));
    assert!(!fits("a", "a\nb"));
    assert!(!fits("a\nb", "a"));
    assert!(!fits("x...x", "x"));
}
