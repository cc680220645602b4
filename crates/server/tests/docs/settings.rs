//! Settings: every key that is named exists, has the default that is told, and every file of them is in order.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::broker::{complained, said, tandem};
use crate::page;

/// What counts without a configuration, as a person writes it: `30s`, `15`, `disk`.
fn defaults() -> BTreeMap<String, String> {
    let shown: Json = serde_json::from_str(&said(&tandem(&["config", "show", "--json"]))).expect("JSON");
    let rows = shown["configuration"].as_array().unwrap_or_else(|| panic!("no configuration in {shown}"));
    let word = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    rows.iter().map(|row| (word(&row["key"]), word(&row["default"]))).collect()
}

fn sections(defaults: &BTreeMap<String, String>) -> Vec<&str> {
    defaults.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect()
}

#[test]
fn every_setting_named_exists_and_has_the_default_that_is_told() {
    let defaults = defaults();
    let sections = sections(&defaults);
    let (mut wrong, mut told) = (Vec::new(), 0);
    for page in page::all().into_iter().chain(page::others()) {
        for (number, line) in &page.prose {
            let place = format!("{}:{number}", page.path.display());
            let parts: Vec<&str> = line.split('`').collect();
            for at in (1..parts.len()).step_by(2) {
                let name = parts[at].split(['=', ' ']).next().unwrap_or_default();
                let Some((section, key)) = name.split_once('.') else { continue };
                if !sections.contains(&section) || key.is_empty() || key == "rs" {
                    continue;
                }
                let Some(default) = defaults.get(name) else {
                    wrong.push(format!("{place}: there is no setting {name}"));
                    continue;
                };
                // `key` (default X)
                let behind = parts.get(at + 1).and_then(|text| text.strip_prefix(" (default "));
                let behind = behind.and_then(|text| text.split([')', ',', ';']).next());
                if let Some(claimed) = behind {
                    told += 1;
                    if claimed != default {
                        wrong.push(format!("{place}: the default of {name} is {default}, not {claimed}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(told > 10, "only {told} defaults are told");
}

#[test]
fn every_configuration_shown_is_in_order() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut count = 0;
    for block in page::all().iter().flat_map(|page| &page.blocks).filter(|block| block.language == "toml") {
        let path = directory.path().join("tandem.toml");
        std::fs::write(&path, block.lines.join("\n")).expect("a file");
        let output = tandem(&["config", "check", &path.display().to_string()]);
        assert!(output.status.success(), "{}: {}", block.place, complained(&output));
        count += 1;
    }
    assert!(count > 0, "no configuration is shown");
}
