//! The picture of the demo: drawn from what the program prints, and not from what it printed once.

use crate::broker::{said, tandem};
use crate::page::read;
use crate::shown::without_numbers;

/// The words of a picture, in the order in which they are drawn, without blanks: a line may be drawn as two.
fn words(svg: &str) -> String {
    let texts = svg.split("<text").skip(1).filter_map(|text| text.split_once('>')?.1.split_once("</text>"));
    let joined: String =
        texts.map(|(text, _)| text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")).collect();
    bare(&joined)
}

fn bare(text: &str) -> String {
    without_numbers(&text.split_whitespace().collect::<String>())
}

#[test]
fn the_picture_of_the_demo_has_the_words_of_the_program() {
    let picture = words(&read("docs/images/demo.svg".as_ref()));
    let output = tandem(&["demo", "--for", "1s", "--seed", "7", "--faults", "none"]);
    let said = said(&output);
    // What differs with the faults is in other lines.
    let lines: Vec<&str> = ["broker ", "shop ", "  time ", "verdict ", "next "]
        .iter()
        .map(|begins| {
            said.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("no {begins:?} in:\n{said}"))
        })
        .collect();
    for line in lines {
        // The directory's name is another one each time.
        let line = line.split("   data ").next().unwrap_or_default();
        assert!(picture.contains(&bare(line)), "docs/images/demo.svg has no {line:?}: run docs/images/make");
    }
}
