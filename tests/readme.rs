//! The documents: what the README says of layers and formats is what the code reads, and what is printed can be pasted.

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

/// The lines of a document's blocks of shell commands.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("\n```sh\n").skip(1);
    blocks.flat_map(|block| block.split("\n```").next().unwrap_or_default().lines())
}

#[test]
fn commands_can_be_pasted_into_any_shell() {
    let mut documents = vec![
        file("README.md"),
        file("CONTRIBUTING.md"),
        file("compose/README.md"),
    ];
    let docs = fs::read_dir(file("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    documents.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    let mut seen = 0;
    for path in documents {
        for command in commands(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            // To zsh, which macOS has, a comment is more words, and what stands in backticks is run.
            let commented = command.starts_with('#') || command.contains(" #");
            // Neither curl 7.81, which Ubuntu 22.04 has, nor older ones know --json.
            let too_new = command.starts_with("curl") && command.contains("--json");
            assert!(!commented && !too_new, "{}: {command}", path.display());
        }
    }
    assert!(seen > 20, "{seen} commands");
}
