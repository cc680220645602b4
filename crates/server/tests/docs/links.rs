//! Links: every one leads to a file, a heading, or a test of that name.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::page::{self, Page, read, root};

/// One link of a page.
pub struct Link {
    /// Page and line.
    pub place: String,
    /// What one reads.
    pub text: String,
    /// Where it leads.
    pub target: String,
}

/// The links of a page's prose.
pub fn links(page: &Page) -> Vec<Link> {
    let mut found = Vec::new();
    for (number, line) in &page.prose {
        for (at, _) in line.match_indices("](") {
            let text = line[..at].rsplit_once('[').map_or("", |(_, text)| text);
            let target = line[at + 2..].split_once(')').map_or("", |(target, _)| target);
            let place = format!("{}:{number}", page.path.display());
            assert!(!target.is_empty(), "{place}: a link that is not closed");
            found.push(Link { place, text: text.to_owned(), target: target.to_owned() });
        }
    }
    found
}

/// The target of a link as a path from the root, without what stands behind `#`.
pub fn file_of(page: &Page, link: &Link) -> PathBuf {
    let target = link.target.split('#').next().unwrap_or_default();
    if target.is_empty() {
        return page.path.clone();
    }
    let mut path = PathBuf::new();
    for part in page.path.parent().unwrap_or(Path::new("")).join(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {target} leads out of the repository", link.place),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

/// A heading as the part behind `#` names it: letters, digits and hyphens.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

fn anchors(path: &Path) -> BTreeSet<String> {
    let page = page::page(path);
    page.prose
        .iter()
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| anchor(line.trim_start_matches('#')))
        .collect()
}

/// Whether a file has a test, or a story, of this name.
pub fn proves(path: &Path, name: &str) -> bool {
    let text = read(path);
    let lines: Vec<&str> = text.lines().collect();
    let function = format!("fn {name}(");
    let is_attribute = |line: &&str| line.contains("test]") || line.contains("tokio::test(");
    let is_test = |at: usize| lines[at.saturating_sub(4)..at].iter().any(is_attribute);
    let test = lines.iter().enumerate().any(|(at, line)| line.contains(&function) && is_test(at));
    test || text.contains(&format!("name: \"{name}\","))
}

/// What a link names as a proof: a test in a file of Rust.
pub fn proof(page: &Page, link: &Link) -> Option<(PathBuf, String)> {
    let name = link.text.strip_prefix('`')?.strip_suffix('`')?;
    let path = file_of(page, link);
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    (is_rust && is_name).then(|| (path, name.to_owned()))
}

#[test]
fn every_link_leads_somewhere_and_every_test_it_names_exists() {
    let (mut wrong, mut proofs) = (Vec::new(), 0);
    for page in page::all().into_iter().chain(page::others()) {
        for link in links(&page) {
            if link.target.starts_with("http://") || link.target.starts_with("https://") {
                continue;
            }
            let path = file_of(&page, &link);
            if !root().join(&path).exists() {
                wrong.push(format!("{}: there is no {}", link.place, path.display()));
                continue;
            }
            if let Some((_, heading)) = link.target.split_once('#')
                && !anchors(&path).contains(heading)
            {
                wrong.push(format!("{}: {} has no heading {heading:?}", link.place, path.display()));
            }
            if let Some((path, name)) = proof(&page, &link) {
                proofs += 1;
                if !proves(&path, &name) {
                    wrong.push(format!("{}: {} has no test or story {name:?}", link.place, path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(proofs > 30, "only {proofs} tests are named");
}

#[test]
fn every_file_in_backticks_exists() {
    let mut wrong = Vec::new();
    for page in page::all().into_iter().chain(page::others()) {
        for (number, line) in &page.prose {
            for word in page::quoted(line) {
                let known =
                    ["crates/", "docs/", "interop/", "sim/", "bench/"].iter().any(|folder| word.starts_with(folder));
                if known && !word.contains(['*', ' ', '<']) && !root().join(word).exists() {
                    wrong.push(format!("{}:{number}: there is no {word}", page.path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
