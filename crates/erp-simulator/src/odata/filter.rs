//! `$filter`: parsed against an entity's schema, evaluated on a rendered record.

use std::cmp::Ordering;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::schema::{Kind, Schema};
use crate::refusal::Refusal;

#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare {
        field: String,
        operator: Operator,
        literal: Literal,
    },
    Text {
        field: String,
        function: Function,
        literal: String,
    },
    /// A lambda: Business Central ignores it silently.
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Text(String),
    Number(Decimal),
    Instant(Timestamp),
    Boolean(bool),
    Null,
}

impl Filter {
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, Refusal> {
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
            schema,
            depth: 0,
        };
        let filter = parser.either()?;
        if parser.at != tokens.len() {
            return Err(syntax(&format!(
                "unexpected '{}'",
                tokens[parser.at].text()
            )));
        }
        filter.refuse_or_across_fields()?;
        Ok(filter)
    }

    pub fn matches(&self, record: &Map<String, Value>) -> bool {
        match self {
            Self::And(left, right) => left.matches(record) && right.matches(record),
            Self::Or(left, right) => left.matches(record) || right.matches(record),
            Self::Not(inner) => !inner.matches(record),
            Self::Compare {
                field,
                operator,
                literal,
            } => record
                .get(field)
                .is_some_and(|value| operator.holds(compare(value, literal))),
            Self::Text {
                field,
                function,
                literal,
            } => record
                .get(field)
                .and_then(Value::as_str)
                .is_some_and(|text| {
                    let (text, literal) = (text.to_lowercase(), literal.to_lowercase());
                    match function {
                        Function::Contains => text.contains(&literal),
                        Function::StartsWith => text.starts_with(&literal),
                        Function::EndsWith => text.ends_with(&literal),
                    }
                }),
            Self::Ignored => true,
        }
    }

    /// The values `field` must be one of, when the filter says so plainly; lets a page use an index.
    pub fn only(&self, field: &str) -> Option<Vec<String>> {
        match self {
            Self::And(left, right) => left.only(field).or_else(|| right.only(field)),
            Self::Or(left, right) => {
                let mut values = left.only(field)?;
                values.extend(right.only(field)?);
                Some(values)
            }
            Self::Compare {
                field: compared,
                operator: Operator::Equal,
                literal: Literal::Text(text),
            } if compared == field => Some(vec![text.clone()]),
            Self::Compare { .. } | Self::Not(_) | Self::Text { .. } | Self::Ignored => None,
        }
    }

    /// The moment before which no row can match; lets a delta poll skip old rows without looking at them.
    pub fn modified_since(&self) -> Option<Timestamp> {
        match self {
            Self::And(left, right) => left.modified_since().or_else(|| right.modified_since()),
            Self::Compare {
                field,
                operator: Operator::Greater | Operator::GreaterOrEqual | Operator::Equal,
                literal: Literal::Instant(at),
            } if field == "lastModifiedDateTime" => Some(*at),
            Self::Compare { .. }
            | Self::Or(..)
            | Self::Not(_)
            | Self::Text { .. }
            | Self::Ignored => None,
        }
    }

    fn refuse_or_across_fields(&self) -> Result<(), Refusal> {
        match self {
            Self::And(left, right) => {
                left.refuse_or_across_fields()?;
                right.refuse_or_across_fields()
            }
            Self::Not(inner) => inner.refuse_or_across_fields(),
            Self::Or(left, right) => {
                let mut fields = Vec::new();
                left.fields(&mut fields);
                right.fields(&mut fields);
                fields.dedup();
                if fields.len() > 1 {
                    return Err(Refusal::bad_request(
                        "An error occured while reading the filter: the OR operator is not supported on different fields.",
                    ));
                }
                Ok(())
            }
            Self::Compare { .. } | Self::Text { .. } | Self::Ignored => Ok(()),
        }
    }

    fn fields<'a>(&'a self, fields: &mut Vec<&'a str>) {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.fields(fields);
                right.fields(fields);
            }
            Self::Not(inner) => inner.fields(fields),
            Self::Compare { field, .. } | Self::Text { field, .. } => fields.push(field),
            Self::Ignored => {}
        }
        fields.sort_unstable();
        fields.dedup();
    }
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            _ => return None,
        })
    }

    fn holds(self, order: Option<Ordering>) -> bool {
        match (self, order) {
            (Self::NotEqual, None) => true,
            (_, None) => false,
            (Self::Equal, Some(order)) => order == Ordering::Equal,
            (Self::NotEqual, Some(order)) => order != Ordering::Equal,
            (Self::Greater, Some(order)) => order == Ordering::Greater,
            (Self::GreaterOrEqual, Some(order)) => order != Ordering::Less,
            (Self::Less, Some(order)) => order == Ordering::Less,
            (Self::LessOrEqual, Some(order)) => order != Ordering::Greater,
        }
    }
}

fn compare(value: &Value, literal: &Literal) -> Option<Ordering> {
    match literal {
        Literal::Text(text) => value.as_str().map(|value| value.cmp(text)),
        Literal::Number(number) => crate::numbers::decimal(value).map(|value| value.cmp(number)),
        Literal::Instant(at) => value
            .as_str()?
            .parse::<Timestamp>()
            .ok()
            .map(|value| value.cmp(at)),
        Literal::Boolean(flag) => value.as_bool().map(|value| value.cmp(flag)),
        Literal::Null => value.is_null().then_some(Ordering::Equal),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Text(text) => text,
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
        }
    }
}

