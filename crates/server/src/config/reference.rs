//! The reference file `tandem.toml` and the explanation of one key, both from the table of keys.

use super::Config;
use super::keys::{KEYS, Key, SECTIONS};

/// Columns of the reference file's prose.
const WIDTH: usize = 110;

/// The reference file: every key, documented, with its default, switched off by a `#`.
pub fn render() -> String {
    let defaults = Config::default();
    let mut text = String::from(
        "# Configuration of Tandem: every key, its meaning, its range and its default.\n\
         #\n\
         # Nothing needs to be configured. To change a key, take away the # in front of it.\n\
         # An unknown key, an unknown section or a value out of range refuses to start, and says where it is.\n\
         #\n\
         # What counts, from weak to strong: the default, this file (tandem serve --config FILE), the environment\n\
         # (TANDEM_TRANSACTIONS_CHECK_INTERVAL=3s), --set transactions.check_interval=3s, a flag such as --data.\n\
         # `tandem config check FILE` tells whether a file is in order, `tandem config show` what counts and why,\n\
         # `tandem config explain KEY` what stands here about one key.\n\
         #\n\
         # Durations are whole numbers with a unit: ms, s, m, h, d, also one behind the other: \"1h30m\".\n\
         # Sizes are whole numbers with a unit: B, KiB, MiB, GiB, TiB; without one they count bytes.\n",
    );
    for (section, about) in SECTIONS {
        text.push_str("\n\n");
        for line in about.lines() {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("[{section}]\n"));
        for key in KEYS.iter().filter(|key| key.section() == *section) {
            text.push('\n');
            let change = format!("Change: {}", key.change);
            for paragraph in [key.about.to_owned(), change, format!("Value: {}.", key.kind.expects())] {
                for line in wrap(&paragraph, WIDTH) {
                    text.push_str(&format!("# {line}\n"));
                }
            }
            text.push_str(&format!("#{} = {}\n", key.short_name(), key.shown(&defaults)));
        }
    }
    text
}

/// What `tandem config explain` says about one key.
pub fn explain(key: &Key) -> String {
    let shown = key.shown(&Config::default());
    let rows = [
        ("what", key.about.to_owned()),
        ("change", key.change.to_owned()),
        ("value", key.kind.expects()),
        ("default", shown.clone()),
        ("in a file", format!("[{}] {} = {shown}", key.section(), key.short_name())),
        ("environment", format!("{}={}", key.variable(), shown.trim_matches('"'))),
        ("argument", format!("--set {}={}", key.name, shown.trim_matches('"'))),
    ];
    let mut text = format!("{}\n", key.name);
    for (label, value) in rows {
        for (nr, line) in wrap(&value, WIDTH - 15).iter().enumerate() {
            text.push_str(&format!("  {:<11}  {line}\n", if nr == 0 { label } else { "" }));
        }
    }
    text
}

/// Breaks a paragraph into lines of at most `width` characters; a longer word has a line of its own.
fn wrap(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
