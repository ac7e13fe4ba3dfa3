//! Why goods may come back, and how that is said in a language.

use std::collections::{BTreeMap, BTreeSet};

use millrace_erp_poster::arrived;
use millrace_event_store::{Database, LeaseEpoch, StoreError, still_held};
use millrace_values::{ErpCode, LanguageTag, ReturnReasonCode};

/// What held returns wait for whose reason is not known.
#[must_use]
pub fn subject(erp: &ErpCode) -> String {
    format!("reasons/{erp}")
}

/// A reason with its translations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub code: ReturnReasonCode,
    /// In the ERP's own words.
    pub description: String,
    pub translations: BTreeMap<LanguageTag, String>,
}

/// A reason in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub code: String,
    pub description: String,
    /// Empty: the ERP's own words.
    pub language: String,
}

/// Code, language and description.
type Row = (String, String, String);

#[derive(Clone)]
pub struct Reasons {
    database: Database,
}

impl Reasons {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Codes of all reasons of an ERP.
    ///
    /// # Errors
    /// The database is away.
    pub async fn codes(&self, erp: &ErpCode) -> Result<BTreeSet<ReturnReasonCode>, StoreError> {
        let rows = self.rows(erp).await?;
        // Rows are written from parsed values only.
        let codes = rows
            .iter()
            .filter_map(|(code, ..)| ReturnReasonCode::parse(code).ok());
        Ok(codes.collect())
    }

    /// All reasons, each in `language`, else in its base language, else in the ERP's own words.
    ///
    /// # Errors
    /// The database is away.
    pub async fn told(
        &self,
        erp: &ErpCode,
        language: &LanguageTag,
    ) -> Result<Vec<Told>, StoreError> {
        let wanted = language.as_str();
        let base = wanted.split('-').next().unwrap_or(wanted);
        let mut best: BTreeMap<String, (u8, Told)> = BTreeMap::new();
        for (code, language, description) in self.rows(erp).await? {
            let fits = match language.as_str() {
                own if own == wanted => 2,
                own if own == base => 1,
                "" => 0,
                _ => continue,
            };
            let told = Told {
                code: code.clone(),
                description,
                language,
            };
            let is_better = best.get(&code).is_none_or(|(before, _)| fits > *before);
            if is_better {
                best.insert(code, (fits, told));
            }
        }
        Ok(best.into_values().map(|(_, told)| told).collect())
    }

    /// Keeps what the ERP has now; `true`: that is news, and whoever waits for a reason is asked for.
    ///
    /// # Errors
    /// The database is away.
    pub async fn keep(
        &self,
        erp: &ErpCode,
        reasons: &[Reason],
        lease: &LeaseEpoch,
    ) -> Result<bool, StoreError> {
        let wanted = rows_of(reasons);
        let known: BTreeSet<Row> = self.rows(erp).await?.into_iter().collect();
        if known == wanted {
            return Ok(false);
        }
        let mut tx = self.database.begin_derived().await?;
        // Who was replaced and wakes up late has nothing to say.
        if !still_held(&mut tx, lease).await? {
            return Ok(false);
        }
        sqlx::query("DELETE FROM return_reasons WHERE erp = $1")
            .bind(erp.as_str())
            .execute(&mut *tx)
            .await?;
        for (code, language, description) in &wanted {
            sqlx::query(include_str!("sql/put_reason.sql"))
                .bind(erp.as_str())
                .bind(code)
                .bind(language)
                .bind(description)
                .execute(&mut *tx)
                .await?;
        }
        arrived(&mut tx, &[subject(erp)].into()).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn rows(&self, erp: &ErpCode) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query_as(
            "SELECT code, language, description FROM return_reasons WHERE erp = $1 ORDER BY code",
        );
        let rows = query.bind(erp.as_str()).fetch_all(self.database.pool());
        Ok(rows.await?)
    }
}

fn rows_of(reasons: &[Reason]) -> BTreeSet<Row> {
    let rows = reasons.iter().flat_map(|reason| {
        let own = (
            reason.code.to_string(),
            String::new(),
            reason.description.clone(),
        );
        let translated = reason.translations.iter().map(|(language, description)| {
            let language = language.as_str().to_owned();
            (reason.code.to_string(), language, description.clone())
        });
        [own].into_iter().chain(translated)
    });
    rows.collect()
}
