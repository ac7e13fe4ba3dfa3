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
