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
        toml::from_str::<toml::Table>(&text).map_err(|error| {
            SettingsError::Wrong(format!(
                "{}: {}",
                path.display(),
                one_line(&error.to_string())
            ))
        })?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let variables = variables(environment)?;
    builder = builder.add_source(
        Environment::default()
            .separator("__")
            .source(Some(variables))
            .try_parsing(true),
    );
    let config = builder.build().map_err(wrong)?;
    config.try_deserialize().map_err(wrong)
}

fn variables(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<HashMap<String, String>, SettingsError> {
    let mut variables = HashMap::new();
    for (name, value) in environment {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        // MILLRACE_TEST_… belongs to the tests, MILLRACE_CONFIG and MILLRACE_LOG… to the command line.
        if ["TEST_", "SOAK", "SHARED", "CONFIG", "BENCH_"]
            .iter()
            .any(|reserved| key.starts_with(reserved))
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

fn wrong(error: ConfigError) -> SettingsError {
    SettingsError::Wrong(one_line(&error.to_string()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        kafka: Kafka,
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
