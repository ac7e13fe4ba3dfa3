//! The query options of a request, before they meet an entity.

use percent_encoding::percent_decode_str;

use crate::refusal::Refusal;

/// Most rows of a page, whatever the client prefers.
const LARGEST_PAGE: usize = 20_000;
/// `$expand` inside `$expand`; each level multiplies the work.
const DEEPEST_EXPANSION: usize = 5;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub filter: Option<String>,
    pub select: Vec<String>,
    /// Field and whether it descends.
    pub order: Vec<(String, bool)>,
    pub expand: Vec<Expansion>,
    pub top: Option<usize>,
    pub skip: usize,
    pub skip_token: Option<String>,
    pub count: bool,
    pub page_size: Option<usize>,
}

/// One `$expand` with its own options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    pub name: String,
    pub query: Query,
}

impl Query {
    /// From the part behind the question mark and the `Prefer` header.
    pub fn parse(query: &str, prefer: Option<&str>) -> Result<Self, Refusal> {
        let mut parsed = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            let (name, value) = (decode(name)?, decode(&value)?);
            if name.starts_with('$') {
                parsed.option(&name, &value, 0)?;
            }
        }
        parsed.page_size = prefer
            .and_then(max_page_size)
            .map(|size| size.clamp(1, LARGEST_PAGE));
        Ok(parsed)
    }

    /// Rows of one page.
    pub fn page_size(&self) -> usize {
        self.page_size.unwrap_or(LARGEST_PAGE)
    }

    pub fn expansion(&self, name: &str) -> Option<&Expansion> {
        self.expand.iter().find(|expansion| expansion.name == name)
    }

    fn option(&mut self, name: &str, value: &str, depth: usize) -> Result<(), Refusal> {
        let number = || {
            value.parse::<usize>().map_err(|_| {
                Refusal::bad_request(format!("Invalid value '{value}' for {name} query option."))
            })
        };
        match name {
            "$filter" => self.filter = Some(value.to_owned()),
            "$select" => self.select = list(value),
            "$orderby" => {
                self.order = list(value)
                    .iter()
                    .map(|part| match part.split_once(' ') {
                        Some((field, direction)) => (field.to_owned(), direction.trim() == "desc"),
                        None => (part.clone(), false),
                    })
                    .collect();
            }
            "$expand" => self.expand = expansions(value, depth)?,
            "$top" => self.top = Some(number()?),
            "$skip" => self.skip = number()?,
            "$skiptoken" => self.skip_token = Some(value.to_owned()),
            "$count" => self.count = value == "true",
            "$schemaversion" | "$format" => {}
            _ => {
                return Err(Refusal::bad_request(format!(
                    "The query parameter '{name}' is not supported."
                )));
            }
        }
        Ok(())
    }
}

fn decode(text: &str) -> Result<String, Refusal> {
    percent_decode_str(text)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| Refusal::bad_request("The query is not valid UTF-8."))
}

fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

fn max_page_size(prefer: &str) -> Option<usize> {
    prefer
        .split(',')
        .filter_map(|part| part.trim().strip_prefix("odata.maxpagesize="))
        .find_map(|size| size.trim_matches('"').parse().ok())
}

/// `entries($top=5;$expand=lines),customer`
fn expansions(text: &str, depth: usize) -> Result<Vec<Expansion>, Refusal> {
    if depth > DEEPEST_EXPANSION {
        return Err(Refusal::bad_request("$expand is nested too deeply."));
    }
    let mut found = Vec::new();
    for part in split_outside(text, ',')? {
        let part = part.trim();
        let (name, options) = match part.split_once('(') {
            Some((name, rest)) => {
                let inner = rest
                    .strip_suffix(')')
                    .ok_or_else(|| Refusal::bad_request("Syntax error in $expand."))?;
                (name, inner)
            }
            None => (part, ""),
        };
        let mut query = Query::default();
        for option in split_outside(options, ';')? {
            let option = option.trim();
            if option.is_empty() {
                continue;
            }
            let (name, value) = option.split_once('=').ok_or_else(|| {
                Refusal::bad_request("Syntax error in $expand: an option without value.")
            })?;
            query.option(name, value, depth + 1)?;
        }
        found.push(Expansion {
            name: name.to_owned(),
            query,
        });
    }
    Ok(found)
}

/// Splits where no parenthesis and no string is open.
fn split_outside(text: &str, at: char) -> Result<Vec<&str>, Refusal> {
    let (mut parts, mut depth, mut quoted, mut start) = (Vec::new(), 0_i32, false, 0);
    for (place, next) in text.char_indices() {
        match next {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            next if next == at && depth == 0 && !quoted => {
                parts.push(&text[start..place]);
                start = place + next.len_utf8();
            }
            _ => {}
        }
    }
    if depth != 0 || quoted {
        return Err(Refusal::bad_request(
            "Syntax error in $expand: parentheses or quotes do not match.",
        ));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_nest_with_their_own_options() {
        let query = Query::parse(
            "$expand=entries($top=5;$expand=lines),customer&$filter=number%20eq%20'a+b'",
            None,
        )
        .expect("parses");
        assert_eq!(query.expand.len(), 2);
        assert_eq!(query.expand[0].query.top, Some(5));
        assert_eq!(query.expand[0].query.expand[0].name, "lines");
        assert_eq!(query.expand[1].name, "customer");
        assert_eq!(query.filter.as_deref(), Some("number eq 'a b'"));
    }

    #[test]
    fn unknown_options_are_refused_and_foreign_parameters_ignored() {
        assert!(Query::parse("$search=x", None).is_err());
        assert!(Query::parse("tenant=default&company=x", None).is_ok());
    }

    #[test]
    fn a_preferred_page_size_is_bounded() {
        let query = Query::parse("", Some("return=minimal, odata.maxpagesize=50")).expect("parses");
        assert_eq!(query.page_size(), 50);
        let query = Query::parse("", Some("odata.maxpagesize=90000")).expect("parses");
        assert_eq!(query.page_size(), 20_000);
    }
}
