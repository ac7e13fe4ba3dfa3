//! Goods that come back to a standard tenant: each return becomes a draft of a credit memo, which a person looks at and posts,
//! because it pays money out. Microsoft's page takes no key of ours, so a return is searched before it is written, and nothing
//! is written while a write of unknown outcome may still happen. A duplicate that comes of it all the same is shown.

use std::collections::{BTreeMap, HashMap};

use millrace_values::{ReturnReasonCode, SystemId};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tracing::warn;
use url::Url;
use uuid::Uuid;

use super::credit_memo::{self, Found};
use super::rows::{CodeRow, CreditMemoRow, ItemUnitRow, ReasonRow};
use super::{MEMOS, StandardLevel, what};
use crate::business_central::collection::id_of;
use crate::business_central::discovery;
use crate::business_central::governor::Priority;
use crate::business_central::http::Call;
use crate::business_central::odata::{Query, Value};
use crate::business_central::problem::Failure;
use crate::return_order::{
    NewReturn, NewReturnLine, PlacedReturn, ReturnKey, ReturnObserved, ReturnReasonObserved,
    ReturnState,
};
use crate::{ErpError, Flow};

impl StandardLevel<'_> {
    pub async fn return_reasons(&self) -> Result<Vec<ReturnReasonObserved>, ErpError> {
        let url = discovery::return_reasons(self.http, self.company);
        let rows: Vec<ReasonRow> = self.rows_of(url).await?;
        // One that cannot be read is no reason to lack the others.
        let readable = rows.into_iter().filter_map(|row| {
            let code = ReturnReasonCode::parse(&row.reason_code)
                .inspect_err(|error| warn!(%error, "a return reason of the erp cannot be read"))
                .ok()?;
            Some(ReturnReasonObserved {
                code,
                description: row.reason_description,
                translations: BTreeMap::new(),
            })
        });
        Ok(readable.collect())
    }

    pub async fn place_return(&self, goods: &NewReturn) -> Result<PlacedReturn, ErpError> {
        let key = goods.key.to_string();
        // Not even searched meanwhile: what is found may be rolled back, for Microsoft's pages show what is not committed.
        let attempt = self
            .doubts
            .begin(&key, self.operation_limit)
            .map_err(|wait| ErpError::InDoubt { wait })?;
        match self.place_once(goods).await {
            Err(ErpError::Unknown) => Err(ErpError::InDoubt {
                wait: self.operation_limit,
            }),
            outcome => {
                attempt.ended();
                outcome
            }
        }
    }

    async fn place_once(&self, goods: &NewReturn) -> Result<PlacedReturn, ErpError> {
        let memos = self.memos(&goods.key).await?;
        let (mispriced, memos): (Vec<_>, Vec<_>) = memos
            .into_iter()
            .partition(|memo| is_draft(memo) && credit_memo::is_mispriced(memo));
        if let Some(observed) = shown(memos, &goods.key)? {
            return Ok(PlacedReturn {
                observed,
                existed: true,
            });
        }
        for memo in &mispriced {
            self.remove(memo).await?;
        }
        // Whether a customer's prices include tax is told by his documents only: written in the other way it is written again.
        let mut with_tax = mispriced
            .first()
            .map_or(goods.prices_include_tax, |memo| memo.prices_include_tax);
        let mut memo = self.write_memo(goods, with_tax).await?;
        if memo.prices_include_tax != with_tax {
            with_tax = memo.prices_include_tax;
            self.remove(&memo).await?;
            memo = self.write_memo(goods, with_tax).await?;
        }
        let observed =
            credit_memo::observed(&memo, goods.key.clone()).map_err(|_| ErpError::Unknown)?;
        Ok(PlacedReturn {
            observed,
            existed: false,
        })
    }

    pub async fn find_return(&self, key: &ReturnKey) -> Result<Option<ReturnObserved>, ErpError> {
        shown(self.memos(key).await?, key)
    }

    /// Deletes the draft; a later repeat finds nothing to give up.
    pub async fn cancel_return(&self, key: &ReturnKey) -> Result<ReturnObserved, ErpError> {
        let memos = self.memos(key).await?;
        if let Some(posted) = memos.iter().find(|memo| !is_draft(memo)) {
            return Err(ErpError::Refused {
                code: "Application_DialogException".into(),
                message: format!("The credit memo {} is posted.", posted.number),
            });
        }
        for memo in &memos {
            self.remove(memo).await?;
        }
        let cancelled = shown(memos, key)?.ok_or_else(|| ErpError::Refused {
            code: "Internal_RecordNotFound".into(),
            message: format!("There is no credit memo for {key}."),
        })?;
        Ok(ReturnObserved {
            state: ReturnState::Cancelled,
            ..cancelled
        })
    }

    /// What is there of a return; more than one is a duplicate.
    async fn memos(&self, key: &ReturnKey) -> Result<Vec<CreditMemoRow>, ErpError> {
        let number = Value::text(credit_memo::external_number(key));
        let url = what(Flow::Returns)
            .equal("externalDocumentNumber", &number)
            .on(self.url(MEMOS));
        let mut memos: Vec<CreditMemoRow> = self.rows_of(url).await?;
        // Others may have the same number in capitals; a line of text that people deleted says nothing against it.
        memos.retain(|memo| credit_memo::key(memo).is_none_or(|found| found == *key));
        memos.sort_by(|left, right| left.number.cmp(&right.number));
        Ok(memos)
    }

    async fn write_memo(
        &self,
        goods: &NewReturn,
        with_tax: bool,
    ) -> Result<CreditMemoRow, ErpError> {
        let found = self.look_up(goods).await?;
        let reason = self.reason(goods).await?;
        let draft = credit_memo::draft(goods, &found, reason, self.freight_account, with_tax)?;
        let body = serde_json::to_string(&draft)
            .map_err(|error| ErpError::Unreadable(error.to_string()))?;
        let url = Query::new()
            .expand("salesCreditMemoLines")
            .on(self.url(MEMOS));
        let call = Call::post(url, Priority::Order, body);
        let answer = self.http.send(&call).await?;
        // What was stored cannot be told from what was not, unless the answer can be read.
        answer.json().map_err(|_| ErpError::Unknown)
    }

    /// One that is not there any more is removed.
    async fn remove(&self, memo: &CreditMemoRow) -> Result<(), ErpError> {
        let call = Call {
            method: Method::DELETE,
            if_match: Some("*".into()),
            ..Call::get(self.url(&format!("{MEMOS}({})", memo.id)), Priority::Order)
        };
        match self.http.send(&call).await {
            Ok(_) => Ok(()),
            Err(Failure::Problem(problem)) if problem.is_not_found() => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// What the lines of a return name, by the ids of the ERP.
    async fn look_up(&self, goods: &NewReturn) -> Result<Vec<Found>, ErpError> {
        let numbers = goods
            .lines
            .iter()
            .map(|line| Value::text(line.item.as_str()));
        let query = Query::new().select("id,number,baseUnitOfMeasureCode");
        let items: Vec<ItemUnitRow> = self.of_keys("items", "number", numbers, &query).await?;
        let codes = goods.lines.iter().filter_map(|line| line.location.as_ref());
        let codes = codes.map(|code| Value::text(code.as_str()));
        let query = Query::new().select("id,code");
        let locations: Vec<CodeRow> = self.of_keys("locations", "code", codes, &query).await?;
        let locations: HashMap<String, Uuid> = locations
            .into_iter()
            .map(|row| (row.code, row.id))
            .collect();
        let mut found = Vec::with_capacity(goods.lines.len());
        for line in &goods.lines {
            let item = items
                .iter()
                .find(|item| item.number == line.item.as_str())
                .ok_or_else(|| refused("ITEM", line, &format!("the item {}", line.item)))?;
            let location =
                match &line.location {
                    None => None,
                    Some(code) => Some(locations.get(code.as_str()).copied().ok_or_else(|| {
                        refused("LOCATION", line, &format!("the location {code}"))
                    })?),
                };
            let unit = line.unit.as_ref().map_or_else(
                || item.base_unit_of_measure_code.clone(),
                ToString::to_string,
            );
            found.push(Found {
                variant: self.variant(line, item.id).await?,
                location,
                unit,
            });
        }
        Ok(found)
    }

    async fn variant(&self, line: &NewReturnLine, item: Uuid) -> Result<Option<Uuid>, ErpError> {
        let Some(code) = &line.variant else {
            return Ok(None);
        };
        let url = Query::new()
            .equal("itemId", &Value::Guid(item))
            .equal("code", &Value::text(code.as_str()))
            .select("id,code")
            .on(self.url("itemVariants"));
        let rows: Vec<CodeRow> = self.rows_of(url).await?;
        let variant = rows.first().map(|row| row.id);
        let text = || format!("the variant {code} of item {}", line.item);
        variant
            .map(Some)
            .ok_or_else(|| refused("VARIANT", line, &text()))
    }

    /// A credit memo has one reason, of another table than returns have: that of the first line whose code is there too.
    async fn reason(&self, goods: &NewReturn) -> Result<Option<Uuid>, ErpError> {
        let codes = goods
            .lines
            .iter()
            .map(|line| Value::text(line.reason.as_str()));
        let query = Query::new().select("id,code");
        let rows: Vec<CodeRow> = self
            .of_keys("customerReturnReasons", "code", codes, &query)
            .await?;
        Ok(goods.lines.iter().find_map(|line| {
            let same = |row: &&CodeRow| row.code == line.reason.as_str();
            rows.iter().find(same).map(|row| row.id)
        }))
    }

    async fn of_keys<T: DeserializeOwned>(
        &self,
        page: &str,
        field: &str,
        keys: impl Iterator<Item = Value>,
        query: &Query,
    ) -> Result<Vec<T>, ErpError> {
        let mut distinct = Vec::new();
        for key in keys {
            if !distinct.contains(&key) {
                distinct.push(key);
            }
        }
        let raws = self
            .reader(Priority::Order)
            .of_keys(&self.url(page), field, &distinct, query)
            .await?;
        raws.iter().map(|raw| readable(raw)).collect()
    }

    async fn rows_of<T: DeserializeOwned>(&self, url: Url) -> Result<Vec<T>, ErpError> {
        let raws = self.reader(Priority::Order).all(url).await?;
        raws.iter().map(|raw| readable(raw)).collect()
    }
}

fn readable<T: DeserializeOwned>(raw: &RawValue) -> Result<T, ErpError> {
    serde_json::from_str(raw.get()).map_err(|_| {
        let id = id_of("id", raw).map(SystemId);
        let id = id.map_or_else(|| "without an id".to_owned(), |id| id.to_string());
        ErpError::Unreadable(format!("the record {id} has another shape"))
    })
}

fn refused(code: &str, line: &NewReturnLine, what: &str) -> ErpError {
    ErpError::Refused {
        code: code.into(),
        message: format!(
            "There is no such thing as {what} (line {}).",
            line.line_number
        ),
    }
}

fn is_draft(memo: &CreditMemoRow) -> bool {
    matches!(memo.status.as_str(), "Draft" | "In_x0020_Review")
}

/// The one that is posted, else the first; a duplicate shows in the number.
fn shown(memos: Vec<CreditMemoRow>, key: &ReturnKey) -> Result<Option<ReturnObserved>, ErpError> {
    let all: Vec<&str> = memos.iter().map(|memo| memo.number.as_str()).collect();
    let all = all.join(", ");
    let posted = memos.iter().find(|memo| !is_draft(memo));
    let Some(memo) = posted.or(memos.first()) else {
        return Ok(None);
    };
    let observed = credit_memo::observed(memo, key.clone())
        .map_err(|reason| ErpError::Unreadable(format!("credit memo: {reason}")))?;
    Ok(Some(ReturnObserved {
        document_number: all,
        ..observed
    }))
}
