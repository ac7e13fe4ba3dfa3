//! What the process can be started for.

use anyhow::Result;

use crate::cli::{ConfigAction, SettingsArgs};
use crate::settings::{DEFAULTS, Settings};

/// `millrace config …`
#[expect(clippy::print_stdout, reason = "the answer to the command")]
pub fn config(action: &ConfigAction, args: &SettingsArgs) -> Result<()> {
    match action {
        ConfigAction::Defaults => print!("{DEFAULTS}"),
        ConfigAction::Print => println!("{:#?}", Settings::load(args.config.as_deref())?),
        ConfigAction::Check => {
            Settings::load(args.config.as_deref())?;
            println!("the settings can be read");
        }
    }
    Ok(())
}
