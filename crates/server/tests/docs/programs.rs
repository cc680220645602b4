//! Programs: pages quote files that are built and run by other tests, word for word.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use crate::broker::{said, tandem};
use crate::page::{self, Block, read};

/// Languages whose blocks are quotations; the word behind the language is the file.
const QUOTED: [&str; 4] = ["java", "go", "rust", "properties"];

/// Where the programs of `tandem snippet` lie. The interop suite builds and runs them: stories `snippet-*`.
const SNIPPETS: &str = "crates/server/src/cli/snippets/";

/// Every language that a block may be in. Those that are not quotations are held to something elsewhere.
const LANGUAGES: [&str; 9] = ["java", "go", "rust", "properties", "console", "sh", "toml", "sql", "text"];

/// What stands for lines left out.
fn is_gap(line: &str) -> bool {
    matches!(line.trim(), "// ..." | "# ...")
}

/// Tells what is not in the file as it is quoted. Indentation does not count.
fn misquoted(block: &Block, file: &str) -> Option<String> {
    let source: Vec<&str> = file.lines().map(str::trim).collect();
    let mut from = 0;
    for piece in block.lines.split(|line| is_gap(line)) {
        let piece: Vec<&str> = piece.iter().map(|line| line.trim()).collect();
        let start = piece.iter().position(|line| !line.is_empty()).unwrap_or(0);
        let end = piece.iter().rposition(|line| !line.is_empty()).map_or(start, |at| at + 1);
        let piece = &piece[start..end];
        if piece.is_empty() {
            continue;
        }
        match source[from..].windows(piece.len()).position(|lines| lines == piece) {
            Some(at) => from += at + piece.len(),
            None => return Some(piece.join("\n")),
        }
    }
    None
}

#[test]
fn every_program_shown_is_a_quotation_of_one_that_is_run_by_other_tests() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for block in page::all().iter().flat_map(|page| &page.blocks) {
        assert!(LANGUAGES.contains(&block.language.as_str()), "{}: what is {:?}?", block.place, block.language);
        if !QUOTED.contains(&block.language.as_str()) {
            continue;
        }
        let [path] = &block.words[..] else { panic!("{}: the fence does not name the file", block.place) };
        count += 1;
        if let Some(piece) = misquoted(block, &read(Path::new(path))) {
            wrong.push(format!("{}: {path} does not have, there or at all:\n{piece}", block.place));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
    assert!(count > 8, "only {count} quotations");
}

#[test]
fn what_is_quoted_from_our_programs_is_what_the_command_line_prints() {
    let mut seen = BTreeSet::new();
    for block in page::all().iter().flat_map(|page| &page.blocks).filter(|block| QUOTED.contains(&&*block.language)) {
        let Some((language, name)) = block.words[0].strip_prefix(SNIPPETS).and_then(|path| path.split_once('/')) else {
            continue;
        };
        let printed: Json = serde_json::from_str(&said(&tandem(&["--json", "snippet", language]))).expect("JSON");
        let files = printed["files"].as_array().unwrap_or_else(|| panic!("no files in {printed}"));
        let file = files.iter().find(|file| file["path"].as_str().is_some_and(|path| path.ends_with(name)));
        let file = file.unwrap_or_else(|| panic!("{}: tandem snippet {language} has no {name}", block.place));
        assert_eq!(file["text"], read(Path::new(&block.words[0])), "{}", block.place);
        seen.insert(language.to_owned());
    }
    assert_eq!(seen, ["go", "java", "rust", "spring"].map(str::to_owned).into(), "languages of the guide");
}

#[test]
fn both_readmes_show_the_same_commands_and_programs() {
    let blocks = |path: &str| -> Vec<(String, Vec<String>)> {
        let page = page::page(path.as_ref());
        // Comments are in the language of the page.
        let code = |line: &String| line.split("  #").next().unwrap_or_default().trim_end().to_owned();
        page.blocks.iter().map(|block| (block.language.clone(), block.lines.iter().map(code).collect())).collect()
    };
    assert_eq!(blocks("README.md"), blocks("README.zh-CN.md"));
}
