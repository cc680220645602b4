//! Programs: pages quote files that are built and run by other tests, word for word.

use std::path::Path;

use crate::page::{self, Block, read};

/// Languages whose blocks are quotations; the word behind the language is the file.
const QUOTED: [&str; 4] = ["java", "go", "rust", "properties"];

/// Every language that a block may be in. Those that are not quotations are held to something elsewhere, `text` is not.
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
fn both_readmes_show_the_same_commands_and_programs() {
    let blocks = |path: &str| -> Vec<(String, Vec<String>)> {
        let page = page::page(path.as_ref());
        // Comments are in the language of the page.
        let code = |line: &String| line.split("  #").next().unwrap_or_default().trim_end().to_owned();
        page.blocks.iter().map(|block| (block.language.clone(), block.lines.iter().map(code).collect())).collect()
    };
    assert_eq!(blocks("README.md"), blocks("README.zh-CN.md"));
}
