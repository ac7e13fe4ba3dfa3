//! The contract explains itself: in `proto/` every message, field, call, choice and value has a comment. `buf lint` says so
//! too (its category COMMENTS), where it is installed.

use crate::Complaint;

/// Everything a proto file defines that has no comment right above it, or one that only repeats its name.
pub fn uncommented(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    // What the line stands in, and the comment that ended on the line above.
    let mut around: Vec<String> = Vec::new();
    let mut comment = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("//") {
            comment.push_str(words);
            continue;
        }
        let code = line.split("//").next().unwrap_or_default().trim_end();
        let name = defined(code, !around.is_empty());
        if let Some(name) = name {
            let whole = [&around[..], &[name.to_owned()]].concat().join(".");
            let place = format!("{path}:{number}");
            if comment.trim().is_empty() {
                complaints.push(Complaint::new(place, format!("{whole} has no comment")));
            } else if says_nothing(&comment, name) {
                let words = format!("the comment of {whole} only repeats its name");
                complaints.push(Complaint::new(place, words));
            }
        }
        comment.clear();
        if code.ends_with('{') {
            around.push(name.unwrap_or("option").to_owned());
        } else if code.starts_with('}') {
            around.pop();
        }
    }
    complaints
}

/// The name of what a line begins to define.
fn defined(code: &str, is_inside: bool) -> Option<&str> {
    let (first, rest) = code.split_once(' ')?;
    if ["message", "enum", "service", "oneof", "rpc"].contains(&first) {
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        return Some(&rest[..end.unwrap_or(rest.len())]);
    }
    // A field or a value: `<name> = <number>`, maybe with options behind.
    if !is_inside || ["option", "reserved", "extensions"].contains(&first) {
        return None;
    }
    let (before, after) = code.split_once('=')?;
    let is_number = after
        .trim_start()
        .trim_start_matches('-')
        .starts_with(|digit: char| digit.is_ascii_digit());
    is_number.then(|| before.split_whitespace().last())?
}

/// "The item number." of `item_number`.
fn says_nothing(comment: &str, name: &str) -> bool {
    let plain = |text: &str| {
        let letters = text.chars().filter(|letter| letter.is_alphanumeric());
        letters.collect::<String>().to_lowercase()
    };
    let words = plain(comment);
    let name = plain(name);
    words == name
        || ["the", "a", "an"]
            .iter()
            .any(|article| words == format!("{article}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        uncommented("a.proto", text)
            .into_iter()
            .map(|complaint| complaint.words)
            .collect()
    }

    #[test]
    fn what_explains_itself_is_fine() {
        let text = "syntax = \"proto3\";\npackage a.v1;\n\n// All that may be asked.\nservice Asking {\n  // Asks.\n  rpc Ask(AskRequest) returns (AskResponse);\n}\n\n// What is asked.\nmessage AskRequest {\n  reserved 4;\n  // One of both.\n  oneof by {\n    // Of two\n    // lines.\n    string number = 1;\n    // As a UUID.\n    repeated a.v1.Id id = 2 [deprecated = true];\n  }\n}\n";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn what_has_no_comment_is_named_with_where_it_stands() {
        let text = "service Asking {\n  rpc Ask(AskRequest) returns (AskResponse) {\n    option idempotency_level = NO_SIDE_EFFECTS;\n  }\n}\nmessage AskRequest {\n  oneof by {\n    string number = 1;\n  }\n}\nenum Kind {\n  KIND_UNSPECIFIED = 0;\n}\n";
        let names = [
            "Asking",
            "Asking.Ask",
            "AskRequest",
            "AskRequest.by",
            "AskRequest.by.number",
            "Kind",
            "Kind.KIND_UNSPECIFIED",
        ];
        assert_eq!(
            found(text),
            names.map(|name| format!("{name} has no comment"))
        );
    }

    #[test]
    fn a_comment_belongs_to_the_line_below_it_alone() {
        let text = "// Two codes.\nmessage Codes {\n  // Both of the ERP.\n  string one = 1;\n  string other = 2; // beside\n  // Apart.\n\n  string third = 3;\n  //\n  string fourth = 4;\n}\n";
        let names = ["other", "third", "fourth"];
        assert_eq!(
            found(text),
            names.map(|name| format!("Codes.{name} has no comment"))
        );
    }

    #[test]
    fn a_comment_that_repeats_the_name_is_none() {
        let text = "// What is asked.\nmessage Question {\n  // The item number.\n  string item_number = 1;\n  // The item number, as the ERP has it.\n  string number = 2;\n}\n";
        assert_eq!(
            found(text),
            ["the comment of Question.item_number only repeats its name"]
        );
    }
}
