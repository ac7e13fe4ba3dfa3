//! The comparison of ids: what is there is in the list, whatever is done meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderValue;
use millrace_erp::business_central::Level;
use millrace_erp::{Erp, Flow};
use millrace_erp_simulator::{Config, Simulator};
use millrace_values::SystemId;
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::{adapter, settings};

/// Told as gone, the item would vanish from every shop.
#[tokio::test]
async fn an_item_renamed_while_the_ids_are_read_is_still_among_them() {
    for level in [Level::Companion, Level::Standard] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(Config::default(), listener).await.unwrap();
        let simulator = Arc::new(simulator);
        let (last, number) = simulator.read(|tables| {
            let last = tables.items.iter().max_by_key(|item| item.number.clone());
            last.map(|item| (item.id, item.number.clone())).unwrap()
        });
        let mut through = settings(&simulator);
        through.level = level;
        through.address = format!("{}/v2.0", front_of(simulator.clone(), number).await);
        let ids = adapter(through).system_ids(Flow::Items).await.unwrap();
        let renamed = simulator.read(|tables| tables.items.by_key("0-FIRST").unwrap().id);
        assert_eq!(renamed, last);
        assert!(ids.contains(&SystemId(last)), "{level:?}");
        assert_eq!(ids.len(), simulator.read(|tables| tables.items.len()));
    }
}

/// A front of the simulator that pages as BC does where nobody asks for an order, by number, in pages of five; and in which
/// somebody renames the last item to be the first one once the first page was read.
async fn front_of(simulator: Arc<Simulator>, last: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = format!("http://{}", listener.local_addr().unwrap());
    let (client, renamed) = (reqwest::Client::new(), Arc::new(AtomicBool::new(false)));
    let pass = move |request: axum::extract::Request| {
        let (simulator, client, renamed, last) = (
            simulator.clone(),
            client.clone(),
            renamed.clone(),
            last.clone(),
        );
        async move {
            let mut path = request.uri().path_and_query().unwrap().to_string();
            let mut headers = request.headers().clone();
            let lists_items = request.uri().path().ends_with("/items");
            if lists_items {
                headers.insert("prefer", HeaderValue::from_static("odata.maxpagesize=5"));
                if !path.contains("$orderby") {
                    path.push_str("&$orderby=number");
                }
            }
            let behind = format!("{}{path}", simulator.url());
            let answer = client.get(behind).headers(headers).send().await.unwrap();
            let (status, body) = (answer.status(), answer.text().await.unwrap());
            if lists_items && !renamed.swap(true, Ordering::SeqCst) {
                let body = json!({ "number": last, "newNumber": "0-FIRST" });
                simulator.office("rename-item", body).await.unwrap();
            }
            (status, body)
        }
    };
    let routes = axum::Router::new().fallback(pass);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    front
}
