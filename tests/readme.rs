//! What the README says of layers and formats is what the code reads.

mod support;

use std::fs;

use kiln::keras::supported_markdown;
use support::file;

const BEGIN: &str = "<!-- layers: from the code; UPDATE_README=1 cargo test --test readme -->\n";
const END: &str = "<!-- layers end -->\n";

#[test]
fn the_readme_lists_every_layer_and_format_that_is_read() {
    let path = file("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the list's beginning");
    let (list, after) = rest.split_once(END).expect("the list's end");
    let expected = supported_markdown();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        assert!(
            list == expected,
            "run UPDATE_README=1 cargo test --test readme"
        );
    }
}
