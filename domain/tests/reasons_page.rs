//! `docs/reasons.md` has a row for every reason, in the order of the enum, with the same words.

use countersign_domain::reason::Reason;

const PAGE: &str = include_str!("../../docs/reasons.md");

/// The rows of the page's tables, as their cells.
fn rows() -> Vec<Vec<&'static str>> {
    PAGE.lines()
        .filter(|line| line.starts_with("| <a id="))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// A code, and the anchor that problem documents point at.
fn first_cell(code: &str) -> String {
    format!("<a id=\"{code}\"></a>`{code}`")
}

#[test]
fn the_page_has_the_reasons_of_the_enum_and_no_others() {
    let page: Vec<(String, &str)> = rows().iter().map(|row| (row[0].to_owned(), row[1])).collect();
    let code: Vec<(String, &str)> =
        Reason::ALL.iter().map(|reason| (first_cell(reason.code()), reason.text())).collect();
    for (page, code) in page.iter().zip(&code) {
        assert_eq!(page, code);
    }
    assert_eq!(page.len(), code.len());
}

#[test]
fn every_row_says_what_would_be_right() {
    for row in rows() {
        assert_eq!(row.len(), 3, "{row:?}");
        assert!(row[2].len() > 10 && row[2].ends_with('.'), "{row:?}");
    }
}
