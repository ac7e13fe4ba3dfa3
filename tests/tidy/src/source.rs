//! Rust source, cut into code, comments and literals: enough of the lexer that no rule trips over a word in a comment.

/// A piece of a source file and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    Mark,
    Literal,
    Comment,
}

/// The pieces of a file in order, without white space.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut rest = text;
    let mut line = 1;
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (kind, length) = measure(rest, first);
        let (text, after) = rest.split_at(length);
        if let Some(kind) = kind {
            found.push(Piece { kind, text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

fn measure(rest: &str, first: char) -> (Option<Kind>, usize) {
    if first.is_whitespace() {
        return (None, first.len_utf8());
    }
    if rest.starts_with("//") {
        return (Some(Kind::Comment), rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Some(Kind::Comment), block_comment(rest));
    }
    let prefix = ["br", "cr", "b", "c", "r"].iter().find(|prefix| {
        let after = rest.strip_prefix(**prefix).unwrap_or_default();
        after.starts_with('"')
            || (prefix.ends_with('r')
                && after.trim_start_matches('#').starts_with('"')
                && after.starts_with('#'))
    });
    if let Some(prefix) = prefix {
        let length = prefix.len();
        return (
            Some(Kind::Literal),
            length
                + if prefix.ends_with('r') {
                    raw_string(&rest[length..])
                } else {
                    string(&rest[length..])
                },
        );
    }
    if first == '"' {
        return (Some(Kind::Literal), string(rest));
    }
    if first == '\'' {
        return character_or_lifetime(rest);
    }
    if first.is_alphanumeric() || first == '_' {
        let end = rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .unwrap_or(rest.len());
        return (Some(Kind::Word), end);
    }
    (Some(Kind::Mark), first.len_utf8())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> usize {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    rest[hashes + 1..]
        .find(&end)
        .map_or(rest.len(), |at| hashes + 1 + at + end.len())
}

fn character_or_lifetime(rest: &str) -> (Option<Kind>, usize) {
    let mut letters = rest.char_indices().skip(1);
    match (letters.next(), letters.next()) {
        (Some((_, '\\')), Some(_)) => {
            let end = rest[3..].find('\'').map_or(rest.len(), |at| at + 4);
            (Some(Kind::Literal), end)
        }
        (Some(_), Some((at, '\''))) => (Some(Kind::Literal), at + 1),
        _ => (Some(Kind::Mark), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        pieces(text)
            .into_iter()
            .filter(|piece| piece.kind == Kind::Word)
            .map(|piece| piece.text)
            .collect()
    }

    #[test]
    fn words_in_comments_and_literals_are_no_words() {
        let text =
            "let a = \"b \\\" c\"; // d\n/* e /* f */ g */ h(r#\"i \" j\"#, 'k', '\\'', b\"l\");";
        assert_eq!(words(text), ["let", "a", "h"]);
    }

    #[test]
    fn a_lifetime_is_not_the_beginning_of_a_literal() {
        assert_eq!(
            words("fn f<'a>(x: &'a str) -> &'static str"),
            ["fn", "f", "a", "x", "a", "str", "static", "str"]
        );
    }

    #[test]
    fn every_piece_knows_its_line() {
        let lines: Vec<usize> = pieces("a\n\"x\ny\"\nb")
            .iter()
            .map(|piece| piece.line)
            .collect();
        assert_eq!(lines, [1, 2, 4]);
    }
}
