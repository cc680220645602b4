//! From defaults, file, environment, `--set` and flags to one [`Config`], remembering where each value came from.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use super::Config;
use super::file::{self, advice_for_unknown};
use super::keys::{KEYS, Key, SECTIONS};
use super::kind::Raw;
use super::problem::{ConfigError, Place, Problem};
use super::relations;
use super::suggest;
use super::value::Value;

/// Variables that begin like a key's but belong to the command line.
const OTHER_VARIABLES: [&str; 2] = ["TANDEM_ADDR", "TANDEM_CONFIG"];

/// Where a value came from. A later variant goes before an earlier one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A line of a file.
    File {
        /// The file as it was named.
        path: String,
        /// The line, from 1.
        line_nr: usize,
    },
    /// An environment variable.
    Environment(String),
    /// `--set key=value`; the last one counts.
    Set,
    /// A flag of its own.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line_nr } => write!(f, "{path}:{line_nr}"),
            Source::Environment(variable) => f.write_str(variable),
            Source::Set => f.write_str("--set"),
            Source::Flag(flag) => f.write_str(flag),
        }
    }
}

impl Source {
    fn rank(&self) -> u8 {
        match self {
            Source::Default => 0,
            Source::File { .. } => 1,
            Source::Environment(_) => 2,
            Source::Set => 3,
            Source::Flag(_) => 4,
        }
    }
}

/// A configuration that may be used, and the source of each value.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// One source per key, in the order of [`KEYS`].
    sources: Vec<Source>,
}

impl Loaded {
    /// Each key with its source, in the order of [`KEYS`].
    pub fn keys(&self) -> impl Iterator<Item = (&'static Key, &Source)> {
        KEYS.iter().zip(&self.sources)
    }
}

