//! A look into the services' own tables, for what no call tells.

use std::collections::BTreeMap;

use sqlx::PgPool;

pub struct Tables(PgPool);

impl Tables {
    /// `postgres` is the url the services have; each has a schema of its own in there.
    pub async fn open(postgres: &str) -> Self {
        Self(PgPool::connect(postgres).await.unwrap())
    }

    /// What one process of a service does at a time, and who does it.
    pub async fn leases(&self, service: &str) -> BTreeMap<String, String> {
        let schema = match service {
            "shop-delivery" => "feed_furniture".to_owned(),
            other => other.replace('-', "_"),
        };
        let sql = format!(
            "SELECT name, holder FROM {schema}.leases WHERE expires_at > clock_timestamp()"
        );
        let rows: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.0)
            .await
            .unwrap();
        rows.into_iter().collect()
    }

    /// How many of the channel's records wait for something that is not here yet.
    pub async fn unresolved(&self) -> i64 {
        let sql = "SELECT count(*) FROM feed_furniture.bus_held WHERE status <> 'dropped'";
        sqlx::query_scalar(sql).fetch_one(&self.0).await.unwrap()
    }

    /// How many of the channel's records were ever kept aside: healed ones are gone from the table, not from its counter.
    pub async fn ever_kept_aside(&self) -> i64 {
        let sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM feed_furniture.bus_held_id_seq";
        sqlx::query_scalar(sql).fetch_one(&self.0).await.unwrap()
    }

    /// Keeps all of a service's tables as they are now, for [`Self::restore`].
    pub async fn back_up(&self, schema: &str) {
        let mut script = "CREATE SCHEMA backup;".to_owned();
        for table in self.tables_of(schema).await {
            script += &format!("CREATE TABLE backup.{table} AS TABLE {schema}.{table};");
        }
        self.run(script).await;
    }

    /// Makes a service's tables what they were at [`Self::back_up`].
    pub async fn restore(&self, schema: &str) {
        let tables = self.tables_of(schema).await;
        let all: Vec<String> = tables
            .iter()
            .map(|table| format!("{schema}.{table}"))
            .collect();
        let mut script = format!("TRUNCATE {};", all.join(", "));
        for table in tables {
            script += &format!(
                "INSERT INTO {schema}.{table} OVERRIDING SYSTEM VALUE TABLE backup.{table};"
            );
        }
        self.run(script).await;
    }

    async fn tables_of(&self, schema: &str) -> Vec<String> {
        let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1";
        let tables = sqlx::query_scalar(sql).bind(schema).fetch_all(&self.0);
        tables.await.unwrap()
    }

    /// How many events of a service name this trace.
    pub async fn events_of_trace(&self, schema: &str, trace: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM {schema}.events WHERE traceparent LIKE '00-' || $1 || '-%'"
        );
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(trace);
        count.fetch_one(&self.0).await.unwrap()
    }

    /// In one transaction.
    async fn run(&self, script: String) {
        let script = sqlx::raw_sql(sqlx::AssertSqlSafe(script));
        script.execute(&self.0).await.unwrap();
    }

    /// Everything about how far each service has come, a line per fact.
    pub async fn standing(&self) -> String {
        let schemas = [
            "catalog_sync",
            "customer_sync",
            "order_intake",
            "stock_availability",
            "reservation",
            "returns",
            "feed_furniture",
        ];
        let mut text = String::new();
        for schema in schemas {
            for (what, columns, table) in [
                ("log", "shard, position", "log_head"),
                ("relay or projection", "name, position", "checkpoints"),
                (
                    "reads",
                    "consumer, topic, partition_number, next_offset, position, stalled",
                    "bus_positions",
                ),
                ("keeps aside", "consumer, topic, status, reason", "bus_held"),
                ("lease", "name, holder, epoch, expires_at", "leases"),
            ] {
                text += &self.rows(schema, what, columns, table).await;
            }
        }
        for table in ["known_items", "known_customers"] {
            text += &self.rows("order_intake", table, "count(*)", table).await;
        }
        text += &self.rows("order_intake", "work", "*", "order_work").await;
        text
    }

    async fn rows(&self, schema: &str, what: &str, columns: &str, table: &str) -> String {
        let sql = format!(
            "SELECT row_to_json(found)::text FROM (SELECT {columns} FROM {schema}.{table}) AS found"
        );
        let rows: Result<Vec<String>, _> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.0)
            .await;
        match rows {
            Ok(rows) => rows
                .iter()
                .map(|row| format!("{schema} {what}: {row}\n"))
                .collect(),
            Err(error) => format!("{schema} {what}: {error}\n"),
        }
    }
}
