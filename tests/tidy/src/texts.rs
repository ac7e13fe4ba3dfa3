//! Length, sleeping tests, ignored tests, statements that belong in a `.sql` file.

use crate::Complaint;
use crate::source::{Kind, Piece, pieces};

const LONGEST: usize = 500;

/// A file longer than a person wants to read.
pub fn too_long(path: &str, text: &str) -> Vec<Complaint> {
    let lines = text.lines().count();
    if lines <= LONGEST {
        return Vec::new();
    }
    vec![Complaint::new(
        path,
        format!("{lines} lines; {LONGEST} is the limit, 300 the aim"),
    )]
}

/// `#[ignore]`: such a test shows nothing.
pub fn ignored_tests(path: &str, text: &str) -> Vec<Complaint> {
    let code = code(text);
    code.windows(3)
        .filter(|window| {
            window[0].text == "#" && window[1].text == "[" && window[2].text == "ignore"
        })
        .map(|window| {
            Complaint::new(
                format!("{path}:{}", window[0].line),
                "no test is ignored: fix it, or assert today's behaviour and say why",
            )
        })
        .collect()
}

/// A test that sleeps is slow on a good day and wrong on a bad one.
pub fn sleeps(path: &str, text: &str) -> Vec<Complaint> {
    let code = code(text);
    let tests_begin = if is_test_file(path) {
        Some(0)
    } else {
        beginning_of_tests(&code)
    };
    let Some(begin) = tests_begin else {
        return Vec::new();
    };
    code[begin..]
        .windows(2)
        .filter(|window| {
            ["sleep", "sleep_until"].contains(&window[0].text) && window[1].text == "("
        })
        .map(|window| {
            Complaint::new(
                format!("{path}:{}", window[0].line),
                "a test does not sleep: wait for a condition with a deadline, or move the clock",
            )
        })
        .collect()
}

/// The rig and the benches are tools, not tests.
fn is_test_file(path: &str) -> bool {
    let in_crate =
        path.starts_with("crates/") && (path.contains("/tests/") || path.ends_with("/tests.rs"));
    in_crate
        || path.starts_with("tests/stories/")
        || (path.starts_with("tests/") && path.split('/').nth(2) == Some("tests"))
}

/// Tests stand at the end of a file, behind `#[cfg(test)] mod …`.
fn beginning_of_tests(code: &[Piece<'_>]) -> Option<usize> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    code.windows(mark.len()).position(|window| {
        window
            .iter()
            .zip(mark)
            .all(|(piece, text)| piece.text == text)
    })
}

/// SQL over several lines inside an adapter. (A test's statement is read with the test.)
pub fn long_statements(path: &str, text: &str) -> Vec<Complaint> {
    if is_test_file(path) {
        return Vec::new();
    }
    const VERBS: [&str; 7] = [
        "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "WITH ", "ALTER ",
    ];
    let is_statement = |piece: &Piece<'_>| {
        let words = piece.text.trim_start_matches(['r', '#', '"']).trim_start();
        piece.kind == Kind::Literal
            && VERBS.iter().any(|verb| words.starts_with(verb))
            && piece.text.contains('\n')
    };
    pieces(text)
        .iter()
        .filter(|piece| is_statement(piece))
        .map(|piece| {
            Complaint::new(
                format!("{path}:{}", piece.line),
                "SQL longer than one line stands in a .sql file beside its adapter",
            )
        })
        .collect()
}

/// A target of the Makefile that `make help` does not explain.
pub fn unexplained_targets(makefile: &str) -> Vec<Complaint> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
    };
    makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, rest)| is_name(name) && !rest.contains("## "))
        .map(|(name, _)| {
            Complaint::new(
                "Makefile",
                format!("target {name} has no `## explanation` for `make help`"),
            )
        })
        .collect()
}

fn code(text: &str) -> Vec<Piece<'_>> {
    pieces(text)
        .into_iter()
        .filter(|piece| matches!(piece.kind, Kind::Word | Kind::Mark))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_hundred_lines_are_enough() {
        assert_eq!(too_long("a.rs", &"x\n".repeat(500)), []);
        assert_eq!(too_long("a.rs", &"x\n".repeat(501)).len(), 1);
    }

    #[test]
    fn an_ignored_test_is_found_and_a_word_in_a_comment_is_not() {
        assert_eq!(
            ignored_tests("a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}").len(),
            1
        );
        assert_eq!(ignored_tests("a.rs", "// no #[ignore] here"), []);
    }

    #[test]
    fn only_tests_must_not_sleep() {
        let text = "fn retry() { sleep(pause); }\n#[cfg(test)]\nmod tests { fn t() { tokio::time::sleep(x); } }";
        assert_eq!(
            sleeps("crates/erp/src/retry.rs", text),
            [Complaint::new(
                "crates/erp/src/retry.rs:3",
                sleeps("crates/erp/src/retry.rs", text)[0].words.clone()
            )]
        );
        assert_eq!(
            sleeps("crates/erp/tests/it/main.rs", "fn a() { thread::sleep(x) }").len(),
            1
        );
        assert_eq!(
            sleeps("tests/rig/src/patience.rs", "fn a() { sleep(x) }"),
            []
        );
    }

    #[test]
    fn a_target_without_an_explanation_is_found() {
        let makefile = ".PHONY: a b\na: ## does a\n\tcargo a: b\nb:\n\tcargo b\nX := y";
        let found = unexplained_targets(makefile);
        assert_eq!(found.len(), 1);
        assert!(found[0].words.contains("target b"));
    }

    #[test]
    fn a_long_statement_belongs_in_a_file() {
        assert_eq!(
            long_statements("a.rs", "query(\"SELECT a\n FROM b\")").len(),
            1
        );
        assert_eq!(long_statements("a.rs", "query(\"SELECT a FROM b\")"), []);
        assert_eq!(long_statements("a.rs", "say(\"Select one\nor two\")"), []);
    }
}
