//! People in the ERP: everything the tour does there goes through `/_office`, everything it looks at through the API.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::assortment::{Assortment, Price, PriceLine, Thing};
use super::shop::CHANNEL;

/// The channel's location group, as in `demo.toml`.
const LOCATIONS: [&str; 5] = ["MAIN", "SOUTH", "STORE-HH", "STORE-B", "STORE-M"];

pub struct Office {
    http: reqwest::Client,
    simulator: String,
    company: String,
    token: String,
}

/// What the ERP booked for an order.
pub struct Booked {
    pub number: String,
    pub net: Decimal,
    pub gross: Decimal,
}

impl Office {
    /// `simulator` is the address of the pretend Business Central.
    pub async fn open(simulator: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "millrace-demo"),
            ("client_secret", "millrace-demo"),
            ("scope", "https://api.businesscentral.dynamics.com/.default"),
        ];
        let answer: Value = http
            .post(format!("{simulator}/demo/oauth2/v2.0/token"))
            .form(&form)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let token = answer["access_token"]
            .as_str()
            .context("the erp gave no token")?
            .to_owned();
        let mut office = Self {
            http,
            simulator: simulator.to_owned(),
            company: String::new(),
            token,
        };
        let companies = office
            .get(&format!(
                "{simulator}/v2.0/demo/production/api/v2.0/companies"
            ))
            .await?;
        office.company = companies["value"][0]["id"]
            .as_str()
            .context("the erp has no company")?
            .to_owned();
        Ok(office)
    }

    /// All rows of a page of the companion's API.
    pub async fn rows(&self, set: &str) -> Result<Vec<Value>> {
        let base = format!(
            "{}/v2.0/demo/production/api/millrace/commerce/v1.0",
            self.simulator
        );
        let mut link = Some(format!("{base}/companies({})/{set}", self.company));
        let mut rows = Vec::new();
        while let Some(url) = link {
            let page = self.get(&url).await?;
            rows.extend(
                page["value"]
                    .as_array()
                    .context("the erp's page has no rows")?
                    .iter()
                    .cloned(),
            );
            link = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        Ok(rows)
    }

    /// Everything this shop may sell, as the ERP has it.
    pub async fn assortment(&self) -> Result<Assortment> {
        let mut assortment = Assortment::default();
        for item in self.rows("items").await? {
            let number = text(&item, "number");
            let amount = decimal(&item, "unitPrice")?;
            if !amount.is_zero() {
                let line = PriceLine {
                    thing: (number.clone(), String::new()),
                    group: String::new(),
                    list: String::new(),
                    currency: "EUR".to_owned(),
                    minimum: Decimal::ZERO,
                    from: String::new(),
                };
                let price = Price {
                    amount,
                    includes_tax: item["priceIncludesTax"] == true,
                    discount: Decimal::ZERO,
                };
                assortment.prices.insert(line, price);
            }
            assortment.names.insert(number, text(&item, "displayName"));
        }
        for row in self.rows("priceLines").await?.iter().filter(for_this_shop) {
            let line = PriceLine {
                thing: thing(row),
                group: text(row, "sourceNumber"),
                list: text(row, "priceListCode"),
                currency: text(row, "currencyCode"),
                minimum: decimal(row, "minimumQuantity")?,
                from: day(row, "startingDate"),
            };
            let price = Price {
                amount: decimal(row, "unitPrice")?,
                includes_tax: row["pricesIncludeTax"] == true,
                discount: decimal(row, "lineDiscountPercent")?,
            };
            assortment.prices.insert(line, price);
        }
        for row in self.rows("stockFigures").await? {
            if !LOCATIONS.contains(&text(&row, "locationCode").as_str()) {
                continue;
            }
            let free = decimal(&row, "quantityOnHand")?
                - decimal(&row, "quantityOnSalesOrders")?
                - decimal(&row, "quantityReserved")?
                - decimal(&row, "safetyStock")?;
            *assortment.stock.entry(thing(&row)).or_default() += free;
        }
        for figure in assortment.stock.values_mut() {
            *figure = (*figure).max(Decimal::ZERO).normalize();
        }
        Ok(assortment)
    }

    /// Every item, and every variant of one.
    pub async fn things(&self) -> Result<Vec<Thing>> {
        let number = |row: &Value| (text(row, "number"), String::new());
        let mut things: Vec<_> = self.rows("items").await?.iter().map(number).collect();
        for row in self.rows("itemVariants").await? {
            things.push((text(&row, "itemNumber"), text(&row, "code")));
        }
        Ok(things)
    }

    /// The customer with this number, as Microsoft's own page shows it; `None`: the ERP has none.
    pub async fn customer(&self, number: &str) -> Result<Option<Value>> {
        let page = self
            .get(&format!(
                "{}/v2.0/demo/production/api/v2.0/companies({})/customers?$filter=number eq '{number}'",
                self.simulator, self.company
            ))
            .await?;
        Ok(page["value"]
            .as_array()
            .and_then(|rows| rows.first().cloned()))
    }

    pub async fn rename_item(&self, number: &str, name: &str) -> Result<Value> {
        self.act("change-item", json!({ "number": number, "name": name }))
            .await
    }

    pub async fn set_price(&self, item: &str, group: &str, price: Decimal) -> Result<Value> {
        self.act(
            "set-price",
            json!({ "item": item, "priceGroup": group, "unitPrice": exact(price), "includesTax": true }),
        )
        .await
    }

    pub async fn move_stock(
        &self,
        item: &str,
        variant: &str,
        location: &str,
        pieces: Decimal,
    ) -> Result<Value> {
        self.act(
            "move-stock",
            json!({ "item": item, "variant": variant, "location": location, "quantity": exact(pieces) }),
        )
        .await
    }

    pub async fn ship(&self, order: &str, agent: &str, tracking: &str) -> Result<Value> {
        self.act("ship", json!({ "channel": channel(), "orderNumber": order, "agent": agent, "tracking": tracking })).await
    }

    pub async fn invoice(&self, order: &str) -> Result<Value> {
        self.act(
            "invoice",
            json!({ "channel": channel(), "orderNumber": order }),
        )
        .await
    }

    /// One step of goods that come back, with all of them.
    pub async fn take_back(&self, act: &str, return_number: &str) -> Result<Value> {
        self.act(
            act,
            json!({ "channel": channel(), "returnNumber": return_number }),
        )
        .await
    }

    pub async fn return_orders(&self, order: &str) -> Result<usize> {
        let body = json!({ "channel": channel(), "orderNumber": order });
        let answer = self.act("return-orders", body).await?;
        let orders = answer["returns"].as_array();
        Ok(orders.context("the erp names no return orders")?.len())
    }

    /// Every document of the order that is a sales order.
    async fn sales_orders(&self, order: &str) -> Result<Vec<Value>> {
        let answer = self
            .act(
                "documents",
                json!({ "channel": channel(), "orderNumber": order }),
            )
            .await?;
        let documents = answer["documents"]
            .as_array()
            .context("the erp names no documents")?;
        let is_order = |document: &&Value| {
            document["kind"]
                .as_str()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("order"))
        };
        Ok(documents.iter().filter(is_order).cloned().collect())
    }

    pub async fn sales_documents(&self, order: &str) -> Result<usize> {
        Ok(self.sales_orders(order).await?.len())
    }

    pub async fn booked(&self, order: &str) -> Result<Booked> {
        let documents = self.sales_orders(order).await?;
        let document = documents
            .first()
            .with_context(|| format!("the erp has no sales order for {order}"))?;
        Ok(Booked {
            number: text(document, "number"),
            net: decimal(document, "net")?,
            gross: decimal(document, "gross")?,
        })
    }

    /// For `time` the ERP answers nothing to anybody; what it was asked it does all the same.
    pub async fn fall_silent(&self, time: Duration) -> Result<()> {
        let rule = json!({ "kind": "slowAnswer", "times": 0, "path": "/v2.0/", "delay": format!("{}s", time.as_secs()) });
        let faults = format!("{}/_faults", self.simulator);
        self.post(&faults, &rule).await?;
        let http = self.http.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            http.delete(faults).send().await
        });
        Ok(())
    }

    async fn act(&self, act: &str, body: Value) -> Result<Value> {
        self.post(&format!("{}/_office/{act}", self.simulator), &body)
            .await
    }

    async fn post(&self, url: &str, body: &Value) -> Result<Value> {
        let answer = self.http.post(url).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{url} answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn get(&self, url: &str) -> Result<Value> {
        let answer = self
            .http
            .get(url)
            .bearer_auth(&self.token)
            .send()
            .await?
            .error_for_status()?;
        Ok(answer.json().await?)
    }
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

/// The ERP writes the empty day as the first of all.
fn day(row: &Value, field: &str) -> String {
    match text(row, field).as_str() {
        "0001-01-01" => String::new(),
        day => day.to_owned(),
    }
}

fn thing(row: &Value) -> Thing {
    (text(row, "itemNumber"), text(row, "variantCode"))
}

fn decimal(row: &Value, field: &str) -> Result<Decimal> {
    let number: Decimal = row[field]
        .to_string()
        .trim_matches('"')
        .parse()
        .with_context(|| format!("{field} of the erp's row is no number"))?;
    Ok(number.normalize())
}

/// Whether a price line is everybody's or of this shop's price group.
fn for_this_shop(line: &&Value) -> bool {
    match line["sourceType"].as_str() {
        Some("Customer_x0020_Price_x0020_Group") => line["sourceNumber"] == "RETAIL",
        Some("All_x0020_Customers") => true,
        Some(_) | None => false,
    }
}

/// A decimal as a JSON number with the same digits.
fn exact(value: Decimal) -> Value {
    serde_json::from_str(&value.normalize().to_string()).expect("a decimal is a JSON number")
}

/// The ERP writes codes in capitals.
fn channel() -> String {
    CHANNEL.to_uppercase()
}
