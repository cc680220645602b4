//! `docs/compatibility.md` says of every request what the code does with it.

use std::collections::BTreeMap;

use protocol::codes::RequestCode;
use remoting::REQUESTS;

const DOC: &str = include_str!("../../../docs/compatibility.md");

/// What the broker asks clients, and nobody asks it.
const PUSHED: [i32; 5] = [39, 40, 220, 221, 326];

struct Row {
    name: &'static str,
    status: &'static str,
    how: &'static str,
}

fn rows() -> BTreeMap<i32, Row> {
    let mut rows = BTreeMap::new();
    let requests = DOC.split_once("\n## Requests\n").expect("a section about requests").1;
    for line in requests.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, code, name, status, how, _] = cells[..] else { continue };
        let Ok(code) = code.parse() else { continue };
        assert!(rows.insert(code, Row { name, status, how }).is_none(), "{code} is there twice");
    }
    rows
}

#[test]
fn every_request_has_a_row_that_says_what_the_code_does() {
    let rows = rows();
    for code in RequestCode::ALL {
        let row = rows.get(&code.code()).unwrap_or_else(|| panic!("{code} has no row"));
        assert_eq!(row.name, code.name());
    }
    for (code, row) in &rows {
        let served = REQUESTS.iter().find(|kind| kind.code == *code);
        match row.status {
            "works" => assert!(served.is_some(), "{code} is not served"),
            "differs" => {
                assert!(served.is_some() && !row.how.is_empty(), "{code} is not served, or differs in silence")
            }
            "pushed" => assert!(served.is_none() && PUSHED.contains(code), "{code} is not pushed"),
            "not supported" => assert!(served.is_none() && !PUSHED.contains(code), "{code} is served"),
            other => panic!("{code}: {other:?} is no status"),
        }
    }
    for kind in REQUESTS {
        assert_eq!(rows.get(&kind.code).map(|row| row.name), Some(kind.name()), "{kind:?}");
    }
}

#[test]
fn the_rows_are_in_order_of_their_codes() {
    let codes = DOC.split_once("\n## Requests\n").unwrap().1.lines();
    let codes: Vec<i32> = codes.filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
    assert!(codes.len() > 100 && codes.is_sorted(), "{codes:?}");
}
