//! Business Central's language codes (those of Windows) and the tags everybody else uses.

const LANGUAGES: &[(&str, &str)] = &[
    ("CSY", "cs-CZ"),
    ("DAN", "da-DK"),
    ("DEA", "de-AT"),
    ("DES", "de-CH"),
    ("DEU", "de-DE"),
    ("ENA", "en-AU"),
    ("ENC", "en-CA"),
    ("ENG", "en-GB"),
    ("ENI", "en-IE"),
    ("ENU", "en-US"),
    ("ENZ", "en-NZ"),
    ("ESM", "es-MX"),
    ("ESP", "es-ES"),
    ("FIN", "fi-FI"),
    ("FRA", "fr-FR"),
    ("FRB", "fr-BE"),
    ("FRC", "fr-CA"),
    ("FRS", "fr-CH"),
    ("HUN", "hu-HU"),
    ("ISL", "is-IS"),
    ("ITA", "it-IT"),
    ("ITS", "it-CH"),
    ("NLB", "nl-BE"),
    ("NLD", "nl-NL"),
    ("NOR", "nb-NO"),
    ("PLK", "pl-PL"),
    ("PTB", "pt-BR"),
    ("PTG", "pt-PT"),
    ("SKY", "sk-SK"),
    ("SLV", "sl-SI"),
    ("SVE", "sv-SE"),
];

pub(crate) fn tag(code: &str) -> Option<&'static str> {
    LANGUAGES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, tag)| *tag)
}

/// The code of a tag, or of its language alone: `de` is `DEU`.
pub(crate) fn code(tag: &str) -> Option<&'static str> {
    let exact = LANGUAGES.iter().find(|(_, known)| *known == tag);
    let language = tag.split('-').next().unwrap_or_default();
    let home = match language {
        "en" => Some("ENU"),
        "nb" | "no" => Some("NOR"),
        "da" => Some("DAN"),
        "cs" => Some("CSY"),
        "sv" => Some("SVE"),
        "sl" => Some("SLV"),
        _ => LANGUAGES
            .iter()
            .find(|(_, known)| {
                known
                    .split_once('-')
                    .is_some_and(|(own, region)| own == language && region == own.to_uppercase())
            })
            .map(|(code, _)| *code),
    };
    exact.map(|(code, _)| *code).or(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_without_a_region_is_its_home_country_s() {
        assert_eq!(code("de"), Some("DEU"));
        assert_eq!(code("de-CH"), Some("DES"));
        assert_eq!(code("fr-LU"), Some("FRA"));
        assert_eq!(code("tlh"), None);
        assert_eq!(tag("ENU"), Some("en-US"));
    }
}