/// Gathers settings, in any order, and makes a [`Loaded`] of them.
#[derive(Debug, Default)]
pub struct Loader {
    settings: Vec<Layered>,
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct Layered {
    name: &'static str,
    value: Value,
    place: Option<Place>,
    source: Source,
}

impl Loader {
    /// Nothing but the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a `tandem.toml`. That it cannot be read is a problem like any other.
    pub fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => self.file_text(&name, &text),
            Err(error) => self.problems.push(Problem {
                place: None,
                message: format!("cannot read the configuration file {name:?}: {error}"),
                advice: "name another with --config FILE, or write one: tandem config reference > tandem.toml"
                    .to_owned(),
            }),
        }
    }

    /// Reads the text of a file called `name`.
    pub fn file_text(&mut self, name: &str, text: &str) {
        let (settings, problems) = file::read(name, text);
        self.problems.extend(problems);
        self.settings.extend(settings.into_iter().map(|setting| Layered {
            name: setting.name,
            value: setting.value,
            source: Source::File { path: name.to_owned(), line_nr: setting.place.line_nr.unwrap_or(0) },
            place: Some(setting.place),
        }));
    }

    /// Reads every variable that is a key's: `TANDEM_TRANSACTIONS_CHECK_INTERVAL=3s`.
    ///
    /// A variable that begins with `TANDEM_` and a section's name must be one, and so must one that differs from a
    /// key's by a slip. Others are left alone: scripts and orchestrators have variables of their own.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let known: Vec<(String, &'static Key)> = KEYS.iter().map(|key| (key.variable(), key)).collect();
        let mut variables: Vec<_> = variables
            .into_iter()
            .filter_map(|(name, text)| Some((name.into_string().ok()?, text)))
            .filter(|(name, _)| name.starts_with("TANDEM_"))
            .collect();
        variables.sort();
        for (name, text) in variables {
            let source = format!("environment variable {name}");
            let Some(text) = text.to_str() else {
                if known.iter().any(|(variable, _)| *variable == name) {
                    let place = None;
                    let message = format!("{source} is not valid UTF-8");
                    self.problems.push(Problem { place, message, advice: "write its value in UTF-8".to_owned() });
                }
                continue;
            };
            let line = format!("{name}={text}");
            match known.iter().find(|(variable, _)| *variable == name) {
                Some((_, key)) => {
                    let place = Place::in_argument(&source, &line, name.len() + 1..line.len());
                    self.bare(key, text, place, Source::Environment(name));
                }
                None => {
                    if let Some(advice) =
                        advice_for_variable(&name, known.iter().map(|(variable, _)| variable.as_str()))
                    {
                        // Without its value, which may be somebody's secret.
                        let place = Some(Place::in_argument(&source, &name, 0..name.len()));
                        let message = "no key of the configuration has this name".to_owned();
                        self.problems.push(Problem { place, message, advice });
                    }
                }
            }
        }
    }

    /// Reads `key=value`, the argument of `--set`.
    pub fn set(&mut self, argument: &str) {
        let Some((name, text)) = argument.split_once('=') else {
            let place = Some(Place::in_argument("--set", argument, 0..argument.len()));
            let advice = "expected key=value, such as --set transactions.check_interval=3s".to_owned();
            return self.problems.push(Problem { place, message: "no value is given".to_owned(), advice });
        };
        let trimmed = name.trim();
        match Key::find(trimmed) {
            Some(key) => {
                let place = Place::in_argument("--set", argument, name.len() + 1..argument.len());
                self.bare(key, text, place, Source::Set);
            }
            None => {
                let place = Some(Place::in_argument("--set", argument, 0..name.len()));
                let message = format!("unknown key `{trimmed}`");
                self.problems.push(Problem { place, message, advice: advice_for_unknown(trimmed) });
            }
        }
    }

    /// Sets a key by a flag of its own, which has read the value already.
    pub fn flag(&mut self, flag: &'static str, name: &'static str, value: Value) {
        let line = match Key::find(name) {
            Some(key) if value != Value::Bool(true) => format!("{flag} {}", key.kind.show(&value).trim_matches('"')),
            _ => flag.to_owned(),
        };
        let place = Some(Place::in_argument(flag, &line, line.find(' ').map_or(0, |at| at + 1)..line.len()));
        self.settings.push(Layered { name, value, place, source: Source::Flag(flag) });
    }

    fn bare(&mut self, key: &'static Key, text: &str, place: Place, source: Source) {
        let text = text.trim();
        // Quotes that the shell did not eat, or that were copied from the file.
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        match key.kind.parse(Raw::Bare(text)) {
            Ok(value) => self.settings.push(Layered { name: key.name, value, place: Some(place), source }),
            Err(wrong) => self.problems.push(Problem {
                place: Some(place),
                message: format!("bad value: `{}` {wrong}", key.name),
                advice: format!("expected {}", key.kind.expects()),
            }),
        }
    }

    /// Puts the layers on top of each other and checks the rules between keys.
    ///
    /// # Errors
    /// All problems at once. Rules between keys are checked only when every key by itself is in order.
    pub fn finish(mut self) -> Result<Loaded, ConfigError> {
        if !self.problems.is_empty() {
            return Err(ConfigError { problems: self.problems });
        }
        self.settings.sort_by_key(|setting| setting.source.rank());
        let mut config = Config::default();
        let mut sources = vec![Source::Default; KEYS.len()];
        let mut places: Vec<Option<Place>> = vec![None; KEYS.len()];
        for setting in self.settings {
            let index = index_of(setting.name);
            let fits = (KEYS[index].set)(&mut config, setting.value);
            assert!(fits, "the value of {} is not of its field's type", setting.name);
            sources[index] = setting.source;
            places[index] = setting.place;
        }
        let problems: Vec<_> = relations::broken(&config)
            .into_iter()
            .map(|broken| {
                // Of the keys of a rule, the one set last by the strongest hand is where a person looks. The first of
                // equals, hence the reversal.
                let blamed = broken.keys.iter().map(|name| index_of(name)).rev().max_by_key(|at| sources[*at].rank());
                let place = blamed.and_then(|index| places[index].clone());
                Problem { place, message: broken.message, advice: broken.advice }
            })
            .collect();
        if problems.is_empty() { Ok(Loaded { config, sources }) } else { Err(ConfigError { problems }) }
    }
}

fn index_of(name: &str) -> usize {
    KEYS.iter().position(|key| key.name == name).unwrap_or_else(|| panic!("{name} is no key"))
}

/// What to say about a variable that is no key's; `None` when it is somebody else's.
fn advice_for_variable<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    if OTHER_VARIABLES.contains(&name) || is_service_link(name) {
        return None;
    }
    if let Some(near) = suggest::nearest_within(name, known, 3) {
        return Some(format!("did you mean {near}?"));
    }
    let rest = name.strip_prefix("TANDEM_")?;
    let (section, _) = SECTIONS.iter().find(|(section, _)| {
        let section = section.to_ascii_uppercase();
        rest.strip_prefix(&section).is_some_and(|after| after.is_empty() || after.starts_with('_'))
    })?;
    let keys: Vec<_> = KEYS.iter().filter(|key| key.section() == *section).map(Key::variable).collect();
    Some(format!("the variables of [{section}] are {}", keys.join(", ")))
}

/// Variables that Kubernetes sets in every container for a service called `tandem` or `tandem-server`.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split("_PORT_").nth(1).is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()))
}
