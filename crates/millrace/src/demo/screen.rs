//! What the tour prints: steps with their time, and a line that moves while something takes long.

use std::future::Future;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

pub struct Screen {
    step: usize,
    terminal: bool,
}

#[expect(clippy::print_stdout, reason = "the demo speaks to a person")]
impl Screen {
    pub fn new() -> Self {
        Self {
            step: 0,
            terminal: std::io::stdout().is_terminal(),
        }
    }

    pub fn line(&self, text: &str) {
        println!("{text}");
    }

    /// Runs one step of the tour: prints its title, its outcome line by line and how long it took.
    ///
    /// # Errors
    /// The step failed or took longer than `at_most`; the error names it.
    pub async fn step<T>(
        &mut self,
        title: &str,
        at_most: Duration,
        work: impl Future<Output = Result<(T, Vec<String>)>>,
    ) -> Result<T> {
        self.step += 1;
        let began = Instant::now();
        println!("\n{}. {title}", self.step);
        let progress = self.terminal.then(|| waiting(title));
        let outcome = tokio::time::timeout(at_most, work).await;
        if let Some(progress) = progress {
            progress.finish_and_clear();
        }
        let (value, lines) = outcome
            .with_context(|| format!("took longer than {at_most:?}"))
            .and_then(|outcome| outcome)
            .with_context(|| format!("step {} of the tour failed ({title})", self.step))?;
        for line in lines {
            println!("   {line}");
        }
        println!("   took {}", took(began.elapsed()));
        Ok(value)
    }
}

fn waiting(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(title.to_owned());
    let style = ProgressStyle::with_template("   {spinner} {elapsed} {wide_msg}")
        .expect("the template is valid");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

pub fn took(elapsed: Duration) -> String {
    if elapsed < Duration::from_secs(1) {
        format!("{} ms", elapsed.as_millis())
    } else {
        format!("{:.1} s", elapsed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::exit;

    const LONG: Duration = Duration::from_secs(60);

    async fn second_step(
        at_most: Duration,
        work: impl Future<Output = Result<((), Vec<String>)>>,
    ) -> String {
        let mut screen = Screen::new();
        let first = screen.step("The first", LONG, async { Ok(((), vec![])) });
        first.await.unwrap();
        let failed = screen.step("An item renamed", at_most, work).await;
        exit::line(&failed.unwrap_err())
    }

    #[tokio::test]
    async fn a_step_that_fails_is_named_with_its_reason() {
        let said = second_step(LONG, async { bail!("the name is still the old one") }).await;
        assert_eq!(
            said,
            "step 2 of the tour failed (An item renamed): the name is still the old one"
        );
    }

    #[tokio::test]
    async fn a_step_that_takes_too_long_is_named_with_its_limit() {
        let said = second_step(Duration::from_millis(1), std::future::pending()).await;
        assert!(
            said.starts_with("step 2 of the tour failed (An item renamed): took longer than 1ms"),
            "{said}"
        );
    }
}
