//! The command line of the suite.

use std::path::{Path, PathBuf};

use crate::stories::ClientVersion;

/// What `--help` prints.
pub const USAGE: &str = "\
usage: interop [options]
  --list               list the stories and what each is about
  --only NAME          run the stories whose name contains NAME; may be repeated
  --client VERSION     4.9.8 or 5.5.0: only this Java client (others: mqadmin, go, rust, mixed); may be repeated
  --tandem PATH        the binary; default target/release/tandem, else target/debug/tandem
  --home DIR           the folder with java/ and go/; default: where this program was built from
  --jobs N             stories at the same time; default 2
  --rounds N           kills in the stories kill-loop and everybody-killed, faults in kill-rounds; default 6
  --seed N             what the faults of kill-rounds are drawn from; another one each time without it
  --addr NAMESRV       do not start tandem, run the stories that hold with any broker against this name server;
                       of the others those whose whole name is given with --only
  --keep               keep every story's folder (a failed one's is always kept)";

/// What to run, and with what.
#[derive(Debug)]
pub struct Arguments {
    /// Print the stories instead of running them.
    pub list: bool,
    /// Parts of story names; empty for all.
    pub only: Vec<String>,
    /// Java client versions and other clients; empty for all.
    pub clients: Vec<ClientVersion>,
    /// The binary under test.
    pub tandem: PathBuf,
    /// Where the client programs are.
    pub home: PathBuf,
    /// Stories at the same time.
    pub jobs: usize,
    /// Kills in a kill loop.
    pub rounds: u32,
    /// What random faults are drawn from.
    pub seed: Option<u64>,
    /// A name server that somebody else started.
    pub address: Option<String>,
    /// Keep the folders of stories that passed.
    pub keep: bool,
}

/// A command line that made sense.
#[derive(Debug)]
pub enum Parsed {
    /// Run or list stories.
    Run(Arguments),
    /// Print the usage.
    Help,
}

impl Arguments {
    /// Reads the words after the program's name.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Parsed, String> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a folder").to_path_buf();
        let mut arguments = Arguments {
            list: false,
            only: Vec::new(),
            clients: Vec::new(),
            tandem: PathBuf::new(),
            home,
            jobs: 2,
            rounds: 6,
            seed: None,
            address: None,
            keep: false,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--list" => arguments.list = true,
                "--only" => arguments.only.push(value()?),
                "--client" => {
                    let text = value()?;
                    let version = ClientVersion::parse(&text).ok_or_else(|| {
                        format!("unknown client {text:?}: use 4.9.8, 5.5.0, mqadmin, go, rust or mixed")
                    })?;
                    arguments.clients.push(version);
                }
                "--tandem" => arguments.tandem = value()?.into(),
                "--home" => arguments.home = value()?.into(),
                "--jobs" => arguments.jobs = at_least_one("--jobs", &value()?)?,
                "--rounds" => arguments.rounds = at_least_one("--rounds", &value()?)? as u32,
                "--seed" => {
                    let text = value()?;
                    let seed = text.parse().map_err(|_| format!("--seed needs a whole number, not {text:?}"))?;
                    arguments.seed = Some(seed);
                }
                "--addr" => arguments.address = Some(value()?),
                "--keep" => arguments.keep = true,
                "--help" | "-h" => return Ok(Parsed::Help),
                _ => return Err(format!("unknown option {word:?}")),
            }
        }
        if arguments.tandem.as_os_str().is_empty() {
            arguments.tandem = built_binary(&arguments.home);
        }
        Ok(Parsed::Run(arguments))
    }
}

fn at_least_one(option: &str, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{option} needs a number above 0, not {text:?}")),
    }
}

/// The release binary if there is one, else the debug one, whether or not it exists.
fn built_binary(home: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| home.join("../target"), PathBuf::from);
    let release = target.join("release/tandem");
    if release.exists() { release } else { target.join("debug/tandem") }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Parsed};
    use crate::stories::ClientVersion;

    fn parse(words: &[&str]) -> Result<Parsed, String> {
        Arguments::parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn options_may_be_repeated_where_they_name_things() {
        let words = ["--only", "shop", "--only", "kill", "--client", "4.9.8", "--client", "go", "--rounds", "50"];
        let Ok(Parsed::Run(arguments)) = parse(&words) else { panic!("refused") };
        assert_eq!(arguments.only, ["shop", "kill"]);
        assert_eq!(arguments.clients, [ClientVersion::Java498, ClientVersion::Go]);
        assert_eq!(arguments.rounds, 50);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_word_that_makes_none() {
        for (words, reason) in [
            (&["--jobs", "0"][..], "--jobs needs a number above 0, not \"0\""),
            (&["--client", "5.3.3"], "unknown client \"5.3.3\": use 4.9.8, 5.5.0, mqadmin, go, rust or mixed"),
            (&["--seed", "x"], "--seed needs a whole number, not \"x\""),
            (&["--only"], "--only needs a value"),
            (&["shop"], "unknown option \"shop\""),
        ] {
            assert_eq!(parse(words).err().as_deref(), Some(reason));
        }
    }
}
