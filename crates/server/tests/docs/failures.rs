//! Pages about failures: each says the same four things, in the same order.

use crate::links::{links, proof};
use crate::page::{self, Page};

const HEADINGS: [&str; 4] = ["## What you see", "## What Tandem does, and when", "## What you must do", "## The proof"];

fn failures() -> Vec<Page> {
    let pages = page::all().into_iter();
    let failures: Vec<Page> = pages
        .filter(|page| page.path.starts_with("docs/guide/what-happens-when") && !page.path.ends_with("README.md"))
        .collect();
    assert!(failures.len() >= 12, "only {} pages about failures", failures.len());
    failures
}

#[test]
fn every_page_about_a_failure_says_what_one_sees_what_happens_what_to_do_and_which_test_proves_it() {
    for page in failures() {
        let name = page.path.display();
        let headings: Vec<&str> =
            page.prose.iter().map(|(_, line)| line.as_str()).filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{name}");
        let proofs = links(&page).iter().filter(|link| proof(&page, link).is_some()).count();
        assert!(proofs > 0, "{name} names no test");
    }
}

#[test]
fn the_list_of_failures_leads_to_every_page() {
    let list = page::page("docs/guide/what-happens-when/README.md".as_ref());
    let listed: Vec<String> = links(&list).into_iter().map(|link| link.target).collect();
    for page in failures() {
        let file = page.path.file_name().expect("a file").to_string_lossy().into_owned();
        assert!(listed.contains(&file), "{file} is not in the list");
    }
}