fn syntax(what: &str) -> Refusal {
    Refusal::bad_request(format!("Syntax error in the filter: {what}."))
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            ' ' => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => {
                let mut literal = String::new();
                loop {
                    match rest.next() {
                        Some('\'') if rest.peek() == Some(&'\'') => {
                            rest.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => literal.push(other),
                        None => return Err(syntax("a string is not closed")),
                    }
                }
                tokens.push(Token::Text(literal));
            }
            other => {
                let mut word = String::from(other);
                while let Some(&next) = rest.peek() {
                    if matches!(next, ' ' | '(' | ')' | ',' | '\'') {
                        break;
                    }
                    word.push(next);
                    rest.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    schema: &'a Schema,
    depth: usize,
}

/// Parentheses inside each other; deeper ones would only exhaust the stack.
const DEEPEST: usize = 50;

impl Parser<'_> {
    fn either(&mut self) -> Result<Filter, Refusal> {
        let mut left = self.both()?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, Refusal> {
        let mut left = self.single()?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.single()?));
        }
        Ok(left)
    }

    fn single(&mut self) -> Result<Filter, Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(syntax("it is nested too deeply"));
        }
        let single = self.unnested();
        self.depth -= 1;
        single
    }

    fn unnested(&mut self) -> Result<Filter, Refusal> {
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.single()?)));
        }
        match self.next()? {
            Token::Open => {
                let inner = self.either()?;
                self.expect(&Token::Close)?;
                Ok(inner)
            }
            Token::Word(word) if word.ends_with("/any") || word.ends_with("/all") => {
                self.skip_lambda()
            }
            Token::Word(word) => {
                let function = match word.as_str() {
                    "contains" => Some(Function::Contains),
                    "startswith" => Some(Function::StartsWith),
                    "endswith" => Some(Function::EndsWith),
                    _ => None,
                };
                match function {
                    Some(function) => self.function(function),
                    None => self.comparison(&word),
                }
            }
            other => Err(syntax(&format!("unexpected '{}'", other.text()))),
        }
    }

    fn skip_lambda(&mut self) -> Result<Filter, Refusal> {
        self.expect(&Token::Open)?;
        let mut depth = 1;
        while depth > 0 {
            match self.next()? {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                Token::Word(_) | Token::Text(_) | Token::Comma => {}
            }
        }
        Ok(Filter::Ignored)
    }

    fn function(&mut self, function: Function) -> Result<Filter, Refusal> {
        self.expect(&Token::Open)?;
        let field = self.field()?;
        self.expect(&Token::Comma)?;
        let Token::Text(literal) = self.next()? else {
            return Err(syntax("a string is expected"));
        };
        self.expect(&Token::Close)?;
        Ok(Filter::Text {
            field,
            function,
            literal,
        })
    }

    fn field(&mut self) -> Result<String, Refusal> {
        let Token::Word(word) = self.next()? else {
            return Err(syntax("a property is expected"));
        };
        self.known(&word)?;
        Ok(word)
    }

    fn known(&self, name: &str) -> Result<Kind, Refusal> {
        let property = self
            .schema
            .property(name)
            .ok_or_else(|| Refusal::no_such_property(name, self.schema.entity))?;
        Ok(property.kind)
    }

    fn comparison(&mut self, field: &str) -> Result<Filter, Refusal> {
        let kind = self.known(field)?;
        let operator = match self.next()? {
            Token::Word(word) => {
                Operator::parse(&word).ok_or_else(|| syntax(&format!("'{word}' is no operator")))?
            }
            other => return Err(syntax(&format!("unexpected '{}'", other.text()))),
        };
        let literal = self.next()?;
        Ok(Filter::Compare {
            field: field.to_owned(),
            operator,
            literal: read_literal(kind, field, literal)?,
        })
    }

    fn next(&mut self) -> Result<Token, Refusal> {
        let token = self
            .tokens
            .get(self.at)
            .cloned()
            .ok_or_else(|| syntax("it ends too early"))?;
        self.at += 1;
        Ok(token)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next == word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), Refusal> {
        let next = self.next()?;
        if next == *token {
            return Ok(());
        }
        Err(syntax(&format!(
            "'{}' instead of '{}'",
            next.text(),
            token.text()
        )))
    }
}

fn read_literal(kind: Kind, field: &str, token: Token) -> Result<Literal, Refusal> {
    let mismatch = || {
        Refusal::bad_request(format!(
            "A binary operator with incompatible types was detected: the value of '{field}' has another type."
        ))
    };
    match (kind, token) {
        (_, Token::Word(word)) if word == "null" => Ok(Literal::Null),
        (Kind::Text(_) | Kind::Enum(_), Token::Text(text)) => Ok(Literal::Text(text)),
        (Kind::Guid, Token::Word(word)) => word
            .parse::<uuid::Uuid>()
            .map(|id| Literal::Text(id.to_string()))
            .map_err(|_| mismatch()),
        (Kind::Date, Token::Word(word)) => crate::numbers::parse_date(&word)
            .map(|_| Literal::Text(word))
            .map_err(|_| mismatch()),
        (Kind::Instant, Token::Word(word)) => {
            word.parse().map(Literal::Instant).map_err(|_| mismatch())
        }
        (Kind::Boolean, Token::Word(word)) => {
            word.parse().map(Literal::Boolean).map_err(|_| mismatch())
        }
        (Kind::Decimal | Kind::Integer, Token::Word(word)) => {
            word.parse().map(Literal::Number).map_err(|_| mismatch())
        }
        _ => Err(mismatch()),
    }
}
