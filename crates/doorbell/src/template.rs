//! Texts with placeholders: `{{key}}`. A placeholder nobody knows is found when the settings are read, not when a shop waits.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use crate::message::{Field, Message};

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// Everything but what RFC 3986 reserves for no purpose.
const IN_URLS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What a header's value may not hold as it is.
const IN_HEADERS: &AsciiSet = &percent_encoding::CONTROLS.add(b'%');

/// How texts are written at their place, so that they stay texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    Url,
    Header,
    Json,
    Xml,
    Form,
    /// As they are.
    Plain,
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// What is wrong with a template; its text is not repeated, it may hold a secret.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    #[error("the placeholder that begins at character {0} has no end (}}}})")]
    NoEnd(usize),
    #[error("the placeholder at character {0} is none of {list}", list = known())]
    Unknown(usize),
}

fn known() -> String {
    Field::ALL.map(|(name, _)| name).join(", ")
}

impl Template {
    /// # Errors
    /// A placeholder without end, or one nobody knows.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(begin) = rest.find(OPEN) {
            let at = text.len() - rest.len() + begin;
            let place = text[..at].chars().count() + 1;
            let inside = &rest[begin + OPEN.len()..];
            let end = inside.find(CLOSE).ok_or(TemplateError::NoEnd(place))?;
            let field = Field::named(inside[..end].trim());
            if begin > 0 {
                pieces.push(Piece::Text(rest[..begin].to_owned()));
            }
            pieces.push(Piece::Field(field.ok_or(TemplateError::Unknown(place))?));
            rest = &inside[end + CLOSE.len()..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    pub(crate) fn has(&self, field: Field) -> bool {
        self.0.contains(&Piece::Field(field))
    }

    /// What stands before the first placeholder.
    pub(crate) fn beginning(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::Field(_)) | None => "",
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    pub(crate) fn fill(&self, message: &Message, escape: Escape) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Field(field) if escape == Escape::Json && field.is_json() => {
                    filled.push_str(&field.of(message));
                }
                Piece::Field(field) => write(&mut filled, &field.of(message), escape),
            }
        }
        filled
    }
}

fn write(filled: &mut String, text: &str, escape: Escape) {
    match escape {
        Escape::Plain => filled.push_str(text),
        Escape::Url | Escape::Form => filled.extend(utf8_percent_encode(text, IN_URLS)),
        Escape::Header => filled.extend(utf8_percent_encode(text, IN_HEADERS)),
        Escape::Json => {
            // With its quotes, which stand in the template already.
            let quoted = serde_json::Value::from(text).to_string();
            filled.push_str(&quoted[1..quoted.len() - 1]);
        }
        Escape::Xml => {
            for character in text.chars() {
                match character {
                    '<' => filled.push_str("&lt;"),
                    '>' => filled.push_str("&gt;"),
                    '&' => filled.push_str("&amp;"),
                    '"' => filled.push_str("&quot;"),
                    '\'' => filled.push_str("&apos;"),
                    control if control.is_control() => {
                        write!(filled, "&#{};", u32::from(control))
                            .expect("writing to a string does not fail");
                    }
                    other => filled.push(other),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(template: &str, escape: Escape) -> String {
        Template::parse(template)
            .unwrap()
            .fill(&Message::awkward(), escape)
    }

    #[test]
    fn every_placeholder_is_filled_and_nothing_else() {
        assert_eq!(
            filled("a { {{position}} }} {{ count }}{{deleted}}", Escape::Plain),
            "a { 1 }} 1false"
        );
    }

    #[test]
    fn a_text_stays_a_text_wherever_it_stands() {
        let json: serde_json::Value = serde_json::from_str(&filled(
            r#"{"key": "{{key}}", "payload": {{payload}}}"#,
            Escape::Json,
        ))
        .unwrap();
        assert_eq!(json["key"], Message::awkward().key);
        assert_eq!(
            filled("{{key}}", Escape::Xml),
            "&quot;&apos;&lt;&gt;&amp;/\\ {{key}} &#10; ü"
        );
        let url = filled("{{key}}", Escape::Url);
        assert!(url.starts_with("%22%27%3C%3E%26%2F%5C%20"), "{url}");
        let header = filled("{{key}}", Escape::Header);
        assert!(header.is_ascii() && !header.contains('\n'), "{header}");
    }

    #[test]
    fn a_broken_template_says_where() {
        assert_eq!(Template::parse("ü {{key"), Err(TemplateError::NoEnd(3)));
        let unknown = Template::parse("{{key}}{{keys}}").unwrap_err();
        assert_eq!(unknown, TemplateError::Unknown(8));
        assert!(
            unknown
                .to_string()
                .contains("is none of id, channel, doorbell")
        );
    }

    proptest! {
        #[test]
        fn what_a_value_holds_never_becomes_json(key in ".*") {
            let message = Message { key: key.clone(), ..Message::awkward() };
            let template = Template::parse(r#"{"key":"{{key}}","end":1}"#).unwrap();
            let json: serde_json::Value = serde_json::from_str(&template.fill(&message, Escape::Json)).unwrap();
            prop_assert_eq!(json["key"].as_str(), Some(key.as_str()));
            prop_assert_eq!(&json["end"], 1);
        }

        #[test]
        fn no_text_makes_a_template_panic(text in ".*") {
            let _ = Template::parse(&text);
            let _ = Template::parse(&format!("{text}{{{{{text}"));
        }
    }
}
