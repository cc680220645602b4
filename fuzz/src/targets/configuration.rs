use std::hint::black_box;

use crate::config::keys::KEYS;
use crate::config::relations;
use crate::config::{Config, ConfigError, Loaded, Loader, reference};

/// Reads a `tandem.toml`. What is taken has a source for each key and holds together; what is refused says why, and where.
pub fn file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut loader = Loader::new();
    loader.file_text("tandem.toml", text);
    judge(text, loader.finish());
}

/// Reads one `--set key=value` per line.
pub fn setting(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut loader = Loader::new();
    text.lines().for_each(|argument| loader.set(argument));
    judge(text, loader.finish());
}

fn judge(text: &str, outcome: Result<Loaded, ConfigError>) {
    match outcome {
        Ok(loaded) => {
            assert!(relations::broken(&loaded.config).is_empty(), "what is taken holds together");
            drop(relations::cautions(&loaded.config));
            let said: String =
                loaded.keys().map(|(key, source)| format!("{} {source}", key.shown(&loaded.config))).collect();
            assert!(!said.is_empty());
            // What is taken can be written down and is taken again.
            let mut again = Loader::new();
            for key in KEYS {
                let shown = key.shown(&loaded.config);
                again.file_text("again", &format!("[{}]\n{} = {shown}\n", key.section(), key.short_name()));
            }
            let again = again.finish().unwrap_or_else(|error| panic!("of {text:?}, what is shown is refused: {error}"));
            assert_eq!(again.config, loaded.config);
        }
        Err(error) => {
            assert!(!error.problems.is_empty(), "refused without a reason");
            black_box(error.to_string());
            for problem in &error.problems {
                assert!(!problem.message.is_empty() && !problem.advice.is_empty(), "{problem:?}");
            }
        }
    }
}

/// The reference file, whose keys are switched on.
pub(crate) fn reference_switched_on() -> String {
    reference::render().lines().map(|line| format!("{}\n", switched_on(line))).collect()
}

fn switched_on(line: &str) -> &str {
    line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && rest.contains(" = ")).unwrap_or(line)
}

/// Every key with its default, as `--set` takes it.
pub(crate) fn default_settings() -> Vec<String> {
    let defaults = Config::default();
    KEYS.iter().map(|key| format!("{}={}", key.name, key.shown(&defaults).trim_matches('"'))).collect()
}
