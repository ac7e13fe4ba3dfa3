//! Waiting for a condition, instead of sleeping.

use std::time::Duration;

use tokio::time::Instant;

/// Asks `probe` again and again until it gives a value.
///
/// # Panics
/// When `patience` is over, with the words of `what`; a probe that hangs is cut off too.
pub async fn until<T>(
    patience: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(2);
    loop {
        match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Some(value)) => return value,
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) | Err(_) => panic!("after {patience:?} still not true: {what}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_is_asked_until_it_holds() {
        let mut asked = 0;
        let answer = until(Duration::from_secs(60), "asked five times", async || {
            asked += 1;
            (asked == 5).then_some(asked)
        })
        .await;
        assert_eq!(answer, 5);
    }

    #[tokio::test]
    #[should_panic(expected = "still not true: the moon is full")]
    async fn patience_ends_with_the_words_of_the_condition() {
        until(Duration::from_millis(50), "the moon is full", async || {
            None::<()>
        })
        .await;
    }

    #[tokio::test]
    #[should_panic(expected = "still not true: somebody answers")]
    async fn a_probe_that_hangs_is_cut_off() {
        until(Duration::from_millis(50), "somebody answers", async || {
            std::future::pending::<Option<()>>().await
        })
        .await;
    }
}
