//! Settings: compiled-in defaults < file < `MILLRACE_…` environment. Unknown keys are errors that name the key.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Environment, File, FileFormat};
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Environment variables that are settings begin with this; `__` goes one level down: `MILLRACE_KAFKA__BOOTSTRAP`.
pub const PREFIX: &str = "MILLRACE_";

#[derive(Debug, Error)]
pub enum SettingsError {
    #[error("settings file {path} cannot be read", path = path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{variable} names the file {path}, which cannot be read")]
    SecretFile {
        variable: String,
        path: String,
        source: std::io::Error,
    },
    /// One line that names the key.
    #[error("{0}")]
    Wrong(String),
}

/// Reads the settings; of the defaults each goes over the one before. A variable ending in `_FILE` gives the value of the same variable without the ending from a file,
/// so that secrets need not stand in the environment.
///
/// # Errors
/// A file that cannot be read, a key that is unknown, or a value that does not fit; the message names it.
pub fn load<T: DeserializeOwned>(
    defaults: &[&str],
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, SettingsError> {
    let mut builder = Config::builder();
    for text in defaults {
        builder = builder.add_source(File::from_str(text, FileFormat::Toml));
    }
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::File {
            path: path.into(),
            source,
        })?;
        toml::from_str::<toml::Table>(&text).map_err(|error| unreadable(path, &text, &error))?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let variables = variables(environment)?;
    builder = builder.add_source(
        Environment::default()
            .separator("__")
            // Texts as they are: whoever wants a number reads it from them, and a secret of digits keeps its zeros.
            .source(Some(variables)),
    );
    let config = builder.build().map_err(|error| wrong(&error, None))?;
    let read = config.clone().try_deserialize();
    read.map_err(|error| wrong(&error, Some(&config)))
}

fn variables(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<HashMap<String, String>, SettingsError> {
    let mut variables = HashMap::new();
    for (name, value) in environment {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        // MILLRACE_TEST_… belongs to the tests; MILLRACE_CONFIG, MILLRACE_SERVER and its kin to the command line.
        if ["TEST_", "SOAK", "SHARED", "CONFIG", "BENCH_"]
            .iter()
            .any(|reserved| key.starts_with(reserved))
            || ["SERVER", "TOKEN", "CA", "CERTIFICATE", "KEY"].contains(&key)
        {
            continue;
        }
        let (key, value) = match key.strip_suffix("_FILE") {
            Some(key) => {
                let content = std::fs::read_to_string(&value).map_err(|source| {
                    SettingsError::SecretFile {
                        variable: name.clone(),
                        path: value.clone(),
                        source,
                    }
                })?;
                (key, content.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => (key, value),
        };
        variables.insert(key.to_owned(), value);
    }
    Ok(variables)
}

/// Names the place and what is wrong there, but does not show it: the line may hold a secret.
fn unreadable(path: &Path, text: &str, error: &toml::de::Error) -> SettingsError {
    let (path, message) = (path.display(), one_line(error.message()));
    let Some(at) = error.span().map(|span| span.start) else {
        return SettingsError::Wrong(format!("{path}: {message}"));
    };
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&one| one != '\n').count() + 1;
    SettingsError::Wrong(format!("{path}, line {line}, column {column}: {message}"))
}

/// Names the key. The value at it is not repeated: it may be a secret, there or meant for another key.
fn wrong(error: &ConfigError, config: Option<&Config>) -> SettingsError {
    let mut message = error.to_string();
    let value = key(error).and_then(|key| config?.get_string(key).ok());
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        message = message.replace(&format!("{value:?}"), "***");
        if value.len() >= 8 {
            message = message.replace(&value, "***");
        }
    }
    SettingsError::Wrong(one_line(&message))
}

fn key(error: &ConfigError) -> Option<&str> {
    match error {
        ConfigError::Type { key, .. } | ConfigError::At { key, .. } => key.as_deref(),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;
    use crate::Secret;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        kafka: Kafka,
        #[serde(default)]
        token: Option<Secret>,
        #[serde(default)]
        connections: Option<u32>,
        #[serde(default)]
        tls: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Kafka {
        bootstrap: String,
        #[serde(with = "humantime_serde")]
        timeout: Duration,
    }

    const DEFAULTS: &str = "[kafka]\nbootstrap = \"\"\ntimeout = \"5s\"\n";

    fn with_environment(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        load(
            &[DEFAULTS],
            None,
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn the_environment_overrides_the_defaults() {
        let settings = with_environment(&[("MILLRACE_KAFKA__BOOTSTRAP", "kafka:9092")]).unwrap();
        assert_eq!(settings.kafka.bootstrap, "kafka:9092");
        assert_eq!(settings.kafka.timeout, Duration::from_secs(5));
    }

    #[test]
    fn a_key_nobody_knows_is_an_error_that_names_it() {
        let error = with_environment(&[("MILLRACE_KAFKA__BOOTSTRAB", "kafka:9092")]).unwrap_err();
        assert!(error.to_string().contains("bootstrab"), "{error}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error_that_names_its_key() {
        let error = with_environment(&[("MILLRACE_KAFKA__TIMEOUT", "soon")]).unwrap_err();
        assert!(error.to_string().contains("kafka.timeout"), "{error}");
    }

    #[test]
    fn a_secret_may_come_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "kafka:9093\n").unwrap();
        let settings = with_environment(&[(
            "MILLRACE_KAFKA__BOOTSTRAP_FILE",
            file.path().to_str().unwrap(),
        )])
        .unwrap();
        assert_eq!(settings.kafka.bootstrap, "kafka:9093");
    }

    #[test]
    fn a_secret_stays_as_it_was_written() {
        for secret in ["0012345678901234", "1e5", "true", "1.50"] {
            let settings = with_environment(&[("MILLRACE_KAFKA__BOOTSTRAP", secret)]).unwrap();
            assert_eq!(settings.kafka.bootstrap, secret);
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("{secret}\n")).unwrap();
            let path = file.path().to_str().unwrap();
            let settings = with_environment(&[("MILLRACE_TOKEN_FILE", path)]).unwrap();
            assert_eq!(settings.token.unwrap().expose(), secret);
        }
    }

    #[test]
    fn numbers_and_switches_are_read_from_text() {
        let settings =
            with_environment(&[("MILLRACE_CONNECTIONS", "12"), ("MILLRACE_TLS", "true")]).unwrap();
        assert_eq!((settings.connections, settings.tls), (Some(12), Some(true)));
        let error = with_environment(&[("MILLRACE_CONNECTIONS", "many")]).unwrap_err();
        assert!(error.to_string().contains("connections"), "{error}");
    }

    #[test]
    fn what_stands_at_a_wrong_key_is_not_repeated() {
        let error = with_environment(&[("MILLRACE_KAFKA", "sasl://user:canary-secret@kafka")]);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("kafka") && !error.contains("canary"),
            "{error}"
        );
    }

    #[test]
    fn a_broken_file_is_named_with_its_place_and_without_what_stands_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "[kafka]\nbootstrap = \"kafka:9092\"\ntoken = \"canary-secret\"x\n";
        std::fs::write(file.path(), text).unwrap();
        let error = load::<Settings>(&[DEFAULTS], Some(file.path()), []).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("line 3, column 24"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[kafka\n").unwrap();
        let error = load::<Settings>(&[DEFAULTS], Some(file.path()), []).unwrap_err();
        assert!(
            error.to_string().contains(file.path().to_str().unwrap()),
            "{error}"
        );
    }
}
