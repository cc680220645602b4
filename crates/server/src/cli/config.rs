//! `tandem config`: check, show and explain.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::args::ConfigCommand;
use super::exit::Exit;
use super::json;
use super::run::{Failure, Screen, Variables, load};
use super::table::{Cell, Table, Tone};
use crate::config::file::advice_for_unknown;
use crate::config::keys::{KEYS, Key, SECTIONS};
use crate::config::load::Source;
use crate::config::value::Value;
use crate::config::{Config, Loaded, Loader, reference, relations};

/// Carries out `tandem config`.
pub fn run(command: ConfigCommand, variables: Variables, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Check { file } => check(&file, screen),
        ConfigCommand::Show(args) => show(&load(&args, variables)?, screen),
        ConfigCommand::Explain { key } => explain(&key, screen),
        ConfigCommand::Reference => {
            write!(screen.out, "{}", reference::render())?;
            Ok(Exit::Ok)
        }
    }
}

/// The file alone, without environment and flags: so it can be checked on another machine than it is for.
fn check(file: &Path, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let mut loader = Loader::new();
    loader.file(file);
    let loaded = loader.finish()?;
    let set = loaded.keys().filter(|(_, source)| **source != Source::Default).count();
    let cautions = relations::cautions(&loaded.config);
    if screen.json {
        let answer = json!({ "file": file.display().to_string(), "keys_set": set, "cautions": cautions });
        json::write(screen.out, &answer)?;
        return Ok(Exit::Ok);
    }
    writeln!(screen.out, "{}: in order; it sets {set} of {} keys", file.display(), KEYS.len())?;
    for caution in cautions {
        writeln!(screen.out, "note: {caution}")?;
    }
    Ok(Exit::Ok)
}

fn show(loaded: &Loaded, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let defaults = Config::default();
    if screen.json {
        let keys: Vec<Json> = loaded
            .keys()
            .map(|(key, source)| {
                json!({
                    "key": key.name,
                    "value": json_value(key, &loaded.config),
                    "default": json_value(key, &defaults),
                    "source": source.to_string(),
                })
            })
            .collect();
        json::write(screen.out, &json!({ "configuration": keys }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["KEY", "VALUE", "SOURCE"]);
    for (key, source) in loaded.keys() {
        let tone = if *source == Source::Default { Tone::Dim } else { Tone::Good };
        table.row(vec![key.name.into(), key.shown(&loaded.config).into(), Cell::toned(source.to_string(), tone)]);
    }
    table.write(screen.out, 0, screen.colours)?;
    Ok(Exit::Ok)
}

/// Numbers and booleans as such, everything else as it stands in a file.
fn json_value(key: &Key, config: &Config) -> Json {
    match (key.get)(config) {
        Value::Bool(value) => json!(value),
        Value::Count(count) => json!(count),
        Value::Text(text) => json!(text),
        Value::Path(path) => json!(path.display().to_string()),
        value => json!(key.kind.show(&value).trim_matches('"')),
    }
}

fn explain(name: &str, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let keys: Vec<&Key> = match Key::find(name) {
        Some(key) => vec![key],
        None if SECTIONS.iter().any(|(section, _)| *section == name) => {
            KEYS.iter().filter(|key| key.section() == name).collect()
        }
        None => return Err(Failure::NotFound(format!("{name:?} is no key; {}", advice_for_unknown(name)))),
    };
    if screen.json {
        let defaults = Config::default();
        let described: Vec<Json> = keys
            .iter()
            .map(|key| {
                json!({
                    "key": key.name,
                    "about": key.about,
                    "change": key.change,
                    "expects": key.kind.expects(),
                    "default": json_value(key, &defaults),
                    "variable": key.variable(),
                })
            })
            .collect();
        json::write(screen.out, &json!({ "keys": described }))?;
        return Ok(Exit::Ok);
    }
    let texts: Vec<String> = keys.into_iter().map(reference::explain).collect();
    write!(screen.out, "{}", texts.join("\n"))?;
    Ok(Exit::Ok)
}
