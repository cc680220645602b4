//! `tandem doctor`: looks at everything a broker needs, and says what is wrong and what to do about it.
//!
//! - [`data`]: the data directory and the disk it is on; [`machine`]: clock, memory, open files; [`ports`]: who listens;
//!   [`broker`]: a broker that runs.
//!
//! It mends nothing, and it is no full check of the data: `tandem store verify` reads every byte.

mod broker;
mod data;
mod machine;
mod ports;

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::args::{DEFAULT_ADDR, DoctorArgs};
use super::exit::Exit;
use super::json;
use super::run::{Doors, Failure, Screen, Variables, load};
use super::table::{Cell, Table, Tone, clean, number_of};

/// How bad something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth a look.
    Note,
    /// Something does not work, or will not.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub about: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub found: String,
    /// What to do; nothing where all is well.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(about: &'static str, found: impl Into<String>) -> Self {
        Finding { about, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn note(about: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { about, verdict: Verdict::Note, found: found.into(), advice: Some(advice.into()) }
    }

    fn wrong(about: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { about, verdict: Verdict::Wrong, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Carries out `tandem doctor`. Exit code 1 says that something is wrong.
pub fn run(
    args: &DoctorArgs,
    addr: &str,
    variables: Variables,
    doors: &mut dyn Doors,
    screen: &mut Screen<'_>,
) -> Result<Exit, Failure> {
    let config = load(&args.config, variables)?.config;
    // Whoever says where the broker is, is believed; otherwise it is where the configuration has it.
    let addr = match addr {
        DEFAULT_ADDR => ports::reachable(config.server.broker_listen).to_string(),
        addr => addr.to_owned(),
    };
    let clock = machine::ClockSample::take();
    let (in_use, mut findings) = data::look(&config, doors);
    findings.extend(machine::look(&config, clock));
    findings.extend(ports::look(&config, doors));
    findings.extend(broker::look(&config, &addr, in_use, doors));

    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (wrong, notes) = (count(Verdict::Wrong), count(Verdict::Note));
    let exit = if wrong == 0 { Exit::Ok } else { Exit::Failed };
    if screen.json {
        let answer = json!({ "ok": wrong == 0, "wrong": wrong, "notes": notes, "findings": json::of(&findings) });
        json::write(screen.out, &answer)?;
        return Ok(exit);
    }
    let mut table = Table::new(&["", "ABOUT", "FOUND"]);
    for finding in &findings {
        let (word, tone) = match finding.verdict {
            Verdict::Ok => ("ok", Tone::Good),
            Verdict::Note => ("note", Tone::Warn),
            Verdict::Wrong => ("wrong", Tone::Bad),
        };
        table.row(vec![Cell::toned(word, tone), finding.about.into(), (&finding.found).into()]);
        if let Some(advice) = &finding.advice {
            table.row(vec!["".into(), "".into(), Cell::toned(format!("-> {}", clean(advice)), Tone::Dim)]);
        }
    }
    table.write(screen.out, 0, screen.colours)?;
    let wrong = match wrong {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        count => format!("{count} things are wrong"),
    };
    let notes = if notes == 0 { String::new() } else { format!("; {}", number_of(notes as u64, "note")) };
    writeln!(screen.out, "\n{wrong}{notes}")?;
    Ok(exit)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
